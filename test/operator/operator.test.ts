// The loop against a real chain and contract. The verifier says yes to everything, since nothing here is about proofs;
// test/operator/real-proof.test.ts has the rest.

import { numberToHex } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import { OperatorError } from "../../operator/errors.ts";
import type { RunningOperator } from "../../operator/main.ts";
import type { UserClient } from "../../operator/user-client.ts";
import { StubProver } from "./stub-prover.ts";
import { expectSameState, Town, until } from "./town.ts";

let town: Town;
let prover: StubProver;
let running: RunningOperator;
let alice: UserClient;
let bob: UserClient;

const rootOnL1 = () =>
  town.chain.read.readContract({
    address: town.rollup,
    abi: ROLLUP_ABI,
    functionName: "currentStateRoot",
  });
const blockCount = async () =>
  Number(
    await town.chain.read.readContract({
      address: town.rollup,
      abi: ROLLUP_ABI,
      functionName: "blockCount",
    }),
  );
const ourRoot = () => numberToHex(running.operator.state.root, { size: 32 });
const commitsSent = () =>
  town.chain.read.getTransactionCount({ address: town.chain.signer(0).account.address });
const settled = (blocks: number) =>
  until(() => running.operator.state.nextBlockNumber === blocks + 1 && !running.operator.flight);

beforeEach(async () => {
  town = await Town.found("stub");
  prover = new StubProver();
  running = await town.operate(prover);
  alice = await town.user(1, running);
  bob = await town.user(2, running);
});

afterEach(async () => {
  await town.close();
});

/** Alice is account 1 with 5,000,000 gwei, Bob is account 2 with 3,000,000; two blocks. */
async function register(): Promise<void> {
  await alice.register(5_000_000n);
  await bob.register(3_000_000n);
  await settled(2);
}

describe("operator / loop", () => {
  it("turns deposits, transfers and exits into blocks whose root is the contract's", async () => {
    await register();
    const sent = await alice.transfer({ to: 2, amountGwei: 1_000_000n });
    const out = await bob.exit({ to: 2, amountGwei: 500_000n });
    await Promise.all([alice.waitForBlock(sent), bob.waitForBlock(out)]);
    expect((await alice.account(1)).balanceGwei).toBe(4_000_000n);
    expect((await bob.account(2)).balanceGwei).toBe(3_500_000n);
    expect(ourRoot()).toBe(await rootOnL1());
  });

  it("pays an exit on L1 once, and a forced exit as well", async () => {
    await register();
    const { blockNumber, slot } = await alice.waitForBlock(
      await alice.exit({ to: 1, amountGwei: 2_000_000n }),
    );
    const before = await town.chain.read.getBalance({ address: alice.owner });
    const receipts = await alice.withdraw(blockNumber, slot);
    const gasWei = receipts.reduce((sum, r) => sum + r.gasUsed * r.effectiveGasPrice, 0n);
    const after = await town.chain.read.getBalance({ address: alice.owner });
    expect(after - before + gasWei).toBe(2_000_000n * 10n ** 9n);
    await expect(alice.withdraw(blockNumber, slot)).rejects.toMatchObject({
      code: "L1_REQUEST_REVERTED",
      got: "AlreadyWithdrawn",
    });

    await bob.requestExit(2);
    await settled(4);
    const { exits } = await bob.get(`/v1/exits?owner=${bob.owner}`);
    expect(exits).toMatchObject([{ blockNumber: 4, slot: 0, amountWei: "3000000000000000" }]);
    await bob.withdraw(4, 0);
    await expect(alice.withdraw(4, 0)).rejects.toMatchObject({ got: "ExitNotProven" });
  });

  it("keeps the proof in flight when a deposit arrives meanwhile, and takes it in the next block", async () => {
    await register();
    const release = prover.hold();
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    await until(() => running.operator.flight?.phase === "proving");
    const callsBefore = prover.calls.length;
    await bob.topUp(1, 1_000_000n);
    await until(() => running.operator.state.waitingItems().length === 1);
    release();
    expect(await alice.waitForBlock(id)).toMatchObject({ blockNumber: 3 });
    await settled(4);
    expect(prover.calls.slice(callsBefore).map(({ batch }) => batch.blockNumber)).toEqual([4]);
    expect((await alice.account(1)).balanceGwei).toBe(5_999_993n);
  });

  it("asks again under the same request id while the prover is away", async () => {
    await register();
    const { answer } = prover;
    let refusals = 2;
    prover.answer = async (call) => {
      if (refusals-- > 0) throw new OperatorError("PROVER_UNAVAILABLE", "away.");
      return answer(call);
    };
    const callsBefore = prover.calls.length;
    await alice.waitForBlock(await alice.transfer({ to: 2, amountGwei: 7n }));
    const ids = prover.calls.slice(callsBefore).map(({ requestId }) => requestId);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });

  it("sends nothing when the prover's answer is no proof, and asks under another id", async () => {
    await register();
    const { answer } = prover;
    prover.answer = async () => [];
    const sentBefore = await commitsSent();
    const callsBefore = prover.calls.length;
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    await until(() => running.operator.flight?.lastFailure !== undefined);
    expect(running.operator.flight?.lastFailure).toMatchObject({ code: "PROOF_MALFORMED" });
    expect(await commitsSent()).toBe(sentBefore);
    prover.answer = answer;
    await alice.waitForBlock(id);
    const ids = prover.calls.slice(callsBefore).map(({ requestId }) => requestId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await commitsSent()).toBe(sentBefore + 1);
  });

  it("gives up its batch when another process with its key commits first, and loses no transfer", async () => {
    await register();
    const release = prover.hold();
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    await until(() => running.operator.flight?.phase === "proving");
    // The twin has an empty pool, so a top-up makes its block another one.
    await bob.topUp(2, 1_000_000n);
    const twin = await town.operate(new StubProver());
    await until(() => twin.operator.state.nextBlockNumber === 4);
    await twin.stop(0);
    release();
    expect(await alice.waitForBlock(id)).toMatchObject({ blockNumber: 4 });
    expect(ourRoot()).toBe(await rootOnL1());
  });

  it("commits what it has accepted before it stops, and accepts nothing more", async () => {
    await register();
    const release = prover.hold();
    await alice.transfer({ to: 2, amountGwei: 7n });
    const late = await bob.sign(1, { to: 1, amountGwei: 7n });
    const stopped = running.stop(20_000);
    await expect(bob.submit(late)).rejects.toMatchObject({ code: "STOPPING", httpStatus: 503 });
    release();
    await stopped;
    expect(await blockCount()).toBe(3);
  });

  it("goes on where the chain stands after a restart, receipts included", async () => {
    await register();
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    await alice.waitForBlock(id);
    await running.stop();
    running = await town.operate(prover);
    const again = await town.user(1, running);
    expect(await again.waitForBlock(id)).toMatchObject({ blockNumber: 3, slot: 1 });
    await again.waitForBlock(await again.transfer({ to: 2, amountGwei: 8n }));
    expect((await again.account(2)).balanceGwei).toBe(3_000_015n);
  });

  it("waits for confirmations before it builds on a block", async () => {
    await running.stop(0);
    running = await town.operate(prover, { confirmations: 2 });
    await alice.register(5_000_000n);
    await until(() => running.operator.l1HeadNumber >= 3);
    expect(running.operator.state.registeredCount).toBe(0);
    await town.chain.control.mine({ blocks: 2 });
    await until(() => running.operator.flight?.phase === "mined");
    expect(running.operator.state.nextBlockNumber).toBe(1);
    await town.chain.control.mine({ blocks: 2 });
    await settled(1);
    expect(ourRoot()).toBe(await rootOnL1());
  });
});

describe("operator / rebuild and reorg", () => {
  it("gives a second process with an empty memory the same state, from single blocks and from ranges", async () => {
    await register();
    await alice.waitForBlock(await alice.exit({ to: 1, amountGwei: 2_000_000n }));
    await bob.topUp(1, 1_000_000n);
    await settled(4);
    await expectSameState(await town.follow(), running);
    const inRanges = await town.follow({ checkpoints: 2, rangeBlocks: 3 });
    await expectSameState(inRanges, running);
    expect(inRanges.operator.state.oldestCheckpoint).toBeGreaterThan(5);
  });

  it("follows a reorganisation of two blocks, commits again what it undid, and agrees with a new process", async () => {
    await register();
    const follower = await town.follow();
    const fork = await town.chain.control.snapshot();
    const id = await alice.transfer({ to: 2, amountGwei: 7n });
    await alice.waitForBlock(id);
    await bob.topUp(2, 1_000_000n);
    await until(
      () => running.operator.state.waitingItems().length === 1 || !running.operator.flight,
    );
    await settled(4);
    const lostRoot = ourRoot();
    await until(() => follower.operator.state.nextBlockNumber === 5);

    const release = prover.hold();
    await town.chain.reorganise(fork);
    await until(() => running.operator.state.nextBlockNumber === 3);
    expect(running.operator.receipt(id)).toMatchObject({
      status: expect.stringMatching(/pending|in_batch/),
    });
    expect(running.operator.state.waitingItems()).toEqual([]);
    release();
    expect(await alice.waitForBlock(id)).toMatchObject({ blockNumber: 3 });
    await settled(3);
    expect(ourRoot()).toBe(await rootOnL1());
    expect(ourRoot()).not.toBe(lostRoot);
    await until(() => follower.operator.state.nextBlockNumber === 4);
    await expectSameState(follower, running);
    await expectSameState(await town.follow(), running);
  });

  it("reads the chain anew when a reorganisation is deeper than its checkpoints", async () => {
    await running.stop(0);
    running = await town.operate(prover, { checkpoints: 2 });
    alice = await town.user(1, running);
    bob = await town.user(2, running);
    await alice.register(5_000_000n);
    await settled(1);
    const fork = await town.chain.control.snapshot();
    await bob.register(3_000_000n);
    await settled(2);
    await town.chain.control.mine({ blocks: 3 });
    await until(() => running.operator.state.l1.number === running.operator.l1HeadNumber);
    await town.chain.reorganise(fork);
    await until(() => running.operator.state.nextBlockNumber === 2);
    await settled(1);
    await expectSameState(await town.follow(), running);
  });

  it("keeps a proof whose commit a reorganisation removed, and sends it again", async () => {
    await running.stop(0);
    running = await town.operate(prover, { confirmations: 1 });
    await alice.register(5_000_000n);
    await town.chain.control.mine({ blocks: 1 });
    const fork = await town.chain.control.snapshot();
    await until(() => running.operator.flight?.phase === "mined");
    const calls = prover.calls.length;
    await town.chain.reorganise(fork);
    await until(async () => (await blockCount()) === 1);
    await town.chain.control.mine({ blocks: 1 });
    await settled(1);
    expect(prover.calls).toHaveLength(calls);
  });
});
