/** The load generator, a process of its own. Argument: { address, circuitId, wtnsPath }. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ProverClient } from "../../prover/client.ts";
import { fromBytesBE } from "../../worker/field.ts";
import type { ProofJson } from "../../worker/proof.ts";
import { answerQuestions } from "../contenders/child.ts";
import type { LoadAnswer, LoadQuestion, ProvedAnswer } from "./load-message.ts";

interface Target {
  readonly address: string;
  readonly circuitId: string;
  readonly wtnsPath: string;
}

const { address, circuitId, wtnsPath } = JSON.parse(process.argv[2] ?? "{}") as Target;
const client = new ProverClient({ address });
const wtns = readFileSync(wtnsPath);
let count = 0;

const nextRequest = () => ({
  requestId: `bench-${process.pid}-${++count}`,
  circuitId,
  input: { case: "wtns" as const, value: wtns },
});

answerQuestions(async (question: LoadQuestion): Promise<LoadAnswer> => {
  return question.kind === "prove"
    ? proveFor(question.lanes, question.ms)
    : submitFor(question.perSecond, question.ms);
});

async function proveFor(lanes: number, ms: number): Promise<ProvedAnswer> {
  const before = process.cpuUsage();
  const atMs: number[] = [];
  const proofs: ProvedAnswer["proofs"][number][] = [];
  const untilMs = performance.now() + ms;
  const lane = async () => {
    while (performance.now() < untilMs) {
      const { result } = await client.prove(nextRequest());
      atMs.push(performance.now());
      proofs.push({
        proof: JSON.parse(Buffer.from(result.snarkjsProofJson).toString()) as ProofJson,
        publicSignals: result.publicSignals.map((signal) => String(fromBytesBE(signal))),
      });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { kind: "proved", atMs, proofs, cpuSeconds: cpuSince(before) };
}

async function submitFor(perSecond: number, ms: number): Promise<LoadAnswer> {
  const before = process.cpuUsage();
  const acceptedMs: number[] = [];
  const pending: Promise<void>[] = [];
  let refused = 0;
  const total = Math.round((perSecond * ms) / 1_000);
  const startMs = performance.now() + 100;
  for (let i = 0; i < total; i++) {
    const dueMs = startMs + (i * 1_000) / perSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const accepted = client.submit(nextRequest()).then(
      () => {
        acceptedMs.push(performance.now() - dueMs);
      },
      () => {
        refused++;
      },
    );
    pending.push(accepted);
  }
  await Promise.all(pending);
  return {
    kind: "submitted",
    acceptedMs,
    refused,
    requestBytes: wtns.length,
    cpuSeconds: cpuSince(before),
    seconds: (performance.now() - startMs) / 1_000,
  };
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
