/**
 * The work of a proof as a list of pieces in shared memory, taken one after the other by any number
 * of threads: one thread does them all, several share them. A piece may have to wait until others
 * are done: it names a *gate* and how many must have passed it.
 *
 * The order makes waiting rare: what others wait for comes first, and between a gate and those who
 * need it there is other work. Since a piece only waits for pieces before it in the list, there is
 * always a thread that gets on.
 *
 *     word 0   next piece to be taken        word 2   pieces that are finished
 *     word 1   1 when all shall stop         word 3   pieces
 *     words 8 to 15    gates: pieces that have passed
 *     from word 16 on  who helps (`crew.ts`), then the sums' tables, then the pieces
 */
import type { Checkpoint } from "../../engine.ts";
import type { Degree } from "../../kernels/curve.ts";
import { MAX_SUMS, type ProofArena, type ThreadArena } from "./arena.ts";
import { CREW_WORDS, Crew, MAX_WAIT_MS } from "./crew.ts";
import type { Fields } from "./kernels.ts";
import type { SharedKey } from "./key.ts";
import { type Plan, planOf, type Terms } from "./msm.ts";
import { Quotient } from "./quotient.ts";

const NEXT = 0;
const STOP = 1;
const FINISHED = 2;
const PIECES = 3;
const GATES = 8;
const CREW = 16;
const SUMS = CREW + CREW_WORDS;
/** Lists of terms that one sum may have. */
export const MAX_LISTS = 4;
const SUM_WORDS = 4 + 4 * MAX_LISTS;
const FIRST_PIECE = SUMS + MAX_SUMS * SUM_WORDS;
const PIECE_WORDS = 8;

const KIND = { rows: 0, multiply: 1, transform: 2, finish: 3, windows: 4 } as const;
const GATE = { rows: 0, products: 1, transforms: 2, quotient: 3 } as const;
/** A thread that waits looks up so often, in case nobody wakes it. */
const WAIT_STEP_MS = 50;

/** A sum over sections of the key. */
export interface SumTask {
  readonly degree: Degree;
  readonly lists: readonly Terms[];
  readonly needsQuotient: boolean;
  /** Address for the bit positions. */
  readonly positions: number;
}

interface Piece {
  readonly kind: number;
  readonly waitFor?: { readonly gate: number; readonly count: number };
  readonly passes?: number;
  readonly args?: readonly number[];
}

/** Pieces of windows for each thread, at least: what the last one of them does alone is then short. */
const PIECES_EACH = 6;

/**
 * The leader's side: writes the list.
 *
 * @param withQuotient  whether the quotient is a part of it; if not, it is there already or not needed.
 * @param threads       that will work on it, as far as is known: more of them get smaller pieces.
 */
export function writePieces(
  key: SharedKey,
  { control }: ProofArena,
  sums: readonly SumTask[],
  withQuotient: boolean,
  threads: number,
): void {
  const words = new Int32Array(key.memory.buffer, control);
  const pieces: Piece[] = [];
  if (withQuotient) {
    for (const matrix of [0, 1]) {
      pieces.push({ kind: KIND.rows, passes: GATE.rows, args: [matrix] });
    }
    pieces.push({
      kind: KIND.multiply,
      waitFor: { gate: GATE.rows, count: 2 },
      passes: GATE.products,
    });
    for (const polynomial of [0, 1, 2]) {
      pieces.push({
        kind: KIND.transform,
        waitFor: { gate: GATE.products, count: 1 },
        passes: GATE.transforms,
        args: [polynomial],
      });
    }
  }
  const finish: Piece = {
    kind: KIND.finish,
    waitFor: { gate: GATE.transforms, count: 3 },
    passes: GATE.quotient,
  };
  const plans = sums.map(({ lists }) => planOf(termCount(lists)));
  const total = plans.reduce((sum, { windows }) => sum + windows, 0);
  const most = threads === 1 ? total : Math.ceil(total / (PIECES_EACH * threads));
  const windows = sums.map((sum, s) => windowPieces(sum, s, plans[s] as Plan, most, withQuotient));
  const those = (degree: Degree, isLate: boolean) =>
    windows
      .filter((_, s) => sums[s]?.degree === degree && sums[s]?.needsQuotient === isLate)
      .flat();
  // What does not need the quotient: as much as fills the time until that is there, the dearest
  // first. The rest, short pieces, comes in the end, when threads run out of work.
  const early = [...those(2, false), ...those(1, false)];
  pieces.push(
    ...early.slice(0, threads),
    ...(withQuotient ? [finish] : []),
    ...early.slice(threads, 3 * threads),
    ...those(2, true),
    ...those(1, true),
    ...early.slice(3 * threads),
  );
  sums.forEach(({ degree, lists, positions }, s) => {
    const { bits } = plans[s] as Plan;
    const table = lists.flatMap(({ points, map, count, scalars }) => [points, map, count, scalars]);
    words.set([degree, bits, positions, lists.length, ...table], SUMS + s * SUM_WORDS);
  });
  pieces.forEach(({ kind, waitFor, passes, args = [] }, i) => {
    const { gate, count } = waitFor ?? { gate: -1, count: 0 };
    words.set([kind, gate, count, passes ?? -1, ...args], FIRST_PIECE + i * PIECE_WORDS);
  });
  words.fill(0, GATES, CREW);
  words.set([0, 0, 0, pieces.length]);
}

/** @param most  windows that a piece may have. */
function windowPieces(
  { needsQuotient }: SumTask,
  s: number,
  { windows, together }: Plan,
  most: number,
  withQuotient: boolean,
): Piece[] {
  const step = Math.min(together, most);
  const pieces: Piece[] = [];
  for (let from = 0; from < windows; from += step) {
    pieces.push({
      kind: KIND.windows,
      ...(needsQuotient && withQuotient && { waitFor: { gate: GATE.quotient, count: 1 } }),
      args: [s, from, Math.min(from + step, windows)],
    });
  }
  return pieces;
}

export function termCount(lists: readonly Terms[]): number {
  return lists.reduce((sum, { count }) => sum + count, 0);
}

/** Stops everybody who works on the list. */
export function stopPieces({ memory }: SharedKey, { control }: ProofArena): void {
  const words = new Int32Array(memory.buffer, control);
  Atomics.store(words, STOP, 1);
  Atomics.notify(words, FINISHED);
}

/** The crew of a proof's list. */
export function crewOf({ memory }: SharedKey, { control }: ProofArena): Crew {
  return new Crew(new Int32Array(memory.buffer, control + 4 * CREW, CREW_WORDS));
}

/** Thrown where a thread notices that the list has been stopped, or that a piece is lost. */
class ListStopped extends Error {}

/** Takes pieces and does them, in whichever thread. */
export class Participant {
  readonly #key: SharedKey;
  readonly #proof: ProofArena;
  readonly #thread: ThreadArena;
  readonly #words: Int32Array;
  readonly #crew: Crew;
  readonly #quotient: Quotient | undefined;
  #done = 0;

  /**
   * @param proof  of the thread that leads
   * @param thread  of this thread
   */
  constructor(key: SharedKey, fields: Fields, proof: ProofArena, thread: ThreadArena) {
    this.#key = key;
    this.#proof = proof;
    this.#thread = thread;
    this.#words = new Int32Array(key.memory.buffer, proof.control);
    this.#crew = crewOf(key, proof);
    this.#quotient =
      key.quotient &&
      proof.buffers &&
      new Quotient(
        thread.kernels,
        key.memory,
        fields.fr,
        key.quotient,
        proof.buffers,
        thread.gather,
      );
  }

  /**
   * The thread that leads: has all pieces done, with whoever helps, and alone if a helper fails.
   * When this returns or throws, nobody else touches the proof's memory.
   *
   * @param write       writes the list (`writePieces`); called again to begin anew.
   * @param checkpoint  as in `engine.ts`
   */
  lead(write: () => void, checkpoint: Checkpoint): void {
    let most = 0;
    const onward: Checkpoint = (done) => {
      most = Math.max(most, done);
      checkpoint(most);
    };
    try {
      write();
      this.#crew.open();
      this.#work(onward);
      this.#waitForOthers(onward);
    } catch (error) {
      stopPieces(this.#key, this.#proof);
      this.#crew.close();
      if (!(error instanceof ListStopped)) throw error;
      write();
      this.#work(onward);
      return;
    }
    this.#crew.close();
  }

  /**
   * A thread that helps: waits until the list is open, then works until nothing is left to take.
   *
   * @param slot      of this thread
   * @param isWanted  false makes it leave before it takes another piece.
   * @returns how many pieces it has done.
   * @throws whatever a piece throws; the leader then begins anew without help.
   */
  help(slot: number, isWanted: () => boolean): number {
    if (!this.#crew.enter(slot, isWanted)) return 0;
    const before = this.#done;
    try {
      this.#work(() => undefined, isWanted);
    } catch (error) {
      if (!(error instanceof ListStopped)) throw error;
    } finally {
      this.#crew.leave(slot);
    }
    return this.#done - before;
  }

  /** Takes pieces until none is left. What it throws stops the others, too. */
  #work(checkpoint: Checkpoint, isWanted = () => true): void {
    const words = this.#words;
    const count = words[PIECES] as number;
    const poll = () => this.#poll(checkpoint);
    try {
      poll();
      while (isWanted()) {
        const i = Atomics.add(words, NEXT, 1);
        if (i >= count) return;
        this.#do(FIRST_PIECE + i * PIECE_WORDS, poll);
        this.#done++;
        Atomics.add(words, FINISHED, 1);
        Atomics.notify(words, FINISHED);
        poll();
      }
    } catch (error) {
      stopPieces(this.#key, this.#proof);
      throw error;
    }
  }

  /** Waits until the other threads have finished what they took. */
  #waitForOthers(checkpoint: Checkpoint): void {
    this.#wait(FINISHED, this.#words[PIECES] as number, () => this.#poll(checkpoint));
  }

  #poll(checkpoint: Checkpoint): void {
    const words = this.#words;
    if (Atomics.load(words, STOP) !== 0) throw new ListStopped();
    checkpoint(Atomics.load(words, FINISHED) / Math.max(words[PIECES] as number, 1));
  }

  #do(at: number, poll: () => void): void {
    const words = this.#words;
    const [kind, gate, gateCount, passes, ...args] = words.subarray(
      at,
      at + PIECE_WORDS,
    ) as unknown as [number, number, number, number, ...number[]];
    if (gate >= 0) this.#wait(GATES + gate, gateCount, poll);
    const quotient = this.#quotient as Quotient;
    switch (kind) {
      case KIND.rows:
        quotient.rows(args[0] as 0 | 1, this.#proof.witness, poll);
        break;
      case KIND.multiply:
        quotient.multiply();
        break;
      case KIND.transform:
        quotient.transform(args[0] as 0 | 1 | 2, poll);
        break;
      case KIND.finish:
        quotient.finish(this.#proof.quotient);
        this.#thread.kernels.fold(this.#proof.quotient, this.#key.domain);
        break;
      default:
        this.#windows(args[0] as number, args[1] as number, args[2] as number, poll);
    }
    if (passes >= 0) {
      Atomics.add(words, GATES + passes, 1);
      Atomics.notify(words, GATES + passes);
    }
  }

  #windows(sum: number, from: number, to: number, poll: () => void): void {
    const at = SUMS + sum * SUM_WORDS;
    const words = new Uint32Array(this.#words.buffer, this.#words.byteOffset + 4 * at, SUM_WORDS);
    const [degree, bits, positions, lists] = words as unknown as [Degree, number, number, number];
    const terms = Array.from({ length: lists }, (_, i) => {
      const [points, map, count, scalars] = words.subarray(4 + 4 * i) as unknown as [
        number,
        number,
        number,
        number,
      ];
      return { points, map, count, scalars };
    });
    this.#thread.msm(degree).windows(terms, bits, from, to, positions, poll);
  }

  #wait(word: number, target: number, poll: () => void): void {
    const words = this.#words;
    const end = performance.now() + MAX_WAIT_MS;
    for (;;) {
      const value = Atomics.load(words, word);
      if (value >= target) return;
      poll();
      // Whoever had the piece that this one waits for may be gone.
      if (this.#crew.hasLost || performance.now() > end) throw new ListStopped();
      Atomics.wait(words, word, value, WAIT_STEP_MS);
    }
  }
}
