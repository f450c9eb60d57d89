// Proofs and failures over time, as bars.
import { count, h, many, svg } from "./elements.js";

/** Width of a bar and the gap after it, in the picture's own units; its height is 100. */
const BAR = 8;
const STEP = 10;

export function throughputPlot({ bucketMs, buckets }) {
  const perMinute = 60_000 / bucketMs;
  const most = Math.max(...buckets.map(({ succeeded, failed }) => succeeded + failed)) * perMinute;
  const top = niceTop(most, perMinute);
  const bars = buckets.flatMap(({ succeeded, failed }, i) => {
    const good = (succeeded * perMinute * 100) / top;
    const bad = (failed * perMinute * 100) / top;
    return [bar("succeeded", i, 100 - good, good), bar("failed", i, 100 - good - bad, bad)];
  });
  const width = buckets.length * STEP;
  const lines = [0, 50, 100].map((y) =>
    svg("line", { class: "axis", x1: 0, x2: width, y1: y, y2: y }),
  );
  const proofs = buckets.reduce((sum, { succeeded }) => sum + succeeded, 0);
  const failures = buckets.reduce((sum, { failed }) => sum + failed, 0);
  const summary = `${many(proofs, "proof")}, ${many(failures, "failure")}`;
  const minutes = (buckets.length * bucketMs) / 60_000;
  const picture = {
    viewBox: `0 -1 ${width} 102`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${summary} in the last ${minutes} minutes`,
  };
  return h(
    "div",
    {},
    labels(`${count(top)} per minute`, summary),
    svg("svg", picture, ...lines, ...bars),
    labels(`${minutes} min ago`, `${minutes / 2} min ago`, "now"),
  );
}

const bar = (kind, i, y, height) =>
  svg("rect", { class: kind, x: i * STEP + 1, width: BAR, y, height });

const labels = (...texts) =>
  h("div", { class: "plot-labels" }, ...texts.map((text) => h("span", {}, text)));

/** The next number of the form 1, 2 or 5 times a power of ten; not so low that one job fills the plot. */
function niceTop(most, perMinute) {
  const least = Math.max(most, 2 * perMinute);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= least);
}
