import { Counter, Gauge, type Registry } from "prom-client";
import { PRIORITIES } from "../job.ts";
import { VERSION } from "../version.ts";
import type { Overview } from "./overview.ts";

/** How much of a key's hash names it: enough to compare by eye, and to find it in ListCircuits. */
const HASH_DIGITS = 16;

/** Those that a device in use may have; docs/observability.md explains them. */
const DEVICE_FAILURES = ["lost", "hang", "driver", "device", "feature", "memory"] as const;

/** Tells the value of one series. Not called: there is no such series now. */
type Tell = (value: number, labels?: Readonly<Record<string, string>>) => void;

interface Row {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (overview: Overview, tell: Tell) => void;
}

const GAUGES: readonly Row[] = [
  {
    name: "proofmill_build_info",
    help: "Always 1: version of the service and of Node, and what this process does.",
    labels: ["version", "node", "role"],
    read: ({ limits: { role } }, tell) =>
      tell(1, { version: VERSION, node: process.version, role }),
  },
  {
    name: "proofmill_engine_info",
    help: "Always 1: what computes, and how many faster ways were refused on this machine.",
    labels: ["engine", "refused"],
    read: ({ parts: { engine } }, tell) =>
      engine && tell(1, { engine: engine.name, refused: String(engine.refused.length) }),
  },
  {
    name: "proofmill_device_info",
    help: "Always 1: the GPU that was chosen at the start; none without one.",
    labels: ["device", "kind", "driver"],
    read({ parts: { engine } }, tell) {
      const device = engine?.keeper?.device;
      if (device === undefined) return;
      const { name, kind, driver } = device;
      tell(1, { device: name, kind, driver });
    },
  },
  {
    name: "proofmill_device_up",
    help: "Whether the GPU that was chosen at the start is in use.",
    read: ({ parts: { engine } }, tell) =>
      engine?.keeper && tell(Number(engine.keeper.host !== undefined)),
  },
  {
    name: "proofmill_engine_fallback",
    help: "1: the GPU was given up, and another engine does its work.",
    read: ({ parts: { engine } }, tell) => engine?.keeper && tell(Number(engine.hasFallenBack)),
  },
  {
    name: "proofmill_device_memory_bytes",
    help: "Memory of the GPU's own.",
    read: ({ parts: { engine } }, tell) =>
      engine?.keeper?.device && tell(engine.keeper.device.memoryBytes),
  },
  {
    name: "proofmill_device_allocated_bytes",
    help: "Memory of the GPU that this process holds.",
    read: ({ parts: { engine } }, tell) =>
      engine?.keeper?.use && tell(engine.keeper.use.allocatedBytes),
  },
  {
    name: "proofmill_device_keys",
    help: "Keys in the GPU's memory.",
    read: ({ parts: { engine } }, tell) => engine?.keeper?.use && tell(engine.keeper.use.keys),
  },
  {
    name: "proofmill_device_runs",
    help: "Proofs that are on the GPU or wait for it, here.",
    read: ({ parts: { engine } }, tell) => engine?.keeper?.use && tell(engine.keeper.use.openRuns),
  },
  {
    name: "proofmill_state",
    help: "1 for the state that the server is in.",
    labels: ["state"],
    read({ health: { phase } }, tell) {
      for (const state of ["loading", "serving", "draining"]) {
        tell(Number(state === phase), { state });
      }
    },
  },
  {
    name: "proofmill_probe",
    help: "What probes are told: 1 for yes.",
    labels: ["probe"],
    read({ health: { answers } }, tell) {
      for (const [probe, isSo] of Object.entries(answers)) tell(Number(isSo), { probe });
    },
  },
  {
    name: "proofmill_circuit_info",
    help: "Always 1: a circuit that is served, and the beginning of the SHA-256 of its proving key.",
    labels: ["circuit", "zkey_sha256"],
    read({ parts: { circuits } }, tell) {
      for (const { id, artefacts } of circuits?.all ?? []) {
        tell(1, { circuit: id, zkey_sha256: artefacts.zkey.sha256.slice(0, HASH_DIGITS) });
      }
    },
  },
  {
    name: "proofmill_development_keys",
    help: "1: anybody can forge proofs of this circuit, because the secrets of its key are public.",
    labels: ["circuit"],
    read({ parts: { circuits } }, tell) {
      for (const { id, developmentKeys } of circuits?.all ?? []) {
        tell(Number(developmentKeys), { circuit: id });
      }
    },
  },
  {
    name: "proofmill_store_up",
    help: "Whether the job store answers.",
    read: ({ parts: { storeWatch } }, tell) =>
      storeWatch && tell(Number(storeWatch.awaySinceMs === undefined)),
  },
  {
    name: "proofmill_queue_jobs",
    help: "Waiting jobs of the whole store.",
    labels: ["priority"],
    read({ parts: { storeWatch } }, tell) {
      for (const priority of PRIORITIES) {
        const count = storeWatch?.stats?.queuedByPriority[priority];
        if (count !== undefined) tell(count, { priority });
      }
    },
  },
  {
    name: "proofmill_queue_limit_jobs",
    help: "Waiting jobs at which new ones are refused.",
    read: ({ limits }, tell) => tell(limits.queueMax),
  },
  {
    name: "proofmill_queue_bytes",
    help: "Inputs of waiting jobs of the whole store.",
    read: ({ parts: { storeWatch } }, tell) =>
      storeWatch?.stats && tell(storeWatch.stats.queuedBytes),
  },
  {
    name: "proofmill_queue_limit_bytes",
    help: "Inputs of waiting jobs at which new ones are refused.",
    read: ({ limits }, tell) => tell(limits.queueMaxBytes),
  },
  {
    name: "proofmill_queue_foreign_jobs",
    help: "Waiting jobs of circuits or keys that are not served here.",
    read: ({ foreignCount }, tell) => foreignCount !== undefined && tell(foreignCount),
  },
  {
    name: "proofmill_queue_oldest_age_seconds",
    help: "How long the oldest waiting job has waited; 0 when none waits.",
    read({ parts: { storeWatch } }, tell) {
      const stats = storeWatch?.stats;
      if (stats === undefined) return;
      const sinceMs = stats.oldestQueuedMs;
      tell(sinceMs === undefined ? 0 : Math.max(0, Date.now() - sinceMs) / 1000);
    },
  },
  {
    name: "proofmill_running_jobs",
    help: "Jobs that are worked on, of the whole store.",
    read: ({ parts: { storeWatch } }, tell) =>
      storeWatch?.stats && tell(storeWatch.stats.runningCount),
  },
  {
    name: "proofmill_workers",
    help: "Threads that prove, here.",
    read: ({ parts: { scheduler } }, tell) => scheduler && tell(scheduler.workers().length),
  },
  {
    name: "proofmill_workers_busy",
    help: "Threads with a job of their own, here.",
    read: ({ parts: { scheduler } }, tell) =>
      scheduler && tell(scheduler.workers().filter(({ job }) => job !== undefined).length),
  },
  {
    name: "proofmill_intake_waiting",
    help: "Inputs that wait to be checked before they are accepted.",
    read: ({ parts: { intake } }, tell) => intake && tell(intake.waitingCount),
  },
  {
    name: "proofmill_intake_limit",
    help: "Waiting inputs at which new ones are refused.",
    read: ({ limits }, tell) => tell(limits.intakeMax),
  },
  {
    name: "proofmill_certificate_end_time_seconds",
    help: "When the first certificate of the server's chain ends, in Unix time.",
    read: ({ parts: { certificates } }, tell) =>
      certificates && tell(certificates.value.endMs / 1000),
  },
  {
    name: "proofmill_memory_bytes",
    help: "Memory of this process: resident is all of it, keys included.",
    labels: ["kind"],
    read(_, tell) {
      const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
      tell(rss, { kind: "resident" });
      tell(heapUsed, { kind: "heap" });
      tell(external, { kind: "external" });
      tell(arrayBuffers, { kind: "array_buffers" });
    },
  },
  {
    name: "proofmill_start_time_seconds",
    help: "When this process began to start, in Unix time.",
    read: ({ startedMs }, tell) => tell(startedMs / 1000),
  },
];

const COUNTERS: readonly Row[] = [
  {
    name: "proofmill_device_batches_total",
    help: "Batches that the GPU has computed since it was opened.",
    read: ({ parts: { engine } }, tell) => engine?.keeper?.use && tell(engine.keeper.use.batches),
  },
  {
    name: "proofmill_device_batched_total",
    help: "Proofs in those batches: by their number, how many the GPU works on together.",
    read: ({ parts: { engine } }, tell) => engine?.keeper?.use && tell(engine.keeper.use.jobs),
  },
  {
    name: "proofmill_device_failures_total",
    help: "Failures after which the GPU had to be opened again or given up.",
    labels: ["failure"],
    read({ parts: { engine } }, tell) {
      if (engine?.keeper === undefined) return;
      for (const failure of DEVICE_FAILURES) {
        tell(engine.keeper.failures.get(failure) ?? 0, { failure });
      }
    },
  },
  {
    name: "proofmill_device_reopened_total",
    help: "How often the GPU was opened again.",
    read: ({ parts: { engine } }, tell) => engine?.keeper && tell(engine.keeper.reopenCount),
  },
  {
    name: "proofmill_thread_restarts_total",
    help: "Threads that died or had to be ended.",
    read({ parts: { scheduler } }, tell) {
      const workers = scheduler?.workers() ?? [];
      tell(workers.reduce((count, { restartCount }) => count + restartCount, 0));
    },
  },
  {
    name: "proofmill_cpu_seconds_total",
    help: "Processor time of all threads of this process.",
    read(_, tell) {
      const { user, system } = process.cpuUsage();
      tell((user + system) / 1e6);
    },
  },
];

/** Adds the metrics that are read when somebody asks. */
export function addGauges(registry: Registry, overview: Overview): void {
  const registers = [registry];
  for (const { name, help, labels = [], read } of GAUGES) {
    const labelNames = [...labels];
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        // Without labels, a reset leaves a series of 0.
        if (labels.length === 0) this.remove();
        read(overview, (value, of = {}) => this.set(of, value));
      },
    });
  }
  for (const { name, help, labels = [], read } of COUNTERS) {
    const labelNames = [...labels];
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        if (labels.length === 0) this.remove();
        read(overview, (value, of = {}) => this.inc(of, value));
      },
    });
  }
}
