import { type Hex, hexToBytes, type Log, parseEventLogs } from "viem";
import type { AccountKey } from "../circuits/account.ts";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { OperatorError } from "./errors.ts";

/** What the rollup's contract reports, in the operator's own words. Ids and indices are far below 2^53. */
export type RollupEvent =
  | { readonly type: "registered"; readonly index: number; readonly key: AccountKey }
  | {
      readonly type: "queued";
      readonly id: number;
      readonly kind: 1 | 2;
      readonly index: number;
      /** 0 for a forced exit: what it pays is only known when it is executed. */
      readonly amountGwei: bigint;
      readonly overdueAtSeconds: bigint;
    }
  | {
      readonly type: "block";
      readonly number: number;
      readonly stateRoot: bigint;
      readonly firstItem: number;
      readonly itemCount: number;
      readonly txData: Uint8Array;
      readonly transactionHash: Hex;
    };

/** One L1 block as far as the rollup is concerned. */
export interface L1Block {
  readonly number: number;
  readonly hash: Hex;
  /** Left out by a catch-up in ranges, which reads only blocks too deep for a reorg. */
  readonly parentHash?: Hex;
  readonly events: readonly RollupEvent[];
}

/**
 * The contract's logs of one L1 block, in log order. `BlockCommitted` and `BlockData` of a rollup block become
 * one event.
 *
 * @throws OperatorError STATE_DIVERGED  if one of the two stands alone: then this is not the contract we know.
 */
export function decodeEvents(logs: readonly Log[]): RollupEvent[] {
  const ordered = logs.toSorted((a, b) => Number(a.logIndex) - Number(b.logIndex));
  const events: RollupEvent[] = [];
  const roots = new Map<bigint, bigint>();
  const data = new Map<bigint, Omit<Extract<RollupEvent, { type: "block" }>, "stateRoot">>();
  const pair = (number: bigint): void => {
    const stateRoot = roots.get(number);
    const rest = data.get(number);
    if (stateRoot === undefined || rest === undefined) return;
    events.push({ ...rest, stateRoot });
    roots.delete(number);
    data.delete(number);
  };
  for (const log of parseEventLogs({ abi: ROLLUP_ABI, logs: [...ordered], strict: true })) {
    if (log.eventName === "AccountRegistered") {
      const { index, owner, ax, ay } = log.args;
      events.push({ type: "registered", index, key: { ax, ay, owner: BigInt(owner) } });
    } else if (log.eventName === "ItemQueued") {
      const { id, kind, index, amountGwei, overdueAt } = log.args;
      events.push({
        type: "queued",
        id: Number(id),
        kind: kind === 1 ? 1 : 2,
        index,
        amountGwei,
        overdueAtSeconds: overdueAt,
      });
    } else if (log.eventName === "BlockCommitted") {
      roots.set(log.args.blockNumber, BigInt(log.args.stateRoot));
      pair(log.args.blockNumber);
    } else if (log.eventName === "BlockData") {
      const { blockNumber, firstItem, itemCount, txData } = log.args;
      data.set(blockNumber, {
        type: "block",
        number: Number(blockNumber),
        firstItem: Number(firstItem),
        itemCount,
        txData: hexToBytes(txData),
        transactionHash: log.transactionHash as Hex,
      });
      pair(blockNumber);
    }
  }
  const alone = [...roots.keys(), ...data.keys()][0];
  if (alone !== undefined) {
    throw new OperatorError(
      "STATE_DIVERGED",
      `rollup block ${alone}: BlockCommitted and BlockData do not come as a pair. Check the contract's address.`,
    );
  }
  return events;
}
