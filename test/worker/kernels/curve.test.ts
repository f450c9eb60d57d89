import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Field, FQ, FQ2, G1, G2 } from "../../../worker/curve.ts";
import { invert, mod, BASE_FIELD as Q } from "../../../worker/field.ts";
import { type Degree, pointSizes } from "../../../worker/kernels/curve.ts";
import { signedLimbs } from "../../../worker/kernels/vector-field.ts";
import {
  canonical,
  describeOnPaths,
  edges,
  isNormalised,
  type Path,
  VectorInstance,
} from "./vector-instance.ts";

/** A coordinate by its components, one in G1 and two in G2. */
type Coordinate = readonly bigint[];
type Point = { readonly x: Coordinate; readonly y: Coordinate };

/** Arithmetic on coordinates, from the field of the group. */
class Coordinates {
  readonly degree: Degree;
  readonly #field: Field<unknown>;

  constructor(degree: Degree) {
    this.degree = degree;
    this.#field = (degree === 1 ? FQ : FQ2) as Field<unknown>;
  }

  add = (a: Coordinate, b: Coordinate) => this.#wrap(this.#field.add, a, b);
  sub = (a: Coordinate, b: Coordinate) => this.#wrap(this.#field.subtract, a, b);
  mul = (a: Coordinate, b: Coordinate) => this.#wrap(this.#field.multiply, a, b);
  inverse = (a: Coordinate) => this.#out(this.#field.invert(this.#in(a)));
  negate = (a: Coordinate) => this.sub(this.zero, a);
  isZero = (a: Coordinate) => a.every((component) => component === 0n);

  get zero(): Coordinate {
    return new Array<bigint>(this.degree).fill(0n);
  }

  get one(): Coordinate {
    return this.zero.with(0, 1n);
  }

  /** The third point of the line through two points with different x, mirrored. */
  sum({ x: x1, y: y1 }: Point, { x: x2, y: y2 }: Point): Point {
    return this.chord({ x: x1, y: y1 }, this.sub(x2, x1), this.sub(y2, y1));
  }

  twice({ x, y }: Point): Point {
    const square = this.mul(x, x);
    const n = this.add(square, this.add(square, square));
    const lambda = this.mul(n, this.inverse(this.add(y, y)));
    return this.#third({ x, y }, x, lambda);
  }

  /** As `sum`, from the differences. */
  chord(first: Point, d: Coordinate, n: Coordinate): Point {
    return this.#third(first, this.add(first.x, d), this.mul(n, this.inverse(d)));
  }

  #third({ x, y }: Point, x2: Coordinate, lambda: Coordinate): Point {
    const x3 = this.sub(this.sub(this.mul(lambda, lambda), x), x2);
    return { x: x3, y: this.sub(this.mul(lambda, this.sub(x, x3)), y) };
  }

  #wrap(operation: (a: unknown, b: unknown) => unknown, a: Coordinate, b: Coordinate) {
    return this.#out(operation(this.#in(a), this.#in(b)));
  }
  #in = (a: Coordinate): unknown => (this.degree === 1 ? a[0] : a);
  #out = (a: unknown): Coordinate => (this.degree === 1 ? [a as bigint] : (a as Coordinate));
}

/** The kernels of one group over a memory, with points going in and out as bigints. */
class CurveInstance extends VectorInstance {
  readonly degree: Degree;
  readonly twin: Coordinates;
  readonly sizes;
  readonly #unradix: bigint;

  constructor(path: Path, degree: Degree) {
    super(path, 8);
    this.degree = degree;
    this.twin = new Coordinates(degree);
    this.sizes = pointSizes(this.fields.fq, degree);
    this.#unradix = invert(this.fields.fq.radix, Q);
  }

  get component(): number {
    return this.sizes.quad / this.degree;
  }

  toMontgomery(value: bigint): bigint {
    return (value * this.fields.fq.radix) % Q;
  }

  fromMontgomery(value: bigint): bigint {
    return mod(value * this.#unradix, Q);
  }

  /** Packed points. @returns their addresses. */
  pack(points: readonly Point[]): number[] {
    const components = points.flatMap(({ x, y }) => [...x, ...y].map((c) => this.toMontgomery(c)));
    const address = this.integers(components);
    return points.map((_, i) => address + this.sizes.packed * i);
  }

  laneAt(blocks: number, i: number): number {
    return blocks + this.sizes.block * Math.floor(i / 4) + 8 * (i % 4);
  }

  /** The additions' D or another quad of theirs, in the lane of addition i. */
  sumsLane(sums: number, i: number, quad: 0 | 1 | 2 | 3): number {
    return sums + this.sizes.sums * Math.floor(i / 4) + quad * this.sizes.quad + 8 * (i % 4);
  }

  putCoordinate(lane: number, value: Coordinate): void {
    value.forEach((component, c) => {
      this.put(this.fields.fq, lane + c * this.component, this.toMontgomery(component));
    });
  }

  coordinate(lane: number): Coordinate {
    return Array.from({ length: this.degree }, (_, c) =>
      this.fromMontgomery(this.get(this.fields.fq, lane + c * this.component)),
    );
  }

  point(lane: number): Point {
    return { x: this.coordinate(lane), y: this.coordinate(lane + this.sizes.quad) };
  }

  kernel(
    name: "gatherPacked" | "gatherLanes" | "expand" | "regroup" | "touch",
  ): (...args: number[]) => number {
    return this.kernels[`${name}${this.degree}`];
  }

  /**
   * Adds pairs of entries with one inversion in each lane; how many is made a multiple of four.
   *
   * @returns the sums' lanes.
   */
  add(pairs: readonly (readonly [number, number])[], from: "gatherPacked" | "gatherLanes") {
    const quads = Math.ceil(pairs.length / 4);
    const filled = Array.from({ length: 4 * quads }, (_, i) => pairs[i] ?? (pairs[0] as Pair));
    const list = this.list(filled.flat());
    const sums = this.take(this.sizes.sums * quads);
    if (from === "gatherPacked") this.kernel("touch")(list, quads);
    this.kernel(from)(list, sums, quads);
    return this.#finish(sums, quads, false).slice(0, pairs.length);
  }

  /** Doubles packed points. */
  double(entries: readonly number[], from: "gatherPacked" | "gatherLanes"): number[] {
    const quads = Math.ceil(entries.length / 4);
    const filled = Array.from(
      { length: 4 * quads },
      (_, i) => entries[i] ?? (entries[0] as number),
    );
    const list = this.list(filled.flatMap((entry) => [entry, entry]));
    const sums = this.take(this.sizes.sums * quads);
    this.kernel(from)(list, sums, quads);
    this.kernels[`tangent${this.degree}`](sums, quads);
    return this.#finish(sums, quads, true).slice(0, entries.length);
  }

  #finish(sums: number, quads: number, isDouble: boolean): number[] {
    const { quad, block, sums: stride, chain } = this.sizes;
    const d = sums + 2 * quad;
    const [products, ends] = [this.take(quad * quads), this.take(chain)];
    const blocks = this.take(block * quads);
    this.#invertAll(d, stride, products, ends, quads);
    if (isDouble) {
      for (let i = 0; i < 4 * quads; i++)
        this.putCoordinate(this.sumsLane(sums, i, 2), this.twin.zero);
    }
    this.finish(sums, products, blocks, quads);
    return Array.from({ length: 4 * quads }, (_, i) => this.laneAt(blocks, i));
  }

  /** Adds the points of blocks at `b` to those at `a`, lane by lane. */
  addRows(a: number, b: number, quads: number): void {
    const { quad, block, chain } = this.sizes;
    const [d, products] = [this.take(quad * quads), this.take(quad * quads)];
    const ends = this.take(chain);
    this.kernels[`differences${this.degree}`](a, b, d, quads);
    this.#invertAll(d, quad, products, ends, quads);
    const finish = this.kernels[`finish${this.degree}`];
    finish(a, b + quad, block, d, quad, products, a, quads);
  }

  /** Multiplies up from 1, inverts, and comes down again. */
  #invertAll(d: number, stride: number, products: number, chain: number, quads: number): void {
    const { quad } = this.sizes;
    const lanes = this.chainLanes(chain);
    for (const lane of lanes) this.putCoordinate(lane, this.twin.one);
    this.kernels[`forward${this.degree}`](d, stride, products, chain, quads);
    for (const lane of lanes) this.putCoordinate(lane, this.twin.inverse(this.coordinate(lane)));
    this.unwind(d, stride, products, chain, quads);
    // Back at the start: 1, whatever the number of quads.
    for (const lane of lanes) expect(this.coordinate(lane)).toEqual(this.twin.one);
    for (let i = 0; i < 4 * quads; i++) {
      const [lane, at] = [8 * (i % 4), Math.floor(i / 4)];
      const difference = this.coordinate(d + stride * at + lane);
      expect(this.coordinate(products + quad * at + lane)).toEqual(this.twin.inverse(difference));
    }
  }

  chainLanes(chain: number): number[] {
    const { quad, chain: bytes } = this.sizes;
    return Array.from(
      { length: (4 * bytes) / quad },
      (_, i) => chain + quad * Math.floor(i / 4) + 8 * (i % 4),
    );
  }

  unwind(d: number, stride: number, products: number, chain: number, quads: number): void {
    const ends = [d + stride * quads, stride, products + this.sizes.quad * quads] as const;
    this.kernels[`unwind${this.degree}`](...ends, chain, quads);
  }

  finish(sums: number, inverses: number, blocks: number, quads: number): void {
    const { quad, sums: stride } = this.sizes;
    const finish = this.kernels[`finish${this.degree}`];
    finish(sums, sums + 3 * quad, stride, sums + 2 * quad, stride, inverses, blocks, quads);
  }
}

type Pair = readonly [number, number];

describeOnPaths("worker / kernels / curve", (path) => {
  for (const degree of [1, 2] as const) {
    describe(`degree ${degree}`, () => suite(new CurveInstance(path, degree)));
  }
});

function suite(bench: CurveInstance): void {
  const { degree, twin, sizes } = bench;
  const { fq } = bench.fields;
  const coordinate = fc.array(canonical(Q), { minLength: degree, maxLength: degree });
  const point = fc.record({ x: coordinate, y: coordinate });
  const sign = fc.constantFrom(0, 1);
  const signed = (p: Point, s: number | undefined) => (s ? { x: p.x, y: twin.negate(p.y) } : p);
  const isOpen = (a: Point, b: Point) => !twin.isZero(twin.sub(a.x, b.x));

  it("gathers pairs of packed points with their signs", () => {
    const pair = fc.tuple(point, sign, point, sign);
    fc.assert(
      fc.property(fc.array(pair, { minLength: 4, maxLength: 12 }), (all) => {
        const pairs = all.slice(0, all.length - (all.length % 4));
        bench.clear();
        const addresses = bench.pack(pairs.flatMap(([p, , q]) => [p, q]));
        const list = bench.list(
          pairs.flatMap(([, s, , t], i) => [
            (addresses[2 * i] as number) | s,
            (addresses[2 * i + 1] as number) | t,
          ]),
        );
        const quads = pairs.length / 4;
        const sums = bench.take(sizes.sums * quads);
        bench.kernel("gatherPacked")(list, sums, quads);
        const blocks = bench.take(sizes.block * quads);
        const firsts = bench.list(pairs.map(([, s], i) => (addresses[2 * i] as number) | s));
        bench.kernel("expand")(firsts, blocks, quads);
        pairs.forEach(([p, s, q, t], i) => {
          const [first, second] = [signed(p, s), signed(q, t)];
          expect(bench.coordinate(bench.sumsLane(sums, i, 0))).toEqual(first.x);
          expect(bench.coordinate(bench.sumsLane(sums, i, 1))).toEqual(first.y);
          const d = twin.sub(second.x, first.x);
          expect(bench.coordinate(bench.sumsLane(sums, i, 2))).toEqual(d);
          expect(bench.coordinate(bench.sumsLane(sums, i, 3))).toEqual(second.y);
          expect(bench.point(bench.laneAt(blocks, i))).toEqual(first);
        });
      }),
      { numRuns: 40 },
    );
  });

  it("adds pairs of packed points, one quad and more", () => {
    const pair = fc.tuple(point, sign, point, sign).filter(([p, , q]) => isOpen(p, q));
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 13 }), (pairs) => {
        bench.clear();
        const addresses = bench.pack(pairs.flatMap(([p, , q]) => [p, q]));
        const lanes = bench.add(
          pairs.map(([, s, , t], i) => [
            (addresses[2 * i] as number) | s,
            (addresses[2 * i + 1] as number) | t,
          ]),
          "gatherPacked",
        );
        pairs.forEach(([p, s, q, t], i) => {
          expect(bench.point(lanes[i] as number)).toEqual(twin.sum(signed(p, s), signed(q, t)));
          for (let c = 0; c < 2 * degree; c++) {
            const limbs = bench.limbs(fq, (lanes[i] as number) + c * bench.component);
            expect(isNormalised(fq, limbs, 0.501)).toBe(true);
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  it("doubles packed points and lanes", () => {
    const finite = point.filter(({ y }) => !twin.isZero(y));
    fc.assert(
      fc.property(fc.array(fc.tuple(finite, sign), { minLength: 1, maxLength: 9 }), (points) => {
        bench.clear();
        const addresses = bench.pack(points.map(([p]) => p));
        const entries = points.map(([, s], i) => (addresses[i] as number) | s);
        const once = bench.double(entries, "gatherPacked");
        const twice = points.map(([p, s]) => twin.twice(signed(p, s)));
        expect(once.map((lane) => bench.point(lane))).toEqual(twice);
        const again = twice.flatMap((p, i) => (twin.isZero(p.y) ? [] : [i]));
        const lanes = bench.double(
          again.map((i) => once[i] as number),
          "gatherLanes",
        );
        expect(lanes.map((lane) => bench.point(lane))).toEqual(
          again.map((i) => twin.twice(twice[i] as Point)),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("sums a thousand points, special and random ones, round by round in a tree", () => {
    const special = edges(Q);
    const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(seed, fc.integer({ min: 1001, max: 1030 }), (start, count) => {
        bench.clear();
        const next = generator(start);
        const pick = (i: number) => {
          const edge = special[Number(next() % BigInt(2 * special.length))];
          // A point's x is different from all others'.
          return edge !== undefined && i >= special.length ? edge : next() % Q;
        };
        const points = Array.from({ length: count }, (_, i): Point => {
          const x = i < special.length ? (special[i] as bigint) : next() % Q;
          return degree === 1
            ? { x: [x], y: [pick(i)] }
            : { x: [x, pick(i)], y: [pick(i), pick(i)] };
        });
        const signs = points.map(() => Number(next() & 1n));
        let values = points.map((p, i) => signed(p, signs[i]));
        let entries = bench.pack(points).map((address, i) => address | (signs[i] as number));
        for (let round = 0; entries.length > 1; round++) {
          const pairs = Math.floor(entries.length / 2);
          const lanes = bench.add(
            Array.from({ length: pairs }, (_, i) => [
              entries[2 * i] as number,
              entries[2 * i + 1] as number,
            ]),
            round === 0 ? "gatherPacked" : "gatherLanes",
          );
          const sums = lanes.map((_, i) =>
            twin.sum(values[2 * i] as Point, values[2 * i + 1] as Point),
          );
          expect(lanes.map((lane) => bench.point(lane))).toEqual(sums);
          if (entries.length % 2 === 1) {
            // An entry left over joins the next round, a packed one as it is unpacked.
            let last = entries.at(-1) as number;
            if (round === 0) {
              const block = bench.take(sizes.block);
              bench.kernel("expand")(bench.list([last, last, last, last]), block, 1);
              last = block;
            }
            lanes.push(last);
            sums.push(values.at(-1) as Point);
          }
          [entries, values] = [lanes, sums];
        }
      }),
      { numRuns: 4 },
    );
  });

  it("adds point after point to a sum", () => {
    const chain = fc.array(point, { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(fc.tuple(chain, chain, chain, chain), (chains) => {
        bench.clear();
        const blocks = chains.map((points) => {
          const addresses = bench.pack(points);
          return addresses.map((address) => {
            const block = bench.take(sizes.block);
            bench.kernel("expand")(bench.list([address, address, address, address]), block, 1);
            return block;
          });
        });
        let sums = chains.map((points) => points[0] as Point);
        let lanes = blocks.map((lane) => lane[0] as number);
        for (let i = 1; i < 30; i++) {
          const next = chains.map((points) => points[i] as Point);
          if (next.some((p, c) => !isOpen(p, sums[c] as Point))) continue;
          lanes = bench.add(
            lanes.map((lane, c) => [lane, blocks[c]?.[i] as number]),
            "gatherLanes",
          );
          sums = sums.map((sum, c) => twin.sum(sum, next[c] as Point));
          expect(lanes.map((lane) => bench.point(lane))).toEqual(sums);
        }
      }),
      { numRuns: 5 },
    );
  });

  it("adds row after row to a row of points", () => {
    const quads = fc.integer({ min: 1, max: 3 });
    const rows = quads.chain((n) => {
      const row = fc.array(fc.tuple(point, sign), { minLength: 4 * n, maxLength: 4 * n });
      return fc.array(row, { minLength: 6, maxLength: 6 });
    });
    fc.assert(
      fc.property(rows, (all) => {
        bench.clear();
        const n = (all[0] as unknown[]).length / 4;
        const blocks = all.map((row) => {
          const addresses = bench.pack(row.map(([p]) => p));
          const out = bench.take(sizes.block * n);
          const entries = row.map(([, s], i) => (addresses[i] as number) | s);
          bench.kernel("expand")(bench.list(entries), out, n);
          return out;
        });
        const values = all.map((row) => row.map(([p, s]) => signed(p, s)));
        let sums = values[0] as Point[];
        for (let r = 1; r < 6; r++) {
          const next = values[r] as Point[];
          if (next.some((p, i) => !isOpen(p, sums[i] as Point))) continue;
          bench.addRows(blocks[0] as number, blocks[r] as number, n);
          sums = sums.map((sum, i) => twin.sum(sum, next[i] as Point));
          expect(sums.map((_, i) => bench.point(bench.laneAt(blocks[0] as number, i)))).toEqual(
            sums,
          );
          // The other row is as it was.
          expect(next.map((_, i) => bench.point(bench.laneAt(blocks[r] as number, i)))).toEqual(
            next,
          );
        }
        // Lanes from anywhere, side by side.
        const picks = sums.map((_, i) => (i * 7) % sums.length);
        const out = bench.take(sizes.block * n);
        const lanes = picks.map((i) => bench.laneAt(blocks[0] as number, i));
        bench.kernel("regroup")(bench.list(lanes), out, n);
        expect(picks.map((_, i) => bench.point(bench.laneAt(out, i)))).toEqual(
          picks.map((i) => sums[i]),
        );
      }),
      { numRuns: 15 },
    );
  });

  it("adds on the curve as the groups do", () => {
    const group = degree === 1 ? G1 : G2;
    const multiples = [1n, 2n, 5n, 7n, Q % 1000n, 12345n, -3n, -4n].map((k) => {
      const { x, y } = (group as typeof G1).multiply(group.generator as never, mod(k, 1n << 250n));
      return { x: [x].flat(), y: [y].flat() } as Point;
    });
    bench.clear();
    const addresses = bench.pack(multiples);
    const pairs = [0, 2, 4, 6].map(
      (i): Pair => [addresses[i] as number, addresses[i + 1] as number],
    );
    const lanes = bench.add(pairs, "gatherPacked");
    lanes.forEach((lane, i) => {
      const affine = [multiples[2 * i], multiples[2 * i + 1]].map((p) => ({
        x: degree === 1 ? p?.x[0] : p?.x,
        y: degree === 1 ? p?.y[0] : p?.y,
      }));
      const sum = (group as typeof G1).add(affine[0] as never, affine[1] as never);
      expect(bench.point(lane)).toEqual({ x: [sum.x].flat(), y: [sum.y].flat() });
    });
  });

  it("stays right, and within its bounds, with every limb as large as it may be", () => {
    const half = 1n << BigInt(fq.limbBits - 1);
    /** Limbs of either sign at an extreme, or of one sign for unpacked ones; |value| <= bound p. */
    const extreme = (size: bigint, bound: number, isUnsigned = false) => {
      const limb = fc.oneof(
        fc.constantFrom(size, ...(isUnsigned ? [0n] : [-size])),
        fc.bigInt({ min: isUnsigned ? 0n : -size, max: size }),
      );
      const most =
        BigInt(Math.floor(bound * Number(Q >> BigInt(fq.limbBits * (fq.limbs - 1))))) - 2n;
      return fc
        .tuple(
          fc.array(limb, { minLength: fq.limbs - 1, maxLength: fq.limbs - 1 }),
          fc.constantFrom(most, isUnsigned ? 0n : -most),
        )
        .map(([lower, top]) => [...lower, top]);
    };
    const four = (limbs: fc.Arbitrary<bigint[]>) =>
      fc.array(limbs, { minLength: 4 * degree, maxLength: 4 * degree });
    // What packed points, or lanes, and running products can be. In G1 D is x2 - x1, in G2 reduced.
    const chain = degree === 1 ? 0.81 : 0.68;
    const x = four(fc.oneof(extreme(2n * half - 1n, 1, true), extreme(half, 0.5)));
    const operands = fc.record({
      x,
      second: degree === 1 ? x : four(extreme(half, 0.5)),
      y: four(extreme(2n * half - 1n, 1)),
      y2: four(extreme(2n * half - 1n, 1)),
      product: four(extreme(half, chain)),
      running: four(extreme(half, chain)),
    });
    fc.assert(
      fc.property(operands, ({ x, second, y, y2, product, running }) => {
        const isWhole = degree === 2;
        const d = second.map((limbs, i) =>
          limbs.map((limb, j) => (isWhole ? limb : limb - (x[i]?.[j] as bigint))),
        );
        // One quad, and as many as are handled at once: each of them the same.
        for (const quads of [1, sizes.chain / sizes.quad]) {
          bench.clear();
          const sums = bench.take(sizes.sums * quads);
          const [products, chainAt] = [bench.take(sizes.quad * quads), bench.take(sizes.chain)];
          const blocks = bench.take(sizes.block * quads);
          const fill = (address: number, stride: number, limbs: readonly bigint[][]) => {
            for (let q = 0; q < quads; q++) {
              limbs.forEach((lane, i) => {
                const at = address + bench.component * Math.floor(i / 4) + 8 * (i % 4);
                bench.putLimbs(fq, at + stride * q, lane);
              });
            }
          };
          const lanes = [0, 8, 16, 24];
          const read = (address: number, stride: number): Coordinate[] =>
            Array.from({ length: quads }, (_, q) => address + stride * q).flatMap((quad) =>
              lanes.map((lane) => bench.coordinate(quad + lane)),
            );
          const dAt = sums + 2 * sizes.quad;
          fill(sums, sizes.sums, x);
          fill(sums + sizes.quad, sizes.sums, y);
          fill(dAt, sizes.sums, d);
          fill(sums + 3 * sizes.quad, sizes.sums, y2);
          fill(products, sizes.quad, product);
          fill(chainAt, sizes.quad, running);
          const [x1, y1, d1, second1] = [0, 1, 2, 3].map((q) =>
            read(sums + q * sizes.quad, sizes.sums),
          ) as [Coordinate[], Coordinate[], Coordinate[], Coordinate[]];
          const [before, chainBefore] = [read(products, sizes.quad), read(chainAt, sizes.quad)];
          bench.unwind(dAt, sizes.sums, products, chainAt, quads);
          expect(read(products, sizes.quad)).toEqual(
            before.map((value, i) => twin.mul(value, chainBefore[i] as Coordinate)),
          );
          expect(read(chainAt, sizes.quad)).toEqual(
            d1.map((value, i) => twin.mul(value, chainBefore[i] as Coordinate)),
          );
          const inverses = read(products, sizes.quad);
          bench.finish(sums, products, blocks, quads);
          const x3 = read(blocks, sizes.block);
          const y3 = read(blocks + sizes.quad, sizes.block);
          for (let i = 0; i < 4 * quads; i++) {
            const get = (values: readonly Coordinate[]) => values[i] as Coordinate;
            const lambda = twin.mul(twin.sub(get(second1), get(y1)), get(inverses));
            const x2 = twin.add(get(x1), get(d1));
            const expectedX = twin.sub(twin.mul(lambda, lambda), twin.add(get(x1), x2));
            const rise = twin.mul(lambda, twin.sub(get(x1), expectedX));
            expect(get(x3)).toEqual(expectedX);
            expect(get(y3)).toEqual(twin.sub(rise, get(y1)));
          }
          // Forward, with D as gathering leaves it.
          fill(dAt, sizes.sums, y2);
          fill(chainAt, sizes.quad, running);
          const gathered = read(dAt, sizes.sums);
          bench.kernels[`forward${degree}`](dAt, sizes.sums, products, chainAt, quads);
          expect(read(products, sizes.quad)).toEqual(chainBefore);
          expect(read(chainAt, sizes.quad)).toEqual(
            gathered.map((value, lane) => twin.mul(value, chainBefore[lane] as Coordinate)),
          );
          expect(read(dAt, sizes.sums)).toEqual(gathered);
          if (degree === 1) continue;
          // Reduced, and written back, so that values stay small over a chain.
          for (const lane of lanes.flatMap((at) => [at, at + bench.component])) {
            const limbs = bench.limbs(fq, dAt + lane);
            expect(isNormalised(fq, limbs, 0.501)).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("finds each difference that is 0, in whatever limbs, and few others", () => {
    const multiple = fc.integer({ min: -2, max: 2 }).map((k) => BigInt(k) * Q);
    const shift = fc.tuple(fc.integer({ min: 0, max: fq.limbs - 2 }), fc.constantFrom(-1n, 0n, 1n));
    const zero = fc.tuple(multiple, shift).map(([value, [i, by]]) => {
      // The same value with a carry not taken.
      const limbs = signedLimbs(value, fq.limbBits, fq.limbs);
      limbs[i] = (limbs[i] as bigint) + (by << BigInt(fq.limbBits));
      limbs[i + 1] = (limbs[i + 1] as bigint) - by;
      return limbs;
    });
    const other = canonical(Q).map((value) => signedLimbs(value, fq.limbBits, fq.limbs));
    const difference = fc.array(fc.oneof(zero, other), { minLength: degree, maxLength: degree });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(difference),
        (quads, stream) => {
          bench.clear();
          const sums = bench.take(sizes.sums * quads);
          const list = bench.take(16 * quads);
          const all = Array.from({ length: 4 * quads }, () => stream.next().value as bigint[][]);
          const expected = all.flatMap((components, i) => {
            const lane = bench.sumsLane(sums, i, 2);
            components.forEach((limbs, c) => {
              bench.putLimbs(fq, lane + c * bench.component, limbs);
            });
            const top = Q >> BigInt(fq.limbBits * (fq.limbs - 1));
            const isNear = components.every((limbs) => {
              const last = Number((limbs.at(-1) as bigint) + 3n * top) + 4;
              return last >= 0 && last % Number(top) <= 8 && last <= 6 * Number(top) + 8;
            });
            return isNear ? [i] : [];
          });
          const count = bench.kernels[`findZeros${degree}`](
            sums + 2 * sizes.quad,
            sizes.sums,
            quads,
            list,
          );
          expect(bench.words(list, count)).toEqual(expected);
          const zeros = [...all.keys()].filter((i) =>
            twin.isZero(bench.coordinate(bench.sumsLane(sums, i, 2))),
          );
          expect(expected).toEqual(expect.arrayContaining(zeros));
        },
      ),
      { numRuns: 100 },
    );
  });

  if (degree === 2)
    it("takes norms, and inverts by them", () => {
      fc.assert(
        fc.property(fc.array(coordinate, { minLength: 4, maxLength: 4 }), (values) => {
          bench.clear();
          const [quad, norms] = [bench.take(sizes.quad), bench.take(bench.component)];
          const lanes = [0, 8, 16, 24];
          values.forEach((value, i) => {
            bench.putCoordinate(quad + (lanes[i] as number), value);
          });
          bench.kernels.norm2(norms, quad);
          const norm = lanes.map((lane) => bench.fromMontgomery(bench.get(fq, norms + lane)));
          expect(norm).toEqual(
            values.map(([a, b]) => mod((a as bigint) ** 2n + (b as bigint) ** 2n, Q)),
          );
          lanes.forEach((lane, i) => {
            const factor = norm[i] === 0n ? 0n : invert(norm[i] as bigint, Q);
            bench.put(fq, norms + lane, bench.toMontgomery(factor));
          });
          bench.kernels.conjugate2(quad, norms);
          expect(lanes.map((lane) => bench.coordinate(quad + lane))).toEqual(
            values.map((value) => (twin.isZero(value) ? twin.zero : twin.inverse(value))),
          );
        }),
        { numRuns: 50 },
      );
    });
}

/** Numbers below 2^256, the same for the same seed (a Weyl sequence, squared). */
function generator(seed: number): () => bigint {
  const mask = (1n << 512n) - 1n;
  const step =
    (BigInt(seed) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bf3a27251f86c6a11d0c18e95n) | 1n;
  let state = step;
  return () => {
    state = (state * state + step * (state | 1n)) & mask;
    return state >> 256n;
  };
}
