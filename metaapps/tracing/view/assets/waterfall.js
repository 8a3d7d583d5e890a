// One trace as rows over a time axis: who shows, where it stands, and what the keyboard does there.

const CLOSEST = 0.0005; // of a trace: zooming in further shows nothing new
const GUTTER = 14; // pixels beside the lanes, as in the style

class Waterfall {
  constructor(trace, page) {
    this.trace = trace;
    this.rows = trace.rows;
    this.page = page;
    this.total = Math.max(trace.duration, 1);
    this.from = 0;
    this.span = this.total;
    this.chosen = null;
    this.current = 0;
    this.edged = trace.edges.length > 0 && trace.edges.length <= 60;
    this.services = new Set(); // those to which the view is narrowed; empty for all
    // A path that never leaves one span says that nothing is known of what it waited for.
    this.onPath = new Set(trace.critical.map(([place]) => place));
    this.critical = this.onPath.size > 1 ? trace.critical : [];
    if (!this.critical.length) this.onPath.clear();
    this.narrowed = false; // to the critical path
    this.folded = new Set();
    this.link();
    this.build();
  }

  // Callers stand above callees, one step to the left.
  link() {
    const above = [];
    this.callers = this.rows.map((row, place) => {
      above.length = row.depth;
      above.push(place);
      return row.depth > 0 ? above[row.depth - 1] : null;
    });
    this.parents = new Set(this.callers.filter((caller) => caller !== null));
  }

  build() {
    this.axis = make("div", "axis");
    this.axis.title = "Drag to zoom in, double-click for all";
    this.grid = make("div", "grid");
    const drawing = () => draw("svg", { class: "drawing", "aria-hidden": "true" });
    [this.under, this.over] = [drawing(), drawing()];
    this.lines = this.rows.map((row, place) => this.line(row, place));
    this.body = make("div", "lines", ...this.lines);
    this.body.setAttribute("role", "rowgroup");
    this.table = make("div", "table", this.head(), this.body);
    this.table.setAttribute("role", "treegrid");
    this.table.setAttribute("aria-label", `Spans of trace ${this.trace.id}`);
    this.table.setAttribute("aria-readonly", "true");
    this.map = make("canvas", "map");
    this.map.hidden = this.rows.length < 30;
    this.field = make("div", "waterfall", make("div", "lanes", this.grid, this.under), this.table,
      make("div", "lanes", this.over), this.splitter());
    this.node = make("div", "view", this.tools(), this.map, this.field);
    this.lines[0].tabIndex = 0;
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("focusin", (event) => this.reached(event));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
    this.drags(this.axis, () => [this.from, this.span]);
    this.drags(this.map, () => [0, this.total]);
    new ResizeObserver(() => this.refresh()).observe(this.field);
    this.place();
    this.filter();
  }

  head() {
    const names = make("div", "names", "Service and span");
    const lane = make("div", "", this.axis);
    for (const cell of [names, lane]) cell.setAttribute("role", "columnheader");
    lane.setAttribute("aria-label", "Time");
    const row = make("div", "head-row", names, lane);
    row.setAttribute("role", "row");
    return row;
  }

  splitter() {
    const node = make("div", "splitter");
    const set = (share) => {
      const now = Math.round(Math.max(12, Math.min(75, share)));
      this.field.style.setProperty("--names", `${now}%`);
      node.setAttribute("aria-valuenow", now);
      this.refresh();
    };
    node.tabIndex = 0;
    node.setAttribute("role", "separator");
    node.setAttribute("aria-orientation", "vertical");
    node.setAttribute("aria-label", "Width of names");
    node.setAttribute("aria-valuenow", 36);
    node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
    node.addEventListener("pointermove", (event) => {
      if (!node.hasPointerCapture(event.pointerId)) return;
      const box = this.field.getBoundingClientRect();
      set(((event.clientX - box.left) / box.width) * 100);
    });
    node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
      if (step) set(Number(node.getAttribute("aria-valuenow")) + step);
    });
    return node;
  }

  tools() {
    this.chips = make("div", "chips");
    const counts = new Map();
    for (const row of this.rows) counts.set(row.service, (counts.get(row.service) ?? 0) + 1);
    for (const [service, spans] of counts) {
      const name = this.page.services[service];
      const chip = button("chip", name, () => this.toggleService(service, chip));
      chip.style.setProperty("--tint", colour(service));
      chip.append(make("small", "", `${spans}`));
      chip.setAttribute("aria-pressed", "false");
      chip.title = `Show only ${name} (${count(spans, "span")})`;
      this.chips.append(chip);
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
    const edges = this.trace.edges.length
      ? toggle("", "Causal edges", this.edged, (now) => { this.edged = now; this.refresh(); }) : null;
    const path = this.critical.length
      ? toggle("narrow", "Critical path only", false, (now) => { this.narrowed = now; this.filter(); }) : null;
    const deep = this.parents.size > 0;
    const group = make("div", "actions", edges, path,
      deep ? button("", "Collapse all", () => this.foldAll(true)) : null,
      deep ? button("", "Expand all", () => this.foldAll(false)) : null,
    );
    this.whole = button("", "Whole time", () => this.zoom(0, this.total));
    this.whole.hidden = true;
    group.append(this.whole);
    return make("div", "tools", this.chips, group);
  }

  line(row, place) {
    const service = this.page.services[row.service];
    const fold = this.parents.has(place) ? make("i", "fold") : make("i", "leaf");
    const name = make("div", "name", fold, make("i", "dot"),
      make("b", "", service), make("span", "operation", row.name || "?"),
      row.to && !this.isAnswered(place) ? make("span", "to", `→ ${row.to}`) : null, this.badges(row));
    const bar = make("div", barClass(row));
    bar.style.setProperty("--at", row.begin);
    bar.style.setProperty("--long", row.duration ?? 0);
    const lane = make("div", "lane", bar, ...this.notes(row), this.label(row));
    name.setAttribute("role", "gridcell");
    lane.setAttribute("role", "gridcell");
    const line = make("div", "row", name, lane);
    line.setAttribute("role", "row");
    line.setAttribute("aria-level", row.depth + 1);
    line.setAttribute("aria-label", this.spoken(row, place));
    line.tabIndex = -1;
    line.style.setProperty("--depth", row.depth);
    line.style.setProperty("--tint", colour(row.service));
    line.dataset.place = place;
    if (this.parents.has(place)) line.setAttribute("aria-expanded", "true");
    if (row.half) line.classList.add("half");
    if (this.isAnswered(place)) line.classList.add("whole");
    if (this.onPath.has(place)) line.classList.add("on-path");
    if (row.error) line.classList.add("failed");
    return line;
  }

  // Whether the request that answers a call is below it, which shows where the call went.
  isAnswered(place) {
    return this.rows[place + 1]?.half && this.callers[place + 1] === place;
  }

  badges(row) {
    const node = make("span", "badges");
    if (row.fault) node.append(make("span", "badge fault", "fault"));
    if (row.error) node.append(make("span", "badge error", "error"));
    if (row.lost) node.append(make("span", "badge", "caller missing"));
    return node;
  }

  notes(row) {
    return (row.notes ?? []).filter(([at]) => at >= 0 && at <= this.total).map(([at, value]) => {
      const note = make("i", "note");
      note.style.setProperty("--at", at);
      note.title = `${value} (${signed(at - row.begin)})`;
      return note;
    });
  }

  label(row) {
    const node = make("span", "label", row.duration ? time(row.duration) : "unfinished");
    if (row.fault) node.append(make("em", "fault", row.fault));
    if (row.error) node.append(make("em", "error", brief(row.error)));
    return node;
  }

  spoken(row, place) {
    return [
      `${this.page.services[row.service]} ${row.name || "?"}`,
      row.to ? `${role(row)} to ${row.to}` : role(row),
      `begins at ${time(row.begin)}`,
      row.duration ? `takes ${time(row.duration)}` : "unfinished",
      row.fault ? `fault injected: ${row.fault}` : "", row.error ? `error: ${brief(row.error)}` : "",
      row.lost ? "caller missing" : "", this.onPath.has(place) ? "on the critical path" : "",
    ].filter(Boolean).join(", ");
  }

  // What shows: rows that match, with their callers, where nothing above is folded.

  matches(place) {
    const row = this.rows[place];
    return (!this.services.size || this.services.has(row.service))
      && (!this.narrowed || this.onPath.has(place))
      && this.page.finds(row, this.trace);
  }

  filter() {
    const kept = new Set();
    let found = 0;
    const dim = new Set();
    for (let place = this.rows.length - 1; place >= 0; place -= 1) {
      if (this.matches(place)) {
        found += 1;
        for (let at = place; at !== null && !kept.has(at); at = this.callers[at]) kept.add(at);
      } else {
        dim.add(place);
      }
    }
    for (const [place, line] of this.lines.entries()) line.classList.toggle("dim", dim.has(place));
    this.kept = kept;
    this.found = found;
    this.fold();
    return found;
  }

  fold() {
    this.visible = this.rows.map(() => false);
    for (const [place, line] of this.lines.entries()) {
      const caller = this.callers[place];
      const open = caller === null || (this.visible[caller] && !this.folded.has(caller));
      this.visible[place] = open && this.kept.has(place);
      line.hidden = !this.visible[place];
      if (this.parents.has(place)) line.setAttribute("aria-expanded", !this.folded.has(place));
    }
    this.refresh();
  }

  foldAll(folded) {
    this.folded = new Set(folded ? this.parents : []);
    if (folded && this.callers.filter((caller) => caller === null).length === 1) {
      this.folded.delete(0); // a single root alone would show nothing
    }
    this.fold();
  }

  setFold(place, folded) {
    if (folded) this.folded.add(place);
    else this.folded.delete(place);
    this.fold();
  }

  toggleService(service, chip) {
    if (!this.services.delete(service)) this.services.add(service);
    chip.setAttribute("aria-pressed", this.services.has(service));
    this.filter();
  }

  shownAt(place) {
    let at = place;
    while (at !== null && this.kept.has(at) && !this.visible[at]) at = this.callers[at];
    return at === null || !this.visible[at] ? null : this.tops[at];
  }

  // Where it stands.

  place() {
    this.field.style.setProperty("--from", this.from);
    this.field.style.setProperty("--scale", 100 / this.span);
    this.whole.hidden = this.span >= this.total;
    this.refresh();
  }

  // Behind the bar if there is room, else before it, else upon it; at the edge beyond which it is.
  placeLabel(row, line) {
    const scale = this.width / this.span;
    const begin = (row.begin - this.from) * scale;
    const end = begin + (row.duration ?? 0) * scale;
    const label = line.lastChild.lastChild;
    const room = label.textContent.length * 7 + 18 * label.childNodes.length;
    const side = end < 0 ? "left" : begin > this.width ? "right"
      : end + room < this.width + GUTTER ? "after" : begin > room ? "before" : "inside";
    line.lastChild.dataset.side = side;
    const at = side === "after" ? end : side === "before" ? this.width - begin : Math.max(0, begin);
    line.style.setProperty("--label", `${at}px`);
  }

  zoom(from, span) {
    this.span = Math.max(this.total * CLOSEST, Math.min(span, this.total));
    this.from = Math.max(0, Math.min(from, this.total - this.span));
    this.place();
  }

  zoomBy(factor) {
    const row = this.rows[this.current];
    const centre = row.begin + (row.duration ?? 0) / 2;
    const span = this.span * factor;
    this.zoom(centre - span / 2, span);
  }

  drags(node, domain) {
    let start = null;
    const at = (event) => {
      const box = node.getBoundingClientRect();
      const [from, span] = domain();
      return from + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * span;
    };
    const mark = make("i", "drag");
    node.addEventListener("pointerdown", (event) => {
      start = at(event);
      node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const [from, span] = domain();
      const ends = [start, at(event)].sort((a, b) => a - b);
      mark.style.left = `${((ends[0] - from) / span) * 100}%`;
      mark.style.width = `${((ends[1] - ends[0]) / span) * 100}%`;
      if (node.matches(".axis")) node.append(mark);
    });
    node.addEventListener("pointerup", (event) => {
      const ends = [start, at(event)].sort((a, b) => a - b);
      start = null;
      mark.remove();
      if (ends[1] - ends[0] > domain()[1] * 0.005) this.zoom(ends[0], ends[1] - ends[0]);
    });
    node.addEventListener("dblclick", () => this.zoom(0, this.total));
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.width = this.under.clientWidth;
      if (!this.width) return;
      const style = getComputedStyle(this.field);
      const pixels = (name) => parseFloat(style.getPropertyValue(name));
      const size = pixels("--row");
      const middle = pixels("--lane-top") + pixels("--lane") / 2;
      let top = 0;
      this.tops = this.visible.map((shown, place) => {
        const found = { top, middle };
        if (shown) {
          top += size;
          this.placeLabel(this.rows[place], this.lines[place]);
        }
        return found;
      });
      drawAxis(this);
      if (!this.map.hidden) drawMap(this);
      drawEdges(this);
    });
  }

  // What is chosen, and the keyboard.

  focus(place) {
    this.lines[place].focus();
  }

  // The row in focus is the one that Tab comes back to, and that open details are of.
  reached(event) {
    const place = Number(event.target.dataset.place);
    this.lines[this.current].tabIndex = -1;
    this.lines[place].tabIndex = 0;
    this.current = place;
    if (this.page.details.isOpen && this.chosen !== place) this.page.open(this, place);
  }

  // Show a row, whatever hides it.
  reveal(place) {
    if (!this.kept.has(place)) this.clear();
    for (let at = this.callers[place]; at !== null; at = this.callers[at]) this.folded.delete(at);
    this.fold();
    this.focus(place);
  }

  clear() {
    this.services.clear();
    this.narrowed = false;
    for (const node of this.node.querySelectorAll(".chip, .narrow")) node.setAttribute("aria-pressed", "false");
    this.page.clearSearch();
    this.filter();
  }

  choose(place) {
    if (this.chosen !== null) this.lines[this.chosen].removeAttribute("aria-selected");
    this.chosen = place;
    if (place !== null) this.lines[place].setAttribute("aria-selected", "true");
    this.refresh();
  }

  clicked(event) {
    const line = event.target.closest(".row");
    if (!line) return;
    const place = Number(line.dataset.place);
    this.focus(place);
    if (event.target.matches(".fold")) this.setFold(place, !this.folded.has(place));
    else this.page.open(this, place);
  }

  step(direction) {
    let at = this.current + direction;
    while (at >= 0 && at < this.rows.length && !this.visible[at]) at += direction;
    if (at >= 0 && at < this.rows.length) this.focus(at);
  }

  nextWrong() {
    const { length } = this.rows;
    for (let step = 1; step <= length; step += 1) {
      const at = (this.current + step) % length;
      if (this.kept.has(at) && (this.rows[at].error || this.rows[at].fault)) return this.reveal(at);
    }
    return undefined;
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.current;
    const open = this.parents.has(at) && !this.folded.has(at);
    const keys = {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      Home: () => this.focus(this.visible.indexOf(true)),
      End: () => this.focus(this.visible.lastIndexOf(true)),
      ArrowRight: () => (open || !this.parents.has(at) ? this.step(1) : this.setFold(at, false)),
      ArrowLeft: () => (open ? this.setFold(at, true) : this.callers[at] !== null && this.focus(this.callers[at])),
      Enter: () => this.page.open(this, at, this.chosen === at),
      " ": () => this.page.open(this, at, this.chosen === at),
      "+": () => this.zoomBy(0.5),
      "=": () => this.zoomBy(0.5),
      "-": () => this.zoomBy(2),
      0: () => this.zoom(0, this.total),
      e: () => this.nextWrong(),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }
}

function barClass(row) {
  const kinds = ["bar"];
  if (row.kind === "client" || row.kind === "producer") kinds.push("departs");
  if (row.kind === "producer" || row.kind === "consumer") kinds.push("async");
  if (!row.duration) kinds.push("unfinished");
  if (row.error) kinds.push("wrong");
  if (row.fault) kinds.push("injected");
  return kinds.join(" ");
}
