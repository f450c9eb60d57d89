/**
 * The engine of our own: generated WebAssembly kernels (`kernels/`) over a key in shared memory
 * (`wasm/key.ts`), alone in its thread or with others that assist (`wasm/pieces.ts`).
 */
import type { G1Point, G2Point } from "../curve.ts";
import type {
  Checkpoint,
  Engine,
  G1Term,
  G2Term,
  ProofRun,
  ResidentKey,
  SumRequest,
  Sums,
} from "../engine.ts";
import { ELEMENT_BYTES, SCALAR_FIELD } from "../field.ts";
import type { Degree } from "../kernels/curve.ts";
import { Tower } from "../kernels/tower.ts";
import type { Proof } from "../proof.ts";
import { ProofVerifier } from "../proof-verifier.ts";
import type { VerificationKey } from "../verification-key.ts";
import type { Zkey } from "../zkey.ts";
import { referenceQuotient } from "./reference.ts";
import { selfTest } from "./self-test.ts";
import { proofArenaOf, SCALE_ELEMENTS, Slot, slotBytesOf } from "./wasm/arena.ts";
import { type ChosenKernels, chooseKernels, type KernelOptions, pathOf } from "./wasm/choice.ts";
import type { CompiledKernels } from "./wasm/kernels.ts";
import { type SharedKey, writeKey } from "./wasm/key.ts";
import { planOf, type Terms } from "./wasm/msm.ts";
import { Participant, type SumTask, termCount, writePieces } from "./wasm/pieces.ts";

export interface WasmOptions extends KernelOptions {
  /** Number of this thread among those that share keys; each has its own part of their memory. */
  readonly slot?: number;
}

/**
 * An engine on the fastest kernels that work here.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export async function openWasm({ slot = 0, ...options }: WasmOptions = {}): Promise<WasmEngine> {
  return new WasmEngine((await bestKernels(options)).compiled, slot);
}

const chosen = new Map<string, Promise<ChosenKernels>>();

/**
 * The fastest kernels that work here. Compiled once, then kept: that takes a quarter of a second and
 * sets flags of V8 which reach the whole process. A program with threads calls this before it starts
 * them, and sends them the result.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export function bestKernels({
  kernels = "auto",
  revectorize = true,
}: KernelOptions = {}): Promise<ChosenKernels> {
  const name = `${kernels} ${revectorize}`;
  const test = (compiled: CompiledKernels) => selfTest(new WasmEngine(compiled, 0));
  const choice = chosen.get(name) ?? chooseKernels({ kernels, revectorize }, test);
  chosen.set(name, choice);
  return choice;
}

export class WasmEngine implements Engine {
  readonly name: string;
  readonly kernels: CompiledKernels;
  readonly #slot: number;
  readonly #tower: Tower;
  readonly #verifier: ProofVerifier;

  /**
   * @param kernels  chosen here or in another thread
   * @param tower    opened here when left out.
   */
  constructor(kernels: CompiledKernels, slot: number, tower = Tower.open()) {
    this.name = `wasm (${pathOf(kernels.options)})`;
    this.kernels = kernels;
    this.#slot = slot;
    this.#tower = tower;
    this.#verifier = new ProofVerifier(tower);
  }

  async loadKey(zkey: Zkey): Promise<ResidentKey> {
    const key = writeKey(this.kernels, zkey);
    return this.adopt({ ...key, slotBytes: slotBytesOf(key, this.#tower) });
  }

  /**
   * A key that `loadSharedKey` has loaded, in this thread or another.
   *
   * @param slot  of this thread in the key's memory, where another one may be using the engine's.
   */
  adopt(shared: SharedKey, slot: number = this.#slot): WasmKey {
    return new WasmKey(shared, new Slot(shared, slot, this.#tower));
  }

  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean> {
    return this.#verifier.verify(key, publicSignals, proof);
  }

  async close(): Promise<void> {}
}

/**
 * Share of small scalars from which a section stays unscaled. Its own buckets cost about 15 % more
 * additions than merged ones.
 */
const MAX_SMALL_SHARE = 0.25;

/** A key with one thread's part of its memory. */
export class WasmKey implements ResidentKey {
  readonly shared: SharedKey;
  readonly slot: Slot;

  constructor(shared: SharedKey, slot: Slot) {
    this.shared = shared;
    this.slot = slot;
  }

  begin(witness: Uint8Array, threads = 1): ProofRun {
    return new WasmRun(this, witness, threads);
  }

  /**
   * Helps with the proof that the thread of another slot leads, from its first piece or from now on.
   * Returns when nothing is left to take; before that, between two pieces, once it is not wanted.
   *
   * @returns how many pieces it has done.
   * @throws what a piece throws; the leader then goes on without help.
   */
  help(leader: number, isWanted: () => boolean): number {
    const { shared, slot } = this;
    const proof = proofArenaOf(shared, leader);
    try {
      const helper = new Participant(shared, slot.fields, proof, slot.thread);
      return helper.help(slot.index, isWanted);
    } finally {
      slot.thread.wipe();
    }
  }

  /** The memory goes with the last reference to it. */
  release(): void {}
}

/** A sum over sections and what its result is multiplied with. */
interface Part {
  readonly task: SumTask;
  readonly factor: bigint;
}

/** One sum of a request: parts that pieces compute, and points that are added here. */
interface Collected<Point> {
  readonly parts: readonly Part[];
  readonly points: readonly { readonly point: Point; readonly factor: bigint }[];
}

class WasmRun implements ProofRun {
  readonly #key: WasmKey;
  readonly #witness: Uint8Array;
  readonly #threads: number;
  /** What the witness is multiplied with in `scaled`. */
  #factor: bigint | undefined;

  constructor(key: WasmKey, witness: Uint8Array, threads: number) {
    this.#key = key;
    this.#witness = witness;
    this.#threads = threads;
    const { memory, nVars } = key.shared;
    const { proof, thread } = key.slot;
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(witness, proof.witness);
    bytes.set(witness, proof.folded);
    thread.kernels.fold(proof.folded, nVars);
  }

  async sums({ g1, g2 }: SumRequest, checkpoint: Checkpoint): Promise<Sums> {
    const { shared, slot } = this.#key;
    const { proof, thread, fields } = slot;
    const tasks: SumTask[] = [];
    const inG1 = g1.map((terms) => this.#collect<G1Point>(1, terms, tasks));
    const inG2 = g2.map((terms) => this.#collect<G2Point>(2, terms, tasks));
    const needsQuotient = tasks.some((task) => task.needsQuotient);
    if (needsQuotient && shared.quotient === undefined) this.#smallQuotient();
    if (tasks.length > 0) {
      const withQuotient = needsQuotient && shared.quotient !== undefined;
      const threads = this.#threads;
      const write = () => writePieces(shared, proof, tasks, withQuotient, threads);
      new Participant(shared, fields, proof, thread).lead(write, checkpoint);
    } else {
      checkpoint(1);
    }
    const { tower } = thread;
    return {
      g1: inG1.map(({ parts, points }) =>
        tower.sumOfMultiplesG1([
          ...parts.map(({ task, factor }) => {
            return { point: tower.hornerG1(this.#positions(task), 1), factor };
          }),
          ...points,
        ]),
      ),
      g2: inG2.map(({ parts, points }) =>
        tower.sumOfMultiplesG2([
          ...parts.map(({ task, factor }) => {
            return { point: tower.hornerG2(this.#positions(task), 1), factor };
          }),
          ...points,
        ]),
      ),
    };
  }

  /**
   * Merges a sum's sections into one task, those with a factor if the scaled witness is worth its
   * additions; other sections with factors become tasks of their own.
   */
  #collect<Point>(
    degree: Degree,
    terms: readonly (G1Term | G2Term)[],
    tasks: SumTask[],
  ): Collected<Point> {
    const parts: Part[] = [];
    const points: { point: Point; factor: bigint }[] = [];
    const merged: Terms[] = [];
    let needsQuotient = false;
    const add = (lists: readonly Terms[], factor: bigint, withQuotient: boolean) => {
      if (termCount(lists) === 0) return;
      const positions = this.#key.slot.proof.positions[tasks.length];
      if (positions === undefined) throw new RangeError(`more than ${tasks.length} sums at once`);
      const task = { degree, lists, needsQuotient: withQuotient, positions };
      tasks.push(task);
      parts.push({ task, factor });
    };
    for (const term of terms) {
      if ("point" in term) {
        points.push(term as unknown as { point: Point; factor: bigint });
        continue;
      }
      const { section, factor = 1n } = term;
      if (section === "h") needsQuotient = true;
      if (factor === 1n) {
        merged.push(this.#list(section, false));
      } else if (section !== "h" && section !== "b2" && this.#mayScale(section, factor)) {
        merged.push(this.#list(section, true));
      } else {
        add([this.#list(section, false)], factor, section === "h");
      }
    }
    add(merged, 1n, needsQuotient);
    return { parts, points };
  }

  async end(): Promise<void> {
    this.#key.slot.wipe();
    this.#factor = undefined;
  }

  #list(section: "a" | "b1" | "c" | "h" | "b2", isScaled: boolean): Terms {
    const { shared, slot } = this.#key;
    const { folded, scaled, quotient } = slot.proof;
    const { points, map, count } = shared.sections[section];
    if (section === "h") return { points, map, count, scalars: quotient };
    const first = section === "c" ? ELEMENT_BYTES * (shared.nPublic + 1) : 0;
    return { points, map, count, scalars: (isScaled ? scaled : folded) + first };
  }

  /**
   * Whether to multiply a section's scalars rather than its sum: merged with other sections that
   * saves the reduction of buckets, but it makes scalars dense that were small.
   */
  #mayScale(section: "a" | "b1" | "c", factor: bigint): boolean {
    if (this.#factor !== undefined) return this.#factor === factor;
    const { shared, slot } = this.#key;
    const { map, count } = shared.sections[section];
    const first = section === "c" ? shared.nPublic + 1 : 0;
    const indices = new Uint32Array(shared.memory.buffer, map, count);
    const words = new Uint32Array(shared.memory.buffer, slot.proof.folded);
    let small = 0;
    for (const index of indices) {
      const at = 8 * (index + first);
      if (((words[at + 7] as number) & 0x7fff_ffff) === 0 && words[at + 6] === 0) small++;
    }
    if (small > MAX_SMALL_SHARE * count) return false;
    this.#scale(factor);
    return true;
  }

  /** scaled = factor * witness. */
  #scale(factor: bigint): void {
    this.#factor = factor;
    const { shared, slot } = this.#key;
    const { kernels, stage, factor: factorAt } = slot.thread;
    const { witness, scaled } = slot.proof;
    const { fr } = slot.fields;
    const view = new BigUint64Array(shared.memory.buffer);
    fr.limbsOf((factor * fr.radix) % SCALAR_FIELD).forEach((limb, i) => {
      view.fill(limb, factorAt / 8 + 4 * i, factorAt / 8 + 4 * i + 4);
    });
    for (let first = 0; first < shared.nVars; first += SCALE_ELEMENTS) {
      const some = Math.min(SCALE_ELEMENTS, shared.nVars - first);
      const quads = Math.ceil(some / 4);
      kernels.unpackR(stage, witness + ELEMENT_BYTES * first, quads);
      kernels.scaleR(stage, stage, factorAt, quads);
      kernels.packR(scaled + ELEMENT_BYTES * first, stage, some);
    }
    kernels.fold(scaled, shared.nVars);
  }

  /** Domains of 2 and 4: as the definition says. */
  #smallQuotient(): void {
    const { shared, slot } = this.#key;
    const coefficients = shared.tinyCoefficients as Uint8Array;
    const view = new BigUint64Array(shared.memory.buffer, slot.proof.quotient);
    const matrices = { coefficients, domainSize: shared.domain };
    referenceQuotient(matrices, this.#witness).forEach((value, i) => {
      for (let w = 0; w < 4; w++) view[4 * i + w] = BigInt.asUintN(64, value >> BigInt(64 * w));
    });
    slot.thread.kernels.fold(slot.proof.quotient, shared.domain);
  }

  /** Points by bit position; none for a sum without terms. */
  #positions({ degree, lists, positions }: SumTask): Uint8Array {
    const count = termCount(lists);
    if (count === 0) return new Uint8Array();
    const { bits, windows } = planOf(count);
    const { memory } = this.#key.shared;
    return new Uint8Array(memory.buffer, positions, 64 * degree * bits * windows);
  }
}
