// Measures this prover beside snarkjs and native provers, in one run: `npm run bench -- --help`.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createProgress, type Progress } from "../prover/command/progress.ts";
import { writeWhole } from "../worker/binfile.ts";
import { parseOptions, recordedCommand, USAGE, UsageError } from "./options.ts";
import { writePlots } from "./report/plots.ts";
import type { BenchResult } from "./report/result.ts";
import { summary } from "./report/summary.ts";
import { runBench } from "./run.ts";
import { parseServiceOptions, SERVICE_USAGE } from "./service/options.ts";
import type { ServiceResult } from "./service/result.ts";
import { runService } from "./service/run.ts";
import { serviceSummary } from "./service/summary.ts";
import { parseStoreOptions, STORE_USAGE } from "./store/options.ts";
import type { StoreResult } from "./store/result.ts";
import { runStore } from "./store/run.ts";
import { storeSummary } from "./store/summary.ts";

const root = join(import.meta.dirname, "..");

const LOG_EVERY_MS = 5_000;

async function main(words: readonly string[]): Promise<number> {
  const progress = unhurried(createProgress(process.stderr), process.stderr.isTTY === true);
  const usage = { service: SERVICE_USAGE, store: STORE_USAGE }[words[0] ?? ""] ?? USAGE;
  try {
    if (words[0] === "service") return await benchService(words.slice(1), progress);
    if (words[0] === "store") return await benchStore(words.slice(1), progress);
    const options = parseOptions(words);
    if (options === undefined) {
      process.stdout.write(USAGE);
      return 0;
    }
    const result = await runBench(options, recordedCommand(words), (text, done) =>
      progress.update(text, done),
    );
    progress.end();
    process.stdout.write(`${summary(result)}\n\n`);
    const dir = options.outDir ?? resultsDir(options);
    await writeResult(dir, result);
    process.stdout.write(`written to ${dir}\n`);
    if (options.outDir === undefined && !options.isQuick) {
      await writePlots(join(root, "docs/plots"), result);
      process.stdout.write("plots in docs/plots; npm run readme renews the README's table\n");
    }
    return 0;
  } catch (error) {
    progress.end();
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    return 2;
  }
}

async function benchService(words: readonly string[], progress: Progress): Promise<number> {
  const options = parseServiceOptions(words);
  if (options === undefined) {
    process.stdout.write(SERVICE_USAGE);
    return 0;
  }
  const result = await runService(options, (text, done) => progress.update(text, done));
  progress.end();
  process.stdout.write(`${serviceSummary(result)}\n\n`);
  const dir = options.outDir ?? join(resultsDir(options), "service");
  await writeResult(dir, result);
  process.stdout.write(`written to ${dir}\n`);
  return 0;
}

async function benchStore(words: readonly string[], progress: Progress): Promise<number> {
  const options = parseStoreOptions(words);
  if (options === undefined) {
    process.stdout.write(STORE_USAGE);
    return 0;
  }
  const result = await runStore(options, (text, done) => progress.update(text, done));
  progress.end();
  process.stdout.write(`${storeSummary(result)}\n\n`);
  const dir = options.outDir ?? join(resultsDir(options), "store");
  await writeResult(dir, result);
  process.stdout.write(`written to ${dir}\n`);
  return 0;
}

/** Without a terminal every text is a line that stays: one in a while is enough. */
function unhurried(progress: Progress, isTerminal: boolean): Progress {
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

function resultsDir({ isQuick }: { readonly isQuick: boolean }): string {
  return join(root, isQuick ? "build/bench/results" : "bench/results");
}

/** One file for each run, kept, and a copy of the latest one under a fixed name. */
async function writeResult(
  dir: string,
  result: BenchResult | ServiceResult | StoreResult,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const text = Buffer.from(`${JSON.stringify(result, null, 1)}\n`);
  const name = `${result.startedAt.slice(0, 10)}-${result.commit.id}.json`;
  await writeWhole(join(dir, name), [text]);
  await writeWhole(join(dir, "latest.json"), [text]);
}

process.exitCode = await main(process.argv.slice(2));
