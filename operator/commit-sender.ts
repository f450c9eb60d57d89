// Brings one commitBlock transaction onto the chain: tried first, sent, watched, sent again with a higher fee.

import {
  type Account,
  type Address,
  type Chain,
  type Hex,
  keccak256,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { OperatorError } from "./errors.ts";
import { revertReason } from "./revert-reason.ts";
import type { L1Reference } from "./state.ts";

/**
 * Nodes ask for at least 10 % more (geth: 10, others 12.5) before they replace a waiting transaction. 25 % reaches
 * a doubled base fee in four rounds.
 */
const FEE_RISE_PERCENT = 125n;
/** Room above the estimate: the queue's slots may be warm or cold by then. */
const GAS_MARGIN_PERCENT = 120n;

export interface SenderOptions {
  /** Never offer more for one unit of gas. */
  readonly maxFeePerGasWei: bigint;
  /** Without a receipt for so long, the transaction is sent again. */
  readonly resendAfterMs: number;
}

export type SignerClient = WalletClient<Transport, Chain | undefined, Account>;

export type CommitProgress =
  | { readonly kind: "waiting" }
  | {
      readonly kind: "mined";
      readonly transactionHash: Hex;
      readonly l1Block: L1Reference;
      readonly gasUsed: bigint;
    };

interface Attempt {
  readonly calldata: Hex;
  nonce: number | undefined;
  gas: bigint;
  fees: Fees | undefined;
  readonly hashes: Hex[];
  sentAtMs: number;
}

interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

export class CommitSender {
  readonly #options: SenderOptions;
  readonly #read: PublicClient;
  readonly #signer: SignerClient;
  readonly #rollup: Address;
  readonly #nowMs: () => number;
  #attempt: Attempt | undefined;

  constructor(
    options: SenderOptions,
    dependencies: {
      readonly read: PublicClient;
      readonly signer: SignerClient;
      readonly rollup: Address;
      readonly nowMs?: () => number;
    },
  ) {
    this.#options = options;
    this.#read = dependencies.read;
    this.#signer = dependencies.signer;
    this.#rollup = dependencies.rollup;
    this.#nowMs = dependencies.nowMs ?? Date.now;
  }

  /**
   * Does the next step for this calldata and returns at once; call it again until it is mined, and later on as well:
   * after a reorg it goes back to waiting.
   *
   * @throws OperatorError PROOF_REFUSED         the contract's verifier says no; nothing was sent.
   * @throws OperatorError COMMIT_REVERTED       the contract refuses for another reason, or refused when it was mined.
   * @throws OperatorError COMMIT_TOO_EXPENSIVE  gas costs more than allowed; nothing was sent.
   */
  async advance(calldata: Hex): Promise<CommitProgress> {
    if (this.#attempt?.calldata !== calldata) {
      this.#attempt = {
        calldata,
        nonce: undefined,
        gas: 0n,
        fees: undefined,
        hashes: [],
        sentAtMs: Number.NEGATIVE_INFINITY,
      };
    }
    const attempt = this.#attempt;
    const mined = await this.#findReceipt(attempt);
    if (mined) return mined;
    if (this.#nowMs() - attempt.sentAtMs < this.#options.resendAfterMs) return { kind: "waiting" };
    await this.#prepare(attempt);
    await this.#send(attempt);
    return { kind: "waiting" };
  }

  async #findReceipt(attempt: Attempt): Promise<CommitProgress | undefined> {
    for (const hash of attempt.hashes) {
      const receipt = await this.#read.getTransactionReceipt({ hash }).catch((error: Error) => {
        if (error.name === "TransactionReceiptNotFoundError") return undefined;
        throw error;
      });
      if (receipt === undefined) continue;
      if (receipt.status === "reverted") {
        this.#attempt = undefined;
        // On the state after the block: what came before our transaction in it may be the reason.
        const reason = await this.#reasonAt(attempt.calldata, receipt.blockNumber);
        throw new OperatorError(
          "COMMIT_REVERTED",
          `commitBlock was mined in L1 block ${receipt.blockNumber} and reverted: ${reason ?? "reason unknown"}.`,
        );
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

  /** Tries the call on the newest state, and settles gas, nonce and fees. */
  async #prepare(attempt: Attempt): Promise<void> {
    const call = { account: this.#signer.account, to: this.#rollup, data: attempt.calldata };
    try {
      // Executes the call: a refusal shows here, before anything is sent. Not on the pending block, as some nodes do by default: our own transaction may wait in it.
      const estimate = await this.#read.estimateGas({
        ...call,
        blockTag: "latest",
        prepare: false,
      });
      attempt.gas = (estimate * GAS_MARGIN_PERCENT) / 100n;
    } catch (error) {
      const reason = revertReason(error, ROLLUP_ABI);
      if (reason === undefined) throw error;
      this.#attempt = undefined;
      throw refusal(reason.name, reason.text, error);
    }
    // The mined count, not the pending one: a transaction of ours that got stuck is to be replaced, not queued behind.
    const nonce = await this.#read.getTransactionCount({
      address: this.#signer.account.address,
      blockTag: "latest",
    });
    const isReplacement = nonce === attempt.nonce;
    attempt.nonce = nonce;
    attempt.fees = await this.#chooseFees(isReplacement ? attempt.fees : undefined);
  }

  async #chooseFees(previous: Fees | undefined): Promise<Fees> {
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
    const limit = this.#options.maxFeePerGasWei;
    if (fees.maxFeePerGas <= limit) return fees;
    // What is already offered stays offered; only the first offer can be too expensive.
    if (previous !== undefined) return previous;
    throw new OperatorError(
      "COMMIT_TOO_EXPENSIVE",
      `gas costs ${fees.maxFeePerGas} wei, the limit is ${limit} wei. The block waits.`,
      { got: String(fees.maxFeePerGas), expected: `at most ${limit}` },
    );
  }

  async #send(attempt: Attempt): Promise<void> {
    const request = {
      account: this.#signer.account,
      chain: this.#signer.chain ?? null,
      to: this.#rollup,
      data: attempt.calldata,
      gas: attempt.gas,
      nonce: attempt.nonce as number,
      type: "eip1559" as const,
      ...(attempt.fees as Fees),
    };
    // Signed here, so that the hash is known even if the answer to the sending gets lost.
    const serialized = await this.#signer.signTransaction(request);
    const hash = keccak256(serialized);
    if (!attempt.hashes.includes(hash)) attempt.hashes.push(hash);
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

  async #reasonAt(calldata: Hex, blockNumber: bigint): Promise<string | undefined> {
    try {
      await this.#read.call({
        account: this.#signer.account,
        to: this.#rollup,
        data: calldata,
        blockNumber,
      });
      return undefined;
    } catch (error) {
      return revertReason(error, ROLLUP_ABI)?.text;
    }
  }
}

function refusal(name: string | undefined, text: string, cause: unknown): OperatorError {
  const code = name === "InvalidProof" ? "PROOF_REFUSED" : "COMMIT_REVERTED";
  return new OperatorError(
    code,
    `commitBlock would revert: ${text}. Nothing was sent.`,
    {},
    { cause },
  );
}
