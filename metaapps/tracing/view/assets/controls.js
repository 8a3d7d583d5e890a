// What narrows, folds, zooms and divides a waterfall: buttons, the splitter, dragging over time.

function tools(view) {
  const chips = make("div", "chips");
  const counts = new Map();
  for (const row of view.rows) counts.set(row.service, (counts.get(row.service) ?? 0) + 1);
  for (const [service, spans] of counts) {
    const name = view.page.services[service];
    const chip = button("chip", name, () => view.toggleService(service, chip));
    chip.style.setProperty("--tint", colour(service));
    chip.append(make("small", "", `${spans}`));
    chip.setAttribute("aria-pressed", "false");
    chip.title = `Show only ${name} (${count(spans, "span")})`;
    chips.append(chip);
  }
  const toggle = (className, label, value, act) => {
    const node = button(`toggle ${className}`, label, () => {
      const now = node.getAttribute("aria-pressed") !== "true";
      node.setAttribute("aria-pressed", now);
      act(now);
    });
    node.setAttribute("aria-pressed", value);
    return node;
  };
  const group = make("div", "actions");
  if (view.trace.edges.length) {
    const edge = (now) => { view.edged = now; view.refresh(); };
    group.append(toggle("", "Causal edges", view.edged, edge));
  }
  if (view.critical.length) {
    const narrow = (now) => { view.narrowed = now; view.filter(); };
    group.append(toggle("narrow", "Critical path only", false, narrow));
  }
  if (view.parents.size) {
    group.append(button("", "Collapse all", () => view.foldAll(true)),
      button("", "Expand all", () => view.foldAll(false)));
  }
  view.whole = button("", "Reset zoom", () => view.zoom(0, view.total));
  view.whole.hidden = true;
  group.append(view.whole);
  return make("div", "tools", chips, group);
}

function splitter(view) {
  const node = make("div", "splitter");
  const set = (share) => {
    const now = Math.round(Math.max(12, Math.min(75, share)));
    view.field.style.setProperty("--names", `${now}%`);
    node.setAttribute("aria-valuenow", now);
    view.refresh();
  };
  node.tabIndex = 0;
  node.setAttribute("role", "separator");
  node.setAttribute("aria-orientation", "vertical");
  node.setAttribute("aria-label", "Width of names");
  node.setAttribute("aria-valuenow", 36);
  node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
  node.addEventListener("pointermove", (event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    const box = view.field.getBoundingClientRect();
    set(((event.clientX - box.left) / box.width) * 100);
  });
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (step) set(Number(node.getAttribute("aria-valuenow")) + step);
  });
  return node;
}

// Dragging over a node zooms into that part of the time that the node stands for.
function drags(view, node, domain) {
  let start = null;
  const mark = make("i", "drag");
  const at = (event) => {
    const box = node.getBoundingClientRect();
    const [from, span] = domain();
    return from + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * span;
  };
  const ends = (event) => [start, at(event)].sort((a, b) => a - b);
  node.addEventListener("pointerdown", (event) => {
    start = at(event);
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [from, span] = domain();
    const [begin, end] = ends(event);
    mark.style.left = `${((begin - from) / span) * 100}%`;
    mark.style.width = `${((end - begin) / span) * 100}%`;
    node.append(mark); // which a canvas doesn't show
  });
  node.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [begin, end] = ends(event);
    if (end - begin > domain()[1] * 0.005) view.zoom(begin, end - begin);
  });
  node.addEventListener("lostpointercapture", () => {
    start = null;
    mark.remove();
  });
  node.addEventListener("dblclick", () => view.zoom(0, view.total));
}
