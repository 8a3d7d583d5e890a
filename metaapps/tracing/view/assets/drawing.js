// What is drawn beside the rows of one waterfall: axis, map, causal edges, critical path.

function ticks(from, span, width) {
  const wanted = Math.max(2, Math.min(10, width / 110));
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found = [];
  for (let at = Math.ceil(from / step - 1e-9) * step; at <= from + span * 1.0001; at += step) {
    found.push(at);
  }
  return [found, step];
}

// One unit for the whole axis, that of its far end; as many digits as the step needs.
function tickText(at, step, end) {
  const [unit, name] =
    end >= 6e7 ? [6e7, "min"] : end >= 1e6 ? [1e6, "s"] : end >= 1e3 ? [1e3, "ms"] : [1, "µs"];
  const places = Math.max(0, Math.min(3, -Math.floor(Math.log10(step / unit) + 1e-9)));
  return at === 0 ? "0" : `${(at / unit).toFixed(places)} ${name}`;
}

function drawAxis(view) {
  const [found, step] = ticks(view.from, view.span, view.width);
  const percent = (at) => `${((at - view.from) / view.span) * 100}%`;
  view.axis.replaceChildren(...found.map((at) => {
    const label = make("span", "tick", tickText(at, step, view.from + view.span));
    label.style.left = percent(at);
    label.classList.toggle("last", (at - view.from) / view.span > 0.93);
    return label;
  }));
  view.grid.replaceChildren(...found.map((at) => {
    const line = make("i", "");
    line.style.left = percent(at);
    return line;
  }));
}

const MAP_HEIGHT = 56;

function drawMap(view) {
  const canvas = view.map;
  const width = canvas.clientWidth;
  if (!width) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = MAP_HEIGHT * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const total = view.total;
  const step = (MAP_HEIGHT - 4) / view.rows.length;
  const tint = getComputedStyle(canvas);
  const tints = new Map();
  for (const [place, row] of view.rows.entries()) {
    if (!tints.has(row.service)) {
      canvas.style.color = colour(row.service);
      tints.set(row.service, tint.color);
    }
    pen.fillStyle = row.error ? tint.getPropertyValue("--error") : tints.get(row.service);
    const long = Math.max(1.5, ((row.duration ?? 0) / total) * width);
    pen.fillRect((row.begin / total) * width, 2 + place * step, long, Math.max(1, Math.min(step, 4)));
  }
  if (view.span < total) {
    pen.fillStyle = tint.getPropertyValue("--shade");
    pen.fillRect(0, 0, (view.from / total) * width, MAP_HEIGHT);
    pen.fillRect(((view.from + view.span) / total) * width, 0, width, MAP_HEIGHT);
  }
}

// Where a row's end or beginning is in the picture; a row that is folded away is at the one that
// hides it, and of rows that a filter hides nothing is drawn.
function spot(view, place, at) {
  const row = view.shownAt(place);
  if (row === null) return null;
  return { x: ((at - view.from) / view.span) * view.width, y: row.top + row.middle, row };
}

function drawEdge(view, [from, to, kind, atBegin]) {
  const [cause, effect] = [view.rows[from], view.rows[to]];
  const left = spot(view, from, atBegin ? cause.begin : cause.begin + (cause.duration ?? 0));
  const joined = kind === "joined";
  const right = spot(view, to, joined ? effect.begin + (effect.duration ?? 0) : effect.begin);
  if (!left || !right || left.row === right.row) return [];
  const down = right.y >= left.y ? 1 : -1;
  // Leave downwards, past the label behind the bar, and arrive along the row.
  const [x1, y1, x2, y2] = [left.x, left.y + 5 * down, right.x, right.y - (joined ? 6 * down : 0)];
  const path = joined
    ? `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2 - 5 * down}`
    : `M${x1} ${y1}C${x1} ${y2} ${x2 - 18} ${y2} ${x2 - 6} ${y2}`;
  const head = joined
    ? `M${x2} ${y2}l-3.5 ${-7 * down}h7z`
    : `M${x2} ${y2}l-7-3.5v7z`;
  const chosen = from === view.chosen || to === view.chosen ? " chosen" : "";
  return [
    draw("path", { d: path, class: kind + chosen }),
    draw("path", { d: head, class: `head${chosen}` }),
  ];
}

function drawMessages(view) {
  const found = [];
  for (const [place, row] of view.rows.entries()) {
    const sender = view.callers[place];
    if (row.kind !== "consumer" || sender === null) continue;
    const sent = view.rows[sender];
    const [a, b] = [spot(view, sender, sent.begin + (sent.duration ?? 0)), spot(view, place, row.begin)];
    if (a && b && a.row !== b.row) {
      found.push(draw("path", { d: `M${a.x} ${a.y + 5}V${b.y + 7}H${b.x}`, class: "message" }));
    }
  }
  return found;
}

const FAR = 300; // pixels, beyond which a line is but a hint

// Its own time in each span is a thick line, over the bars; thin ones lead from span to span.
function drawCritical(view) {
  let thick = "";
  const leads = { near: "", far: "" };
  let last = null;
  for (const [place, begin, end] of view.critical) {
    const [a, b] = [spot(view, place, begin), spot(view, place, end)];
    if (!a || !b) continue;
    const y = a.y + 8;
    if (last) leads[Math.abs(y - last.y) < FAR ? "near" : "far"] += `M${last.x} ${last.y}V${y}`;
    thick += `M${a.x} ${y}H${b.x}`;
    last = { x: b.x, y };
  }
  const path = (d, name) => draw("path", { d, class: name });
  return [[path(leads.near, "lead"), path(leads.far, "lead far")], [path(thick, "critical halo"), path(thick, "critical")]];
}

function drawEdges(view) {
  const shown = view.trace.edges.filter(
    ([from, to]) => view.edged || from === view.chosen || to === view.chosen,
  );
  const [under, over] = drawCritical(view);
  view.under.replaceChildren(
    ...drawMessages(view), ...under, ...shown.flatMap((edge) => drawEdge(view, edge)),
  );
  view.over.replaceChildren(...over);
}
