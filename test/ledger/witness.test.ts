import { encodeAbiParameters, type Hex, stringToHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AccountOpening,
  executeInstruction,
  type Reads,
} from "../../operator/ledger/executor.ts";
import { type LedgerState, stateRoot } from "../../operator/ledger/state.ts";
import { encodeWitness } from "../../operator/ledger/witness.ts";
import { type OpenProbe, openProbe } from "./ledger-probe.ts";
import { Dice, DOMAIN, flipped, randomInstruction, randomState } from "./random-ledger.ts";

/** What the probe says of a revert without data. */
const EMPTY_REVERT = stringToHex("empty");

let chain: OpenProbe;

beforeAll(async () => {
  chain = await openProbe();
});

afterAll(() => chain.connection.close());

/** The same witness with one thing changed in what was read, or undefined if nothing was. */
function spoiled(dice: Dice, reads: Reads): Reads | undefined {
  const parts = (Object.keys(reads) as (keyof Reads)[]).filter((part) => reads[part] !== undefined);
  if (parts.length === 0) return undefined;
  const part = dice.one(parts);
  if (part === "exitSiblings") {
    return { ...reads, exitSiblings: spoiledPath(dice, reads.exitSiblings as readonly Hex[]) };
  }
  const opening = reads[part] as AccountOpening;
  return { ...reads, [part]: spoiledOpening(dice, opening) };
}

function spoiledOpening(dice: Dice, { account, siblings }: AccountOpening): AccountOpening {
  const { owner, nonce, balance } = account;
  switch (dice.below(4)) {
    case 0:
      return { account: { ...account, owner: flipped(owner, dice.below(160)) }, siblings };
    case 1:
      return { account: { ...account, nonce: nonce ^ (1n << BigInt(dice.below(64))) }, siblings };
    case 2:
      return {
        account: { ...account, balance: balance ^ (1n << BigInt(dice.below(128))) },
        siblings,
      };
    default:
      return { account, siblings: spoiledPath(dice, siblings) };
  }
}

function spoiledPath(dice: Dice, siblings: readonly Hex[]): readonly Hex[] {
  const at = dice.below(siblings.length);
  switch (dice.below(3)) {
    case 0:
      return siblings.slice(1);
    case 1:
      return [...siblings, siblings[0] as Hex];
    default:
      return siblings.with(at, flipped(siblings[at] as Hex, dice.below(256)));
  }
}

const JUNK: Reads = {
  debited: {
    account: { owner: `0x${"ab".repeat(20)}`, nonce: 1n, balance: 2n },
    siblings: [`0x${"cd".repeat(32)}`],
  },
  credited: { account: { owner: `0x${"ef".repeat(20)}`, nonce: 3n, balance: 4n }, siblings: [] },
  exitSiblings: [`0x${"12".repeat(32)}`],
};

describe("ledger / witnesses", () => {
  it("revert if anything is changed that is read, and change nothing if it is not read", async () => {
    const dice = new Dice(0xbad);
    const bad = [];
    const padded = [];
    const expected: Hex[] = [];
    while (bad.length < 400) {
      const state: LedgerState = randomState(dice);
      const instruction = await randomInstruction(dice, state);
      const { state: after, reads } = await executeInstruction(DOMAIN, state, instruction);
      padded.push({ ...instruction, preState: encodeWitness(state, { ...JUNK, ...reads }) });
      expected.push(stateRoot(after));
      const worse = spoiled(dice, reads);
      if (worse) bad.push({ ...instruction, preState: encodeWitness(state, worse) });
    }
    const reverts = await chain.execute(bad);
    // OpeningMismatch or SiblingCount.
    const selectors = new Set(reverts.map(({ revertData }) => revertData.slice(0, 10)));
    expect(reverts.filter(({ revertData }) => revertData === "0x")).toEqual([]);
    expect(selectors.size).toBe(2);
    const answers = await chain.execute(padded);
    expect(answers.map(({ postRoot }) => postRoot)).toEqual(expected);
  });

  it("revert if they are no encoding at all", async () => {
    const dice = new Dice(0x60d);
    const garbage = Array.from({ length: 100 }, (_, i) => ({
      opcode: i % 7,
      inputs: dice.bytes(140),
      preState: dice.bytes(dice.below(600)),
    }));
    garbage.push({ opcode: 0, inputs: "0x", preState: "0x" });
    const results = await chain.execute(garbage);
    expect(results.filter(({ revertData }) => revertData === "0x")).toEqual([]);
  });

  it("name a state by its root: with other fields it is another root", async () => {
    const state = randomState(new Dice(7));
    const { accounts, exits, exitCount, l1Cursor, feePot } = state;
    const others: LedgerState[] = [
      { ...state, exitCount: exitCount ^ 1n },
      { ...state, l1Cursor: l1Cursor ^ 1n },
      { ...state, feePot: feePot ^ 1n },
      {
        ...state,
        accounts: accounts.set(9, `0x${"01".repeat(32)}`, { owner: "0x", nonce: 0n, balance: 0n }),
      },
      { ...state, exits: exits.set(99, `0x${"01".repeat(32)}`, { ...NO_MESSAGE }) },
    ];
    const cases = [state, ...others].map((one) => ({
      opcode: 0,
      inputs: "0x" as const,
      preState: encodeWitness(one, {}),
    }));
    const results = await chain.execute(cases);
    expect(new Set(results.map(({ preRoot }) => preRoot)).size).toBe(6);
    expect(results.map(({ preRoot }) => preRoot)).toEqual([state, ...others].map(stateRoot));
    expect(results.map(({ postRoot }) => postRoot)).toEqual([state, ...others].map(stateRoot));
  });

  it("revert if a field has bits that its type has not", async () => {
    // All offsets are 0, so that openings and siblings are read out of the state's own words.
    const words = Array<bigint>(8).fill(0n);
    const execute = async (changed: readonly bigint[]) => {
      const preState = encodeAbiParameters(
        changed.map(() => ({ type: "uint256" })),
        changed,
      );
      return (await chain.execute([{ opcode: 0, inputs: "0x", preState }]))[0]?.revertData;
    };
    expect(await execute(words)).toBe("0x");
    for (const word of [2, 3, 4])
      expect(await execute(words.with(word, 2n ** 255n))).toBe(EMPTY_REVERT);
  });
});

const NO_MESSAGE = {
  sender: "0x",
  destDomain: 0,
  target: "0x",
  amount: 0n,
  nonce: 0n,
} as const;
