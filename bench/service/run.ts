/** One run of `npm run bench -- service`. */
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { OnProgress } from "../fixtures/fixture.ts";
import { servedCircuit } from "../fixtures/served-circuit.ts";
import { describeCommit, describeMachine } from "../machine.ts";
import { Verifier } from "../measure/verifier.ts";
import { measureAcceptance } from "./acceptance.ts";
import type { ServiceOptions } from "./options.ts";
import type { ServiceResult } from "./result.ts";
import { LANES_A_THREAD, measurePairs } from "./throughput.ts";

const benchDir = join(import.meta.dirname, "../../build/bench");

/**
 * A witness of 100 KB: 3,125 values of 32 bytes. As constraints, each of which adds a value to the
 * constant and the two public ones.
 */
const SUBMITTED = { log2: 12, constraints: 3_122 } as const;

export async function runService(
  options: ServiceOptions,
  onProgress: OnProgress,
): Promise<ServiceResult> {
  const startedMs = performance.now();
  const startedAt = new Date().toISOString();
  const [machine, commit] = [describeMachine(), describeCommit()];
  const threads = availableParallelism();
  await mkdir(benchDir, { recursive: true });
  const counted = await servedCircuit(options.log2, undefined, benchDir, onProgress);
  const { log2, constraints } = SUBMITTED;
  const submitted = await servedCircuit(log2, constraints, benchDir, onProgress);
  const verifier = new Verifier();
  try {
    const dependencies = { benchDir, verifier, onProgress };
    const { windows, requestBytes } = await measureAcceptance(
      options,
      threads,
      submitted,
      dependencies,
    );
    const pairs = await measurePairs(options, threads, counted, dependencies);
    return {
      formatVersion: 1,
      startedAt,
      minutes: Math.round((performance.now() - startedMs) / 6_000) / 10,
      commit,
      machine,
      isQuick: options.isQuick,
      threads,
      throughput: {
        circuit: counted.id,
        constraints: counted.constraints,
        inFlight: LANES_A_THREAD * threads,
        windowMs: options.windowMs,
        pairs,
        verifiedProofs: verifier.count,
      },
      acceptance: {
        circuit: submitted.id,
        requestBytes,
        perSecond: options.rate,
        windowMs: options.latencyMs,
        windows,
      },
    };
  } finally {
    await verifier.close();
  }
}
