import { isIPv4 } from "node:net";
import { availableParallelism } from "node:os";
import { ENGINE_CHOICES } from "../worker/engines/open.ts";
import { memoryMaxBytes } from "./memory-budget.ts";
import {
  address,
  between,
  flag,
  httpUrl,
  names,
  type Option,
  oneOf,
  option,
  text,
} from "./setting.ts";
import { isShared, parseStoreName, type StoreName } from "./stores/open.ts";
import { withoutSecrets } from "./stores/postgres/address.ts";

/** Every setting of the service. Durations are milliseconds, sizes bytes. */
export const OPTIONS = {
  PROVER_LISTEN: option(
    address,
    "127.0.0.1:50051",
    "address and port of ProverService; port 0 takes a free one",
  ),
  PROVER_ADMIN_LISTEN: option(address, "127.0.0.1:50052", "address and port of AdminService"),
  PROVER_ROLE: option(
    oneOf("all", "api", "worker"),
    "all",
    "what this process does: api takes jobs and answers, worker proves and has the admin port only; both need a store that several servers share",
  ),
  PROVER_TLS_CERT: option(text, "", "PEM file with the server's certificate chain; empty: no TLS"),
  PROVER_TLS_KEY: option(text, "", "PEM file with the key of that certificate"),
  PROVER_TLS_CLIENT_CA: option(
    text,
    "",
    "PEM file with the authority that callers' certificates must come from; empty: callers show none",
  ),
  PROVER_TLS_CLIENT_CERT: option(
    oneOf("required", "optional"),
    "required",
    "whether a caller must show a certificate of that authority, or may show a token instead",
  ),
  PROVER_ACCESS_FILE: option(
    text,
    "",
    "JSON file with those who may call and what each may do (docs/security.md); empty: callers are not told apart",
  ),
  PROVER_ALLOW_ANONYMOUS: option(
    flag,
    false,
    "serve callers without certificate or token on an address that other machines reach",
  ),
  PROVER_RELOAD_MS: option(
    between(0, 86_400_000),
    5_000,
    "how often certificates and the access file are read again; 0: only on SIGHUP",
  ),
  PROVER_ALLOW_PLAINTEXT: option(
    flag,
    false,
    "listen without TLS on an address that other machines reach",
  ),
  PROVER_CIRCUITS_DIR: option(
    text,
    "build/circuits",
    "folder that holds one folder of artefacts for each circuit",
  ),
  PROVER_CIRCUITS: option(
    names,
    [],
    "circuits to load, separated by commas; empty: all in the folder",
  ),
  PROVER_CIRCUITS_DRAINING: option(
    names,
    [],
    "circuits to load that take no new jobs and prove those they have, separated by commas",
  ),
  PROVER_ALLOW_DEV_KEYS: option(
    flag,
    false,
    "accept keys made with known secrets, with which anyone forges proofs: for development only",
  ),
  PROVER_THREADS: option(
    between(1, 256),
    availableParallelism(),
    "proofs computed at the same time; a thread without a job helps with another one's",
  ),
  PROVER_NICE: option(
    between(0, 19),
    10,
    "how much threads that prove give way to those that callers wait for, as in nice(1); Linux only",
  ),
  PROVER_KEYS_MAX: option(
    between(1, 1_000),
    4,
    "keys in memory; one more and the one that was used least recently goes",
  ),
  PROVER_MEMORY_MAX_BYTES: option(
    between(2 ** 28, 2 ** 46),
    memoryMaxBytes(),
    "memory that this process may take; proofs and keys that do not fit wait",
  ),
  PROVER_ENGINE: option(
    oneOf(...ENGINE_CHOICES),
    "auto",
    "what computes: a GPU that can be used, else wasm (auto), or one of them by name, without which the service does not start; reference is slow, for comparison",
  ),
  PROVER_GPU_DEVICE: option(
    text,
    "",
    "part of the name of the GPU to use, and the only way to a software device; empty: the best one",
  ),
  PROVER_KERNELS: option(
    oneOf("auto", "fma", "extmul"),
    "auto",
    "arithmetic of the engine wasm: the fastest that works here, or by name",
  ),
  PROVER_REVECTORIZE: option(
    flag,
    true,
    "let the engine wasm use V8's experimental revectorizer, where it gives the known answers",
  ),
  PROVER_INTAKE_THREADS: option(between(1, 64), 1, "threads that check submitted inputs"),
  PROVER_INTAKE_MAX: option(
    between(1, 10_000),
    32,
    "inputs waiting to be checked before RESOURCE_EXHAUSTED",
  ),
  PROVER_INTAKE_MAX_BYTES: option(
    between(1024, 2 ** 40),
    256 * 1024 * 1024,
    "inputs waiting to be checked, together, before RESOURCE_EXHAUSTED",
  ),
  PROVER_STORE: option<StoreName>(
    parseStoreName,
    "sqlite:proofmill-jobs.sqlite",
    "where jobs are kept: sqlite:PATH, a file of this one server (preset: in the working directory, as the circuits; give a service a path of its own), postgres://USER@HOST/DATABASE for several servers, or memory, which ends with the process",
    withoutSecrets,
  ),
  PROVER_STORE_PASSWORD_FILE: option(
    text,
    "",
    "file with the password for a postgres:// store, read for each new connection; empty: the URL's, or PGPASSWORD or PGPASSFILE",
  ),
  PROVER_STORE_KEY_FILE: option(
    text,
    "",
    "file with the keys that encrypt stored inputs, a line of 64 hex digits or base64 each: the first seals, all open; empty: who has the store can read them",
  ),
  PROVER_QUEUE_MAX: option(
    between(1, 1_000_000),
    256,
    "jobs waiting for a worker before RESOURCE_EXHAUSTED",
  ),
  PROVER_QUEUE_MAX_BYTES: option(
    between(1024, 2 ** 40),
    512 * 1024 * 1024,
    "inputs of waiting jobs, together, before RESOURCE_EXHAUSTED",
  ),
  PROVER_ATTEMPTS_MAX: option(between(1, 10), 2, "attempts of a job whose worker dies"),
  PROVER_JOB_MAX_MS: option(
    between(100, 86_400_000),
    600_000,
    "longest attempt; a longer one fails with JOB_TOO_LONG",
  ),
  PROVER_LEASE_MS: option(
    between(3_000, 3_600_000),
    10_000,
    "a worker that is silent for so long has lost its job",
  ),
  PROVER_STOP_GRACE_MS: option(
    between(0, 60_000),
    250,
    "time for a cancelled job to stop by itself before its thread is ended",
  ),
  PROVER_DRAIN_MS: option(
    between(0, 86_400_000),
    60_000,
    "time to finish accepted jobs at shutdown",
  ),
  PROVER_KEEP_FINISHED_MS: option(
    between(0, 31_536_000_000),
    86_400_000,
    "how long finished jobs can be asked for",
  ),
  PROVER_KEEP_FINISHED_MAX: option(
    between(0, 10_000_000),
    10_000,
    "how many finished jobs can be asked for",
  ),
  PROVER_KEEP_DEAD_MS: option(
    between(0, 31_536_000_000),
    3_600_000,
    "how long the input of a dead letter is kept for RetryProof",
  ),
  PROVER_BACKUP_DIR: option(
    text,
    "",
    "folder into which AdminService.BackupStore copies a store in SQLite; empty: it refuses",
  ),
  PROVER_BACKUP_KEEP: option(
    between(1, 1_000),
    7,
    "copies kept in that folder; one more and the oldest is removed",
  ),
  PROVER_MESSAGE_MAX_BYTES: option(between(1024, 1 << 30), 16 * 1024 * 1024, "largest request"),
  PROVER_STREAMS_MAX: option(
    between(1, 1_000_000),
    256,
    "calls at the same time on one connection",
  ),
  PROVER_CONNECTIONS_MAX: option(between(1, 1_000_000), 1_024, "connections of one port"),
  PROVER_CONNECTIONS_PER_ADDRESS_MAX: option(
    between(1, 1_000_000),
    256,
    "connections of one port from one IPv4 address, or from one IPv6 network of 64 bits",
  ),
  PROVER_HANDSHAKE_MS: option(
    between(100, 600_000),
    10_000,
    "time of a new connection for its TLS handshake, and for its first bytes after that",
  ),
  PROVER_CONNECTION_MAX_MS: option(
    between(10_000, 86_400_000),
    3_600_000,
    "age at which a connection is closed, so that callers spread over the servers that there are",
  ),
  PROVER_KEEPALIVE_MS: option(
    between(1_000, 86_400_000),
    30_000,
    "silence on a connection before the server pings",
  ),
  PROVER_KEEPALIVE_TIMEOUT_MS: option(
    between(100, 86_400_000),
    10_000,
    "silence after a ping before the connection is given up",
  ),
  PROVER_TRACES_URL: option(
    httpUrl,
    "",
    "where traces are sent, such as http://127.0.0.1:4318/v1/traces (OTLP over HTTP); empty: nowhere",
    (url) => url.replace(/\/\/.*@/, "//***@"),
  ),
  PROVER_LOG_LEVEL: option(
    oneOf("debug", "info", "warn", "error", "silent"),
    "info",
    "least severe event that is logged",
  ),
} as const;

type Options = typeof OPTIONS;

/** PROVER_QUEUE_MAX is `config.queueMax`. */
type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Tail>>}`
  : Lowercase<S>;
type FieldOf<Name> = Name extends `PROVER_${infer Rest}` ? CamelCase<Rest> : never;

export type Config = {
  readonly [Name in keyof Options as FieldOf<Name>]: ReturnType<Options[Name]["parse"]>;
};

/** Every problem of a configuration, one line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/**
 * The configuration in `environment`, with `overrides` (by variable name) before it. Frozen.
 *
 * @throws ConfigError with all problems at once.
 */
export function parseConfig(
  environment: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, string | undefined>> = {},
): Config {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, row] of Object.entries<Option<unknown>>(OPTIONS)) {
    const { parse, default: fallback, shown = (text) => text } = row;
    const given = overrides[name] ?? environment[name];
    try {
      // An empty variable is how shells and manifests say "not set".
      values[fieldName(name)] = given === undefined || given === "" ? fallback : parse(given);
    } catch (rule) {
      problems.push(`${name}: got "${shown(given ?? "")}", expected ${(rule as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const config = values as unknown as Config;
  problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** Variables that look like settings and are none: most likely misspelt. Kubernetes adds some of its own. */
export function unknownSettings(
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  return Object.keys(environment).filter(
    (name) => name.startsWith("PROVER_") && !(name in OPTIONS),
  );
}

/** Defaults that are this machine's, not the reader's. */
const OF_THIS_MACHINE: Readonly<Record<string, string>> = {
  PROVER_THREADS: "number of cores",
  PROVER_MEMORY_MAX_BYTES: "three quarters of the container's or machine's",
};

/** The settings as a Markdown table: name, default, meaning. */
export function optionsTable(): string {
  const rows = Object.entries<Option<unknown>>(OPTIONS).map(([name, row]) => {
    const shown = OF_THIS_MACHINE[name] ?? (String(row.default) || "(empty)");
    return `| \`${name}\` | ${shown} | ${row.meaning} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.role !== "all" && !isShared(config.store)) {
    problems.push(
      `PROVER_ROLE: got ${config.role} with PROVER_STORE=${config.store}, which is this process's alone, so that no other one would ${config.role === "api" ? "prove its jobs" : "give it jobs"}. ` +
        "Set PROVER_STORE=postgres://..., or PROVER_ROLE=all",
    );
  }
  const hasTls = config.tlsCert !== "";
  const hasAccessFile = config.accessFile !== "";
  if (hasTls !== (config.tlsKey !== "")) {
    problems.push(
      "PROVER_TLS_CERT and PROVER_TLS_KEY: got one without the other, expected both or none",
    );
  }
  if (config.tlsClientCa !== "" && !hasTls) {
    problems.push(
      "PROVER_TLS_CLIENT_CA: got a file, but PROVER_TLS_CERT is empty; callers' certificates need TLS",
    );
  }
  if (config.tlsClientCert === "optional" && (config.tlsClientCa === "" || !hasAccessFile)) {
    problems.push(
      "PROVER_TLS_CLIENT_CERT: got optional, which leaves callers to PROVER_ACCESS_FILE and PROVER_TLS_CLIENT_CA; expected both files",
    );
  }
  for (const [name, listen] of [
    ["PROVER_LISTEN", config.listen],
    ["PROVER_ADMIN_LISTEN", config.adminListen],
  ] as const) {
    if (isLoopback(listen)) continue;
    if (!hasTls && hasAccessFile) {
      problems.push(
        `${name}: got ${listen} without TLS, over which no token is taken, and there are no certificates. ` +
          "Set PROVER_TLS_CERT and PROVER_TLS_KEY, or listen on 127.0.0.1 behind something that does TLS",
      );
    } else if (!hasTls && !config.allowPlaintext) {
      problems.push(
        `${name}: got ${listen} without TLS, which lets the network read batches and call the service. ` +
          "Set PROVER_TLS_CERT and PROVER_TLS_KEY, listen on 127.0.0.1, or set PROVER_ALLOW_PLAINTEXT=true",
      );
    }
    if (hasAccessFile || config.allowAnonymous) continue;
    if (name === "PROVER_ADMIN_LISTEN") {
      problems.push(
        `${name}: got ${listen} without PROVER_ACCESS_FILE, which makes everyone who gets there an administrator. ` +
          "Name the administrators in that file, listen on 127.0.0.1, or set PROVER_ALLOW_ANONYMOUS=true",
      );
    } else if (hasTls && config.tlsClientCa === "") {
      problems.push(
        `${name}: got ${listen}, and nothing that says who may call. ` +
          "Set PROVER_TLS_CLIENT_CA or PROVER_ACCESS_FILE, listen on 127.0.0.1, or set PROVER_ALLOW_ANONYMOUS=true",
      );
    }
  }
  return problems;
}

function isLoopback(listen: string): boolean {
  const host = listen.slice(0, listen.lastIndexOf(":"));
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}

function fieldName(variable: string): string {
  return variable
    .slice("PROVER_".length)
    .toLowerCase()
    .replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
