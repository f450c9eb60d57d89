import { ProverError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type { Ledger } from "./ledger.ts";
import type { Answer, CallMessage, ErrorData, News, Writes } from "./messages.ts";

/** When a call that the disk refused may be tried again: space comes back when somebody acts. */
const RETRY_MS = 1_000;

export type WriteCall = CallMessage<keyof Writes>;

/** What became of calls: all that one transaction answers and tells. */
export interface Committed {
  readonly answers: readonly Answer[];
  readonly news: readonly News[];
}

/**
 * Runs calls that came together in one transaction, with one wait for the disk. If it fails, each is tried
 * alone, so that one bad call fails alone, and what frees space or ends a job is not held up by
 * what needs more space than there is.
 */
export class GroupCommit {
  readonly #db: Connection;
  readonly #ledger: Ledger;
  readonly #work: (call: WriteCall) => unknown;

  constructor(parts: {
    readonly db: Connection;
    readonly ledger: Ledger;
    readonly work: (call: WriteCall) => unknown;
  }) {
    this.#db = parts.db;
    this.#ledger = parts.ledger;
    this.#work = parts.work;
  }

  /**
   * @param failed  called before each is tried alone, and for each that failed so.
   * @returns for each transaction what it answers and tells.
   */
  commit(calls: readonly WriteCall[], failed: (call: WriteCall) => void): Committed[] {
    const [first] = calls;
    if (first === undefined) return [];
    try {
      return [this.#transaction(calls)];
    } catch (error) {
      failed(first);
      if (calls.length === 1) return [refusal(first, error)];
      return submissionsLast(calls).map((call) => {
        try {
          return this.#transaction([call]);
        } catch (alone) {
          failed(call);
          return refusal(call, alone);
        }
      });
    }
  }

  #transaction(calls: readonly WriteCall[]): Committed {
    const answers: Answer[] = [];
    this.#ledger.begin();
    try {
      this.#db.transaction(calls.every(mayBeLost) ? "soon on disk" : "on disk", () => {
        for (const call of calls) answers.push(this.#answer(call));
      });
    } catch (error) {
      this.#ledger.undo();
      throw error;
    }
    return { answers, news: this.#ledger.news };
  }

  #answer(call: WriteCall): Answer {
    this.#ledger.clock = call.clock;
    try {
      return { id: call.id, value: this.#work(call) };
    } catch (error) {
      // The service's own errors come before anything is written.
      if (!(error instanceof ProverError)) throw error;
      return { id: call.id, error: errorData(error) };
    }
  }
}

/** What is lost with the machine's power, if the work that it is about is lost with it. */
export function mayBeLost({ name }: WriteCall): boolean {
  return name === "heartbeat" || name === "claim";
}

function refusal({ id }: WriteCall, cause: unknown): Committed {
  return { answers: [{ id, error: errorData(unavailable(cause)) }], news: [] };
}

/** Anything caught that is no error of the service's own: the file cannot be used now. */
export function unavailable(cause: unknown): ProverError {
  if (cause instanceof ProverError) return cause;
  // SQLite's own words for its code, which quote nothing: "database or disk is full".
  const { errstr } = cause as { errstr?: unknown };
  const why = typeof errstr === "string" ? ` (${errstr})` : "";
  return new ProverError(
    "STORE_UNAVAILABLE",
    `the job store cannot write${why}; repeat later with the same request id`,
    { retryAfterMs: RETRY_MS, cause },
  );
}

export function errorData(error: ProverError): ErrorData {
  const { code, message, violations, retryAfterMs } = error;
  return { code, message, violations, retryAfterMs };
}

function submissionsLast(calls: readonly WriteCall[]): WriteCall[] {
  const isSubmission = ({ name }: WriteCall) => name === "submit";
  return [...calls.filter((call) => !isSubmission(call)), ...calls.filter(isSubmission)];
}
