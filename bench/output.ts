/** Where the results of a run go, and how its progress is shown. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../prover/command/progress.ts";
import { writeWhole } from "../worker/binfile.ts";
import type { Commit } from "./machine.ts";

const root = join(import.meta.dirname, "..");

const LOG_EVERY_MS = 5_000;

/** Committed ones, or what nobody keeps. */
export function resultsDir({ isKept }: { readonly isKept: boolean }): string {
  return join(root, isKept ? "bench/results" : "build/bench/results");
}

/** One file for each run, kept, and a copy of the latest one under a fixed name. */
export async function writeResult(
  dir: string,
  result: { readonly startedAt: string; readonly commit: Commit },
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const text = Buffer.from(`${JSON.stringify(result, null, 1)}\n`);
  const name = `${result.startedAt.slice(0, 10)}-${result.commit.id}.json`;
  await writeWhole(join(dir, name), [text]);
  await writeWhole(join(dir, "latest.json"), [text]);
}

/** Without a terminal every text is a line that stays: one in a while is enough. */
export function unhurried(progress: Progress, isTerminal: boolean): Progress {
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    update: (text, done) => {
      const nowMs = performance.now();
      if (!isTerminal && nowMs - lastMs < LOG_EVERY_MS) return;
      lastMs = nowMs;
      progress.update(text, done);
    },
    end: () => progress.end(),
  };
}
