// Every failure of the operator: a code for machines, got and expected for people.

import { nodeFailure } from "./node-failure.ts";

/** What a caller of the HTTP API sees, by code. The codes without a caller end up in the log and in `/v1/status`. */
export const OPERATOR_ERRORS = {
  BODY_TOO_LARGE: { httpStatus: 413 },
  CONTENT_TYPE: { httpStatus: 415 },
  JSON_MALFORMED: { httpStatus: 400 },
  FIELD_MALFORMED: { httpStatus: 400 },
  ROUTE_UNKNOWN: { httpStatus: 404 },
  METHOD_NOT_ALLOWED: { httpStatus: 405 },
  NOT_FOUND: { httpStatus: 404 },
  TRANSFER_SENDER: { httpStatus: 422 }, // unknown account, another key, or a forced exit is waiting
  TRANSFER_RECIPIENT: { httpStatus: 422 },
  TRANSFER_SIGNATURE: { httpStatus: 422 },
  TRANSFER_NONCE_USED: { httpStatus: 409 },
  TRANSFER_NONCE_GAP: { httpStatus: 409 },
  TRANSFER_BALANCE: { httpStatus: 422 },
  TRANSFER_FEE: { httpStatus: 422 },
  TRANSFER_EXPIRED: { httpStatus: 422 },
  ACCOUNT_PENDING_LIMIT: { httpStatus: 429 },
  MEMPOOL_FULL: { httpStatus: 503 },
  READ_ONLY: { httpStatus: 503 }, // a follower keeps no mempool
  SYNCING: { httpStatus: 503 }, // the chain is being read; answers would be out of date
  STOPPING: { httpStatus: 503 },
  CONFIG_INVALID: { httpStatus: 500 },
  CHAIN_MISMATCH: { httpStatus: 500 }, // the contract is not the one that this configuration describes
  STATE_DIVERGED: { httpStatus: 500 }, // our replay of a committed block gives another root than the chain
  REORG_TOO_DEEP: { httpStatus: 500 }, // below the oldest checkpoint: the state is rebuilt from the chain
  L1_ITEM_UNSATISFIABLE: { httpStatus: 500 },
  PROVER_UNAVAILABLE: { httpStatus: 502 }, // asked again under the same request id
  PROOF_FAILED: { httpStatus: 502 }, // the prover says that there is no proof; asked again under another id
  PROOF_MALFORMED: { httpStatus: 502 },
  PROOF_REFUSED: { httpStatus: 502 }, // the L1 verifier says no to what the prover sent
  COMMIT_REVERTED: { httpStatus: 502 },
  COMMIT_TOO_EXPENSIVE: { httpStatus: 502 },
  L1_REQUEST_REVERTED: { httpStatus: 502 }, // a user's own L1 transaction (register, top up, withdraw)
  CHANNEL_STORE_CORRUPT: { httpStatus: 500 }, // a file of states that is damaged: never guessed at, never overwritten
  CHANNEL_STORE_LOCKED: { httpStatus: 500 }, // another process signs or answers with these states
  CHANNEL_STORE_MISSING: { httpStatus: 500 }, // no file: starting anew could sign a nonce a second time
  CHANNEL_STORE_EXISTS: { httpStatus: 500 },
  CHANNEL_NONCE_SIGNED: { httpStatus: 409 }, // this key signed something else with this nonce, or a close
  CHANNEL_BALANCE: { httpStatus: 422 }, // a payment of more than the payer has
  CHANNEL_CLOSING: { httpStatus: 409 }, // a close was signed: nothing comes after it
  CHANNEL_REFUSED: { httpStatus: 422 }, // what the partner offers is not what was agreed on
  CHANNEL_MESSAGE: { httpStatus: 400 }, // not a message of the protocol
  CHANNEL_SIGNATURE: { httpStatus: 422 },
  CHANNEL_UNKNOWN: { httpStatus: 422 }, // no channel of this factory at the address
  TOWER_FULL: { httpStatus: 503 },
  BUG: { httpStatus: 500 },
} as const satisfies Record<string, { httpStatus: number }>;

export type OperatorErrorCode = keyof typeof OPERATOR_ERRORS;

export interface ErrorDetail {
  /** Field at fault, as in the caller's JSON: `signature.s`. */
  readonly path?: string;
  readonly got?: string;
  readonly expected?: string;
}

export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly code: OperatorErrorCode;
  readonly path: string | undefined;
  readonly got: string | undefined;
  readonly expected: string | undefined;

  constructor(
    code: OperatorErrorCode,
    message: string,
    detail: ErrorDetail = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.path = detail.path;
    this.got = detail.got;
    this.expected = detail.expected;
  }

  /** Anything caught → OperatorError. Unknown things become BUG and keep their cause. */
  static from(caught: unknown): OperatorError {
    if (caught instanceof OperatorError) return caught;
    return new OperatorError("BUG", nodeFailure(caught), {}, { cause: caught });
  }
}

/** The JSON body of a refusal. Absent details are left out. */
export function errorBody(error: OperatorError): { error: Record<string, string> } {
  const { code, message, path, got, expected } = error;
  const details = Object.entries({ path, got, expected }).filter(
    ([, value]) => value !== undefined,
  );
  return { error: { code, message, ...(Object.fromEntries(details) as Record<string, string>) } };
}
