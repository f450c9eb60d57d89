// The benchmark of a packed build. Arguments: those of `npm run bench -- --engine vulkan`.
import { benchGpu } from "../../bench/gpu/main.ts";
import { unhurried } from "../../bench/output.ts";
import { createProgress } from "../../prover/command/progress.ts";

const progress = unhurried(createProgress(process.stderr), process.stderr.isTTY === true);
try {
  process.exitCode = await benchGpu(process.argv.slice(2), progress);
} catch (error) {
  progress.end();
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
