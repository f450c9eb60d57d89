// Elements and words that the parts of the page are made of. Whatever the server says becomes text,
// never markup: callers choose ids and labels.

export const byId = (id) => document.getElementById(id);

/** An element. `children` are elements or text. */
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const quiet = (text) => h("p", { class: "quiet" }, text);

export function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a notice with a text, or hides it when there is none. */
export function setNotice(id, text) {
  byId(id).hidden = text === undefined;
  if (text !== undefined) setText(id, text);
}

const drawn = new Map();

/** Draws a part anew only if it says something else: what somebody has selected stays selected. */
export function whenChanged(id, data, draw) {
  const text = JSON.stringify(data);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  byId(id).replaceChildren(draw(data));
}

/**
 * A table whose rows become blocks on a narrow screen.
 *
 * @param columns  [heading, class] of each.
 * @param rows  [attributes, ...cells] of each; a cell is an element, text or a list of them.
 */
export function table(columns, rows) {
  const head = columns.map(([text, kind = ""]) => h("th", { scope: "col", class: kind }, text));
  const body = rows.map(([attributes, ...cells]) =>
    h(
      "tr",
      attributes,
      ...cells.map((content, i) => {
        const [name, kind = ""] = columns[i];
        return h("td", { class: kind, "data-name": name }, ...[content].flat());
      }),
    ),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
}

/** A time that is told as an age, which grows. */
export function ago(timeMs) {
  const time = new Date(timeMs);
  return h("time", {
    datetime: time.toISOString(),
    "data-at": timeMs,
    title: time.toLocaleString(),
  });
}

/** Lets all ages be those of this moment. */
export function tickAges(nowMs) {
  for (const element of document.querySelectorAll("time[data-at]")) {
    const text = `${duration(nowMs - Number(element.dataset.at))} ago`;
    if (element.textContent !== text) element.textContent = text;
  }
}

/** "640 ms", "9.5 s", "4 min 12 s"; a dash for null. */
export function duration(ms) {
  if (ms === null) return "–";
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const [s, min, h, d] = [1_000, 60_000, 3_600_000, 86_400_000].map((unit) =>
    Math.floor(ms / unit),
  );
  if (min < 1) return `${s} s`;
  if (h < 1) return `${min} min ${s % 60} s`;
  if (d < 1) return `${h} h ${min % 60} min`;
  return `${d} d ${h % 24} h`;
}

/** "512 MiB". */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const number = bytes / 1024 ** power;
  return `${number < 10 ? Number(number.toFixed(1)) : Math.round(number)} ${units[power]}`;
}

export const count = (number) => number.toLocaleString("en-US");

/** "1 proof", "2 proofs". */
export const many = (number, one, more = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : more}`;
