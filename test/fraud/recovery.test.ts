// What happens to a player besides games: it is killed, its transactions get stuck, the chain changes its mind.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Hex, serializeTransaction } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KEY_VARIABLE } from "../../operator/config.ts";
import { OPTIMISTIC_ABI } from "../../operator/fraud/optimistic-abi.ts";
import type { Truth } from "../../operator/fraud/truth.ts";
import { TransactionSender } from "../../operator/transaction-sender.ts";
import { developmentKey } from "../operator/chain.ts";
import {
  ALICE,
  Arena,
  BOB,
  BOND,
  CHALLENGES,
  CLOCK,
  DEPOSIT,
  keyOf,
  lieAt,
  listeningLog,
  MALLORY,
  PROPOSES,
} from "./arena.ts";
import { LyingChallenger, LyingProposer } from "./liars.ts";

const INSTRUCTIONS = 17;
const PENDING = 1;
const REJECTED = 3;
const RESEND_MS = 1_000;

let arena: Arena;
let truth: Truth;
let genesis: Hex;
let children: ChildProcess[];

beforeEach(async () => {
  arena = await Arena.open();
  await arena.batch(INSTRUCTIONS);
  truth = await arena.truth();
  genesis = keyOf(0, truth.rootAfter(0));
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await arena.close();
});

const liar = (style: "consistent" | "end" = "consistent") =>
  new LyingProposer(arena, { account: MALLORY, truth, style, wrong: 9, seed: 5 });
const propose = () => arena.call(MALLORY, "proposeStateRoot", [lieAt(INSTRUCTIONS), genesis], BOND);
const nonceOf = (account: number) =>
  arena.chain.read.getTransactionCount({ address: arena.address(account) });
const pendingTransactions = async () =>
  (await arena.chain.read.getBlock({ blockTag: "pending", includeTransactions: true }))
    .transactions;

describe("fraud / after kill -9", () => {
  function start(command: "propose" | "challenge", account: number): ChildProcess {
    const { rollup, deploymentBlock } = arena.deployment;
    const flags = {
      rpc: arena.chain.rpcUrl,
      rollup,
      "from-block": String(deploymentBlock),
      "poll-ms": "20",
      "log-level": "warn",
    };
    const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const main = join(import.meta.dirname, "../../prover/command/main.ts");
    const child = spawn(process.execPath, [main, command, ...words], {
      env: { ...process.env, [KEY_VARIABLE]: developmentKey(account) },
      stdio: "ignore",
    });
    children.push(child);
    return child;
  }

  /** Runs the command until it has sent a transaction, and kills it at once; blocks come every few milliseconds. */
  async function runForOneTransaction(command: "propose" | "challenge", account: number) {
    const before = await nonceOf(account);
    const child = start(command, account);
    const end = Date.now() + 60_000;
    while ((await nonceOf(account)) === before) {
      if (Date.now() > end) throw new Error(`${command} sends nothing`);
      await arena.mineAt();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
  }

  it("a challenger goes on from the chain alone, whichever transaction was its last", async () => {
    await propose();
    const opponent = liar();
    for (let rounds = 0; (await arena.entry(1n)).status === PENDING; rounds++) {
      expect(rounds).toBeLessThan(8);
      await runForOneTransaction("challenge", BOB);
      if ((await arena.gameCount()) > 0n) await opponent.act(1n);
    }
    expect((await arena.entry(1n)).status).toBe(REJECTED);
    expect(await arena.gameCount(), "it never began a second game").toBe(1n);
    await runForOneTransaction("challenge", BOB); // fetches the prize
    expect(await arena.credits(arena.address(BOB))).toBe(0n);
  });

  it("a proposer goes on from the chain alone, whichever transaction was its last", async () => {
    await runForOneTransaction("propose", ALICE);
    expect(await arena.entryCount()).toBe(1n);
    await arena.call(MALLORY, "challengeStateRoot", [1n], DEPOSIT);
    const opponent = new LyingChallenger(arena, { account: MALLORY, style: "agreeing", seed: 5 });
    for (let rounds = 0; !(await arena.game(1n)).resolved; rounds++) {
      expect(rounds).toBeLessThan(14);
      const { turn, lo, hi } = await arena.game(1n);
      if (turn === 0 || hi - lo === 1n) await runForOneTransaction("propose", ALICE);
      else await opponent.act(1n);
    }
    expect((await arena.entry(1n)).status).toBe(PENDING);
    expect(await arena.entryCount(), "it never staked twice").toBe(1n);
    expect(await arena.credits(arena.address(ALICE))).toBe(DEPOSIT);
  });
});

describe("fraud / transactions", () => {
  it("replaces one that nobody mines by one with a higher fee, never by two", async () => {
    await propose();
    let nowMs = 0;
    const bob = arena.player(BOB, CHALLENGES, { nowMs: () => nowMs });
    await arena.mineAt();
    await arena.chain.control.setAutomine(false);
    await bob.tick();
    await bob.tick();
    const [first] = await pendingTransactions();
    nowMs += RESEND_MS;
    await bob.tick();
    const pending = await pendingTransactions();
    expect(pending).toHaveLength(1);
    expect(pending[0]?.nonce).toBe(first?.nonce);
    expect(pending[0]?.maxFeePerGas).toBeGreaterThan(((first?.maxFeePerGas ?? 0n) * 110n) / 100n);
    await arena.mineAt();
    await arena.chain.control.setAutomine(true);
    await arena.settle(bob);
    expect(await arena.gameCount()).toBe(1n);
  });

  it("gets past what an earlier process left stuck at its nonce, and behind it", async () => {
    await propose();
    await arena.mineAt();
    await arena.chain.control.setAutomine(false);
    const signer = arena.signer(BOB);
    const nonce = await nonceOf(BOB);
    const left = (n: number) =>
      signer.sendTransaction({
        to: arena.address(BOB),
        nonce: n,
        account: signer.account,
        chain: null,
      });
    await left(nonce);
    await left(nonce + 2); // and a gap before it
    let nowMs = 0;
    const bob = arena.player(BOB, CHALLENGES, { nowMs: () => nowMs });
    for (let round = 0; round < 4; round++) {
      await bob.tick();
      nowMs += RESEND_MS;
    }
    await arena.mineAt();
    await arena.chain.control.setAutomine(true);
    await arena.settle(bob);
    expect(await arena.gameCount()).toBe(1n);
    // The next one fills the gap, and what waited behind it is mined, too.
    await liar().act(1n);
    await arena.settle(bob);
    const { turn } = await arena.game(1n);
    expect(turn, "it has answered").toBe(0);
  });

  it("lets something more urgent take the nonce of what is stuck, for a higher fee", async () => {
    let nowMs = 0;
    const sender = new TransactionSender(
      { maxFeePerGasWei: 10n ** 12n, resendAfterMs: RESEND_MS },
      {
        read: arena.chain.read,
        signer: arena.signer(BOB),
        abi: OPTIMISTIC_ABI,
        nowMs: () => nowMs,
      },
    );
    const to = arena.address(ALICE);
    await arena.chain.control.setAutomine(false);
    await sender.advance("first", () => ({ to, data: "0x", valueWei: 1n }));
    expect(sender.pendingKey).toBe("first");
    const [first] = await pendingTransactions();
    nowMs += RESEND_MS;
    expect(sender.pendingKey).toBeUndefined();
    await sender.advance("second", () => ({ to, data: "0x", valueWei: 2n }));
    const pending = await pendingTransactions();
    expect(pending).toHaveLength(1);
    expect(pending[0]).toMatchObject({ nonce: first?.nonce, value: 2n });
    await arena.mineAt();
    expect(
      await sender.advance("second", () => {
        throw new Error("it is mined: nothing is to be made anew");
      }),
    ).toMatchObject({ kind: "mined" });
  });

  it("sends nothing while gas costs more than it may, and goes on afterwards", async () => {
    await propose();
    const log = listeningLog();
    const bob = arena.player(BOB, CHALLENGES, { log });
    await arena.chain.control.setNextBlockBaseFeePerGas({ baseFeePerGas: 10n ** 13n });
    await arena.mineAt();
    await arena.mineAt();
    const nonce = await nonceOf(BOB);
    await bob.tick();
    expect(await nonceOf(BOB)).toBe(nonce);
    expect(log.lines.join("\n")).toContain("gas is too expensive");
    await arena.chain.control.setNextBlockBaseFeePerGas({ baseFeePerGas: 10n ** 9n });
    await arena.settle(bob);
    expect(await arena.gameCount()).toBe(1n);
  });
});

describe("fraud / money", () => {
  it("fetches what it is owed when it cannot pay for the next stake, and then goes on", async () => {
    await propose();
    const bob = arena.player(BOB, CHALLENGES);
    await arena.settle(bob);
    // Won by the clock, before the prize is fetched.
    await arena.mineAt((await arena.now()) + BigInt(CLOCK) + 1n);
    await arena.call(MALLORY, "claimTimeout", [1n]);
    await arena.call(MALLORY, "proposeStateRoot", [lieAt(1), genesis], BOND);
    await arena.chain.control.setBalance({ address: arena.address(BOB), value: DEPOSIT / 2n });
    const log = listeningLog();
    const poor = arena.player(BOB, CHALLENGES, { log });
    await arena.settle(poor);
    expect(log.lines.join("\n")).toContain("lacks money");
    expect(await arena.gameCount(), "disputed with the prize").toBe(2n);
  });

  it("says so when its stake on the truth was lost, and stakes no second time", async () => {
    const alice = arena.player(ALICE, PROPOSES);
    await arena.settle(alice);
    await arena.call(MALLORY, "challengeStateRoot", [1n], DEPOSIT);
    await arena.mineAt((await arena.now()) + BigInt(CLOCK) + 1n); // she slept
    await arena.call(MALLORY, "claimTimeout", [1n]);
    expect((await arena.entry(1n)).status).toBe(REJECTED);
    const log = listeningLog();
    const awake = arena.player(ALICE, PROPOSES, { log });
    await arena.mineAt();
    await awake.tick();
    await awake.tick();
    expect(log.lines.join("\n")).toContain("another account must propose");
    expect(await arena.entryCount()).toBe(1n);
    // Somebody else can.
    await arena.settle(arena.player(BOB, PROPOSES));
    expect(await arena.entryCount()).toBe(2n);
  });
});

describe("fraud / reorganisations", () => {
  it("plays on when its challenge and its answers are gone", async () => {
    await propose();
    const bob = arena.player(BOB, CHALLENGES);
    await arena.mineAt();
    const fork = await arena.chain.control.snapshot();
    await arena.settle(bob);
    await liar().act(1n);
    await arena.settle(bob);
    expect(await arena.gameCount()).toBe(1n);
    await arena.chain.reorganise(fork);
    expect(await arena.gameCount()).toBe(0n);
    await arena.settle(bob);
    expect(await arena.gameCount(), "it is disputed again").toBe(1n);
    const again = liar("end");
    while (await again.act(1n)) await arena.settle(bob);
    await arena.settle(bob);
    expect((await arena.entry(1n)).status).toBe(REJECTED);
  });

  it("does not dispute what is true on the new chain, though the number was a lie's on the old one", async () => {
    const bob = arena.player(BOB, CHALLENGES);
    await arena.mineAt();
    const fork = await arena.chain.control.snapshot();
    await propose();
    await arena.mineAt();
    await arena.chain.control.setAutomine(false);
    await bob.tick(); // its challenge of entry 1 waits to be mined
    const [waiting] = await pendingTransactions();
    const raw = rawOf(waiting as Parameters<typeof rawOf>[0]);
    await arena.chain.control.setAutomine(true);
    await arena.chain.reorganise(fork);
    await arena.call(ALICE, "proposeStateRoot", [truth.rootAfter(1), genesis], BOND);
    const alices = await arena.entry(1n);
    expect(alices.proposer).toBe(arena.address(ALICE));

    // Anybody may send it once more: it is signed, and its nonce is the next.
    const hash = await arena.chain.read
      .sendRawTransaction({ serializedTransaction: raw })
      .catch((error: Error) => error.message);
    expect(String(hash)).toContain("NotCanonical");
    await arena.settle(bob);
    expect(await arena.gameCount(), "nobody disputes the truth").toBe(0n);
  });

  it("an answer to one history is void in another: the same game, another middle", async () => {
    const alice = arena.player(ALICE, PROPOSES);
    await arena.settle(alice);
    await arena.call(MALLORY, "challengeStateRoot", [1n], DEPOSIT);
    await arena.settle(alice); // names the state in the middle, 8
    const fork = await arena.chain.control.snapshot();
    await arena.call(MALLORY, "choose", [1n, true]);
    await arena.mineAt();
    await arena.chain.control.setAutomine(false);
    await alice.tick(); // the state in the middle of 8 and 17
    const [waiting] = await pendingTransactions();
    const raw = rawOf(waiting as Parameters<typeof rawOf>[0]);
    await arena.chain.control.setAutomine(true);
    await arena.chain.reorganise(fork);
    await arena.call(MALLORY, "choose", [1n, false]); // now it is asked for the middle of 0 and 8
    const answer = await arena.chain.read
      .sendRawTransaction({ serializedTransaction: raw })
      .catch((error: Error) => error.message);
    expect(String(answer)).toContain("NotCanonical");
    await arena.settle(alice);
    const { midState, lo, hi } = await arena.game(1n);
    expect([lo, hi]).toEqual([0n, 8n]);
    expect(midState).toBe((await truth.trace(0, 1)).root(4));
    expect((await arena.now()) - (await arena.game(1n)).lastMove).toBeLessThan(BigInt(CLOCK));
  });
});

/** A transaction of the pool as its sender signed it. */
function rawOf(transaction: Awaited<ReturnType<typeof pendingTransactions>>[number]): Hex {
  const { nonce, gas, to, value, input, chainId, r, s, yParity } = transaction;
  const { maxFeePerGas, maxPriorityFeePerGas } = transaction;
  return serializeTransaction(
    {
      type: "eip1559",
      chainId: chainId ?? 31_337,
      nonce,
      gas,
      to,
      value,
      data: input,
      maxFeePerGas: maxFeePerGas as bigint,
      maxPriorityFeePerGas: maxPriorityFeePerGas as bigint,
    },
    { r, s, yParity: yParity ?? 0 },
  );
}
