// The operator's side of a proof. The service is trusted with nothing: it sees the batch and returns eight numbers;
// roots, published bytes, public signals and calldata are computed here, and the contract's verifier is asked about the
// numbers before anything is sent.

import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type Hex, keccak256, toHex } from "viem";
import type { TransferBatch } from "../circuits/batch.ts";
import { encodeCommitBlock } from "../circuits/calldata.ts";
import type { BuiltBatch } from "./batch-builder.ts";
import { OperatorError } from "./errors.ts";
import type { Log } from "./log.ts";

/** Order of BN254's base field, in which a proof's coordinates lie. */
const BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

export interface ProofProgress {
  /** What the prover does: waiting, witness, proving, verifying. */
  readonly stage: string;
  readonly percent: number;
}

export interface ProofCall {
  readonly requestId: string;
  readonly circuitId: string;
  readonly batch: TransferBatch;
  /** Aborting stops the waiting and cancels the job. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ProofProgress) => void;
}

/** Somebody who makes proofs. */
export interface ProofService {
  /**
   * @returns a.x, a.y, b.x imaginary, b.x real, b.y imaginary, b.y real, c.x, c.y. Untrusted.
   * @throws OperatorError PROVER_UNAVAILABLE  if the same call may end well later.
   * @throws OperatorError PROOF_FAILED        if it will not.
   */
  prove(call: ProofCall): Promise<readonly bigint[]>;
  close(): void;
}

export interface ProveOptions {
  /** 0 for the first; each further one gets a request id of its own. */
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ProofProgress) => void;
}

/** A proof takes seconds to minutes, others may be in front of it: who needs longer has lost the job. */
const PROOF_MAX_MS = 30 * 60_000;
/** Pause while the prover is away, doubled each time up to the last. */
const AWAY_FIRST_MS = 200;
const AWAY_MAX_MS = 5_000;

export class ProverLink {
  readonly #scope: {
    readonly chainId: number;
    readonly rollup: Address;
    readonly circuitId: string;
  };
  readonly #service: ProofService;
  readonly #log: Log;
  readonly #proofMaxMs: number;

  constructor(
    scope: { readonly chainId: number; readonly rollup: Address; readonly circuitId: string },
    dependencies: { service: ProofService; log: Log; proofMaxMs?: number },
  ) {
    this.#scope = scope;
    this.#service = dependencies.service;
    this.#log = dependencies.log;
    this.#proofMaxMs = dependencies.proofMaxMs ?? PROOF_MAX_MS;
  }

  /**
   * The calldata of commitBlock for a batch. Goes on asking while the prover is away, and gives up a job that does
   * not end.
   *
   * @throws OperatorError PROOF_FAILED, PROOF_MALFORMED
   */
  async prove({ batch, execution }: BuiltBatch, options: ProveOptions): Promise<Hex> {
    const { signal, onProgress, attempt } = options;
    const requestId = proofRequestId(this.#scope, batch, attempt);
    const { circuitId } = this.#scope;
    const { newRoot, txData, publicSignals } = execution;
    for (let away = 0; ; away++) {
      const deadline = AbortSignal.timeout(this.#proofMaxMs);
      try {
        const either = AbortSignal.any([signal, deadline]);
        const call = { requestId, circuitId, batch, signal: either, onProgress };
        const proof = toProof(await this.#service.prove(call));
        return encodeCommitBlock({ newRoot, txData, publicSignals, proof });
      } catch (error) {
        signal.throwIfAborted();
        if (deadline.aborted) {
          const text = `the prover has not ended the job in ${this.#proofMaxMs} ms.`;
          throw new OperatorError("PROOF_FAILED", text, {}, { cause: error });
        }
        if (!(error instanceof OperatorError) || error.code !== "PROVER_UNAVAILABLE") throw error;
        if (away === 0) this.#log.warn({ requestId, failure: error.message }, "prover unavailable");
        onProgress({ stage: "prover unavailable", percent: 0 });
        await sleep(Math.min(AWAY_MAX_MS, AWAY_FIRST_MS * 2 ** away), undefined, { signal });
      }
    }
  }

  close(): void {
    this.#service.close();
  }
}

/**
 * The same for the same batch of the same rollup, so that asking again after a lost connection or a restart finds the
 * job; different for every other batch, signatures included.
 */
export function proofRequestId(
  scope: { readonly chainId: number; readonly rollup: Address },
  batch: TransferBatch,
  attempt: number,
): string {
  const content = JSON.stringify(batch, (_key, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  const hash = keccak256(toHex(`${scope.chainId} ${scope.rollup.toLowerCase()} ${content}`));
  // 128 bits of the hash: nobody profits from a collision in names of the operator's own batches.
  return `block-${batch.blockNumber}-${hash.slice(2, 34)}${attempt > 0 ? `-${attempt}` : ""}`;
}

function toProof(elements: readonly bigint[]): Parameters<typeof encodeCommitBlock>[0]["proof"] {
  const isProof =
    elements.length === 8 && elements.every((element) => element >= 0n && element < BASE_FIELD);
  if (!isProof) {
    throw new OperatorError(
      "PROOF_MALFORMED",
      "the prover's answer is not eight elements of the base field.",
      { got: `${elements.length} elements`, expected: "8 elements below q" },
    );
  }
  const [ax, ay, bx1, bx0, by1, by0, cx, cy] = elements as unknown as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  return { a: { x: ax, y: ay }, b: { x: [bx0, bx1], y: [by0, by1] }, c: { x: cx, y: cy } };
}
