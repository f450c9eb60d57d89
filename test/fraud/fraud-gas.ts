// What claims and games cost, in gas: the same on every machine (test/snapshots/fraud-gas.json).

import type { Hex } from "viem";
import { encodeForced, encodeNoop, Opcode } from "../../operator/ledger/instruction.ts";
import { ALICE, Arena, BOB, BOND, DEPOSIT, GRACE, keyOf, lieAt, MALLORY, PERIOD } from "./arena.ts";

export type FraudGas = Readonly<Record<string, number>>;

/** The spec's: all transactions of a game about 1,024 instructions together. */
export const WHOLE_GAME_BAR = 1_500_000;
/** A high base fee: what the stakes have to pay for. */
export const ASSUMED_BASE_FEE_WEI = 200n * 10n ** 9n;

const STEPS = ["noop", "deposit", "transfer", "exit", "forced", "fee"] as const;

export async function measureFraudGas(): Promise<FraudGas> {
  return { ...(await measureWholeGame()), ...(await measureSteps()) };
}

async function measureWholeGame(): Promise<FraudGas> {
  const arena = await Arena.open(2);
  try {
    await arena.batch(1_024);
    const truth = await arena.truth();
    const genesis = keyOf(0, truth.rootAfter(0));
    const gas: Record<string, number> = {};
    const measure = async (name: string, call: Promise<bigint>) => {
      gas[name] = Number(await call);
      return gas[name] as number;
    };
    // The first proposal and the first game of a rollup pay for counters that are written for the first time.
    const honest = [truth.rootAfter(1), genesis] as const;
    await measure("proposeFirst", arena.call(ALICE, "proposeStateRoot", honest, BOND));
    await arena.call(MALLORY, "challengeStateRoot", [1n], DEPOSIT);

    let whole = 0;
    const add = async (name: string, call: Promise<bigint>) => {
      whole += await measure(name, call);
    };
    await add("propose", arena.call(MALLORY, "proposeStateRoot", [lieAt(1_024), genesis], BOND));
    await measure("proposeSame", arena.call(BOB, "proposeStateRoot", honest, BOND));
    await add("challenge", arena.call(BOB, "challengeStateRoot", [2n], DEPOSIT));
    const trace = await truth.trace(0, 1);
    for (let round = 0; ; round++) {
      const { lo, hi } = await arena.game(2n);
      if (hi - lo === 1n) break;
      const name = round === 0 ? "First" : "";
      const mid = Number(lo + (hi - lo) / 2n);
      // Wrong from step 683 on: agreed and denied middles take turns.
      const said = mid < 683 ? trace.root(mid) : lieAt(mid);
      await add(`bisect${name}`, arena.call(MALLORY, "bisect", [2n, said]));
      const choice = mid < 683 ? "Agree" : "Deny";
      await add(`choose${choice}`, arena.call(BOB, "choose", [2n, mid < 683]));
    }
    const { lo } = await arena.game(2n);
    const { preState } = await trace.witness(Number(lo));
    const evidence = (await arena.inbox()).evidence(Number(lo));
    await add("resolve", arena.call(BOB, "resolveChallenge", [2n, evidence, preState]));
    gas.wholeGame = whole;
    await measure("withdrawCredit", arena.call(BOB, "withdrawCredit", []));

    // The other ends.
    await measure("challengeSecond", arena.call(BOB, "challengeStateRoot", [1n], DEPOSIT));
    const { lastMove, clockDefender } = await arena.game(3n);
    await arena.call(ALICE, "bisect", [3n, trace.root(512)]);
    await arena.call(ALICE, "bisect", [1n, trace.root(512)]);
    await arena.mineAt(lastMove + 2n * BigInt(clockDefender));
    await measure("claimTimeout", arena.call(ALICE, "claimTimeout", [3n]));
    await arena.call(ALICE, "claimTimeout", [1n]);
    await arena.mineAt((await arena.now()) + BigInt(PERIOD + GRACE));
    await measure("finalize", arena.call(ALICE, "finalizeStateRoots", [[1n]]));
    await measure("claimOrphan", arena.call(BOB, "claimOrphan", [3n]));
    return gas;
  } finally {
    await arena.close();
  }
}

/** The last transaction of a game, by what it executes; an account tree with two accounts. */
async function measureSteps(): Promise<FraudGas> {
  const arena = await Arena.open(1);
  try {
    const gas: Record<string, number> = {};
    await arena.deposit(10n ** 18n);
    await arena.commit([]);
    await arena.commit([await arena.payment(Opcode.transfer)]);
    await arena.commit([await arena.payment(Opcode.exit)]);
    await arena.commit([encodeNoop()]);
    await arena.enforce(encodeForced(Opcode.transfer, arena.order(1)));
    await arena.commit([]);
    await arena.commit([encodeNoop()]);
    const truth = await arena.truth();
    const inbox = await arena.inbox();
    const batches = ["deposit", "transfer", "exit", "noop", "forced", "fee"] as const;
    for (const [i, name] of batches.entries()) {
      const parentKey: Hex = keyOf(i, truth.rootAfter(i));
      const id = (await arena.entryCount()) + 1n;
      await arena.call(MALLORY, "proposeStateRoot", [lieAt(i), parentKey], BOND);
      await arena.call(BOB, "challengeStateRoot", [id], DEPOSIT);
      const game = await arena.gameCount();
      const trace = await truth.trace(i, i + 1);
      // Two instructions: the first one is the opcode's, the second one pays the fees.
      const isSecond = name === "fee";
      await arena.call(MALLORY, "bisect", [game, isSecond ? trace.root(1) : lieAt(99)]);
      await arena.call(BOB, "choose", [game, isSecond]);
      const step = isSecond ? 1 : 0;
      const evidence = inbox.evidence(inbox.cumulative(i) + step);
      const { preState } = await trace.witness(step);
      const used = await arena.call(BOB, "resolveChallenge", [game, evidence, preState]);
      gas[`step ${name}`] = Number(used);
      if (i + 1 < batches.length) {
        await arena.call(ALICE, "proposeStateRoot", [truth.rootAfter(i + 1), parentKey], BOND);
      }
    }
    return gas;
  } finally {
    await arena.close();
  }
}

const number = (value: number) => value.toLocaleString("en-US");

/** The snapshot as Markdown, for docs/contracts.md. */
export function fraudGasTable(gas: FraudGas): string {
  const of = (name: string) => gas[name] ?? Number.NaN;
  const rows: [string, number, string][] = [
    ["`proposeStateRoot`", of("propose"), "Optimism's `proposeL2Output` 92,973 (no bond, no game)"],
    ["the same, of a claim that somebody has made", of("proposeSame"), ""],
    ["`challengeStateRoot`", of("challenge"), ""],
    ["the same, with another game open", of("challengeSecond"), ""],
    ["`bisect`, first of a game", of("bisectFirst"), ""],
    ["`bisect`", of("bisect"), "bonds of Optimism's game assume 400,000 for a move at depth 0"],
    ["`choose`, agreed", of("chooseAgree"), ""],
    ["`choose`, denied", of("chooseDeny"), ""],
    ...STEPS.map((name): [string, number, string] => [
      `\`resolveChallenge\`, step ${name.toUpperCase()}`,
      of(`step ${name}`),
      "",
    ]),
    [
      "**whole game about 1,024 instructions**: claim, challenge, 20 moves, step",
      of("wholeGame"),
      "none found",
    ],
    ["`claimTimeout`", of("claimTimeout"), ""],
    ["`finalizeStateRoots` of one", of("finalize"), ""],
    ["`claimOrphan`", of("claimOrphan"), ""],
    ["`withdrawCredit`", of("withdrawCredit"), ""],
  ];
  return [
    "| transaction | gas | published by others |",
    "| --- | ---: | --- |",
    ...rows.map(([name, value, others]) => `| ${name} | ${number(value)} | ${others} |`),
  ].join("\n");
}
