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
    this.lines = this.rows.map((row, place) => makeRow(this, row, place));
    this.body = make("div", "lines", ...this.lines);
    this.body.setAttribute("role", "rowgroup");
    this.table = make("div", "table", this.head(), this.body);
    this.table.setAttribute("role", "treegrid");
    this.table.setAttribute("aria-label", `Spans of trace ${this.trace.id}`);
    this.table.setAttribute("aria-readonly", "true");
    this.map = make("canvas", "map");
    this.map.hidden = this.rows.length < 30;
    this.field = make("div", "waterfall", make("div", "lanes", this.grid, this.under), this.table,
      make("div", "lanes", this.over), splitter(this));
    this.node = make("div", "view", tools(this), this.map, this.field);
    this.rest(0);
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("focusin", (event) => this.reached(event));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
    drags(this, this.axis, () => [this.from, this.span]);
    drags(this, this.map, () => [0, this.total]);
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

  // Whether the request that answers a call is below it, which shows where the call went.
  isAnswered(place) {
    return this.rows[place + 1]?.half && this.callers[place + 1] === place;
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
    if (!this.visible[this.current]) this.rest(Math.max(0, this.visible.indexOf(true)));
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

  // The one row that Tab comes to.
  rest(place) {
    this.lines[this.current].tabIndex = -1;
    this.lines[place].tabIndex = 0;
    this.current = place;
  }

  // Open details are of the row in focus.
  reached(event) {
    const place = Number(event.target.dataset.place);
    this.rest(place);
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
    for (const node of this.node.querySelectorAll(".chip, .narrow")) {
      node.setAttribute("aria-pressed", "false");
    }
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
      ArrowLeft: () => (open ? this.setFold(at, true) : this.focus(this.callers[at] ?? at)),
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
