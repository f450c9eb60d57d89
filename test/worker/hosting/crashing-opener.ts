/** What a driver may do when it is looked at: the module that an `Opener` of the tests names. */
import { setTimeout as sleep } from "node:timers/promises";
import { referenceEngine } from "../../../worker/engines/reference.ts";
import { gpuError } from "../../../worker/gpu/failure.ts";
import type { Hosted } from "../../../worker/hosting/hosted.ts";

export default async function open(options: unknown): Promise<Hosted> {
  const { what } = options as { readonly what: string };
  if (what === "crash") process.kill(process.pid, "SIGSEGV");
  if (what === "stand") await sleep(600_000);
  if (what === "refuse") throw gpuError("device", "got no device");
  if (what === "leave") process.exit(3);
  if (what === "talk") process.stdout.write("driver: a line that nobody wants");
  const device = { name: "fake", kind: "software", driver: "1", memoryBytes: 1 } as const;
  const use = () => ({ allocatedBytes: 0, batches: 0, jobs: 0 });
  return { engine: referenceEngine, takesManyRuns: false, device, use };
}
