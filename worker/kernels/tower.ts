/**
 * One-lane arithmetic in WebAssembly: inversions between the vector kernels, and the few operations
 * on points that no vector is long enough for. The kernels are in `scalar/`; this class puts numbers
 * into their memory and takes them out again. One instance for each thread; nothing here waits.
 *
 * Not constant time. What a call leaves in memory is overwritten or wiped before it returns where it
 * may depend on a secret.
 */
import type { Fq2, G1Point, G2Point } from "../curve.ts";
import { ELEMENT_BYTES, readViewLE } from "../field.ts";
import { Assembly, type AssemblyOptions } from "./scalar/assembly.ts";
import { writeInvertBatch } from "./scalar/batch.ts";
import { writePrimeField } from "./scalar/fq.ts";
import { writeQuadraticField } from "./scalar/fq2.ts";
import { type GroupKernels, writeGroup, writeHorner } from "./scalar/group.ts";
import { writeInverse, writeMontgomeryInverse } from "./scalar/inverse.ts";
import { writeWords } from "./scalar/words.ts";

/** Elements that are inverted together at most; another hundred would gain less than 1 %. */
const BATCH_CAPACITY = 128;
/** Bytes of points and numbers that go in at once; more go in parts. */
const BUFFER_BYTES = 32_768;

const G1_BYTES = 2 * ELEMENT_BYTES;
const G2_BYTES = 4 * ELEMENT_BYTES;

type Kernel = (...args: number[]) => number;

/** The code and the plan of its memory, which are the same in every thread. */
function writeTower(options: AssemblyOptions) {
  const assembly = new Assembly(options);
  const fq = writePrimeField(assembly);
  const words = writeWords(assembly, fq);
  const invertPlain = writeInverse(assembly, fq);
  const invert = writeMontgomeryInverse(assembly, fq, invertPlain);
  const fq2 = writeQuadraticField(assembly, fq, invert);
  const invertBatch = writeInvertBatch(
    assembly,
    { fq, words, invert: invertPlain },
    BATCH_CAPACITY,
  );
  const group = (name: string, kernels: GroupKernels) => ({
    clear: kernels.clear.name,
    normalize: kernels.normalize.name,
    horner: writeHorner(assembly, name, kernels, words).name,
    total: assembly.take(3 * kernels.coordinateBytes),
    affine: assembly.take(2 * kernels.coordinateBytes),
  });
  return {
    assembly,
    invertBatch: invertBatch.name,
    leave: words.leave.name,
    g1: group("g1", writeGroup(assembly, "g1", 1, { ...fq, invert })),
    g2: group("g2", writeGroup(assembly, "g2", 2, fq2)),
    buffer: assembly.take(BUFFER_BYTES),
    factor: assembly.take(ELEMENT_BYTES),
  };
}

export class Tower {
  /** To be posted to other threads, which then need not compile: `Tower.open(module)`. */
  readonly module: WebAssembly.Module;
  readonly #plan: ReturnType<typeof writeTower>;
  readonly #kernels: Readonly<Record<string, Kernel>>;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  private constructor(module: WebAssembly.Module | undefined, options: AssemblyOptions) {
    this.#plan = writeTower(options);
    const { assembly } = this.#plan;
    this.module = module ?? new WebAssembly.Module(assembly.bytes());
    const pages = assembly.pages;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const { exports } = new WebAssembly.Instance(this.module, { env: { memory } });
    this.#kernels = exports as Readonly<Record<string, Kernel>>;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    assembly.writeConstants(this.#view);
  }

  /**
   * @param module   another instance's; compiled here if left out.
   * @param options  must be those of the module. Checked kernels trap when an operand is out of the
   *   range that the proofs in `scalar/` allow; they are for tests.
   */
  static open(module?: WebAssembly.Module, options: AssemblyOptions = { isChecked: false }): Tower {
    return new Tower(module, options);
  }

  /**
   * destination_i = factor / source_i mod q, and 0 for 0.
   *
   * @param destination  count x 32 B, little-endian, canonical. It may be the source.
   * @param source       count x 32 B, as the destination.
   * @param factor       32 B, as the destination.
   * @returns how many of the source's elements are 0.
   * @throws RangeError if a view is too short.
   */
  invertBatch(
    destination: Uint8Array,
    source: Uint8Array,
    count: number,
    factor: Uint8Array,
  ): number {
    const bytes = ELEMENT_BYTES * count;
    if (destination.length < bytes || source.length < bytes || factor.length < ELEMENT_BYTES) {
      throw new RangeError(`got views too short for ${count} elements of ${ELEMENT_BYTES} bytes`);
    }
    const { buffer, factor: factorAt } = this.#plan;
    this.#bytes.set(factor.length === ELEMENT_BYTES ? factor : factor.subarray(0, 32), factorAt);
    let zeros = 0;
    for (let done = 0; done < count; done += BATCH_CAPACITY) {
      const part = Math.min(BATCH_CAPACITY, count - done);
      const [start, end] = [ELEMENT_BYTES * done, ELEMENT_BYTES * (done + part)];
      this.#bytes.set(source.subarray(start, end), buffer);
      zeros += this.#call(this.#plan.invertBatch, buffer, buffer, part, factorAt);
      destination.set(this.#bytes.subarray(buffer, buffer + end - start), start);
    }
    return zeros;
  }

  /**
   * The sum of 2^(shift i) point_i in G1.
   *
   * @param points  n x 64 B: x, y, each 32 B, little-endian, canonical; all zero at infinity. On the
   *   curve; not checked.
   * @param shift   0 or more.
   */
  hornerG1(points: Uint8Array, shift: number): G1Point {
    const { g1 } = this.#plan;
    this.#horner(g1, points, G1_BYTES, shift);
    const [x, y] = this.#result(g1, 2) as [bigint, bigint];
    return { x, y };
  }

  /** As `hornerG1` in G2: n x 128 B, coordinates as real and imaginary part. */
  hornerG2(points: Uint8Array, shift: number): G2Point {
    const { g2 } = this.#plan;
    this.#horner(g2, points, G2_BYTES, shift);
    const [x0, x1, y0, y1] = this.#result(g2, 4) as [bigint, bigint, bigint, bigint];
    return { x: [x0, x1] as Fq2, y: [y0, y1] as Fq2 };
  }

  #horner(
    group: ReturnType<typeof writeTower>["g1"],
    points: Uint8Array,
    recordBytes: number,
    shift: number,
  ): void {
    if (points.length % recordBytes !== 0 || !Number.isInteger(shift) || shift < 0) {
      throw new RangeError(`got ${points.length} bytes, expected points of ${recordBytes} bytes`);
    }
    const { buffer } = this.#plan;
    this.#call(group.clear, group.total);
    const partBytes = BUFFER_BYTES - (BUFFER_BYTES % recordBytes);
    // From the last part to the first, as the points within a part.
    for (let end = points.length; end > 0; ) {
      const start = Math.max(0, end - partBytes);
      this.#bytes.set(points.subarray(start, end), buffer);
      this.#call(group.horner, group.total, buffer, (end - start) / recordBytes, shift);
      end = start;
    }
  }

  /** A group's total as canonical affine coordinates; what was in the buffer is wiped. */
  #result(group: ReturnType<typeof writeTower>["g1"], elements: number): bigint[] {
    const { buffer } = this.#plan;
    this.#call(group.normalize, group.affine, group.total);
    this.#call(this.#plan.leave, buffer, group.affine, elements);
    const values = Array.from({ length: elements }, (_, i) =>
      readViewLE(this.#view, buffer + ELEMENT_BYTES * i),
    );
    this.#bytes.fill(0, buffer, buffer + BUFFER_BYTES);
    return values;
  }

  #call(name: string, ...args: number[]): number {
    return (this.#kernels[name] as Kernel)(...args);
  }
}
