// The panel beside the waterfall: all that one span says.

class Details {
  constructor(node, page) {
    this.node = node;
    this.page = page;
    this.view = null;
  }

  get isOpen() {
    return !this.node.hidden;
  }

  open(view, place, focused) {
    if (this.view && this.view !== view) this.view.choose(null);
    this.view = view;
    view.choose(place);
    this.node.replaceChildren(...this.sections(view, place).filter((part) => part !== null));
    this.node.hidden = false;
    this.node.scrollTop = 0;
    document.body.classList.add("split");
    if (focused) this.node.focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return;
    this.node.hidden = true;
    document.body.classList.remove("split");
    const { view } = this;
    const place = view.chosen;
    view.choose(null);
    view.focus(place);
  }

  sections(view, place) {
    const row = view.rows[place];
    return [
      this.heading(row),
      this.wrong(row),
      terms("", this.facts(view, row)),
      this.causes(view, place),
      this.notes(row),
      terms("Tags", row.tags ?? []),
      terms("Endpoints", [
        ["local", [this.page.services[row.service], row.local].filter(Boolean).join(" · ")],
        ["remote", row.remote ?? ""],
      ].filter(([, value]) => value)),
      terms("Ids", [
        ["trace", view.trace.id], ["span", row.id], ["parent", row.parent ?? "none"],
      ], "ids"),
    ];
  }

  heading(row) {
    const close = button("close", "×", () => this.close());
    close.setAttribute("aria-label", "Close details");
    const dot = make("i", "dot");
    dot.style.setProperty("--tint", colour(row.service));
    return make("header", "", close,
      make("h2", "", dot, this.page.services[row.service]),
      make("p", "operation", row.to ? `${row.name || "?"} → ${row.to}` : row.name || "?"));
  }

  wrong(row) {
    if (!row.error && !row.fault) return null;
    return make("div", "wrong",
      row.fault ? make("p", "fault", make("strong", "", "Fault injected "), row.fault) : null,
      row.error ? make("p", "error", make("strong", "", "Error "), row.error) : null);
  }

  facts(view, row) {
    const share = ((row.duration ?? 0) / view.total) * 100;
    const end = row.duration ? `, ${share < 1 ? "less than 1" : Math.round(share)} % of the trace` : "";
    const facts = [
      ["kind", role(row) + (row.half ? ", shares its id with the call" : "")],
      ["begins", row.timeless ? "at an unknown time; shown where its caller begins" : signed(row.begin)],
      ["takes", row.duration ? time(row.duration) + end : "unknown: nobody saw the end"],
    ];
    if (row.shift) {
      facts.push(["clock", `shown ${time(Math.abs(row.shift))} ${row.shift > 0 ? "later" : "earlier"}`
        + " than its own clock says, which disagrees with its caller's"]);
    }
    if (row.lost) facts.push(["caller", "missing from this trace"]);
    return facts;
  }

  notes(row) {
    if (!row.notes?.length) return null;
    return terms("Annotations", row.notes.map(([at, value]) => [signed(at - row.begin), value]));
  }

  causes(view, place) {
    const edges = view.trace.edges;
    const list = (title, found) => (found.length
      ? make("div", "links", make("h4", "", title), ...found.map((other) => this.link(view, place, other)))
      : null);
    const parts = [
      view.onPath.has(place) ? make("p", "", "On the critical path.") : null,
      list("Began after", edges.filter((edge) => edge[1] === place && edge[2] !== "joined").map(([from]) => from)),
      list("Ended after", edges.filter((edge) => edge[1] === place && edge[2] === "joined").map(([from]) => from)),
      list("Waited for by", edges.filter((edge) => edge[0] === place).map(([, to]) => to)),
      this.stamps(view.rows[place]),
    ].filter((part) => part !== null);
    return parts.length ? make("section", "causes", make("h3", "", "Causes"), ...parts) : null;
  }

  link(view, from, place) {
    const row = view.rows[place];
    const node = button("link", "", () => {
      view.reveal(place);
      this.open(view, place, false);
    });
    const dot = make("i", "dot");
    dot.style.setProperty("--tint", colour(row.service));
    node.append(dot, make("span", "",
      row.service === view.rows[from].service ? null : make("b", "", `${this.page.services[row.service]} `),
      row.name || "?", row.to ? ` → ${row.to}` : ""),
    make("small", "", range(row.begin, row.begin + (row.duration ?? 0))));
    return node;
  }

  stamps(row) {
    if (!row.causes?.length) return null;
    return make("details", "", make("summary", "", "Causal tags"), terms("", row.causes, "ids"));
  }
}

function terms(title, pairs, className = "") {
  if (!pairs.length) return null;
  const list = make("dl", className, ...pairs.flatMap(([name, value]) => [
    make("dt", "", `${name}`), make("dd", "", `${value}`),
  ]));
  return title ? make("section", "", make("h3", "", title), list) : list;
}
