// Committed blocks as L1 shows them, and what the contract would have said to other ones.

import {
  type Address,
  decodeFunctionData,
  encodeFunctionData,
  type Hex,
  keccak256,
  type PublicClient,
} from "viem";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import { revertReason } from "../../operator/revert-reason.ts";

export interface Commit {
  readonly blockNumber: number;
  readonly l1Block: bigint;
  readonly operator: Address;
  readonly gasUsed: bigint;
  readonly calldata: Hex;
}

type CommitArguments = Extract<
  ReturnType<typeof decodeFunctionData<typeof ROLLUP_ABI>>,
  { functionName: "commitBlock" }
>["args"];

/** The transaction that committed a block; the operator sends them itself, so calldata is theirs. */
export async function findCommit(
  read: PublicClient,
  rollup: Address,
  blockNumber: number,
): Promise<Commit> {
  const [event] = await read.getContractEvents({
    address: rollup,
    abi: ROLLUP_ABI,
    eventName: "BlockCommitted",
    args: { blockNumber: BigInt(blockNumber) },
    fromBlock: 0n,
  });
  if (event === undefined) throw new Error(`block ${blockNumber} is not committed.`);
  const hash = event.transactionHash;
  const [transaction, receipt] = await Promise.all([
    read.getTransaction({ hash }),
    read.getTransactionReceipt({ hash }),
  ]);
  return {
    blockNumber,
    l1Block: event.blockNumber,
    operator: transaction.from,
    gasUsed: receipt.gasUsed,
    calldata: transaction.input,
  };
}

/** The calldata of a block with something changed. */
export function tamper(
  { calldata }: Commit,
  change: (args: CommitArguments) => CommitArguments,
): Hex {
  const { args } = decodeFunctionData({ abi: ROLLUP_ABI, data: calldata });
  return encodeFunctionData({
    abi: ROLLUP_ABI,
    functionName: "commitBlock",
    args: change(args as CommitArguments),
  });
}

/** One coordinate of the proof is another one. */
export const withOtherPoint = ([root, hash, [x, y], ...rest]: CommitArguments): CommitArguments => [
  root,
  hash,
  [x + 1n, y],
  ...rest,
];

/** The proof of another block. */
export function withProofOf(other: Commit): (args: CommitArguments) => CommitArguments {
  const { args } = decodeFunctionData({ abi: ROLLUP_ABI, data: other.calldata });
  const [, , pA, pB, pC] = args as CommitArguments;
  return ([root, hash, , , , signals, txData]) => [root, hash, pA, pB, pC, signals, txData];
}

/** Published bytes with one byte changed, and a hash that fits them. */
export const withOtherData = (args: CommitArguments): CommitArguments => {
  const [root, , pA, pB, pC, signals, txData] = args;
  const last = Number.parseInt(txData.slice(-2), 16) ^ 1;
  const changed: Hex = `${txData.slice(0, -2) as Hex}${last.toString(16).padStart(2, "0")}`;
  return [root, keccak256(changed), pA, pB, pC, signals, changed];
};

/**
 * What the contract says to a call of commitBlock on the state after an L1 block.
 *
 * @returns "accepted", or its error by name.
 */
export async function contractSays(
  read: PublicClient,
  call: { readonly from: Address; readonly to: Address; readonly data: Hex; readonly at: bigint },
): Promise<string> {
  try {
    await read.call({ account: call.from, to: call.to, data: call.data, blockNumber: call.at });
    return "accepted";
  } catch (error) {
    const reason = revertReason(error, ROLLUP_ABI);
    if (reason === undefined) throw error;
    return reason.name ?? reason.text;
  }
}
