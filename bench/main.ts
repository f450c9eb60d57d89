// Measures this prover beside snarkjs and native provers, in one run: `npm run bench -- --help`.
import { join } from "node:path";
import { createProgress, type Progress } from "../prover/command/progress.ts";
import { WorkError } from "../worker/errors.ts";
import { benchGpu } from "./gpu/main.ts";
import { GPU_USAGE, gpuWords } from "./gpu/options.ts";
import { parseOptions, recordedCommand, USAGE, UsageError } from "./options.ts";
import { resultsDir, unhurried, writeResult } from "./output.ts";
import { writePlots } from "./report/plots.ts";
import { summary } from "./report/summary.ts";
import { runBench } from "./run.ts";
import { parseServiceOptions, SERVICE_USAGE } from "./service/options.ts";
import { runService } from "./service/run.ts";
import { serviceSummary } from "./service/summary.ts";
import { parseStoreOptions, STORE_USAGE } from "./store/options.ts";
import { runStore } from "./store/run.ts";
import { storeSummary } from "./store/summary.ts";

const root = join(import.meta.dirname, "..");

async function main(words: readonly string[]): Promise<number> {
  const progress = unhurried(createProgress(process.stderr), process.stderr.isTTY === true);
  let usage = { service: SERVICE_USAGE, store: STORE_USAGE }[words[0] ?? ""] ?? USAGE;
  try {
    const aboutGpu = gpuWords(words);
    if (aboutGpu !== undefined) {
      usage = GPU_USAGE;
      return await benchGpu(aboutGpu, progress);
    }
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
    const dir = options.outDir ?? resultsDir({ isKept: !options.isQuick });
    await writeResult(dir, result);
    process.stdout.write(`written to ${dir}\n`);
    if (options.outDir === undefined && !options.isQuick) {
      await writePlots(join(root, "docs/plots"), result);
      process.stdout.write("plots in docs/plots; npm run readme renews the README's table\n");
    }
    return 0;
  } catch (error) {
    progress.end();
    if (error instanceof WorkError) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
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
  const dir = options.outDir ?? join(resultsDir({ isKept: !options.isQuick }), "service");
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
  const dir = options.outDir ?? join(resultsDir({ isKept: !options.isQuick }), "store");
  await writeResult(dir, result);
  process.stdout.write(`written to ${dir}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
