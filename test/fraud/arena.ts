// A chain with an optimistic rollup, batches in its inbox, and players.

import {
  type Address,
  type ContractFunctionArgs,
  type ContractFunctionName,
  encodeFunctionData,
  type Hex,
  keccak256,
  numberToHex,
  stringToHex,
} from "viem";
import { ChainLog } from "../../operator/fraud/chain-log.ts";
import { deployOptimisticRollup, type OptimisticDeployment } from "../../operator/fraud/deploy.ts";
import { OPTIMISTIC_ABI } from "../../operator/fraud/optimistic-abi.ts";
import type { Roles } from "../../operator/fraud/plan.ts";
import { FraudPlayer } from "../../operator/fraud/player.ts";
import { Truth } from "../../operator/fraud/truth.ts";
import { encodeBatch } from "../../operator/ledger/batch.ts";
import { type Inbox, readInbox } from "../../operator/ledger/inbox.ts";
import {
  encodeFeeRecord,
  encodeNoop,
  encodeRecord,
  Opcode,
  type Payment,
} from "../../operator/ledger/instruction.ts";
import { INBOX_ABI } from "../../operator/ledger/ledger-abi.ts";
import {
  compactSignature,
  type LedgerDomain,
  paymentTypedData,
} from "../../operator/ledger/signature.ts";
import type { Log } from "../../operator/log.ts";
import { type SignerClient, TransactionSender } from "../../operator/transaction-sender.ts";
import {
  ARTIFACTS_DIR,
  developmentAccount,
  startChain,
  type TestChain,
} from "../operator/chain.ts";

export const BOND = 10n ** 18n;
export const DEPOSIT = 3n * 10n ** 17n;
export const PERIOD = 100_000;
export const CLOCK = 10_000;
export const GRACE = 2_000;
const ENTRY_FEE = 10n ** 14n;
const SOURCE_DOMAIN = 2;

/** Who is who among the development accounts. */
export const SEQUENCER = 0;
export const ALICE = 1; // honest proposer
export const BOB = 2; // honest challenger
export const MALLORY = 3;
export const SYBIL = 4;
export const COPYCAT = 5;

export const PROPOSES: Roles = { proposes: true, challenges: false };
export const CHALLENGES: Roles = { proposes: false, challenges: true };

/** Something that is not the state after `step` instructions. */
export const lieAt = (step: number, salt = 0): Hex =>
  keccak256(stringToHex(`not the state after ${step}, ${salt}`));

export interface PlayerChoice {
  readonly log?: Log;
  readonly nowMs?: () => number;
  readonly maxAhead?: number;
  /** Computed before, to save time. */
  readonly truth?: Truth;
}

export class Arena {
  readonly chain: TestChain;
  readonly deployment: OptimisticDeployment;
  readonly domain: LedgerDomain;
  #nonce = 0n;

  private constructor(chain: TestChain, deployment: OptimisticDeployment) {
    this.chain = chain;
    this.deployment = deployment;
    this.domain = { chainId: 31_337, rollup: deployment.rollup, sourceDomain: SOURCE_DOMAIN };
  }

  static async open(maxBatches = 4): Promise<Arena> {
    const chain = await startChain();
    const deployment = await deployOptimisticRollup(
      { read: chain.read, signer: chain.signer(SEQUENCER) },
      {
        artifactsDir: ARTIFACTS_DIR,
        sequencer: developmentAccount(SEQUENCER).address,
        proposerBondWei: BOND,
        challengeDepositWei: DEPOSIT,
        challengePeriodSeconds: PERIOD,
        clockSeconds: CLOCK,
        graceSeconds: GRACE,
        maxBatches,
        entryFeeWei: ENTRY_FEE,
        sourceDomain: SOURCE_DOMAIN,
      },
    );
    return new Arena(chain, deployment);
  }

  close(): Promise<void> {
    return this.chain.close();
  }

  /** Publishes a batch of so many instructions: a deposit first if there is room, payments, and the fees at the end. */
  async batch(instructions: number): Promise<void> {
    const isFirst = this.#nonce === 0n;
    const deposits = isFirst && instructions > 1 ? 1 : 0;
    if (deposits === 1) {
      await this.deposit(10n ** 18n);
    }
    const records: Hex[] = [];
    for (let i = deposits; i < instructions - 1; i++) {
      // Every fifth is a payment by signature: those cost time to make and to check.
      records.push(deposits === 1 && i % 5 === 1 ? await this.payment() : encodeNoop());
    }
    await this.commit(records);
  }

  /** Publishes these records with the fees' behind them, and everything that waits in the queue before them. */
  async commit(records: readonly Hex[]): Promise<void> {
    const [number, queueTo] = await Promise.all([
      this.#readInbox("batchCount"),
      this.#readInbox("queueTail"),
    ]);
    const all = [...records, encodeFeeRecord(1, developmentAccount(SEQUENCER).address)];
    const args = encodeBatch({ number: number + 1n, queueTo, records: all });
    await this.#send(SEQUENCER, "commitBatch", args);
  }

  /** Queues a deposit to the sequencer's account 0. */
  deposit = (wei: bigint) =>
    this.#send(SEQUENCER, "deposit", [0, developmentAccount(SEQUENCER).address], ENTRY_FEE + wei);

  /** Queues a payment without the sequencer's consent. */
  enforce = (transaction: Hex) =>
    this.#send(SEQUENCER, "enforceInclusion", [transaction], ENTRY_FEE);

  async inbox(): Promise<Inbox> {
    const toBlock = await this.chain.read.getBlockNumber();
    return readInbox(this.chain.read, this.deployment.inbox, { fromBlock: 0n, toBlock });
  }

  /** What everybody can compute. */
  async truth(): Promise<Truth> {
    const truth = new Truth(this.domain);
    await truth.follow(await this.inbox());
    return truth;
  }

  player(
    account: number,
    roles: Roles,
    { log = SILENT, nowMs = Date.now, truth, maxAhead = 4 }: PlayerChoice = {},
  ): FraudPlayer {
    const { read } = this.chain;
    const { rollup, inbox, deploymentBlock } = this.deployment;
    const chain = new ChainLog(read, { addresses: [rollup, inbox], fromBlock: deploymentBlock });
    const sender = new TransactionSender(
      { maxFeePerGasWei: 10n ** 12n, resendAfterMs: 1_000 },
      { read, signer: this.signer(account), abi: OPTIMISTIC_ABI, nowMs },
    );
    return new FraudPlayer(
      {
        rollup,
        account: this.address(account),
        roles,
        maxAhead,
        rules: {
          proposerBondWei: BOND,
          challengeDepositWei: DEPOSIT,
          graceSeconds: GRACE,
          maxBatches: 4,
        },
        domain: this.domain,
      },
      { read, chain, sender, log, ...(truth && { truth }) },
    );
  }

  signer = (account: number): SignerClient => this.chain.signer(account) as SignerClient;
  address = (account: number): Address => developmentAccount(account).address;

  /** A call of the rollup as anybody; mined at once. @throws viem's errors if it reverts. */
  async call(
    account: number,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<bigint> {
    const data = encodeFunctionData({ abi: OPTIMISTIC_ABI, functionName, args } as never);
    const signer = this.signer(account);
    const hash = await signer.sendTransaction({
      to: this.deployment.rollup,
      data,
      value,
      account: signer.account,
      chain: null,
    });
    const receipt = await this.chain.read.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
    return receipt.gasUsed;
  }

  entry = (id: bigint) => this.#contract("stateRoots", [id]);
  game = (id: bigint) => this.#contract("challenges", [id]);
  credits = (account: Address) => this.#contract("credits", [account]);
  finalEnd = () => this.#contract("latestBatchEnd", []);
  entryCount = () => this.#contract("stateRootCount", []);
  gameCount = () => this.#contract("challengeCount", []);

  /** Unix time of the newest block. */
  async now(): Promise<bigint> {
    return (await this.chain.read.getBlock()).timestamp;
  }

  /** An empty block at this time, or right after the newest. */
  async mineAt(seconds?: bigint): Promise<void> {
    const now = await this.now();
    if (seconds !== undefined && seconds > now) {
      await this.chain.control.setNextBlockTimestamp({ timestamp: seconds });
    }
    await this.chain.control.mine({ blocks: 1 });
  }

  /** Empty blocks, each on the one before: of many at once the node would make up the hashes. */
  async mineMany(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.chain.control.mine({ blocks: 1 });
  }

  /** The next transaction's block has this time. */
  async nextBlockAt(seconds: bigint): Promise<void> {
    if (seconds > (await this.now())) {
      await this.chain.control.setNextBlockTimestamp({ timestamp: seconds });
    }
  }

  /** Lets honest players act until none of them has anything left to do now. */
  async settle(...players: readonly FraudPlayer[]): Promise<void> {
    for (let round = 0; round < 200; round++) {
      await this.mineAt();
      let wishes = 0;
      for (const player of players) wishes += (await player.tick()).length;
      if (wishes === 0) return;
    }
    throw new Error("the players never come to rest");
  }

  /** What an account paid for gas in all blocks from `from` on. */
  async gasPaid(account: Address, from: bigint): Promise<bigint> {
    let paid = 0n;
    const head = await this.chain.read.getBlockNumber();
    for (let number = from; number <= head; number++) {
      const block = await this.chain.read.getBlock({
        blockNumber: number,
        includeTransactions: true,
      });
      for (const { from: sender, hash } of block.transactions) {
        if (sender.toLowerCase() !== account.toLowerCase()) continue;
        const receipt = await this.chain.read.getTransactionReceipt({ hash });
        paid += receipt.gasUsed * receipt.effectiveGasPrice;
      }
    }
    return paid;
  }

  /** The next payment of account 0, signed: to account 1, or to L1. */
  async payment(kind: 2 | 3 = Opcode.transfer): Promise<Hex> {
    const payment = this.order(kind === Opcode.exit ? 0 : 1);
    const signature = await developmentAccount(SEQUENCER).signTypedData(
      paymentTypedData(this.domain, kind, payment),
    );
    return encodeRecord(kind, payment, compactSignature(signature));
  }

  /** What a payment of account 0 says. */
  order(to: number): Payment {
    return {
      from: 0,
      to,
      toOwner: developmentAccount(SEQUENCER).address,
      amount: 1_000n,
      fee: 7n,
      nonce: this.#nonce++,
      validUntilBatch: 2n ** 40n,
    };
  }

  #contract<
    const Name extends ContractFunctionName<typeof OPTIMISTIC_ABI, "view">,
    const Args extends ContractFunctionArgs<typeof OPTIMISTIC_ABI, "view", Name>,
  >(functionName: Name, args: Args) {
    const address = this.deployment.rollup;
    return this.chain.read.readContract({ address, abi: OPTIMISTIC_ABI, functionName, args });
  }

  #readInbox(functionName: "batchCount" | "queueTail"): Promise<bigint> {
    const address = this.deployment.inbox;
    return this.chain.read.readContract({ address, abi: INBOX_ABI, functionName });
  }

  async #send(account: number, functionName: string, args: readonly unknown[], value = 0n) {
    const data = encodeFunctionData({ abi: INBOX_ABI, functionName, args } as never);
    const signer = this.signer(account);
    const hash = await signer.sendTransaction({
      to: this.deployment.inbox,
      data,
      value,
      account: signer.account,
      chain: null,
    });
    await this.chain.read.waitForTransactionReceipt({ hash });
  }
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A log that a test can read. */
export function listeningLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (fields: object, event: string) => {
    lines.push(`${level} ${event} ${JSON.stringify(fields)}`);
  };
  return {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
}

/** Key of the claim that a genesis is. */
export const keyOf = (batchEnd: number, root: Hex): Hex =>
  keccak256(`${numberToHex(batchEnd, { size: 32 })}${root.slice(2)}`);
