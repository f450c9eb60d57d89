// Brings several calls onto the chain at once, each until the chain shows its effect.
//
// It keeps no receipts. Its caller looks at the chain in every round and says what is still wanted; a transaction that
// was mined, overtaken or undone by a reorganisation shows in that list and nowhere else. So there is nothing to recover
// after a crash: at worst a transaction is sent again, and fails on a state that is as wanted.

import type { Account, Address, Chain, Hex, PublicClient, Transport, WalletClient } from "viem";
import type { Log } from "../log.ts";
import { nodeFailure } from "../node-failure.ts";
import { revertReason } from "../revert-reason.ts";
import { CHANNEL_ABI } from "./abi.ts";

export interface Answer {
  readonly to: Address;
  readonly data: Hex;
  /** How soon it has to be on the chain. */
  readonly urgencyMs: number;
}

export interface AnswerSenderOptions {
  /** Never offer more for one unit of gas. */
  readonly maxFeePerGasWei: bigint;
  /** Unmined for so long, a transaction is replaced by one with a higher fee; sooner where time runs out. */
  readonly resendAfterMs: number;
}

interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** What waits at one of our account's nonces. */
interface Slot {
  readonly answer: Answer;
  readonly fees: Fees;
  readonly sentAtMs: number;
}

/** Nodes ask for 10 to 12.5 % more before they replace a waiting transaction. */
const FEE_RISE_PERCENT = 125n;
const GAS_MARGIN_PERCENT = 125n;
/** At least so many raised offers fit in what is left of the time. */
const OFFERS_LEFT = 8;
/** Waiting transactions of one account that nodes keep: geth promises 16 before it may drop some. */
const SLOTS_MAX = 16;

const keyOf = ({ to, data }: Answer): string => `${to}${data}`;

export class AnswerSender {
  readonly #options: AnswerSenderOptions;
  readonly #read: PublicClient;
  readonly #signer: WalletClient<Transport, Chain | undefined, Account>;
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #slots = new Map<number, Slot>();
  /** Highest offer at a nonce by anybody with our key, as far as known. */
  readonly #offered = new Map<number, Fees>();

  constructor(
    options: AnswerSenderOptions,
    dependencies: {
      readonly read: PublicClient;
      readonly signer: WalletClient<Transport, Chain | undefined, Account>;
      readonly log: Log;
      readonly nowMs?: () => number;
    },
  ) {
    this.#options = options;
    this.#read = dependencies.read;
    this.#signer = dependencies.signer;
    this.#log = dependencies.log;
    this.#nowMs = dependencies.nowMs ?? Date.now;
  }

  /**
   * One round.
   *
   * @param wanted all that the chain does not show yet; the most urgent comes first.
   */
  async advance(wanted: readonly Answer[]): Promise<void> {
    if (wanted.length === 0 && this.#slots.size === 0) return;
    const base = await this.#read.getTransactionCount({
      address: this.#signer.account.address,
      blockTag: "latest",
    });
    const keys = new Set(wanted.map(keyOf));
    for (const [nonce, slot] of this.#slots) {
      // Mined, or wanted no more: its nonce is free for another, at a higher fee.
      if (nonce < base || !keys.has(keyOf(slot.answer))) this.#slots.delete(nonce);
    }
    for (const nonce of this.#offered.keys()) if (nonce < base) this.#offered.delete(nonce);

    const nonces = new Map([...this.#slots].map(([nonce, { answer }]) => [keyOf(answer), nonce]));
    for (const answer of wanted) {
      const known = nonces.get(keyOf(answer));
      const slot = known === undefined ? undefined : this.#slots.get(known);
      const patienceMs = Math.min(this.#options.resendAfterMs, answer.urgencyMs / OFFERS_LEFT);
      if (slot && this.#nowMs() - slot.sentAtMs < patienceMs) continue;
      const nonce = known ?? this.#freeNonce(base);
      // No room for one more; those that have a nonce may still need a higher fee, and make room so.
      if (nonce === undefined) continue;
      try {
        await this.#send(nonce, answer);
      } catch (error) {
        // One answer's trouble must not keep the others.
        this.#log.warn({ channel: answer.to, failure: nodeFailure(error) }, "answer not sent");
      }
    }
  }

  /** The lowest one that nothing of ours waits at: a gap would hold up all behind it. */
  #freeNonce(base: number): number | undefined {
    for (let nonce = base; nonce < base + SLOTS_MAX; nonce++) {
      if (!this.#slots.has(nonce)) return nonce;
    }
    return undefined;
  }

  async #send(nonce: number, answer: Answer): Promise<void> {
    const { account } = this.#signer;
    let gas: bigint;
    try {
      const call = { account, to: answer.to, data: answer.data };
      gas = await this.#read.estimateGas({ ...call, blockTag: "latest", prepare: false });
    } catch (error) {
      const reason = revertReason(error, CHANNEL_ABI);
      if (reason === undefined) throw error;
      // Somebody was faster, or time is over: the next look at the chain tells.
      this.#log.info({ channel: answer.to, reason: reason.text }, "answer would be refused");
      this.#slots.delete(nonce);
      return;
    }
    const fees = await this.#fees(nonce);
    const serializedTransaction = await this.#signer.signTransaction({
      account,
      chain: this.#signer.chain ?? null,
      type: "eip1559",
      to: answer.to,
      data: answer.data,
      nonce,
      gas: (gas * GAS_MARGIN_PERCENT) / 100n,
      ...fees,
    });
    try {
      const hash = await this.#signer.sendRawTransaction({ serializedTransaction });
      this.#log.info(
        { channel: answer.to, transaction: hash, maxFeePerGas: String(fees.maxFeePerGas) },
        "answer sent",
      );
    } catch (error) {
      const text = String((error as Error).message);
      // Beside something of an earlier life at this nonce: the next round offers more. A node that is
      // away or busy says nothing about the fee.
      if (/underpriced|fee.* (too )?(low|less)/i.test(text)) this.#offered.set(nonce, fees);
      if (!/already known|already imported|nonce (is )?too low/i.test(text)) throw error;
    }
    this.#offered.set(nonce, fees);
    this.#slots.set(nonce, { answer, fees, sentAtMs: this.#nowMs() });
  }

  async #fees(nonce: number): Promise<Fees> {
    const now = await this.#read.estimateFeesPerGas();
    const previous = this.#offered.get(nonce);
    const raised = (old: bigint | undefined, fresh: bigint): bigint => {
      const higher = old === undefined ? fresh : (old * FEE_RISE_PERCENT + 99n) / 100n;
      return higher > fresh ? higher : fresh;
    };
    const wanted = raised(previous?.maxFeePerGas, now.maxFeePerGas);
    const limit = this.#options.maxFeePerGasWei;
    if (wanted > limit) {
      this.#log.error(
        { wanted: String(wanted), limit: String(limit) },
        "answers need a higher fee than allowed",
      );
    }
    const maxFeePerGas = wanted > limit ? limit : wanted;
    const tip = raised(previous?.maxPriorityFeePerGas, now.maxPriorityFeePerGas);
    return { maxFeePerGas, maxPriorityFeePerGas: tip > maxFeePerGas ? maxFeePerGas : tip };
  }
}
