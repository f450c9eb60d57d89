/**
 * The Grafana dashboard, of which `proofmill.json` is made:
 *
 *     node deploy/grafana/dashboard.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A query in PromQL, and what its series are called. */
type Query = readonly [expr: string, legend: string];

interface PanelOptions {
  readonly title: string;
  /** What the panel tells, and what is worth a look. */
  readonly description: string;
  readonly unit: "s" | "short" | "bytes" | "opm";
  readonly queries: readonly Query[];
  readonly kind?: "timeseries" | "stat" | "table";
  /** Of 24. */
  readonly width?: number;
  readonly stack?: boolean;
  /** Values from which on the panel is red. */
  readonly redFrom?: number;
}

const SOURCE = { type: "prometheus", uid: "$datasource" };
const HEIGHT = 8;
const STAT_HEIGHT = 4;

const OF = 'job=~"$job"';
const quantiles = (metric: string, by: string): Query[] =>
  [0.5, 0.9, 0.99].map((q) => [
    `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket{${OF}${by}}[$__rate_interval])))`,
    `p${q * 100}`,
  ]);

const ROWS: readonly (readonly PanelOptions[])[] = [
  [
    {
      title: "Waiting",
      description: "Jobs in the line, of the whole store.",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[`sum(max by (priority) (proofmill_queue_jobs{${OF}}))`, "jobs"]],
    },
    {
      title: "Oldest waits",
      description: "Age of the oldest waiting job.",
      unit: "s",
      kind: "stat",
      width: 4,
      redFrom: 300,
      queries: [[`max(proofmill_queue_oldest_age_seconds{${OF}})`, "age"]],
    },
    {
      title: "Proofs per minute",
      description: "Jobs that succeeded, in all processes.",
      unit: "opm",
      kind: "stat",
      width: 4,
      queries: [
        [`60 * sum(rate(proofmill_jobs_ended_total{${OF},outcome="succeeded"}[5m]))`, "proofs"],
      ],
    },
    {
      title: "Rejected proofs, 7 days",
      description:
        "Proofs that the service's own verification refused. Anything but 0 needs somebody at once.",
      unit: "short",
      kind: "stat",
      width: 4,
      redFrom: 1,
      queries: [[`sum(increase(proofmill_proofs_rejected_total{${OF}}[7d]))`, "rejected"]],
    },
    {
      title: "Development keys",
      description: "Circuits whose proofs anybody can forge.",
      unit: "short",
      kind: "stat",
      width: 4,
      redFrom: 1,
      queries: [[`sum(max by (circuit) (proofmill_development_keys{${OF}}))`, "circuits"]],
    },
    {
      title: "Processes ready",
      description: "Processes that take jobs.",
      unit: "short",
      kind: "stat",
      width: 4,
      queries: [[`sum(proofmill_probe{${OF},probe="readiness"})`, "ready"]],
    },
  ],
  [
    {
      title: "Line by priority",
      description: "Waiting jobs of the whole store, and the number at which new ones are refused.",
      unit: "short",
      queries: [
        [`max by (priority) (proofmill_queue_jobs{${OF}})`, "{{priority}}"],
        [`max(proofmill_queue_limit_jobs{${OF}})`, "limit"],
        [`min(proofmill_queue_foreign_jobs{${OF}})`, "nobody's"],
      ],
    },
    {
      title: "Jobs ended per minute",
      description: "By outcome and reason.",
      unit: "opm",
      stack: true,
      queries: [
        [
          `60 * sum by (outcome, reason) (rate(proofmill_jobs_ended_total{${OF}}[$__rate_interval]))`,
          "{{outcome}} {{reason}}",
        ],
        [`60 * sum(rate(proofmill_jobs_accepted_total{${OF}}[$__rate_interval]))`, "accepted"],
      ],
    },
  ],
  [
    {
      title: "Time in the line",
      description: "From acceptance to the start of the first attempt.",
      unit: "s",
      width: 8,
      queries: quantiles("proofmill_queue_wait_seconds", ""),
    },
    {
      title: "Acceptance to proof",
      description: "What a caller waits in all.",
      unit: "s",
      width: 8,
      queries: quantiles("proofmill_job_seconds", ""),
    },
    {
      title: "Stages, mean",
      description: "Where a proof's time goes.",
      unit: "s",
      width: 8,
      stack: true,
      queries: [
        [
          `sum by (stage) (rate(proofmill_stage_seconds_sum{${OF}}[$__rate_interval])) / sum by (stage) (rate(proofmill_stage_seconds_count{${OF}}[$__rate_interval]))`,
          "{{stage}}",
        ],
      ],
    },
  ],
  [
    {
      title: "Workers",
      description: "Threads that prove and those with a job of their own.",
      unit: "short",
      width: 8,
      queries: [
        [`sum(proofmill_workers{${OF}})`, "all"],
        [`sum(proofmill_workers_busy{${OF}})`, "busy"],
        [`max(proofmill_running_jobs{${OF}})`, "running jobs"],
      ],
    },
    {
      title: "Trouble per hour",
      description: "Retries by reason, and threads that died or had to be ended.",
      unit: "short",
      width: 8,
      queries: [
        [`sum by (reason) (increase(proofmill_retries_total{${OF}}[1h]))`, "retry {{reason}}"],
        [
          `sum by (instance) (increase(proofmill_thread_restarts_total{${OF}}[1h]))`,
          "restarts {{instance}}",
        ],
      ],
    },
    {
      title: "Intake",
      description: "Inputs that wait to be checked before they are accepted.",
      unit: "short",
      width: 8,
      queries: [[`sum by (instance) (proofmill_intake_waiting{${OF}})`, "{{instance}}"]],
    },
  ],
  [
    {
      title: "Calls per minute",
      description: "By method and gRPC status.",
      unit: "opm",
      width: 8,
      queries: [
        [
          `60 * sum by (method, code) (rate(proofmill_calls_total{${OF}}[$__rate_interval]))`,
          "{{method}} {{code}}",
        ],
      ],
    },
    {
      title: "SubmitProof",
      description: "How long until a job is accepted.",
      unit: "s",
      width: 8,
      queries: quantiles("proofmill_call_seconds", ',method="ProverService/SubmitProof"'),
    },
    {
      title: "Refused connections per hour",
      description: "Too many, without valid TLS, too slow, or not HTTP/2.",
      unit: "short",
      width: 8,
      queries: [
        [
          `sum by (reason) (increase(proofmill_connections_refused_total{${OF}}[1h]))`,
          "{{reason}}",
        ],
      ],
    },
  ],
  [
    {
      title: "Store operations, p99",
      description: "Waits for disk or database.",
      unit: "s",
      queries: [
        [
          `histogram_quantile(0.99, sum by (operation, le) (rate(proofmill_store_operation_seconds_bucket{${OF}}[$__rate_interval])))`,
          "{{operation}}",
        ],
      ],
    },
    {
      title: "Store failures per hour",
      description: "By operation and reason.",
      unit: "short",
      queries: [
        [
          `sum by (operation, reason) (increase(proofmill_store_failures_total{${OF}}[1h]))`,
          "{{operation}} {{reason}}",
        ],
        [`1 - min(proofmill_store_up{${OF}})`, "away"],
      ],
    },
  ],
  [
    {
      title: "Memory",
      description: "Resident, keys included.",
      unit: "bytes",
      width: 8,
      queries: [[`proofmill_memory_bytes{${OF},kind="resident"}`, "{{instance}}"]],
    },
    {
      title: "Processor",
      description: "Cores in use.",
      unit: "short",
      width: 8,
      queries: [[`rate(proofmill_cpu_seconds_total{${OF}}[$__rate_interval])`, "{{instance}}"]],
    },
    {
      title: "Main thread, p99 delay",
      description: "How late timers are. Calls and heartbeats wait as long.",
      unit: "s",
      width: 8,
      queries: [
        [
          `histogram_quantile(0.99, sum by (instance, le) (rate(proofmill_event_loop_delay_seconds_bucket{${OF}}[$__rate_interval])))`,
          "{{instance}}",
        ],
      ],
    },
  ],
  [
    {
      title: "GPU memory",
      description: "What this process holds of it. No lines: no GPU is in use.",
      unit: "bytes",
      width: 8,
      queries: [
        [`proofmill_device_allocated_bytes{${OF}}`, "{{instance}} held"],
        [`proofmill_device_memory_bytes{${OF}}`, "{{instance}} of all"],
      ],
    },
    {
      title: "Proofs per batch on the GPU",
      description: "How many it works on together: few proofs at a time do not fill it.",
      unit: "short",
      width: 8,
      queries: [
        [
          `rate(proofmill_device_batched_total{${OF}}[$__rate_interval]) / rate(proofmill_device_batches_total{${OF}}[$__rate_interval])`,
          "{{instance}}",
        ],
      ],
    },
    {
      title: "GPU failures per hour",
      description: "By kind; and processes that have given their GPU up.",
      unit: "short",
      width: 8,
      queries: [
        [`sum by (failure) (increase(proofmill_device_failures_total{${OF}}[1h]))`, "{{failure}}"],
        [`sum(proofmill_engine_fallback{${OF}})`, "given up"],
      ],
    },
  ],
  [
    {
      title: "Circuits",
      description:
        "What is served, and the beginning of the SHA-256 of its proving key. Two rows of one circuit are two versions.",
      unit: "short",
      kind: "table",
      queries: [[`sum by (circuit, zkey_sha256) (proofmill_circuit_info{${OF}})`, "processes"]],
    },
    {
      title: "Processes",
      description: "Version, role and engine.",
      unit: "short",
      kind: "table",
      queries: [
        [`proofmill_build_info{${OF}}`, ""],
        [`proofmill_engine_info{${OF}}`, ""],
      ],
    },
  ],
];

function panel(options: PanelOptions, id: number, x: number, y: number) {
  const { title, description, unit, queries, kind = "timeseries", width = 12 } = options;
  const { stack = false, redFrom } = options;
  const steps = [
    { color: kind === "stat" ? "green" : "blue", value: null },
    ...(redFrom === undefined ? [] : [{ color: "red", value: redFrom }]),
  ];
  return {
    id,
    title,
    description,
    type: kind,
    datasource: SOURCE,
    gridPos: { x, y, w: width, h: kind === "stat" ? STAT_HEIGHT : HEIGHT },
    targets: queries.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: SOURCE,
      expr,
      legendFormat,
      ...(kind === "table" ? { format: "table", instant: true } : {}),
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        thresholds: { mode: "absolute", steps },
        ...(kind === "timeseries"
          ? {
              custom: {
                fillOpacity: stack ? 40 : 10,
                stacking: { mode: stack ? "normal" : "none" },
              },
            }
          : {}),
      },
      overrides: [],
    },
    options:
      kind === "stat" ? { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value" } : {},
  };
}

/** The dashboard in Grafana's model (schema 39). */
export function dashboard() {
  const panels: ReturnType<typeof panel>[] = [];
  let y = 0;
  for (const row of ROWS) {
    let x = 0;
    for (const options of row) {
      panels.push(panel(options, panels.length + 1, x, y));
      x += options.width ?? 12;
    }
    y += row[0]?.kind === "stat" ? STAT_HEIGHT : HEIGHT;
  }
  return {
    uid: "proofmill",
    title: "Proofmill",
    tags: ["proofmill"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus", label: "Source" },
        {
          name: "job",
          type: "query",
          label: "Job",
          datasource: SOURCE,
          query: { query: "label_values(proofmill_build_info, job)", refId: "job" },
          includeAll: true,
          multi: true,
          refresh: 2,
          current: { text: "All", value: "$__all" },
        },
      ],
    },
    annotations: { list: [] },
    panels,
  };
}

/** What `proofmill.json` holds. */
export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "proofmill.json"), dashboardText());
