import { bytesToHex, encodeFunctionData, type Hex, numberToHex } from "viem";
import { type Proof, proofToWords } from "../worker/proof.ts";
import type { PublicSignals } from "./batch.ts";
import { transactionsHash } from "./data.ts";
import { ROLLUP_ABI } from "./rollup-abi.ts";

export interface BlockCommitment {
  readonly newRoot: bigint;
  /** The published bytes, `encodeTxData`. */
  readonly txData: Uint8Array;
  readonly proof: Proof;
  readonly publicSignals: PublicSignals;
}

/** Calldata of `ZKRollup.commitBlock`. */
export function encodeCommitBlock(commitment: BlockCommitment): Hex {
  const { newRoot, txData, proof, publicSignals } = commitment;
  const { pA, pB, pC } = proofToWords(proof);
  return encodeFunctionData({
    abi: ROLLUP_ABI,
    functionName: "commitBlock",
    args: [
      numberToHex(newRoot, { size: 32 }),
      transactionsHash(txData),
      pA,
      pB,
      pC,
      publicSignals,
      bytesToHex(txData),
    ],
  });
}
