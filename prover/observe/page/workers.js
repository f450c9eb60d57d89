// What each thread does. Rows stay and change, so that bars move instead of jumping.
import { byId, duration, h, many } from "./elements.js";

const STAGES = [
  ["WITNESS", "witness"],
  ["PROVING", "prove"],
  ["VERIFYING", "verify"],
];

export function showWorkers(workers, nowMs) {
  const list = byId("workers");
  if (workers.length === 0) {
    list.replaceChildren(h("li", { class: "none quiet" }, "No threads prove here."));
    return;
  }
  if (list.querySelector(".none") !== null) list.replaceChildren();
  while (list.children.length > workers.length) list.lastChild.remove();
  for (const [i, worker] of workers.entries()) {
    if (list.children[i] === undefined) list.append(emptyRow());
    fill(list.children[i], worker, nowMs);
  }
}

function emptyRow() {
  const range = { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 };
  return h(
    "li",
    {},
    h("div", { class: "worker-head" }, h("span", { class: "what" }), h("span", { class: "right" })),
    h("div", { class: "bar", ...range }, h("div")),
    h("div", { class: "stages" }, ...STAGES.map(([, text]) => h("span", {}, text))),
  );
}

function fill(row, { slot, job, completedCount, restartCount }, nowMs) {
  const [head, bar, stages] = row.children;
  const [what, right] = head.children;
  const percent = job?.progressPercent ?? 0;
  row.dataset.slot = slot;
  row.dataset.stage = job?.stage ?? "";
  what.textContent =
    job === null ? `#${slot} idle` : `#${slot} ${job.circuitId} · ${job.requestId}`;
  right.textContent = [
    ...(job === null
      ? [`${many(completedCount, "attempt")} done`]
      : [`${percent} %`, duration(job.startedMs === null ? 0 : nowMs - job.startedMs)]),
    ...(job !== null && job.attempt > 1 ? [`attempt ${job.attempt}`] : []),
    ...(restartCount > 0 ? [many(restartCount, "restart")] : []),
  ].join(" · ");
  bar.hidden = job === null;
  stages.hidden = job === null;
  bar.setAttribute("aria-valuenow", percent);
  bar.setAttribute("aria-label", `worker ${slot}`);
  bar.firstChild.style.width = `${percent}%`;
  const at = STAGES.findIndex(([name]) => name === job?.stage);
  for (const [i, element] of [...stages.children].entries()) {
    element.className = i < at ? "done" : i === at ? "now" : "";
  }
}
