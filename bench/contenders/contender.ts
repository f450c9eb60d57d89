/**
 * One prover with one key, resident in a process of its own, that computes when it is asked to. Each
 * prover stands behind this interface, so that all are measured alike.
 */
import type { Fixture } from "../fixtures/fixture.ts";
import type { Loaded, ProvedMessage } from "./message.ts";

export interface Contender {
  /** The process, for its memory; undefined where each proof has a new one. */
  readonly pid: number | undefined;
  /** How long its key took, and who it says that it is. */
  readonly loaded: Loaded;
  /**
   * One proof from the fixture's witness file. May be called again before the last call has ended.
   *
   * @throws ContenderError if there is none.
   */
  prove(): Promise<ProvedMessage>;
  /**
   * One proof from the fixture's inputs; undefined where the prover cannot do that.
   *
   * @throws ContenderError
   */
  proveInputs?(): Promise<ProvedMessage>;
  /** Most memory that its process had so far, in bytes; undefined where it is not known. */
  peakBytes(): number | undefined;
  close(): Promise<void>;
}

/** Where a contender runs. */
export interface Placement {
  /** The only core that its process may use; all of them when left out. Needs `taskset`. */
  readonly core?: number;
}

/** Starts a prover and loads the fixture's key. */
export type Open = (fixture: Fixture, placement: Placement) => Promise<Contender>;

/** A prover failed, died, or is not there. */
export class ContenderError extends Error {
  override readonly name = "ContenderError";
}
