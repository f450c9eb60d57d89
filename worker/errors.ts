/**
 * The one error class of `worker/`: bad data, or a device that is gone. A caller's programming
 * error is a `RangeError` or `TypeError` instead and becomes BUG where a task ends.
 *
 * No message and no detail may hold a witness value, an input value or a blinding factor. Positions,
 * counts, names of signals and templates are not secret.
 */

/** What went wrong, for programs. The comment says who can mend it. */
export type WorkErrorCode =
  /** The `.wtns` bytes are not a witness for this key: the caller sends another file. */
  | "WITNESS_MALFORMED"
  /** No witness: the inputs break a rule of the circuit. The caller's data; never retried. */
  | "WITNESS_UNSATISFIABLE"
  /** The circuit's inputs have a wrong name, count or range, or are not JSON: the caller's data. */
  | "INPUT_MALFORMED"
  /** A `.zkey`, `.r1cs` or verification key is damaged, of another curve or of another system. */
  | "KEY_MALFORMED"
  /** A sound file with a key nobody may use here: delta equal to gamma, or a development key. */
  | "KEY_REFUSED"
  /** A proof or its public signals cannot be read as such: the sender of the proof. */
  | "PROOF_MALFORMED"
  /** A file on disk is not the one that was pinned, or cannot be read: the operator. */
  | "ARTEFACT_MISMATCH"
  /** The engine made a proof that its own verification refuses: someone must look. */
  | "PROOF_REJECTED"
  /** The engine cannot start or lost its device: another worker may do it. */
  | "ENGINE_UNAVAILABLE"
  /** The caller asked to stop. */
  | "CANCELLED"
  /** A fault in this program. */
  | "BUG";

/** Further facts for programs, such as `{ constraint: 17 }`. Never a secret. */
export type WorkErrorDetail = Readonly<Record<string, string | number>>;

export class WorkError extends Error {
  override readonly name = "WorkError";
  readonly code: WorkErrorCode;
  readonly detail: WorkErrorDetail;

  constructor(
    code: WorkErrorCode,
    message: string,
    detail: WorkErrorDetail = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.detail = detail;
  }

  /**
   * Anything caught, as a WorkError. What is not one becomes BUG under a fixed message, because the
   * text of a foreign error may quote the data that it choked on. Its place goes along as
   * `detail.at`; the error itself stays reachable as `cause`, and does not cross a thread boundary.
   */
  static from(caught: unknown): WorkError {
    if (caught instanceof WorkError) return caught;
    const kind = caught instanceof Error ? caught.name : typeof caught;
    return new WorkError(
      "BUG",
      `unexpected ${kind} in the worker; please report it with the place in its detail`,
      { at: placeOf(caught) },
      { cause: caught },
    );
  }
}

/** Where an error was made, as "file.ts:12:34"; without the message that its stack begins with. */
function placeOf(caught: unknown): string {
  const stack = caught instanceof Error ? (caught.stack ?? "") : "";
  return /^\s+at .*?([\w.-]+:\d+:\d+)\)?$/m.exec(stack)?.[1] ?? "unknown";
}
