/** Jobs for a store that is measured by itself: nobody proves them. */
import type { CircuitKey, JobStore, NewJob } from "../../prover/job-store.ts";

export const CIRCUIT: CircuitKey = { circuitId: "sample", zkeySha256: "5a".repeat(32) };

/** Nothing is refused, and nothing is forgotten by itself. */
export const LIMITS = {
  queueMax: 1_000_000,
  queueMaxBytes: 2 ** 40,
  attemptsMax: 2,
  leaseMs: 3_600_000,
  keepFinishedMs: 31_536_000_000,
  keepFinishedMax: 10_000_000,
  keepDeadMs: 3_600_000,
};

/** About what a proof with its calldata takes. */
export const RESULT_BYTES = 2_000;
/** Calls that are under way while a store is filled. */
const AT_ONCE = 200;

export function sampleJob(number: number, inputBytes: number): NewJob {
  return {
    ...CIRCUIT,
    owner: `owner ${number % 10}`,
    requestId: `sample-${number}`,
    inputKind: "WTNS",
    contentSha256: "c0".repeat(32),
    priority: "NORMAL",
    labels: { block: String(number) },
    developmentKeys: true,
    expireMs: undefined,
    input: { format: "wtns", bytes: new Uint8Array(inputBytes), commit: undefined },
  };
}

/** Jobs that have ended with a proof, then jobs that wait. Their numbers count from 0. */
export async function fill(
  store: JobStore,
  { finished, waiting }: { readonly finished: number; readonly waiting: number },
  onProgress: (part: number) => void,
): Promise<void> {
  for (let from = 0; from < finished + waiting; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, finished + waiting - from);
    const numbers = Array.from({ length: count }, (_, i) => from + i);
    await Promise.all(numbers.map((number) => store.submit(sampleJob(number, 100))));
    const ending = numbers.filter((number) => number < finished);
    await Promise.all(ending.map(() => endNext(store)));
    onProgress((from + count) / (finished + waiting));
  }
}

async function endNext(store: JobStore): Promise<void> {
  const claim = await store.claim([CIRCUIT]);
  if (claim === undefined) throw new Error("a sample job is missing from the line");
  await store.settle(claim.lease, { kind: "succeeded", result: new Uint8Array(RESULT_BYTES) });
}
