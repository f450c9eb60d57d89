/** A proof as callers of a Solidity verifier pass it. */
import { type ProofWords, proofFromJson, proofToWords, publicSignalsFromJson } from "./proof.ts";

/** Arguments of `verifyProof(uint256[2], uint256[2][2], uint256[2], uint256[n])`. */
export type VerifierArguments = readonly [
  pA: ProofWords["pA"],
  pB: ProofWords["pB"],
  pC: ProofWords["pC"],
  publicSignals: readonly bigint[],
];

/**
 * What viem's `args` and ethers take, of snarkjs's JSON.
 *
 * @throws WorkError PROOF_MALFORMED
 */
export function verifierArguments(proof: unknown, publicSignals: unknown): VerifierArguments {
  const { pA, pB, pC } = proofToWords(proofFromJson(proof));
  return [pA, pB, pC, publicSignalsFromJson(publicSignals)];
}

/**
 * The same as text: four JSON arrays of 0x-words with commas between, as Remix and `cast` take it
 * and as `snarkjs.groth16.exportSolidityCallData` writes it.
 *
 * @throws WorkError PROOF_MALFORMED
 */
export function solidityCallData(proof: unknown, publicSignals: unknown): string {
  const word = (_key: string, value: unknown) =>
    typeof value === "bigint" ? `0x${value.toString(16).padStart(64, "0")}` : value;
  return JSON.stringify(verifierArguments(proof, publicSignals), word).slice(1, -1);
}
