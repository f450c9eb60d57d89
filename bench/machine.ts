/** Where and of what a run was: a time without its machine and commit says nothing. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { join } from "node:path";

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  readonly v8: string;
  /** Of 1, 5 and 15 minutes, before anything was measured; above 0.5 or so others disturb. */
  readonly loadAverage: readonly number[];
}

export interface Commit {
  /** Short hash; "unknown" outside a checkout. */
  readonly id: string;
  /** Whether files differed from it, apart from what a run itself writes. */
  readonly isDirty: boolean;
}

const WRITTEN = [":!../bench/results", ":!../docs/plots", ":!../README.md"];

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${platform()} ${release()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

/** A build that is carried to another machine says here which commit it is of (`scripts/pack-gpu.ts`). */
export const COMMIT_FILE = "commit.json";

export function describeCommit(): Commit {
  const carried = join(import.meta.dirname, COMMIT_FILE);
  if (existsSync(carried)) return JSON.parse(readFileSync(carried, "utf8")) as Commit;
  const git = (...words: string[]): string =>
    execFileSync("git", words, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    return {
      id: git("rev-parse", "--short=10", "HEAD"),
      isDirty: git("status", "--porcelain", "--untracked-files=no", "--", "..", ...WRITTEN) !== "",
    };
  } catch {
    return { id: "unknown", isDirty: true };
  }
}
