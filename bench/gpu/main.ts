/** `npm run bench -- --engine vulkan`, and the same where only a packed build is (`scripts/pack-gpu.ts`). */
import { join } from "node:path";
import type { Progress } from "../../prover/command/progress.ts";
import { recordedCommand } from "../options.ts";
import { resultsDir, writeResult } from "../output.ts";
import { GPU_USAGE, parseGpuOptions } from "./options.ts";
import { writeGpuPlots } from "./plots.ts";
import { runGpuBench } from "./run.ts";
import { gpuSummary } from "./summary.ts";

/**
 * @param words  without what says that a GPU is to be measured.
 * @returns the exit code.
 * @throws UsageError, or WorkError ENGINE_UNAVAILABLE if there is no device to measure.
 */
export async function benchGpu(words: readonly string[], progress: Progress): Promise<number> {
  const options = parseGpuOptions(words);
  if (options === undefined) {
    process.stdout.write(GPU_USAGE);
    return 0;
  }
  const dirOf = ({ isSoftware }: { readonly isSoftware: boolean }) =>
    options.outDir ?? join(resultsDir({ isKept: !options.isQuick && !isSoftware }), "gpu");
  const result = await runGpuBench(
    options,
    recordedCommand(["--engine", "vulkan", ...words]),
    (text, done) => progress.update(text, done),
    (known) => writeResult(dirOf(known), known),
  );
  progress.end();
  const isKept = options.outDir === undefined && !options.isQuick && !result.isSoftware;
  if (isKept) await writeGpuPlots(join(import.meta.dirname, "../../docs/plots"), result);
  else if (options.outDir !== undefined) await writeGpuPlots(options.outDir, result);
  process.stdout.write(`${gpuSummary(result)}\n\nwritten to ${dirOf(result)}\n`);
  return 0;
}
