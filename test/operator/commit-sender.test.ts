import { createWalletClient, type Hex, http } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeCommitBlock } from "../../circuits/calldata.ts";
import { buildNextBatch } from "../../operator/batch-builder.ts";
import { CommitSender, type SenderOptions } from "../../operator/commit-sender.ts";
import type { RunningOperator } from "../../operator/main.ts";
import { developmentAccount } from "./chain.ts";
import { Town, until } from "./town.ts";

const ANY_PROOF = {
  a: { x: 1n, y: 2n },
  b: { x: [3n, 4n], y: [5n, 6n] },
  c: { x: 7n, y: 8n },
} as const;
const OPTIONS: SenderOptions = { maxFeePerGasWei: 10n ** 12n, resendAfterMs: 1_000 };

let town: Town;
let follower: RunningOperator;
let nowMs: number;

beforeEach(async () => {
  town = await Town.found("stub");
  follower = await town.follow();
  nowMs = 0;
});

afterEach(async () => {
  await town.close();
});

function createSender(options: Partial<SenderOptions> = {}): CommitSender {
  return new CommitSender(
    { ...OPTIONS, ...options },
    {
      read: town.chain.read,
      signer: createWalletClient({
        account: developmentAccount(0),
        transport: http(town.chain.rpcUrl),
      }),
      rollup: town.rollup,
      nowMs: () => nowMs,
    },
  );
}

/** Calldata of the next block, which takes one deposit. */
async function nextBlock(): Promise<Hex> {
  const user = await town.user(1, follower);
  await user.register(2_000_000n);
  await until(() => follower.operator.state.waitingItems().length > 0);
  return calldataNow();
}

function calldataNow(): Hex {
  const { built } = buildNextBatch(follower.operator.state, 0, function* () {});
  if (built === undefined) throw new Error("nothing to build");
  return encodeCommitBlock({ ...built.execution, proof: ANY_PROOF });
}

const pendingCount = async () =>
  (await town.chain.read.getBlock({ blockTag: "pending" })).transactions.length;
const operatorNonce = () =>
  town.chain.read.getTransactionCount({ address: developmentAccount(0).address });

describe("operator / commit sender", () => {
  it("sends once and finds the receipt", async () => {
    const calldata = await nextBlock();
    const sender = createSender();
    expect(await sender.advance(calldata)).toEqual({ kind: "waiting" });
    const nonce = await operatorNonce();
    expect(await sender.advance(calldata)).toMatchObject({ kind: "mined" });
    expect(await sender.advance(calldata)).toMatchObject({ kind: "mined" });
    expect(await operatorNonce()).toBe(nonce);
  });

  it("replaces a transaction that nobody mines by one with a higher fee, never by two", async () => {
    const calldata = await nextBlock();
    await town.chain.control.setAutomine(false);
    const sender = createSender();
    await sender.advance(calldata);
    await sender.advance(calldata);
    const [before] = (
      await town.chain.read.getBlock({ blockTag: "pending", includeTransactions: true })
    ).transactions;
    nowMs += OPTIONS.resendAfterMs;
    await sender.advance(calldata);
    const pending = (
      await town.chain.read.getBlock({ blockTag: "pending", includeTransactions: true })
    ).transactions;
    expect(pending).toHaveLength(1);
    expect(pending[0]?.nonce).toBe(before?.nonce);
    expect(pending[0]?.maxFeePerGas).toBeGreaterThan(((before?.maxFeePerGas ?? 0n) * 110n) / 100n);
    await town.chain.control.mine({ blocks: 1 });
    expect(await sender.advance(calldata)).toMatchObject({
      kind: "mined",
      transactionHash: pending[0]?.hash,
    });
  });

  it("gets past a transaction that an earlier process left stuck at its nonce", async () => {
    const calldata = await nextBlock();
    await town.chain.control.setAutomine(false);
    await town.chain.signer(0).sendTransaction({
      to: developmentAccount(9).address,
      value: 1n,
      chain: null,
      account: developmentAccount(0),
    });
    const sender = createSender();
    for (let round = 0; round < 3; round++) {
      await sender.advance(calldata);
      nowMs += OPTIONS.resendAfterMs;
    }
    expect(await pendingCount()).toBe(1);
    await town.chain.control.mine({ blocks: 1 });
    expect(await sender.advance(calldata)).toMatchObject({ kind: "mined" });
  });

  it("sends nothing when the verifier says no", async () => {
    const calldata = await nextBlock();
    await town.setVerifierAnswer(false);
    const nonce = await operatorNonce();
    await expect(createSender().advance(calldata)).rejects.toMatchObject({ code: "PROOF_REFUSED" });
    expect(await operatorNonce()).toBe(nonce);
  });

  it("sends nothing when the contract refuses for another reason, which it names", async () => {
    const calldata = await nextBlock();
    const sender = createSender();
    await sender.advance(calldata);
    const again = createSender();
    const nonce = await operatorNonce();
    await expect(again.advance(calldata)).rejects.toMatchObject({
      code: "COMMIT_REVERTED",
      message: expect.stringContaining("("),
    });
    expect(await operatorNonce()).toBe(nonce);
  });

  it("reports a commit that was mined and reverted, with the contract's reason", async () => {
    const calldata = await nextBlock();
    await town.chain.control.setAutomine(false);
    const sender = createSender();
    await sender.advance(calldata);
    // A richer transaction overtakes it in the same block and changes what it finds.
    await town.setVerifierAnswer(false, { maxPriorityFeePerGas: 10n ** 11n, wait: false });
    await town.chain.control.mine({ blocks: 1 });
    await expect(sender.advance(calldata)).rejects.toMatchObject({
      code: "COMMIT_REVERTED",
      message: expect.stringContaining("InvalidProof(1)"),
    });
  });

  it("waits when gas costs more than it may pay", async () => {
    const calldata = await nextBlock();
    const nonce = await operatorNonce();
    await expect(createSender({ maxFeePerGasWei: 1n }).advance(calldata)).rejects.toMatchObject({
      code: "COMMIT_TOO_EXPENSIVE",
    });
    expect(await operatorNonce()).toBe(nonce);
  });

  it("goes back to waiting and sends again when a reorganisation takes the block away", async () => {
    const calldata = await nextBlock();
    const fork = await town.chain.control.snapshot();
    const sender = createSender();
    await sender.advance(calldata);
    expect(await sender.advance(calldata)).toMatchObject({ kind: "mined" });
    await town.chain.reorganise(fork);
    expect(await sender.advance(calldata)).toEqual({ kind: "waiting" });
    nowMs += OPTIONS.resendAfterMs;
    await sender.advance(calldata);
    expect(await sender.advance(calldata)).toMatchObject({ kind: "mined" });
  });
});
