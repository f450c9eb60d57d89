// Brings one call at a time onto the chain: tried first, sent, watched, sent again with a higher fee.

import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  type Hex,
  keccak256,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import { type RevertReason, revertReason } from "./revert-reason.ts";
import type { L1Reference } from "./state.ts";

/**
 * Nodes ask for at least 10 % more (geth: 10, others 12.5) before they replace a waiting transaction. 25 % reaches
 * a doubled base fee in four rounds.
 */
const FEE_RISE_PERCENT = 125n;
/** Room above the estimate: slots may be warm or cold by then. */
const GAS_MARGIN_PERCENT = 120n;

export interface SenderOptions {
  /** Never offer more for one unit of gas. */
  readonly maxFeePerGasWei: bigint;
  /** Without a receipt for so long, the transaction is sent again. */
  readonly resendAfterMs: number;
}

export type SignerClient = WalletClient<Transport, Chain | undefined, Account>;

export interface Call {
  readonly to: Address;
  readonly data: Hex;
  readonly valueWei?: bigint;
}

export type SendProgress =
  | { readonly kind: "waiting" }
  | {
      readonly kind: "mined";
      readonly transactionHash: Hex;
      readonly l1Block: L1Reference;
      readonly gasUsed: bigint;
    }
  /** The contract says no; nothing was sent. */
  | { readonly kind: "refused"; readonly reason: RevertReason; readonly cause: unknown }
  /** It was mined and changed nothing. */
  | { readonly kind: "reverted"; readonly l1Block: number; readonly reason: string | undefined }
  /** Gas costs more than allowed; nothing was sent. */
  | { readonly kind: "expensive"; readonly feePerGasWei: bigint };

interface Attempt {
  readonly key: string;
  readonly sent: { readonly hash: Hex; readonly call: Call }[];
  sentAtMs: number;
}

interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

export class TransactionSender {
  readonly #options: SenderOptions;
  readonly #abi: Abi;
  readonly #read: PublicClient;
  readonly #signer: SignerClient;
  readonly #nowMs: () => number;
  #attempt: Attempt | undefined;
  /** What was last offered, for whichever call: another call at the same nonce has to offer more. */
  #offer: { readonly nonce: number; readonly fees: Fees } | undefined;

  constructor(
    options: SenderOptions,
    dependencies: {
      readonly read: PublicClient;
      readonly signer: SignerClient;
      /** Names the errors of the contract. */
      readonly abi: Abi;
      readonly nowMs?: () => number;
    },
  ) {
    this.#options = options;
    this.#read = dependencies.read;
    this.#signer = dependencies.signer;
    this.#abi = dependencies.abi;
    this.#nowMs = dependencies.nowMs ?? Date.now;
  }

  /**
   * Does the next step for this call and returns at once; ask again until it is mined, and later on as well: after a
   * reorg it goes back to waiting.
   *
   * @param key names the call, however it is encoded; another one begins anew, at the same nonce if nothing was mined.
   * @param build makes the call, each time that it is about to be sent.
   */
  async advance(key: string, build: () => Call): Promise<SendProgress> {
    if (this.#attempt?.key !== key) {
      this.#attempt = { key, sent: [], sentAtMs: Number.NEGATIVE_INFINITY };
    }
    const attempt = this.#attempt;
    const found = await this.#findReceipt(attempt);
    if (found) return found;
    if (this.#nowMs() - attempt.sentAtMs < this.#options.resendAfterMs) return { kind: "waiting" };
    return this.#trySend(attempt, build());
  }

  /** The call that is on its way. What has waited for too long is not: something more urgent may take its nonce. */
  get pendingKey(): string | undefined {
    const attempt = this.#attempt;
    if (attempt === undefined || attempt.sent.length === 0) return undefined;
    return this.#nowMs() - attempt.sentAtMs < this.#options.resendAfterMs ? attempt.key : undefined;
  }

  async #findReceipt(attempt: Attempt): Promise<SendProgress | undefined> {
    for (const { hash, call } of attempt.sent) {
      const receipt = await this.#read.getTransactionReceipt({ hash }).catch((error: Error) => {
        if (error.name === "TransactionReceiptNotFoundError") return undefined;
        throw error;
      });
      if (receipt === undefined) continue;
      if (receipt.status === "reverted") {
        this.#attempt = undefined;
        // On the state after the block: what came before our transaction in it may be the reason.
        const reason = await this.#reasonAt(call, receipt.blockNumber);
        return { kind: "reverted", l1Block: Number(receipt.blockNumber), reason };
      }
      return {
        kind: "mined",
        transactionHash: hash,
        l1Block: { number: Number(receipt.blockNumber), hash: receipt.blockHash },
        gasUsed: receipt.gasUsed,
      };
    }
    return undefined;
  }

  /** Tries the call on the newest state, settles gas, nonce and fees, and sends it. */
  async #trySend(attempt: Attempt, call: Call): Promise<SendProgress> {
    let gas: bigint;
    try {
      // Executes the call: a refusal shows here, before anything is sent. Not on the pending block, as some nodes do by default: our own transaction may wait in it.
      const estimate = await this.#read.estimateGas({
        ...this.#request(call),
        blockTag: "latest",
        prepare: false,
      });
      gas = (estimate * GAS_MARGIN_PERCENT) / 100n;
    } catch (cause) {
      const reason = revertReason(cause, this.#abi);
      if (reason === undefined) throw cause;
      this.#attempt = undefined;
      return { kind: "refused", reason, cause };
    }
    // The mined count, not the pending one: a transaction of ours that got stuck is to be replaced, not queued behind,
    // and a gap cannot arise.
    const nonce = await this.#read.getTransactionCount({
      address: this.#signer.account.address,
      blockTag: "latest",
    });
    const previous = this.#offer?.nonce === nonce ? this.#offer.fees : undefined;
    const fees = await this.#chooseFees(previous);
    if (typeof fees === "bigint") return { kind: "expensive", feePerGasWei: fees };
    await this.#send(attempt, call, { gas, nonce, ...fees });
    this.#offer = { nonce, fees };
    return { kind: "waiting" };
  }

  /** @returns the fee that is asked for, if it is too high. */
  async #chooseFees(previous: Fees | undefined): Promise<Fees | bigint> {
    const now = await this.#read.estimateFeesPerGas();
    const raised = (old: bigint | undefined, fresh: bigint): bigint => {
      if (old === undefined) return fresh;
      const higher = (old * FEE_RISE_PERCENT + 99n) / 100n;
      return higher > fresh ? higher : fresh;
    };
    const fees = {
      maxFeePerGas: raised(previous?.maxFeePerGas, now.maxFeePerGas),
      maxPriorityFeePerGas: raised(previous?.maxPriorityFeePerGas, now.maxPriorityFeePerGas),
    };
    if (fees.maxFeePerGas <= this.#options.maxFeePerGasWei) return fees;
    // What is already offered stays offered; only the first offer can be too expensive.
    return previous ?? fees.maxFeePerGas;
  }

  async #send(
    attempt: Attempt,
    call: Call,
    settled: Fees & { readonly gas: bigint; readonly nonce: number },
  ): Promise<void> {
    // Signed here, so that the hash is known even if the answer to the sending gets lost.
    const serialized = await this.#signer.signTransaction({
      ...this.#request(call),
      chain: this.#signer.chain ?? null,
      type: "eip1559" as const,
      ...settled,
    });
    const hash = keccak256(serialized);
    if (!attempt.sent.some((one) => one.hash === hash)) attempt.sent.push({ hash, call });
    try {
      await this.#signer.sendRawTransaction({ serializedTransaction: serialized });
    } catch (error) {
      const text = String((error as Error).message);
      // The same transaction is already there, or ours of an earlier life with this nonce is: wait for the next round,
      // which raises the fee, or finds the nonce used and tries the call anew.
      if (!/already known|already imported|underpriced|nonce (is )?too low/i.test(text))
        throw error;
    }
    attempt.sentAtMs = this.#nowMs();
  }

  #request({ to, data, valueWei }: Call) {
    const value = valueWei === undefined ? {} : { value: valueWei };
    return { account: this.#signer.account, to, data, ...value };
  }

  async #reasonAt(call: Call, blockNumber: bigint): Promise<string | undefined> {
    try {
      await this.#read.call({ ...this.#request(call), blockNumber });
      return undefined;
    } catch (error) {
      return revertReason(error, this.#abi)?.text;
    }
  }
}
