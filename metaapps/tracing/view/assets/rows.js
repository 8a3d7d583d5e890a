// One row: its name, its bar, and how it reads aloud.

function makeRow(view, row, place) {
  const service = view.page.services[row.service];
  const fold = view.parents.has(place) ? make("i", "fold") : make("i", "leaf");
  const name = make("div", "name", fold, make("i", "dot"),
    make("b", "", service), make("span", "operation", row.name || "?"),
    row.to && !view.isAnswered(place) ? make("span", "to", `→ ${row.to}`) : null, badges(row));
  const bar = make("div", barClass(row));
  bar.style.setProperty("--at", row.begin);
  bar.style.setProperty("--long", row.duration ?? 0);
  const lane = make("div", "lane", bar, ...notes(view, row), label(row));
  name.setAttribute("role", "gridcell");
  lane.setAttribute("role", "gridcell");
  const line = make("div", "row", name, lane);
  line.setAttribute("role", "row");
  line.setAttribute("aria-level", row.depth + 1);
  line.setAttribute("aria-label", spoken(view, row, place));
  line.tabIndex = -1;
  line.style.setProperty("--depth", row.depth);
  line.style.setProperty("--tint", colour(row.service));
  line.dataset.place = place;
  if (view.parents.has(place)) line.setAttribute("aria-expanded", "true");
  if (row.half) line.classList.add("half");
  if (view.isAnswered(place)) line.classList.add("whole");
  if (view.onPath.has(place)) line.classList.add("on-path");
  return line;
}

function badges(row) {
  const node = make("span", "badges");
  if (row.fault) node.append(make("span", "badge fault", "fault"));
  if (row.error) node.append(make("span", "badge error", "error"));
  if (row.lost) node.append(make("span", "badge", "caller missing"));
  return node;
}

function notes(view, row) {
  return (row.notes ?? []).filter(([at]) => at >= 0 && at <= view.total).map(([at, value]) => {
    const note = make("i", "note");
    note.style.setProperty("--at", at);
    note.title = `${value} (${signed(at - row.begin)})`;
    return note;
  });
}

function label(row) {
  const node = make("span", "label", row.duration ? time(row.duration) : "unfinished");
  if (row.fault) node.append(make("em", "fault", row.fault));
  if (row.error) node.append(make("em", "error", brief(row.error)));
  return node;
}

function spoken(view, row, place) {
  return [
    `${view.page.services[row.service]} ${row.name || "?"}`,
    row.to ? `${role(row)} to ${row.to}` : role(row),
    `begins at ${time(row.begin)}`,
    row.duration ? `takes ${time(row.duration)}` : "unfinished",
    row.fault ? `fault injected: ${row.fault}` : "", row.error ? `error: ${brief(row.error)}` : "",
    row.lost ? "caller missing" : "", view.onPath.has(place) ? "on the critical path" : "",
  ].filter(Boolean).join(", ");
}

function barClass(row) {
  const kinds = ["bar"];
  if (row.kind === "client" || row.kind === "producer") kinds.push("departs");
  if (row.kind === "producer" || row.kind === "consumer") kinds.push("async");
  if (!row.duration) kinds.push("unfinished");
  if (row.error) kinds.push("wrong");
  return kinds.join(" ");
}
