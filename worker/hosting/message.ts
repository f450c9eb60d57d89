/**
 * What crosses the port between a thread that proves and the thread that hosts the engine
 * (`host.ts`, `link.ts`). Plain data. A witness goes as shared memory, which both sides wipe.
 */
import type { MessagePort } from "node:worker_threads";
import type { SumRequest, Sums } from "../engine.ts";
import { WorkError, type WorkErrorCode, type WorkErrorDetail } from "../errors.ts";
import type { Zkey, ZkeyHeader } from "../zkey.ts";

/** A key's file: where it is or its bytes, which are shared where they are large. */
export interface KeyFile {
  /** Also with bytes, for messages. */
  readonly path: string;
  readonly shared?: SharedArrayBuffer;
  /** The only hash that the file may have, 64 lower-case hexadecimal digits. */
  readonly sha256?: string;
}

/** A key that a link may use until it releases it. */
export interface HeldKey {
  /** Chosen by the host; of this port. */
  readonly key: number;
  readonly header: ZkeyHeader;
  /** Empty for a key that came as itself. */
  readonly sha256: string;
}

/** Numbers of runs are chosen by the link. */
export type Call =
  /** A key by its file: one that is there, or it is loaded. */
  | { readonly kind: "hold"; readonly file: KeyFile; readonly isLasting?: boolean }
  /** A key that only this port has, and that goes when it is released. */
  | { readonly kind: "load"; readonly zkey: Zkey }
  | { readonly kind: "sums"; readonly run: number; readonly request: SumRequest }
  | { readonly kind: "end"; readonly run: number };

export type ResultOf<C extends Call> = C extends { kind: "sums" }
  ? Sums
  : C extends { kind: "end" }
    ? null
    : HeldKey;

export type Message =
  | { readonly kind: "call"; readonly id: number; readonly call: Call }
  | { readonly kind: "release"; readonly key: number }
  | {
      readonly kind: "begin";
      readonly run: number;
      readonly key: number;
      readonly witness: SharedArrayBuffer;
      /** From `createTaskControl`: asks the run to stop, and shows how far its sums are. */
      readonly control: SharedArrayBuffer;
      readonly threads: number;
    };

/** The first message to a link: a port that closes when the host is given up, if not the link's own does. */
export interface Greeting {
  readonly lifeline: MessagePort;
}

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure };

/** A WorkError: class identity does not survive a message. */
export interface Failure {
  readonly code: WorkErrorCode;
  readonly message: string;
  readonly detail: WorkErrorDetail;
}

export function failureOf(caught: unknown): Failure {
  const { code, message, detail } = WorkError.from(caught);
  return { code, message, detail };
}

export function errorOf({ code, message, detail }: Failure): WorkError {
  return new WorkError(code, message, detail);
}
