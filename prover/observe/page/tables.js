// The tables of the page: each function gives an element for data of status.json.
import { ago, count, duration, h, quiet, table } from "./elements.js";

export function latencyTable({ queueWait, proof, total }) {
  const rows = [
    ["In the line", queueWait],
    ["Proof, all stages", proof],
    ["Accepted to proved", total],
  ];
  return table(
    [["", "nowrap"], ...["p50", "p90", "p99", "jobs"].map((text) => [text, "number-cell"])],
    rows.map(([name, { p50Ms, p90Ms, p99Ms, count: jobs }]) => [
      {},
      name,
      ...[p50Ms, p90Ms, p99Ms].map(duration),
      count(jobs),
    ]),
  );
}

export function failureTable([failures, unknown]) {
  if (failures === null) return quiet(unknown);
  if (failures.length === 0) return quiet("None that is remembered.");
  return table(
    [
      ["when", "nowrap"],
      ["reason", "reason"],
      ["what happened", "message wide"],
      ["circuit", "nowrap"],
      ["request", "name"],
      ["attempts", "number-cell"],
    ],
    failures.map(({ endedMs, createdMs, circuitId, attempts, failure, ...job }) => [
      { "data-job": job.jobId },
      ago(endedMs ?? createdMs),
      failure?.reason ?? "unknown",
      `${failure?.message ?? ""}${failure?.retryable ? " (an administrator can have it tried again)" : ""}`,
      circuitId,
      requestOf(job),
      count(attempts),
    ]),
  );
}

const JOB_KINDS = {
  RUNNING: "info",
  SUCCEEDED: "good",
  FAILED: "bad",
  CANCELLED: "warn",
  EXPIRED: "warn",
};

export function jobTable([jobs, unknown]) {
  if (jobs === null) return quiet(unknown);
  if (jobs.length === 0) return quiet("None yet.");
  return table(
    [
      ["accepted", "nowrap"],
      ["state", "nowrap"],
      ["circuit", "nowrap"],
      ["request", "name"],
      ["labels", ""],
      ["priority", "nowrap"],
      ["in line", "number-cell"],
      ["worked on", "number-cell"],
    ],
    jobs.map((job) => [
      { "data-job": job.jobId },
      ago(job.createdMs),
      h("span", { class: `pill ${JOB_KINDS[job.state] ?? ""}` }, stateOf(job)),
      job.circuitId,
      requestOf(job),
      Object.entries(job.labels).map(labelOf),
      job.priority.toLowerCase(),
      between(job.createdMs, job.startedMs),
      between(job.startedMs, job.endedMs),
    ]),
  );
}

const between = (fromMs, toMs) =>
  fromMs === null || toMs === null ? "–" : duration(Math.max(0, toMs - fromMs));

const stateOf = ({ state, progressPercent }) =>
  state === "RUNNING" ? `running ${progressPercent} %` : state.toLowerCase();

/** The caller's name for a job, and whose name that is. */
function requestOf({ requestId, owner, jobId }) {
  const name = h("span", { title: `job ${jobId}` }, requestId);
  return owner === "" ? name : [name, h("span", { class: "quiet" }, ` of ${owner}`)];
}

function labelOf([name, value]) {
  const text = `${name}: ${value}`;
  return h("span", { class: "label", title: text }, text);
}

export function circuitTable(circuits) {
  if (circuits.length === 0) return quiet("None loaded yet.");
  return table(
    [
      ["circuit", "nowrap"],
      ["keys", "nowrap"],
      ["constraints", "number-cell"],
      ["waiting", "number-cell"],
      ["running", "number-cell"],
      ["proving key, SHA-256", "nowrap"],
      ["verification key, SHA-256", "nowrap"],
    ],
    circuits.map(({ circuitId, developmentKeys, constraintCount, waiting, running, ...keys }) => [
      { "data-circuit": circuitId },
      circuitId,
      developmentKeys
        ? h("span", { class: "pill bad" }, "✕ development")
        : h("span", { class: "pill good" }, "✓ ceremony"),
      count(constraintCount),
      count(waiting),
      count(running),
      hashOf(keys.zkeySha256),
      hashOf(keys.vkeySha256),
    ]),
  );
}

/** The beginning, as in metrics; all of it on hovering, and in status.json. */
const hashOf = (hex) => h("code", { title: hex }, `${hex.slice(0, 16)}…`);
