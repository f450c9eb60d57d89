import { create, toBinary } from "@bufbuild/protobuf";
import { encodeCommitBlock } from "../circuits/calldata.ts";
import { ProofResultSchema } from "../gen/prover/v1/job_pb.ts";
import { toBytesBE } from "../worker/field.ts";
import { type Proof, proofToJson, proofToWords } from "../worker/proof.ts";
import type { ProveResult } from "../worker/task.ts";
import type { ServedCircuit } from "./circuits.ts";
import { ProverError } from "./errors.ts";
import type { CommitPlan } from "./job.ts";

type Proved = Extract<ProveResult, { kind: "proved" }>;

/**
 * An encoded prover.v1.ProofResult: what a job's `result` holds.
 *
 * @param queueMs  from acceptance to the start of the attempt.
 * @throws ProverError BUG if the proof is not of the planned block.
 */
export function encodeResult(
  circuit: ServedCircuit,
  proved: Proved,
  commit: CommitPlan | undefined,
  queueMs: number,
): Uint8Array {
  const { proof, publicSignals, stageMs } = proved;
  const { pA, pB, pC } = proofToWords(proof);
  const result = create(ProofResultSchema, {
    proof: { a: pA.map(toBytesBE), b: pB.flat().map(toBytesBE), c: pC.map(toBytesBE) },
    snarkjsProofJson: Buffer.from(JSON.stringify(proofToJson(proof))),
    publicSignals: publicSignals.map(toBytesBE),
    ...(commit === undefined ? {} : { commitBlock: commitBlock(commit, proof, publicSignals) }),
    zkeySha256: Buffer.from(circuit.artefacts.zkey.sha256, "hex"),
    vkeySha256: Buffer.from(circuit.verificationKey.sha256, "hex"),
    engine: proved.engine,
    times: {
      queueMs: Math.round(queueMs),
      witnessMs: Math.round(stageMs.witness),
      // Loading a key happens once for each thread; it delays this proof, so it counts.
      proveMs: Math.round(stageMs.loading + stageMs.proving),
      verifyMs: Math.round(stageMs.verifying),
    },
    developmentKeys: proved.isDevKey,
  });
  return toBinary(ProofResultSchema, result);
}

function commitBlock(commit: CommitPlan, proof: Proof, publicSignals: readonly bigint[]) {
  const [prevRoot, newRoot, h, z, y] = publicSignals;
  if (
    prevRoot === undefined ||
    h === undefined ||
    z === undefined ||
    y === undefined ||
    newRoot !== commit.newRoot
  ) {
    throw new ProverError("BUG", "the proof's public signals are not those of the batch");
  }
  const calldata = encodeCommitBlock({
    newRoot,
    txData: commit.txData,
    proof,
    publicSignals: [prevRoot, newRoot, h, z, y],
  });
  return {
    calldata: Buffer.from(calldata.slice(2), "hex"),
    txData: commit.txData,
    newRoot: toBytesBE(newRoot),
  };
}
