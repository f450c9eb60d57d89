// A PostgreSQL cluster of a test's own: in a temporary folder, on a Unix socket, with fsync on.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const DEBIAN = "/usr/lib/postgresql";
/** PostgreSQL refuses to run as root; Debian's package brings this user. */
const USER = "postgres";

/** The folder with initdb and pg_ctl, or undefined if PostgreSQL is not installed. */
function binaries(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => +b - +a) : [];
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter),
    ...versions.map((version) => join(DEBIAN, version, "bin")),
  ];
  return folders.find(
    (folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "pg_ctl")),
  );
}

const BIN = binaries();

/** Undefined: PostgreSQL is here. */
export const whyNoPostgres: string | undefined =
  BIN === undefined ? "PostgreSQL (initdb, pg_ctl) is not installed" : undefined;

/** To be called by each file that needs PostgreSQL: one line when its tests are skipped. */
export function announceSkip(what: string): void {
  if (whyNoPostgres !== undefined) console.warn(`skipped: ${what}: ${whyNoPostgres}`);
}

export interface Cluster {
  /** Of a schema in the cluster's one database. */
  url(schema: string): string;
  readonly dir: string;
  readonly port: number | undefined;
  start(): Promise<void>;
  /** `immediate` is a crash: no shutdown, recovery at the next start. */
  stop(mode: "fast" | "immediate"): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

export interface ClusterOptions {
  /** Of 127.0.0.1. Absent: a Unix socket only. */
  readonly port?: number;
  /** As for postgresql.conf, beside the usual ones. */
  readonly settings?: readonly string[];
  /** Into the data folder, readable by the server only. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), "pg-"));
  const data = join(dir, "data");
  const owner = process.getuid?.() === 0 ? idsOf(USER) : undefined;
  if (owner !== undefined) await chown(dir, owner.uid, owner.gid);
  await run("initdb", ["-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
  for (const [name, bytes] of Object.entries(options.files ?? {})) {
    await writeFile(join(data, name), bytes, { mode: 0o600 });
    if (owner !== undefined) await chown(join(data, name), owner.uid, owner.gid);
  }
  const flags = [
    `-c unix_socket_directories=${dir}`,
    options.port === undefined
      ? "-c listen_addresses="
      : `-c listen_addresses=127.0.0.1 -p ${options.port}`,
    "-c max_connections=200",
    ...(options.settings ?? []).map((setting) => `-c ${setting}`),
  ].join(" ");
  const start = () =>
    run("pg_ctl", ["-D", data, "-o", flags, "-l", join(dir, "log"), "-w", "-t", "60", "start"]);
  const stop = (mode: string) => run("pg_ctl", ["-D", data, "-m", mode, "-w", "-t", "60", "stop"]);
  await start();

  async function run(tool: string, args: readonly string[]): Promise<void> {
    const child = spawn(join(BIN as string, tool), args, {
      ...owner,
      cwd: dir,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let complaint = "";
    child.stderr.on("data", (chunk) => {
      complaint += chunk;
    });
    // Not "close": the server that pg_ctl leaves behind keeps its files open.
    const [code] = await once(child, "exit");
    child.stderr.destroy();
    if (code !== 0) throw new Error(`${tool} ${args.at(-1)}: exit ${code}: ${complaint}`);
  }

  return {
    dir,
    port: options.port,
    url: (schema) => {
      const query = `schema=${schema}`;
      return options.port === undefined
        ? `postgres://${USER}@/postgres?host=${encodeURIComponent(dir)}&${query}`
        : `postgres://${USER}@127.0.0.1:${options.port}/postgres?${query}`;
    },
    start,
    stop,
    async close() {
      await stop("immediate").catch(() => {});
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
