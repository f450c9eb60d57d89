// Brings one commitBlock transaction onto the chain.

import type { Address, Hex, PublicClient } from "viem";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { OperatorError } from "./errors.ts";
import {
  type SenderOptions,
  type SendProgress,
  type SignerClient,
  TransactionSender,
} from "./transaction-sender.ts";

export type { SenderOptions, SignerClient } from "./transaction-sender.ts";

export type CommitProgress = Extract<SendProgress, { kind: "waiting" | "mined" }>;

export class CommitSender {
  readonly #sender: TransactionSender;
  readonly #rollup: Address;
  readonly #maxFeePerGasWei: bigint;

  constructor(
    options: SenderOptions,
    {
      rollup,
      ...dependencies
    }: {
      readonly read: PublicClient;
      readonly signer: SignerClient;
      readonly rollup: Address;
      readonly nowMs?: () => number;
    },
  ) {
    this.#sender = new TransactionSender(options, { ...dependencies, abi: ROLLUP_ABI });
    this.#rollup = rollup;
    this.#maxFeePerGasWei = options.maxFeePerGasWei;
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
    const call = { to: this.#rollup, data: calldata };
    const progress = await this.#sender.advance(calldata, () => call);
    if (progress.kind === "refused") {
      const { reason, cause } = progress;
      const code = reason.name === "InvalidProof" ? "PROOF_REFUSED" : "COMMIT_REVERTED";
      const message = `commitBlock would revert: ${reason.text}. Nothing was sent.`;
      throw new OperatorError(code, message, {}, { cause });
    }
    if (progress.kind === "reverted") {
      const { l1Block, reason } = progress;
      throw new OperatorError(
        "COMMIT_REVERTED",
        `commitBlock was mined in L1 block ${l1Block} and reverted: ${reason ?? "reason unknown"}.`,
      );
    }
    if (progress.kind === "expensive") {
      const { feePerGasWei } = progress;
      throw new OperatorError(
        "COMMIT_TOO_EXPENSIVE",
        `gas costs ${feePerGasWei} wei, the limit is ${this.#maxFeePerGasWei} wei. The block waits.`,
        { got: String(feePerGasWei), expected: `at most ${this.#maxFeePerGasWei}` },
      );
    }
    return progress;
  }
}
