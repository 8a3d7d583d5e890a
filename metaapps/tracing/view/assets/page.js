// The whole page: its traces, the search over all of them, and the panel that they share.

class Page {
  constructor(content) {
    this.services = content.services;
    this.terms = [];
    this.texts = new WeakMap();
    this.details = new Details(document.getElementById("details"), this);
    this.search = document.getElementById("search");
    this.found = document.getElementById("found");
    this.main = document.getElementById("traces");
    this.longest = Math.max(1, ...content.traces.map((trace) => trace.duration));
    this.entries = content.traces.map((trace) => this.entry(trace));
    this.main.append(...this.entries.map((entry) => entry.node));
    if (!this.entries.length) this.main.append(make("p", "nothing", "No spans here."));
    if (this.entries.length === 1) this.toggle(this.entries[0]);
    this.listen();
    this.tell();
  }

  entry(trace) {
    const errors = trace.rows.filter((row) => row.error).length;
    const faults = trace.rows.filter((row) => row.fault).length;
    const services = new Set(trace.rows.map((row) => row.service));
    const root = trace.rows[0];
    const dot = make("i", "dot");
    dot.style.setProperty("--tint", colour(root.service));
    const head = button("summary", "", () => this.toggle(entry));
    head.append(make("i", "fold"), make("span", "root", dot, make("b", "", this.services[root.service]),
      make("span", "operation", root.name || "?")));
    if (faults) head.append(make("span", "badge fault", count(faults, "fault")));
    if (errors) head.append(make("span", "badge error", count(errors, "error")));
    const facts = make("span", "facts", make("strong", "", time(trace.duration)),
      make("span", "", count(trace.rows.length, "span")), make("span", "", count(services.size, "service")),
      make("time", "", moment(trace.begin)), make("code", "", trace.id));
    head.append(facts);
    head.setAttribute("aria-expanded", "false");
    head.style.setProperty("--share", trace.duration / this.longest);
    head.style.setProperty("--tint", colour(root.service));
    const node = make("section", "trace", make("h2", "", head));
    const entry = { trace, node, head, errors, view: null };
    return entry;
  }

  toggle(entry) {
    const open = entry.head.getAttribute("aria-expanded") !== "true";
    entry.head.setAttribute("aria-expanded", open);
    if (!entry.view) {
      entry.view = new Waterfall(entry.trace, this);
      entry.node.append(entry.view.node);
    }
    entry.view.node.hidden = !open;
    if (!open && this.details.view === entry.view) this.details.close();
  }

  open(view, place, focused = false) {
    this.details.open(view, place, focused);
  }

  // Search: every word has to occur somewhere in what a span says.

  text(row, trace) {
    let text = this.texts.get(row);
    if (text === undefined) {
      text = [
        trace.id, row.id, this.services[row.service], row.name, role(row), row.error, row.fault,
        row.local, row.remote, ...(row.tags ?? []).flat(), ...(row.notes ?? []).map(([, value]) => value),
      ].filter(Boolean).join("\n").toLowerCase();
      this.texts.set(row, text);
    }
    return text;
  }

  finds(row, trace) {
    return this.terms.every((term) => this.text(row, trace).includes(term));
  }

  look() {
    this.terms = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let spans = 0;
    for (const entry of this.entries) {
      const found = entry.view
        ? entry.view.filter()
        : entry.trace.rows.filter((row) => this.finds(row, entry.trace)).length;
      entry.node.hidden = this.terms.length > 0 && !found;
      spans += found;
    }
    this.found.textContent = this.terms.length ? `${count(spans, "span")} found` : "";
  }

  clearSearch() {
    if (!this.terms.length) return;
    this.search.value = "";
    this.look();
  }

  sort(order) {
    const orders = {
      newest: (a, b) => b.trace.begin - a.trace.begin,
      longest: (a, b) => b.trace.duration - a.trace.duration,
      spans: (a, b) => b.trace.rows.length - a.trace.rows.length,
      errors: (a, b) => b.errors - a.errors,
    };
    const sorted = order in orders ? [...this.entries].sort(orders[order]) : this.entries;
    this.main.append(...sorted.map((entry) => entry.node));
  }

  listen() {
    const sort = document.getElementById("sort");
    document.getElementById("sorting").hidden = this.entries.length < 2;
    sort.addEventListener("change", () => this.sort(sort.value));
    this.search.addEventListener("input", () => this.look());
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.target.matches("input, select")) {
        event.preventDefault();
        this.search.focus();
      } else if (event.key === "Escape" && !event.defaultPrevented) {
        this.escape();
      }
    });
  }

  // One thing at a time: the panel, then the zoom, then the search.
  escape() {
    if (this.details.isOpen) return this.details.close();
    const zoomed = this.entries.filter(({ view }) => view && view.span < view.total);
    for (const { view } of zoomed) view.zoom(0, view.total);
    return zoomed.length ? undefined : this.clearSearch();
  }

  tell() {
    const spans = this.entries.reduce((sum, entry) => sum + entry.trace.rows.length, 0);
    document.getElementById("totals").textContent = this.entries.length > 1
      ? `${count(this.entries.length, "trace")}, ${count(spans, "span")}, ${count(this.services.length, "service")}`
      : "";
  }
}

new Page(JSON.parse(document.getElementById("content").textContent));
