// The status page: asks for status.json every second and shows it. It changes nothing on the server.
import {
  byId,
  count,
  duration,
  many,
  setNotice,
  setText,
  size,
  tickAges,
  whenChanged,
} from "./elements.js";
import { throughputPlot } from "./plot.js";
import { circuitTable, failureTable, jobTable, latencyTable } from "./tables.js";
import { showWorkers } from "./workers.js";

const POLL_MS = 1_000;
/** An answer that takes longer is none: the server is blocked, or the network is gone. */
const PATIENCE_MS = 4_000;

/** What the server said last, and when that was by this page's clock. */
let latest;
let heardMs = performance.now();
/** Why nothing was heard since then; undefined while all is well. */
let trouble;

async function poll() {
  // Nobody looks; on return the next second brings news.
  if (!document.hidden) {
    await ask();
    show();
  }
  setTimeout(poll, POLL_MS);
}

async function ask() {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch("status.json", { cache: "no-store", signal });
    if (response.ok) {
      latest = await response.json();
      heardMs = performance.now();
      trouble = undefined;
    } else trouble = `it answers ${response.status}`;
  } catch {
    trouble = "no answer";
  }
}

/** The server's clock: this machine's may be wrong. */
const serverNow = () => latest.timeMs + (performance.now() - heardMs);

function show() {
  showConnection();
  if (latest === undefined) return;
  showHead(latest);
  showNotices(latest);
  showTiles(latest);
  showWorkers(latest.workers, serverNow());
  whenChanged("plot", latest.throughput, throughputPlot);
  whenChanged("latency", latest.latencies, latencyTable);
  const unknown = latest.state === "loading" ? "Not known yet." : "The job store does not answer.";
  whenChanged("failures", [latest.recentFailures, unknown], failureTable);
  whenChanged("jobs", [latest.recentJobs, unknown], jobTable);
  whenChanged("circuits", latest.circuits, circuitTable);
  tickAges(serverNow());
}

function showConnection() {
  document.body.classList.toggle("stale", trouble !== undefined);
  if (trouble === undefined) {
    setNotice("lost", undefined);
    return;
  }
  const since = duration(performance.now() - heardMs);
  const what = latest === undefined ? "Nothing is known yet." : "What is shown below is old.";
  setNotice("lost", `No connection to the server for ${since}: ${trouble}. ${what}`);
  setPill("connection lost", "bad");
  document.title = "✕ Proofmill";
}

function setPill(text, kind) {
  setText("state", text);
  byId("state").className = `pill ${kind}`;
}

const ROLES = {
  all: "Takes jobs and proves them",
  api: "Takes jobs; others prove them",
  worker: "Proves what others take",
};
const STATE_KINDS = { loading: "info", serving: "good", draining: "warn" };

function showHead({ state, role, engine, queue, probes, version, startedMs, storeAwaySinceMs }) {
  if (trouble === undefined) {
    if (storeAwaySinceMs === null) setPill(state, STATE_KINDS[state]);
    else setPill(`${state}, store away`, "bad");
    document.title = queue === null ? "Proofmill" : `${queue.waiting} waiting · Proofmill`;
  }
  const refused = engine?.refused ?? [];
  const without = refused.length === 0 ? "" : `; not used: ${refused.join("; ")}`;
  const uses = engine === null ? "" : `; engine ${engine.name}${deviceUse(engine.device)}`;
  setText("engine", `${ROLES[role]}${uses}${without}`);
  const answers = Object.entries(probes).map(([name, isSo]) => `${name} ${isSo ? "✓" : "✕"}`);
  setText("probes", `Probes: ${answers.join(" · ")}`);
  setText("version", `version ${version}, up ${duration(serverNow() - startedMs)}`);
}

/** What is on the GPU; nothing without one. */
function deviceUse(device) {
  if (device === null || device.state !== "ready") return "";
  const { keys, allocatedBytes, memoryBytes, batches, batched } = device;
  const together = batches === 0 ? "" : `, ${(batched / batches).toFixed(1)} proofs at a time`;
  return ` with ${many(keys, "key")} in ${size(allocatedBytes)} of ${size(memoryBytes)}${together}`;
}

function showNotices({ state, loading, engine, circuits, queue, counts, storeAwaySinceMs }) {
  const notice = (id, isShown, text) => setNotice(id, isShown ? text() : undefined);
  notice("loading", state === "loading", () => {
    if (loading === null) return "Starting: preparing the engine and the job store";
    const { step, circuit, doneCount, totalCount, percent } = loading;
    const share = percent > 0 ? `, ${percent} %` : "";
    return `Starting: ${step}, ${circuit} (${doneCount + 1} of ${totalCount})${share}`;
  });
  notice("store", storeAwaySinceMs !== null, () => {
    const since = duration(serverNow() - storeAwaySinceMs);
    return `The job store has not answered for ${since}. Jobs are not taken meanwhile.`;
  });
  const device = engine?.device ?? null;
  notice("device", device !== null && device.state !== "ready", () => {
    const { name, failure, isGivenUp } = device;
    if (isGivenUp)
      return `The GPU ${name} was given up; proofs are made without it, slowly. ${failure}`;
    return `The GPU ${name} is away; it is opened again. ${failure}`;
  });
  notice("rejected", counts.rejected > 0, () => {
    const proofs = many(counts.rejected, "proof");
    return `${proofs} failed the service's own verification. Memory, processor or key of this machine may be damaged: take it out of service and find out.`;
  });
  const forgeable = circuits.filter(({ developmentKeys }) => developmentKeys);
  notice("development", forgeable.length > 0, () => {
    const names = forgeable.map(({ circuitId }) => circuitId).join(", ");
    return `Development keys: anybody can forge proofs of ${names}. Never use them where money is at stake.`;
  });
  notice("foreign", queue !== null && queue.foreign > 0, () => {
    const jobs = many(queue.foreign, "job");
    return `${jobs} in the line need a circuit or key that this server does not have; they wait for another server.`;
  });
}

function showTiles({ queue, workers, throughput, counts, intake }) {
  const { HIGH = 0, NORMAL = 0, LOW = 0 } = queue?.waitingByPriority ?? {};
  setText("waiting", queue === null ? "–" : count(queue.waiting));
  setText(
    "waiting-by",
    queue === null ? "" : `high ${count(HIGH)} · normal ${count(NORMAL)} · low ${count(LOW)}`,
  );
  // Soon new jobs are refused.
  const isCrowded = queue !== null && queue.waiting >= 0.8 * queue.limit;
  byId("waiting").className = isCrowded ? "number warn" : "number";
  const oldestMs = queue?.oldestMs ?? null;
  setText("oldest", oldestMs === null ? "–" : duration(Math.max(0, serverNow() - oldestMs)));
  setText(
    "room",
    queue === null
      ? ""
      : `${size(queue.bytes)}; room for ${count(Math.max(0, queue.limit - queue.waiting))} more`,
  );
  setText("running", queue === null ? "–" : count(queue.running));
  const busy = workers.filter(({ job }) => job !== null).length;
  const checking = intake.waiting === 0 ? "" : `; ${many(intake.waiting, "input")} to check`;
  setText("busy", `${busy} of ${many(workers.length, "worker")} busy here${checking}`);
  // The bar that is still being filled would drag the rate down.
  const minute = throughput.buckets.slice(-1 - 60_000 / throughput.bucketMs, -1);
  setText("rate", count(minute.reduce((sum, { succeeded }) => sum + succeeded, 0)));
  setText("proved", `${many(counts.succeeded, "proof")} since the start`);
  setText("failed", count(counts.failed));
  byId("failed").className = counts.failed > 0 ? "number bad" : "number";
  setText(
    "retried",
    `${count(counts.retried)} retried · ${count(counts.cancelled)} cancelled · ${count(counts.expired)} expired`,
  );
}

document.addEventListener("visibilitychange", () => {
  // Ages of what was heard last, until the next answer.
  if (!document.hidden) show();
});

poll();
