// What an honest account wants to have done now. Only what is public is looked at: the chain and its own address.

import { type Address, type Hex, isAddressEqual } from "viem";
import type { Board } from "./board.ts";
import { claimKey } from "./board.ts";
import { InteractiveFraudProof, seatOf } from "./interactive-fraud-proof.ts";
import type { Truth } from "./truth.ts";
import type { OpenGame, PendingEntry, RollupRules, View } from "./view.ts";

export interface Roles {
  readonly proposes: boolean;
  readonly challenges: boolean;
}

/** One call of the rollup. */
export interface Action {
  /** The same as long as it is the same wish. */
  readonly key: string;
  readonly functionName:
    | "proposeStateRoot"
    | "challengeStateRoot"
    | "bisect"
    | "choose"
    | "resolveChallenge"
    | "claimTimeout"
    | "finalizeStateRoots"
    | "claimOrphan"
    | "refundChallenge"
    | "withdrawCredit";
  readonly args: readonly unknown[];
  readonly valueWei?: bigint;
  /** True if the answer would be wrong on another history of the chain. */
  readonly isConditional: boolean;
  /** When it must be on the chain; undefined if it can wait. */
  readonly dueAtSeconds?: bigint;
}

export interface Situation {
  readonly account: Address;
  readonly roles: Roles;
  /** Claims ahead of the finalized chain that a proposer stakes on: one bond each. */
  readonly maxAhead: number;
  readonly rules: RollupRules;
  readonly board: Board;
  readonly truth: Truth;
  readonly view: View;
}

/** Most urgent first. */
export async function plan(situation: Situation): Promise<Action[]> {
  const { roles } = situation;
  const actions = await Promise.all(situation.view.games.map((game) => answer(situation, game)));
  const all = [
    ...actions.flat(),
    ...(roles.challenges ? challenges(situation) : []),
    ...(roles.proposes ? [...proposals(situation), ...finalizations(situation)] : []),
    ...orphans(situation),
    ...(situation.view.creditWei > 0n ? [simple("withdraw", "withdrawCredit", [])] : []),
  ];
  const due = ({ dueAtSeconds }: Action) => dueAtSeconds ?? 2n ** 64n;
  return all.toSorted((a, b) => (due(a) < due(b) ? -1 : due(a) > due(b) ? 1 : 0));
}

/** The keys of the true claims from the final one on, as far as somebody has made them. */
export function trueLine(
  board: Board,
  truth: Truth,
  nextBatchEnds: ReadonlyMap<Hex, number>,
  maxAhead: number,
): Hex[] {
  const line: Hex[] = [];
  let key = board.finalKey;
  while (key !== undefined && board.claims.has(key) && line.length < maxAhead) {
    line.push(key);
    const end = nextBatchEnds.get(key);
    key = end === undefined || end > truth.batchCount ? undefined : claimKey(truth.claimAt(end));
  }
  return line;
}

async function answer(situation: Situation, game: OpenGame): Promise<Action[]> {
  const { account, board, truth, view } = situation;
  const { id, entry, position } = game;
  if (!game.isLive) {
    // Whoever proposed has nothing in it any more.
    const isMine = isAddressEqual(game.challenger, account);
    return isMine ? [simple(`refund:${id}`, "refundChallenge", [id])] : [];
  }
  const seat = seatOf(account, entry.proposer, game.challenger);
  const parent = board.claims.get(entry.parentKey);
  // A game on a false parent would be about states that nobody can know. None is begun by an honest account.
  if (seat === undefined || parent === undefined || !truth.isTrue(parent)) return [];
  const trace = await truth.trace(parent.batchEnd, entry.claim.batchEnd);
  const proof = new InteractiveFraudProof({
    instructions: game.instructions,
    originalState: parent.root,
    claimedState: entry.claim.root,
  });
  const move = proof.nextMove(position, trace, seat, view.at.timestampSeconds);
  const isDefendersTurn = position.turn === 0;
  const left = isDefendersTurn ? position.clockDefender : position.clockChallenger;
  const dueAtSeconds = position.lastMove + BigInt(left);
  const place = `${id}:${position.lo}-${position.hi}`;
  switch (move.kind) {
    case "bisect":
      return [
        {
          key: `bisect:${place}`,
          functionName: "bisect",
          args: [id, move.midState],
          isConditional: true,
          dueAtSeconds,
        },
      ];
    case "choose":
      return [
        {
          key: `choose:${place}`,
          functionName: "choose",
          args: [id, move.agree],
          isConditional: true,
          dueAtSeconds,
        },
      ];
    case "resolve": {
      const { preState } = await trace.witness(move.step);
      const evidence = board.inbox.evidence(board.inbox.cumulative(parent.batchEnd) + move.step);
      const args = [id, evidence, preState] as const;
      return [{ ...simple(`resolve:${id}`, "resolveChallenge", args), dueAtSeconds }];
    }
    case "timeout":
      // An own clock that ran out is nothing to report.
      if (seat.isDefender === isDefendersTurn) return [];
      return [simple(`timeout:${id}`, "claimTimeout", [id])];
    case "wait":
      return [];
  }
}

/** False claims on true parents that this account does not dispute yet. */
function challenges({ account, board, truth, view, rules }: Situation): Action[] {
  return view.pending
    .filter((entry) => {
      const parent = board.claims.get(entry.parentKey);
      return (
        parent !== undefined &&
        truth.isTrue(parent) &&
        entry.claim.batchEnd <= truth.batchCount &&
        !truth.isTrue(entry.claim) &&
        view.at.timestampSeconds < entry.deadline &&
        !isAddressEqual(entry.proposer, account) &&
        !view.games.some((game) => game.entry.id === entry.id)
      );
    })
    .map(({ id, deadline }) => ({
      key: `challenge:${id}`,
      functionName: "challengeStateRoot" as const,
      args: [id],
      valueWei: rules.challengeDepositWei,
      isConditional: true,
      dueAtSeconds: deadline - 1n,
    }));
}

/**
 * Own stakes on the truth, as far ahead as bonds go. A stake of somebody else is enough as long as nobody disputes it:
 * it could be lost on purpose, and then the own one is made.
 */
function proposals({ account, board, truth, view, rules, maxAhead }: Situation): Action[] {
  const actions: Action[] = [];
  for (const parentKey of trueLine(board, truth, view.nextBatchEnds, maxAhead)) {
    const end = view.nextBatchEnds.get(parentKey);
    if (end === undefined || end > truth.batchCount) break;
    const claim = truth.claimAt(end);
    const key = claimKey(claim);
    const stands = view.pending.some(
      (entry) =>
        entry.key === key &&
        entry.parentKey === parentKey &&
        (isAddressEqual(entry.proposer, account) || entry.openChallenges === 0),
    );
    if (stands) continue;
    actions.push({
      key: `propose:${parentKey}:${key}`,
      functionName: "proposeStateRoot",
      args: [claim.root, parentKey],
      valueWei: rules.proposerBondWei,
      isConditional: true,
    });
  }
  return actions;
}

/** One call that makes final whatever can be, in order. */
function finalizations({ board, truth, view, rules }: Situation): Action[] {
  const ids: bigint[] = [];
  let parentKey = board.finalKey;
  while (parentKey !== undefined) {
    const next: PendingEntry | undefined = view.pending.find(
      (entry) =>
        entry.parentKey === parentKey &&
        truth.isTrue(entry.claim) &&
        entry.openChallenges === 0 &&
        view.at.timestampSeconds >= entry.deadline &&
        (entry.lastResolvedAt === 0n ||
          view.at.timestampSeconds >= entry.lastResolvedAt + BigInt(rules.graceSeconds)),
    );
    if (next !== undefined) ids.push(next.id);
    parentKey = next?.key;
  }
  return ids.length === 0 ? [] : [simple(`finalize:${ids.join(",")}`, "finalizeStateRoots", [ids])];
}

/** Stakes of this account that the finalized chain has decided about. */
function orphans({ account, board, view }: Situation): Action[] {
  const finalEnd = board.finalClaim.batchEnd;
  return view.pending
    .filter(
      ({ id, claim, proposer }) =>
        claim.batchEnd <= finalEnd &&
        (isAddressEqual(proposer, account) || view.games.some((game) => game.entry.id === id)),
    )
    .map(({ id }) => simple(`orphan:${id}`, "claimOrphan", [id]));
}

function simple(
  key: string,
  functionName: Action["functionName"],
  args: readonly unknown[],
): Action {
  return { key, functionName, args, isConditional: false };
}
