// Text and elements: how times read, and how nodes are made. What a span says is text, never markup.

const NAMESPACE = "http://www.w3.org/2000/svg";

function make(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null));
  return node;
}

function draw(name, attributes) {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function button(className, label, act) {
  const node = make("button", className, label);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function digits(number) {
  return Math.abs(number) >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3)));
}

// Microseconds, in the unit in which they are best read.
function time(us) {
  const size = Math.abs(us);
  if (size < 1e3) return `${digits(us)} µs`;
  if (size < 1e6) return `${digits(us / 1e3)} ms`;
  if (size < 6e7) return `${digits(us / 1e6)} s`;
  if (size < 3.6e9) return `${digits(us / 6e7)} min`;
  return `${digits(us / 3.6e9)} h`;
}

function signed(us) {
  return us < 0 ? `−${time(-us)}` : `+${time(us)}`;
}

// From one moment to another, the unit said once if it is the same.
function range(from, to) {
  const [begin, unit] = time(from).split(" ");
  const end = time(to);
  if (from === to) return end;
  return end.endsWith(` ${unit}`) ? `${begin} – ${end}` : `${begin} ${unit} – ${end}`;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function moment(us) {
  const written = new Date(us / 1000);
  return us && !Number.isNaN(written.getTime()) ? written.toLocaleString() : "at an unknown time";
}

// An exception's own name is the end of its full one; its message is for the details.
function brief(error) {
  const name = error.split(": ")[0];
  return /^[\w.]+$/.test(name) && /[A-Za-z]/.test(name) ? name.split(".").pop() : name;
}

function role(row) {
  return row.kind ?? "local";
}

// Hues far apart for services seen one after the other, without the red of errors.
function colour(service) {
  const turn = (service * 0.381966 + 0.62) % 1;
  const light = service % 3 === 2 ? " - 0.07" : service % 3 === 1 ? " + 0.05" : "";
  return `oklch(calc(var(--light)${light}) 0.125 ${Math.round(55 + turn * 305)})`;
}
