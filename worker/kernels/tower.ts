/**
 * One-lane arithmetic in WebAssembly: inversions between the vector kernels, and the few operations
 * on points for which no vector is long enough. The kernels are in `scalar/`; one instance for each
 * thread; every call runs to its end.
 *
 * Not constant time. Calls whose operands may depend on a secret wipe the memory before they return,
 * `invertBatch` excepted, which is called too often: whoever calls it calls `wipe` in the end.
 */
import type { Fq2, G1Point, G2Point } from "../curve.ts";
import { BASE_FIELD, ELEMENT_BYTES } from "../field.ts";
import { Machine } from "./scalar/machine.ts";
import { compileProgram, type GroupPlan, type Program } from "./scalar/program.ts";

export interface Term<Point> {
  /** On the curve, canonical. */
  readonly point: Point;
  /** 0 <= factor < 2^256 */
  readonly factor: bigint;
}

export class Tower {
  readonly machine: Machine;

  private constructor(program: Program) {
    this.machine = new Machine(program);
  }

  /** @param program  another instance's `machine.program`, also from another thread; or compiled here. */
  static open(program: Program = compileProgram()): Tower {
    return new Tower(program);
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
    const length = ELEMENT_BYTES * count;
    if (destination.length < length || source.length < length || factor.length < ELEMENT_BYTES) {
      throw new RangeError(`got views too short for ${count} elements of ${ELEMENT_BYTES} bytes`);
    }
    const { bytes, program } = this.machine;
    const { buffer, batchCapacity, factor: factorAt } = program;
    bytes.set(factor.length === ELEMENT_BYTES ? factor : factor.subarray(0, 32), factorAt);
    let zeros = 0;
    for (let done = 0; done < count; done += batchCapacity) {
      const part = Math.min(batchCapacity, count - done);
      const [start, end] = [ELEMENT_BYTES * done, ELEMENT_BYTES * (done + part)];
      bytes.set(source.subarray(start, end), buffer);
      zeros += this.machine.call("invertBatch", buffer, buffer, part, factorAt);
      destination.set(bytes.subarray(buffer, buffer + end - start), start);
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
    return g1Point(this.#horner("horner", this.machine.program.g1, [points], shift));
  }

  /** As `hornerG1` in G2: n x 128 B, each coordinate as real and imaginary part. */
  hornerG2(points: Uint8Array, shift: number): G2Point {
    return g2Point(this.#horner("horner", this.machine.program.g2, [points], shift));
  }

  /**
   * The sum of 2^(shift i) point_i over each of several lists of points in G1, all added up.
   *
   * @param lists  each n x 128 B: X, Y, ZZ, ZZZ with x = X/ZZ, y = Y/ZZZ, as a GPU leaves them:
   *   32 B each, little-endian, canonical, in Montgomery form with 2^256; ZZ = 0 at infinity. On the
   *   curve; not checked.
   */
  hornerXyzzG1(lists: readonly Uint8Array[], shift: number): G1Point {
    return g1Point(this.#horner("hornerXyzz", this.machine.program.g1, lists, shift));
  }

  /** As `hornerXyzzG1` in G2: n x 256 B, each coordinate as real and imaginary part. */
  hornerXyzzG2(lists: readonly Uint8Array[], shift: number): G2Point {
    return g2Point(this.#horner("hornerXyzz", this.machine.program.g2, lists, shift));
  }

  /** The sum of factor * point in G1. */
  sumOfMultiplesG1(terms: readonly Term<G1Point>[]): G1Point {
    return g1Point(this.#sum(this.machine.program.g1, terms, coordinatesG1));
  }

  /** The sum of factor * point in G2. */
  sumOfMultiplesG2(terms: readonly Term<G2Point>[]): G2Point {
    return g2Point(this.#sum(this.machine.program.g2, terms, coordinatesG2));
  }

  /** Whether coordinates are canonical and a point of G1 or infinity. */
  isInG1(point: G1Point): boolean {
    const { g1 } = this.machine.program;
    const coordinates = coordinatesG1(point);
    if (!areCanonical(coordinates)) return false;
    this.machine.enter(g1, g1.affine, coordinates);
    return this.machine.call("g1.isOnCurve", g1.affine) !== 0;
  }

  /** Whether coordinates are canonical and a point of G2, the subgroup of order r, or infinity. */
  isInSubgroupG2(point: G2Point): boolean {
    const { g2 } = this.machine.program;
    const coordinates = coordinatesG2(point);
    if (!areCanonical(coordinates)) return false;
    this.machine.enter(g2, g2.affine, coordinates);
    return (
      this.machine.call("g2.isOnCurve", g2.affine) !== 0 &&
      this.machine.call("g2.isInSubgroup", g2.affine) !== 0
    );
  }

  /** Zeroes what earlier calls left in memory. */
  wipe(): void {
    this.machine.wipe();
  }

  #horner(
    kernel: "horner" | "hornerXyzz",
    { name, elements, total, other }: GroupPlan,
    lists: readonly Uint8Array[],
    shift: number,
  ): bigint[] {
    const recordBytes = ELEMENT_BYTES * elements * (kernel === "horner" ? 1 : 2);
    for (const { length } of lists) {
      if (length % recordBytes !== 0 || !Number.isInteger(shift) || shift < 0) {
        throw new RangeError(
          `got ${length} bytes and shift ${shift}, expected points of ${recordBytes} bytes and a count`,
        );
      }
    }
    const { machine } = this;
    const { buffer, bufferBytes } = machine.program;
    const partBytes = bufferBytes - (bufferBytes % recordBytes);
    try {
      machine.call(`${name}.clear`, total);
      for (const points of lists) {
        machine.call(`${name}.clear`, other);
        // From the last part to the first, as the points within a part.
        for (let end = points.length; end > 0; ) {
          const start = Math.max(0, end - partBytes);
          machine.bytes.set(points.subarray(start, end), buffer);
          const count = (end - start) / recordBytes;
          machine.call(`${name}.${kernel}`, other, buffer, count, shift);
          end = start;
        }
        machine.call(`${name}.add`, total, other);
      }
      return machine.leave(machine.program[name], total);
    } finally {
      machine.wipe();
    }
  }

  #sum<Point>(
    group: GroupPlan,
    terms: readonly Term<Point>[],
    coordinatesOf: (point: Point) => readonly bigint[],
  ): bigint[] {
    const { machine } = this;
    const { termCapacity, buffer } = machine.program;
    try {
      machine.call(`${group.name}.clear`, group.total);
      for (let start = 0; start < terms.length; start += termCapacity) {
        const part = terms.slice(start, start + termCapacity);
        for (const [i, { point }] of part.entries()) {
          machine.writeWords(buffer, ...coordinatesOf(point));
          machine.call(`${group.name}.tabulate`, group.tables + group.tableBytes * i, buffer);
        }
        machine.addMultiples(
          group,
          part.map(({ factor }) => factor),
        );
      }
      return machine.leave(group, group.total);
    } finally {
      machine.wipe();
    }
  }
}

export function coordinatesG1({ x, y }: G1Point): bigint[] {
  return [x, y];
}

export function coordinatesG2({ x, y }: G2Point): bigint[] {
  return [...x, ...y];
}

export function areCanonical(coordinates: readonly bigint[]): boolean {
  return coordinates.every((value) => value >= 0n && value < BASE_FIELD);
}

function g1Point(coordinates: readonly bigint[]): G1Point {
  const [x, y] = coordinates as [bigint, bigint];
  return { x, y };
}

function g2Point(coordinates: readonly bigint[]): G2Point {
  const [x0, x1, y0, y1] = coordinates as [bigint, bigint, bigint, bigint];
  return { x: [x0, x1] satisfies Fq2, y: [y0, y1] satisfies Fq2 };
}
