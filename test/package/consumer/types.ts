// Compiled in an empty project and never run: the types that a user sees.
import {
  calculateWitness,
  groth16,
  type LoadedKey,
  loadKey,
  type ProofJson,
  Prover,
  proofFromJson,
  prove,
  verificationKeyFromJson,
  verifierArguments,
  verify,
  WorkError,
  type WorkErrorCode,
} from "proofmill";
import { ProverClient, ProverClientError, transferBatchInput } from "proofmill/client";
import { type Job, JobState } from "proofmill/messages/job";
import { SubmitProofRequestSchema } from "proofmill/messages/prover";
import { ROLLUP_ABI } from "proofmill/rollup-abi";
import { UserClient } from "proofmill/user-client";
import { signTransfer, walletFromSeed } from "proofmill/wallet";

export async function library(zkey: Uint8Array): Promise<boolean> {
  const key: LoadedKey = await loadKey(zkey, { allowDevKeys: true });
  const wtns: Uint8Array = await calculateWitness({ a: 1n, b: ["2", [3]] }, "circuit.wasm");
  const { proof, publicSignals } = await prove(key, wtns, {
    signal: AbortSignal.timeout(60_000),
    onProgress: (stage: "proving" | "verifying", done: number) => [stage, done],
    r1cs: new URL("file:///circuit.r1cs"),
  });
  const json: ProofJson = proof;
  const mutable: { pi_a: string[]; pi_b: string[][]; protocol: string } = json;
  const [pA, , , signals] = verifierArguments(mutable, publicSignals);
  const x: bigint = pA[0] + (signals[0] ?? 0n);
  await key.close();
  await groth16.fullProve({ x }, wtns, "circuit.zkey", { threads: "one" });
  // @ts-expect-error: the witness is missing
  await groth16.prove(zkey);
  return verify(key.verificationKey, publicSignals, proof);
}

export async function prover(wtns: Uint8Array): Promise<bigint | undefined> {
  const opened = await Prover.open();
  const { publicSignals } = await opened.prove(await opened.loadKey(wtns), wtns);
  await opened.verify(verificationKeyFromJson({}), publicSignals, proofFromJson({}));
  await opened.close();
  return publicSignals[0];
}

export function codeOf(error: unknown): WorkErrorCode | string | undefined {
  if (error instanceof WorkError) return error.code;
  return error instanceof ProverClientError ? error.reason : undefined;
}

export async function client(batch: Parameters<typeof transferBatchInput>[0]): Promise<Job> {
  const connected = new ProverClient({ address: "localhost:50051", tls: { ca: new Uint8Array() } });
  const input = transferBatchInput(batch);
  const job = await connected.prove({ requestId: "1", circuitId: "batch-4", input });
  const elements: Uint8Array[] = job.result.proof?.a ?? [];
  if (job.state !== JobState.SUCCEEDED || elements.length !== 2) throw new Error(job.jobId);
  return await connected.get({ requestId: SubmitProofRequestSchema.typeName });
}

export const wallet = () => ({
  sign: signTransfer,
  key: walletFromSeed(new Uint8Array(32)).ax satisfies bigint,
  abi: ROLLUP_ABI[0]?.type,
  open: UserClient.open,
});
