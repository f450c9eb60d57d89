/**
 * What crosses the boundary of a worker thread: plain data, because class identity does not survive
 * a message. `thread.ts` answers a ProveTask with a ProveResult and a VerifyTask with a VerifyResult;
 * a failure is a result, too, and the thread never rejects for bad data.
 */
import type { WorkErrorCode, WorkErrorDetail } from "./errors.ts";
import type { Proof } from "./proof.ts";

/** A file and the only content that it may have. */
export interface PinnedFile {
  readonly path: string;
  /** SHA-256, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /**
   * The file's bytes, if the caller has them in memory for all threads. Checked like the file, and
   * then `path` is not read.
   */
  readonly shared?: SharedArrayBuffer;
}

/** The files of one circuit. */
export interface PinnedArtefacts {
  readonly zkey: PinnedFile;
  /** circom's witness program; needed for input of kind "inputs". */
  readonly wasm?: PinnedFile;
  /**
   * The constraints. Read only when a proof fails its verification, to tell a witness that breaks
   * them (and which) from a fault of ours.
   */
  readonly r1cs?: PinnedFile;
}

/** Witnesses are secret. The thread wipes the bytes; they are transferred, not copied. */
export type ProveInput =
  /** circom's input JSON in UTF-8: an object of (nested arrays of) decimal strings by signal name. */
  | { readonly kind: "inputs"; readonly json: Uint8Array<ArrayBuffer> }
  /** A whole `.wtns` file. */
  | { readonly kind: "wtns"; readonly bytes: Uint8Array<ArrayBuffer> };

export interface ProveTask {
  readonly kind: "prove";
  readonly artefacts: PinnedArtefacts;
  readonly input: ProveInput;
  /** Without it, a key from a development set-up is refused with KEY_REFUSED. */
  readonly allowDevKeys: boolean;
  /** From `createTaskControl`; the caller may cancel and read progress through it at any time. */
  readonly control: SharedArrayBuffer;
}

/** Loads a key ahead of the first proof, so that a service can say that it is ready. */
export interface WarmTask {
  readonly kind: "warm";
  readonly artefacts: PinnedArtefacts;
  readonly allowDevKeys: boolean;
}

export interface VerifyTask {
  readonly kind: "verify";
  /** snarkjs's `verification_key.json`. */
  readonly verificationKey: PinnedFile;
  readonly publicSignals: readonly bigint[];
  readonly proof: Proof;
}

export type Task = ProveTask | WarmTask | VerifyTask;

/** In the order in which a task passes through them. */
export const STAGES = ["waiting", "loading", "witness", "proving", "verifying"] as const;
export type Stage = (typeof STAGES)[number];

/** Milliseconds spent in each stage; 0 for a stage that was not needed. */
export type StageTimes = Readonly<Record<Exclude<Stage, "waiting">, number>>;

export interface Failed {
  readonly kind: "failed";
  readonly code: WorkErrorCode;
  /** For people: got, expected, what to do. No secrets. */
  readonly message: string;
  readonly detail: WorkErrorDetail;
}

export type ProveResult =
  | {
      readonly kind: "proved";
      readonly proof: Proof;
      /** Canonical, in the circuit's order, without the constant 1. */
      readonly publicSignals: readonly bigint[];
      readonly stageMs: StageTimes;
      /** Which engine computed it. */
      readonly engine: string;
      /** Whether the key is from a development set-up, whose proofs anybody can forge. */
      readonly isDevKey: boolean;
    }
  | Failed;

export type WarmResult =
  | { readonly kind: "warm"; readonly engine: string; readonly isDevKey: boolean }
  | Failed;

/** `isValid` false is an answer, not a failure. */
export type VerifyResult = { readonly kind: "verified"; readonly isValid: boolean } | Failed;

/** What each kind of task is answered with. */
export type ResultOf<T extends Task> = T extends ProveTask
  ? ProveResult
  : T extends WarmTask
    ? WarmResult
    : VerifyResult;

/** Buffers to transfer with a task (piscina: `pool.run(task, { transferList })`). */
export function transferListOf(task: Task): ArrayBuffer[] {
  if (task.kind !== "prove") return [];
  const { input } = task;
  return [input.kind === "wtns" ? input.bytes.buffer : input.json.buffer];
}

/** Words of the control buffer, each an Int32. */
const CANCEL = 0;
const STAGE = 1;
const PERMILLE = 2;

/** A control buffer for one task. */
export function createTaskControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Asks a task to stop; it then fails with CANCELLED, usually within 250 ms. Two things cannot look:
 * the loading of a key, and a witness program that is not understood (`WitnessProgram.kind`). Whoever
 * cannot wait for those ends the thread.
 */
export function requestCancel(control: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(control), CANCEL, 1);
}

export function isCancelRequested(control: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(control), CANCEL) !== 0;
}

/** Where a task is: its stage, and how much of that stage is done in thousandths. */
export function readProgress(control: SharedArrayBuffer): { stage: Stage; permille: number } {
  const words = new Int32Array(control);
  const stage = STAGES[Atomics.load(words, STAGE)] ?? "waiting";
  return { stage, permille: Atomics.load(words, PERMILLE) };
}

/** The other side of `readProgress`, for the thread. */
export function writeProgress(control: SharedArrayBuffer, stage: Stage, permille: number): void {
  const words = new Int32Array(control);
  Atomics.store(words, PERMILLE, Math.trunc(permille));
  Atomics.store(words, STAGE, STAGES.indexOf(stage));
}
