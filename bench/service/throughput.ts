/**
 * Proofs per second through the service beside those of the bare engine: the same circuit, witness,
 * threads and proofs in flight. Both processes stay open; their windows take turns.
 */
import { join } from "node:path";
import { V8_FLAGS } from "../../prover/command/v8-flags.ts";
import { ChildLink } from "../contenders/child-link.ts";
import type { Answer, ProvedMessage, Request } from "../contenders/message.ts";
import type { OnProgress } from "../fixtures/fixture.ts";
import type { ServedCircuit } from "../fixtures/served-circuit.ts";
import type { Verifier } from "../measure/verifier.ts";
import type { LoadAnswer, LoadQuestion, ProvedAnswer } from "./load-message.ts";
import type { ServiceOptions } from "./options.ts";
import type { ThroughputPair } from "./result.ts";
import { ServerProcess } from "./server-process.ts";

const CONTENDERS = join(import.meta.dirname, "../contenders");
const LOAD = join(import.meta.dirname, "load-child.ts");
/** So long before anything counts: what runs a few times a second is compiled late. */
const WARM_MS = { quick: 2_000, full: 15_000 } as const;

/** Proofs asked for at once by each thread: nobody waits for the asker. */
export const LANES_A_THREAD = 2;

export async function measurePairs(
  options: ServiceOptions,
  threads: number,
  circuit: ServedCircuit,
  dependencies: {
    readonly benchDir: string;
    readonly verifier: Verifier;
    readonly onProgress: OnProgress;
  },
): Promise<ThroughputPair[]> {
  const { benchDir, verifier, onProgress } = dependencies;
  const { pairs: count, windowMs } = options;
  const { zkeyPath, wtnsPath, id: circuitId } = circuit;
  const lanes = LANES_A_THREAD * threads;
  await using server = await ServerProcess.start(circuit, threads, benchDir);
  const load = new ChildLink<LoadQuestion, LoadAnswer>(
    LOAD,
    {
      address: server.address,
      circuitId,
      wtnsPath,
    },
    // The client shares the cores with what it measures, and is to be seen little.
    { nodeFlags: V8_FLAGS },
  );
  const bare = new ChildLink<Request, Answer>(join(CONTENDERS, "ours-child.ts"), { threads });
  const throughService = (ms: number) =>
    load.ask({ kind: "prove", lanes, ms }) as Promise<ProvedAnswer>;
  const pairs: ThroughputPair[] = [];
  try {
    await bare.ask({ kind: "load", zkeyPath });
    const warmMs = options.isQuick ? WARM_MS.quick : WARM_MS.full;
    await throughService(warmMs);
    await proveBare(bare, wtnsPath, lanes, warmMs);
    for (let i = 0; i < count; i++) {
      onProgress(`${circuitId}: proofs per second, pair ${i + 1} of ${count}`, i / count);
      // Who begins changes: what drifts hits both alike.
      const order = i % 2 === 0 ? (["service", "bare"] as const) : (["bare", "service"] as const);
      const found = { service: 0, bare: 0 };
      let clientShare = 0;
      for (const side of order) {
        if (side === "service") {
          const { atMs, proofs, cpuSeconds } = await throughService(windowMs);
          found.service = rateOf(atMs, threads);
          clientShare = cpuSeconds / ((threads * windowMs) / 1_000);
          for (const proof of proofs) await verifier.check(circuit, proof);
        } else {
          const { atMs, proofs } = await proveBare(bare, wtnsPath, lanes, windowMs);
          found.bare = rateOf(atMs, threads);
          for (const proof of proofs) await verifier.check(circuit, proof);
        }
      }
      pairs.push({ servicePerSecond: found.service, barePerSecond: found.bare, clientShare });
    }
  } finally {
    await Promise.all([load.close(), bare.close()]);
  }
  return pairs;
}

async function proveBare(
  bare: ChildLink<Request, Answer>,
  wtnsPath: string,
  lanes: number,
  ms: number,
): Promise<{ atMs: number[]; proofs: ProvedMessage[] }> {
  const atMs: number[] = [];
  const proofs: ProvedMessage[] = [];
  const untilMs = performance.now() + ms;
  const lane = async () => {
    while (performance.now() < untilMs) {
      proofs.push((await bare.ask({ kind: "prove", wtnsPath })) as ProvedMessage);
      atMs.push(performance.now());
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { atMs, proofs };
}

/**
 * Proofs per second from the first round of the threads to the end: the start is left out, and so are
 * the last proofs, which need not be made by all threads.
 *
 * @throws RangeError if there were too few.
 */
export function rateOf(atMs: readonly number[], threads: number): number {
  const from = threads - 1;
  const to = atMs.length - threads;
  const spanMs = (atMs[to] ?? Number.NaN) - (atMs[from] ?? Number.NaN);
  if (!(to > from && spanMs > 0)) {
    throw new RangeError(`got ${atMs.length} proofs by ${threads} threads: too few for a rate`);
  }
  return ((to - from) * 1_000) / spanMs;
}
