// A dispute about a range of instructions: the search for the one that two sides disagree about, the verdict about it,
// and what an honest party answers in the game on chain.

import { type Address, type Hex, isAddressEqual, type PublicClient } from "viem";
import { LEDGER_ABI } from "../ledger/ledger-abi.ts";
import type { StepWitness } from "../ledger/trace.ts";

/** State roots that somebody is bound to: `root(i)` is the one after i instructions, 0 to `length`. */
export interface CommittedTrace {
  readonly length: number;
  root(step: number): Hex;
}

/** The range that is disputed. Half-open: the instructions 0 to `instructions - 1`. */
export interface DisputedTransition {
  readonly instructions: number;
  /** Both sides start from it. */
  readonly originalState: Hex;
  /** What the defender says of the end. */
  readonly claimedState: Hex;
}

/** One comparison of the search. */
export interface ChallengeStep {
  /** Instructions before the compared states. */
  readonly step: number;
  readonly challengerState: Hex;
  readonly defenderState: Hex;
  readonly agreement: boolean;
}

/** The one instruction: both agree on the state before it, and not on the one after it. */
export interface DisputedInstruction {
  readonly step: number;
  readonly preState: Hex;
  readonly challengerPostState: Hex;
  readonly defenderPostState: Hex;
}

export interface Verdict {
  readonly postState: Hex;
  /** Whether the transaction did something; says nothing about who is right. */
  readonly isValid: boolean;
  readonly gasUsed: bigint;
  readonly isFraud: boolean;
}

/** A game as the contract stores it. */
export interface GamePosition {
  readonly challenger: Address;
  readonly lo: bigint;
  readonly hi: bigint;
  /** 0 the defender, 1 the challenger. */
  readonly turn: number;
  readonly midState: Hex;
  readonly lastMove: bigint;
  readonly clockDefender: number;
  readonly clockChallenger: number;
}

/** What there is to do in a game. */
export type Move =
  | { readonly kind: "bisect"; readonly midState: Hex }
  | { readonly kind: "choose"; readonly agree: boolean }
  | { readonly kind: "resolve"; readonly step: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "wait" };

export const TURN = { defender: 0, challenger: 1 } as const;

export class InteractiveFraudProof {
  readonly transition: DisputedTransition;
  /** The comparisons of the last search, in their order. */
  readonly challenge_steps: ChallengeStep[] = [];

  /** @throws RangeError for a dispute about nothing. */
  constructor(transition: DisputedTransition) {
    const { instructions } = transition;
    if (!Number.isSafeInteger(instructions) || instructions < 1) {
      throw new RangeError(`instructions: got ${instructions}, expected 1 or more`);
    }
    this.transition = transition;
  }

  /**
   * Finds the instruction that the two traces disagree about, comparing ceil(log2 instructions) states.
   *
   * @throws RangeError unless both traces have the range's length and start, and the challenger's end is not the claim:
   *   without a disagreement a search would "find" the last instruction.
   */
  initiateBinarySearch(challenger: CommittedTrace, defender: CommittedTrace): DisputedInstruction {
    this.checkTraces(challenger, defender);
    this.challenge_steps.length = 0;
    let [low, high] = [0, this.transition.instructions];
    // Always: agreed after `low` instructions, not agreed after `high`.
    while (high - low > 1) {
      const step = middle(low, high);
      const [challengerState, defenderState] = [challenger.root(step), defender.root(step)];
      const agreement = this.statesEqual(challengerState, defenderState);
      this.challenge_steps.push({ step, challengerState, defenderState, agreement });
      if (agreement) low = step;
      else high = step;
    }
    return {
      step: low,
      preState: challenger.root(low),
      challengerPostState: challenger.root(high),
      defenderPostState: defender.root(high),
    };
  }

  /**
   * Has the contract's ledger execute the one instruction, and compares the result with what the defender says.
   *
   * @param witness the instruction, as the inbox has it, and the state before it.
   * @throws RangeError if the witness is about another state: it would decide nothing.
   */
  async executeOnChainVerification(
    disputed: DisputedInstruction,
    witness: StepWitness,
    ledger: { readonly client: PublicClient; readonly address: Address },
  ): Promise<Verdict> {
    const contract = { address: ledger.address, abi: LEDGER_ABI } as const;
    const shown = await ledger.client.readContract({
      ...contract,
      functionName: "preStateRoot",
      args: [witness.preState],
    });
    if (!this.statesEqual(shown, disputed.preState)) {
      throw new RangeError(`preState: got ${shown}, expected the agreed ${disputed.preState}`);
    }
    const [postState, isValid, gasUsed] = await ledger.client.readContract({
      ...contract,
      functionName: "executeInstruction",
      args: [witness.opcode, witness.inputs, witness.preState],
    });
    const isFraud = !this.statesEqual(postState, disputed.defenderPostState);
    return { postState, isValid, gasUsed, isFraud };
  }

  /** Whether two roots are one state. A root commits to everything; there is nothing beside it to compare. */
  statesEqual(one: Hex, other: Hex): boolean {
    return BigInt(one) === BigInt(other);
  }

  /**
   * What somebody who knows the true states does in a game now.
   *
   * @param nowSeconds time of the block on which the game stands.
   */
  nextMove(game: GamePosition, truth: CommittedTrace, me: Seat, nowSeconds: bigint): Move {
    const isDefenders = game.turn === TURN.defender;
    const left = isDefenders ? game.clockDefender : game.clockChallenger;
    if (nowSeconds - game.lastMove > BigInt(left)) return { kind: "timeout" };
    const [low, high] = [Number(game.lo), Number(game.hi)];
    if (high - low === 1) return { kind: "resolve", step: low };
    if (isDefenders !== me.isDefender) return { kind: "wait" };
    const step = middle(low, high);
    if (isDefenders) return { kind: "bisect", midState: truth.root(step) };
    return { kind: "choose", agree: this.statesEqual(game.midState, truth.root(step)) };
  }

  private checkTraces(challenger: CommittedTrace, defender: CommittedTrace): void {
    const { instructions, originalState, claimedState } = this.transition;
    for (const { length } of [challenger, defender]) {
      if (length !== instructions) {
        throw new RangeError(`trace: got ${length} instructions, expected ${instructions}`);
      }
    }
    for (const trace of [challenger, defender]) {
      if (!this.statesEqual(trace.root(0), originalState)) {
        throw new RangeError("trace: starts from another state than the range");
      }
    }
    if (!this.statesEqual(defender.root(instructions), claimedState)) {
      throw new RangeError("trace: the defender's does not end with its claim");
    }
    if (this.statesEqual(challenger.root(instructions), claimedState)) {
      throw new RangeError("trace: the challenger's ends with the claim: there is no dispute");
    }
  }
}

/** Which side of a game somebody plays. */
export interface Seat {
  readonly isDefender: boolean;
}

/** The seat of an account, or undefined if it is nobody in this game. */
export function seatOf(account: Address, proposer: Address, challenger: Address): Seat | undefined {
  if (isAddressEqual(account, proposer)) return { isDefender: true };
  if (isAddressEqual(account, challenger)) return { isDefender: false };
  return undefined;
}

/** As in the contract: above `low`, below `high`. */
const middle = (low: number, high: number): number => low + Math.floor((high - low) / 2);
