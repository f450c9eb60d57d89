/**
 * What crosses the boundary of a worker thread: plain data, because class identity does not survive
 * a message. `thread.ts` answers a ProveTask with a ProveResult, a VerifyTask with a VerifyResult, and
 * so on; a failure is a result, too, and the thread never rejects for bad data.
 *
 * A key is in memory once for all threads: one loads it (LoadTask), the others are told where it is
 * (AdoptTask), and tasks name it by its number. A thread on its own, or an engine that shares nothing,
 * loads the keys that tasks name by their files. An engine with a device is in a thread of its own
 * (`hosting/`), which others are connected to (ConnectTask) and which has the keys.
 */
import type { MessagePort } from "node:worker_threads";
import type { CompiledKernels } from "./engines/wasm/kernels.ts";
import type { KeySource, LoadedKey } from "./engines/wasm/key-load.ts";
import type { WorkErrorCode, WorkErrorDetail } from "./errors.ts";
import type { Program } from "./kernels/scalar/program.ts";
import type { Proof } from "./proof.ts";

/** What a thread is started with (`task-thread.ts`). On its own it chooses an engine by itself. */
export type ThreadData = EngineData & {
  /** How much it gives way to other threads, 0 to 19 (`priority.ts`); 0 when left out. */
  readonly niceness?: number;
};

type EngineData =
  | { readonly engine: "reference" }
  /** Compiled in another thread: V8's flags for it reach the whole process. */
  | { readonly engine: "wasm"; readonly kernels: CompiledKernels; readonly program: Program }
  /** None of its own: it proves when it is connected to another thread's. */
  | { readonly engine: "linked"; readonly program: Program };

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

/** With the key's file, or the number of an adopted key, which comes first. */
export interface KeyUse {
  readonly keyId?: number;
  /** By the engine that the thread is connected to, which has the key of that file. */
  readonly isLinked?: boolean;
  readonly artefacts: Partial<PinnedArtefacts>;
  /** Without it, a key from a development set-up is refused with KEY_REFUSED. */
  readonly allowDevKeys: boolean;
}

export interface ProveTask extends KeyUse {
  readonly kind: "prove";
  readonly input: ProveInput;
  /** Threads that will work on it, as far as is known; 1 when left out. */
  readonly threads?: number;
  /** From `createTaskControl`; the caller may cancel and read progress through it at any time. */
  readonly control: SharedArrayBuffer;
}

/** Makes ready for the first proof, so that a service can say that it is. */
export interface WarmTask extends KeyUse {
  readonly kind: "warm";
}

export interface VerifyTask {
  readonly kind: "verify";
  /** snarkjs's `verification_key.json`. */
  readonly verificationKey: PinnedFile;
  readonly publicSignals: readonly bigint[];
  readonly proof: Proof;
}

/** Loads a key into memory for many threads. The thread itself does not keep it. */
export interface LoadTask {
  readonly kind: "load";
  readonly source: KeySource;
  /** The only content that the file may have, as in PinnedFile. */
  readonly sha256?: string;
  readonly allowDevKeys: boolean;
  /** Threads that shall have room to work with it at the same time. */
  readonly threads: number;
  /** As in ProveTask. */
  readonly control: SharedArrayBuffer;
}

/** A key in memory, from now on. */
export interface AdoptTask {
  readonly kind: "adopt";
  /** A number that no other key has had. */
  readonly keyId: number;
  readonly key: LoadedKey;
  /** This thread's part of the key's memory. */
  readonly slot: number;
}

/** A key that no task will name any more: its memory goes with the last reference to it. */
export interface ReleaseTask {
  readonly kind: "release";
  readonly keyId: number;
}

/** Connects the thread to an engine in another one, in place of the one before. */
export interface ConnectTask {
  readonly kind: "connect";
  /** For `LinkedEngine`; it moves to the thread. */
  readonly port: MessagePort;
  readonly engineName: string;
}

/** Helps with a proof that another thread leads, from its first piece or from wherever it is. */
export interface AssistTask {
  readonly kind: "assist";
  /** Of an adopted key. */
  readonly keyId: number;
  /** The leading thread's part of the key's memory. */
  readonly leader: number;
  /** From `createTaskControl`. A cancelled helper leaves between two pieces. */
  readonly control: SharedArrayBuffer;
}

export type Task =
  | ProveTask
  | WarmTask
  | VerifyTask
  | LoadTask
  | AdoptTask
  | ReleaseTask
  | ConnectTask
  | AssistTask;

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
  | {
      readonly kind: "warm";
      readonly engine: string;
      readonly isDevKey: boolean;
      /** Values in a witness, the constant 1 included. */
      readonly nVars: number;
    }
  | Failed;

/** `isValid` false is an answer, not a failure. */
export type VerifyResult = { readonly kind: "verified"; readonly isValid: boolean } | Failed;

/**
 * A key in memory, more than once if one memory has no room for all threads: thread i works with
 * `copies[floor(i / threadsEach)]`, in the slot i mod threadsEach.
 */
export type LoadResult =
  | { readonly kind: "loaded"; readonly copies: readonly LoadedKey[]; readonly threadsEach: number }
  | Failed;

export type AssistResult =
  /** How many pieces of the proof it has done. */
  { readonly kind: "assisted"; readonly pieces: number } | Failed;

export type DoneResult = { readonly kind: "done" } | Failed;

/** What each kind of task is answered with. */
export type ResultOf<T extends Task> = T extends ProveTask
  ? ProveResult
  : T extends WarmTask
    ? WarmResult
    : T extends VerifyTask
      ? VerifyResult
      : T extends LoadTask
        ? LoadResult
        : T extends AssistTask
          ? AssistResult
          : DoneResult;

/** Buffers to transfer with a task. */
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
