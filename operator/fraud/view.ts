// Everything that a decision depends on, as of one block.

import type { Address, Hex, PublicClient } from "viem";
import type { Board, Entry, Game } from "./board.ts";
import type { ChainPoint } from "./chain-log.ts";
import type { GamePosition } from "./interactive-fraud-proof.ts";
import { OPTIMISTIC_ABI } from "./optimistic-abi.ts";

export interface RollupRules {
  readonly proposerBondWei: bigint;
  readonly challengeDepositWei: bigint;
  readonly graceSeconds: number;
  readonly maxBatches: number;
}

export interface PendingEntry extends Entry {
  readonly deadline: bigint;
  readonly openChallenges: number;
  readonly lastResolvedAt: bigint;
}

export interface OpenGame extends Game {
  readonly position: GamePosition;
  /** The entry can still be won or lost. */
  readonly isLive: boolean;
}

export interface View {
  readonly at: ChainPoint;
  readonly pending: readonly PendingEntry[];
  /** Games in which the account plays. */
  readonly games: readonly OpenGame[];
  /** `nextBatchEnd` of claims, for those that were asked for. */
  readonly nextBatchEnds: ReadonlyMap<Hex, number>;
  readonly creditWei: bigint;
}

/** @param keys claims whose `nextBatchEnd` matters. */
export async function readView(
  read: PublicClient,
  rollup: Address,
  account: Address,
  board: Board,
  at: ChainPoint,
  keys: readonly Hex[],
): Promise<View> {
  const where = { address: rollup, abi: OPTIMISTIC_ABI, blockNumber: BigInt(at.number) } as const;
  const mine = account.toLowerCase();
  const games = [...board.openGames.values()].filter(({ challenger, entry }) =>
    [challenger, entry.proposer].some((player) => player.toLowerCase() === mine),
  );
  const [pending, positions, nextEnds, creditWei] = await Promise.all([
    Promise.all(
      [...board.pending.values()].map(async (entry) => {
        const stored = await read.readContract({
          ...where,
          functionName: "stateRoots",
          args: [entry.id],
        });
        const { deadline, openChallenges, lastResolvedAt } = stored;
        return { ...entry, deadline, openChallenges, lastResolvedAt };
      }),
    ),
    Promise.all(
      games.map(async (game) => {
        const position = await read.readContract({
          ...where,
          functionName: "challenges",
          args: [game.id],
        });
        return { ...game, position, isLive: board.pending.has(game.entry.id) };
      }),
    ),
    Promise.all(
      keys.map(async (key) => {
        const claim = await read.readContract({ ...where, functionName: "claims", args: [key] });
        return [key, Number(claim.nextBatchEnd)] as const;
      }),
    ),
    read.readContract({ ...where, functionName: "credits", args: [account] }),
  ]);
  return { at, pending, games: positions, nextBatchEnds: new Map(nextEnds), creditWei };
}
