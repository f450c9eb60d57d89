/**
 * How soon a submission is accepted while every core proves: an open loop, in which submissions come
 * at fixed times whatever became of earlier ones, and each is measured from the time at which it was
 * due. What was submitted is what is proved, so the line grows all the time.
 */
import { join } from "node:path";
import { ProverClient } from "../../prover/client.ts";
import { V8_FLAGS } from "../../prover/command/v8-flags.ts";
import { ChildLink } from "../contenders/child-link.ts";
import type { OnProgress } from "../fixtures/fixture.ts";
import type { ServedCircuit } from "../fixtures/served-circuit.ts";
import type { LoadAnswer, LoadQuestion, SubmittedAnswer } from "./load-message.ts";
import type { ServiceOptions } from "./options.ts";
import type { AcceptanceWindow } from "./result.ts";
import { ServerProcess } from "./server-process.ts";

const LOAD = join(import.meta.dirname, "load-child.ts");
/** Before anything counts: code is compiled and the cores have begun to prove. */
const WARM_MS = 3_000;

/** Each window has a new server and a new store: no line from the one before. */
export async function measureAcceptance(
  { latencyWindows, latencyMs, rate }: ServiceOptions,
  threads: number,
  circuit: ServedCircuit,
  dependencies: { readonly benchDir: string; readonly onProgress: OnProgress },
): Promise<{ windows: AcceptanceWindow[]; requestBytes: number }> {
  const windows: AcceptanceWindow[] = [];
  let requestBytes = 0;
  for (let i = 0; i < latencyWindows; i++) {
    dependencies.onProgress(
      `${circuit.id}: submissions, window ${i + 1} of ${latencyWindows}`,
      i / latencyWindows,
    );
    await using server = await ServerProcess.start(circuit, threads, dependencies.benchDir);
    const { address } = server;
    const { id: circuitId, wtnsPath } = circuit;
    const load = new ChildLink<LoadQuestion, LoadAnswer>(
      LOAD,
      { address, circuitId, wtnsPath },
      // The client shares the cores with what it measures, and is to be seen little.
      { nodeFlags: V8_FLAGS },
    );
    const client = new ProverClient({ address });
    const submit = (ms: number) =>
      load.ask({ kind: "submit", perSecond: rate, ms }) as Promise<SubmittedAnswer>;
    /** Jobs that have left the line. */
    const begun = async (submitted: number) =>
      submitted - (await client.getServerInfo()).queuedCount;
    try {
      const warm = await submit(WARM_MS);
      const before = await begun(warm.acceptedMs.length);
      const found = await submit(latencyMs);
      const accepted = found.acceptedMs.length;
      const after = await begun(warm.acceptedMs.length + accepted);
      requestBytes = found.requestBytes;
      windows.push({
        ...percentiles(found.acceptedMs),
        accepted,
        refused: found.refused,
        proved: after - before,
        clientShare: found.cpuSeconds / (threads * found.seconds),
      });
    } finally {
      client.close();
      await load.close();
    }
  }
  return { windows, requestBytes };
}

/** @throws RangeError if there is nothing. */
export function percentiles(
  samples: readonly number[],
): Pick<AcceptanceWindow, "p50" | "p90" | "p99" | "max"> {
  if (samples.length === 0) throw new RangeError("got no submission that was accepted");
  const sorted = samples.toSorted((a, b) => a - b);
  // The least value that so many percent do not exceed.
  const at = (percent: number): number =>
    sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] as number;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
