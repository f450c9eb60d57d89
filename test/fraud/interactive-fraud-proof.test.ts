import fc from "fast-check";
import { type Hex, numberToHex } from "viem";
import { describe, expect, it } from "vitest";
import {
  type CommittedTrace,
  type GamePosition,
  InteractiveFraudProof,
  seatOf,
  TURN,
} from "../../operator/fraud/interactive-fraud-proof.ts";

const root = (value: number): Hex => numberToHex(value, { size: 32 });

/** States i, but other ones from `wrong` on. */
const trace = (length: number, wrong = Number.POSITIVE_INFINITY): CommittedTrace => ({
  length,
  root: (step) => root(step < wrong ? step : step + 1_000_000),
});

const proofOf = (instructions: number) =>
  new InteractiveFraudProof({
    instructions,
    originalState: root(0),
    claimedState: root(instructions + 1_000_000),
  });

describe("fraud / binary search", () => {
  it("finds the first wrong instruction, whichever it is, in ceil(log2 n) comparisons", () => {
    for (let n = 1; n <= 70; n++) {
      for (let wrong = 1; wrong <= n; wrong++) {
        const proof = proofOf(n);
        const found = proof.initiateBinarySearch(trace(n), trace(n, wrong));
        expect(found).toEqual({
          step: wrong - 1,
          preState: root(wrong - 1),
          challengerPostState: root(wrong),
          defenderPostState: root(wrong + 1_000_000),
        });
        expect(proof.challenge_steps.length).toBeLessThanOrEqual(Math.ceil(Math.log2(n)));
      }
    }
  });

  it("isolates an agreed state before a disputed one, however inconsistent the defender is", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.boolean(), { minLength: 301, maxLength: 301 }),
        (n, lies) => {
          const defender: CommittedTrace = {
            length: n,
            root: (step) => root(step === n || (step > 0 && lies[step]) ? step + 1_000_000 : step),
          };
          const { step } = proofOf(n).initiateBinarySearch(trace(n), defender);
          expect(defender.root(step)).toBe(root(step));
          expect(defender.root(step + 1)).not.toBe(root(step + 1));
        },
      ),
    );
  });

  it("writes down every comparison", () => {
    const proof = proofOf(8);
    proof.initiateBinarySearch(trace(8), trace(8, 6));
    const [first, second] = proof.challenge_steps;
    expect(first).toEqual({
      step: 4,
      challengerState: root(4),
      defenderState: root(4),
      agreement: true,
    });
    expect(second).toMatchObject({ step: 6, agreement: false });
    const before = proof.challenge_steps.length;
    proof.initiateBinarySearch(trace(8), trace(8, 6));
    expect(proof.challenge_steps).toHaveLength(before);
  });

  it("refuses what is no dispute: equal ends, another start, another length, nothing at all", () => {
    const proof = proofOf(8);
    expect(() => proof.initiateBinarySearch(trace(8, 8), trace(8, 3))).toThrow(
      "there is no dispute",
    );
    expect(() => proof.initiateBinarySearch(trace(8), trace(8))).toThrow("end with its claim");
    expect(() => proof.initiateBinarySearch(trace(8, 0), trace(8, 1))).toThrow("another state");
    expect(() => proof.initiateBinarySearch(trace(8), trace(8, 0))).toThrow("another state");
    expect(() => proof.initiateBinarySearch(trace(7), trace(8, 1))).toThrow("got 7 instructions");
    expect(() => proof.initiateBinarySearch(trace(8), trace(9, 1))).toThrow("got 9 instructions");
    for (const n of [0, -1, 1.5]) expect(() => proofOf(n)).toThrow(RangeError);
  });

  it("compares states by their roots alone, however these are written", () => {
    const proof = proofOf(1);
    expect(proof.statesEqual("0xab", "0x00AB")).toBe(true);
    expect(proof.statesEqual(root(1), root(2))).toBe(false);
  });
});

describe("fraud / next move", () => {
  const defender = { isDefender: true };
  const challenger = { isDefender: false };
  const position = (changes: Partial<GamePosition> = {}): GamePosition => ({
    challenger: "0x0000000000000000000000000000000000000001",
    lo: 4n,
    hi: 9n,
    turn: TURN.defender,
    midState: root(6),
    lastMove: 1_000n,
    clockDefender: 50,
    clockChallenger: 60,
    ...changes,
  });
  const move = (game: GamePosition, seat = defender, now = 1_000n) =>
    proofOf(16).nextMove(game, trace(16), seat, now);

  it("names the true state in the middle, or waits", () => {
    expect(move(position())).toEqual({ kind: "bisect", midState: root(6) });
    expect(move(position(), challenger)).toEqual({ kind: "wait" });
  });

  it("agrees with what is true, and with nothing else", () => {
    const asked = position({ turn: TURN.challenger });
    expect(move(asked, challenger)).toEqual({ kind: "choose", agree: true });
    expect(move({ ...asked, midState: root(7) }, challenger)).toEqual({
      kind: "choose",
      agree: false,
    });
    expect(move(asked)).toEqual({ kind: "wait" });
  });

  it("has one instruction executed when one is left, from either side", () => {
    const last = position({ hi: 5n, turn: TURN.challenger });
    for (const seat of [defender, challenger]) {
      expect(move(last, seat)).toEqual({ kind: "resolve", step: 4 });
    }
  });

  it("claims a timeout in the first second after the clock, of whoever's turn it is", () => {
    for (const [turn, left] of [
      [TURN.defender, 50n],
      [TURN.challenger, 60n],
    ] as const) {
      expect(move(position({ turn }), defender, 1_000n + left).kind).not.toBe("timeout");
      expect(move(position({ turn }), defender, 1_001n + left)).toEqual({ kind: "timeout" });
    }
  });

  it("knows its seat, however the addresses are written", () => {
    const [one, two] = [`0x${"ab".repeat(20)}`, `0x${"cd".repeat(20)}`] as const;
    const other = `0x${"ef".repeat(20)}` as const;
    expect(seatOf(one, one, two)).toEqual(defender);
    expect(seatOf(two, one, two)).toEqual(challenger);
    expect(seatOf(other, one, two)).toBeUndefined();
  });
});
