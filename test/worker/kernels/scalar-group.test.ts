import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FQ2, type Fq2, G1, type G1Point, G2, type G2Point } from "../../../worker/curve.ts";
import {
  ELEMENT_BYTES,
  invert,
  mod,
  BASE_FIELD as Q,
  SCALAR_FIELD as R,
  readLE,
  toBytesLE,
  writeLE,
} from "../../../worker/field.ts";
import { compileProgram } from "../../../worker/kernels/scalar/program.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import { canonical } from "./scalar-instance.ts";

const tower = Tower.open(compileProgram({ isChecked: true }));

/** Multiples of the generators by noble, in our form. */
function g1(k: bigint): G1Point {
  if (mod(k, R) === 0n) return G1.infinity;
  const { x, y } = bn254.G1.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x, y };
}
function g2(k: bigint): G2Point {
  if (mod(k, R) === 0n) return G2.infinity;
  const { x, y } = bn254.G2.Point.BASE.multiply(mod(k, R)).toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
}

function bytesOf(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(ELEMENT_BYTES * values.length);
  for (const [i, value] of values.entries()) writeLE(bytes, ELEMENT_BYTES * i, value);
  return bytes;
}
const g1Bytes = (points: readonly G1Point[]) => bytesOf(points.flatMap(({ x, y }) => [x, y]));
const g2Bytes = (points: readonly G2Point[]) => bytesOf(points.flatMap(({ x, y }) => [...x, ...y]));

/** Logarithms that make equal and opposite points and infinity likely. */
const logarithm = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 4n, R - 1n, R - 2n),
  fc.bigInt({ min: 0n, max: R - 1n }),
);

describe("worker / kernels / tower invertBatch", () => {
  const factor = toBytesLE(7n);

  it("equals the bigint inverse, in shared memory and in place", () => {
    fc.assert(
      fc.property(fc.array(canonical, { maxLength: 9 }), (values) => {
        const bytes = new Uint8Array(new SharedArrayBuffer(ELEMENT_BYTES * values.length));
        bytes.set(bytesOf(values));
        const zeros = tower.invertBatch(bytes, bytes, values.length, factor);
        expect(zeros).toBe(values.filter((value) => value === 0n).length);
        for (const [i, value] of values.entries()) {
          const expected = value === 0n ? 0n : mod(7n * invert(value, Q), Q);
          expect(readLE(bytes, ELEMENT_BYTES * i)).toBe(expected);
        }
      }),
    );
  });

  it("takes more than fit at once, and leaves what is behind them alone", () => {
    const values = Array.from({ length: 300 }, (_, i) => BigInt(i % 150));
    const destination = new Uint8Array(ELEMENT_BYTES * 301).fill(0xee);
    expect(tower.invertBatch(destination, bytesOf(values), 300, factor)).toBe(2);
    for (const [i, value] of values.entries()) {
      const expected = value === 0n ? 0n : mod(7n * invert(value, Q), Q);
      expect(readLE(destination, ELEMENT_BYTES * i)).toBe(expected);
    }
    expect(destination.subarray(-ELEMENT_BYTES).every((byte) => byte === 0xee)).toBe(true);
  });

  it("refuses views that are too short", () => {
    const [short, long] = [new Uint8Array(63), new Uint8Array(64)];
    expect(() => tower.invertBatch(short, long, 2, factor)).toThrow(RangeError);
    expect(() => tower.invertBatch(long, short, 2, factor)).toThrow(RangeError);
    expect(() => tower.invertBatch(long, long, 2, new Uint8Array(31))).toThrow(RangeError);
  });
});

describe("worker / kernels / tower horner", () => {
  const sumOf = (logarithms: readonly bigint[], shift: number) =>
    logarithms.reduce((sum, k, i) => sum + (k << BigInt(shift * i)), 0n);

  it("equals the sum of shifted points in both groups, for any points", () => {
    fc.assert(
      fc.property(
        fc.array(logarithm, { maxLength: 12 }),
        fc.integer({ min: 0, max: 20 }),
        (logarithms, shift) => {
          const sum = sumOf(logarithms, shift);
          expect(tower.hornerG1(g1Bytes(logarithms.map(g1)), shift)).toEqual(g1(sum));
          expect(tower.hornerG2(g2Bytes(logarithms.map(g2)), shift)).toEqual(g2(sum));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("adds points that are equal to, opposite to, or doubles of the sum so far", () => {
    const cases = [
      [], // nothing
      [0n],
      [0n, 0n, 0n],
      [5n],
      [5n, 5n],
      [5n, -5n],
      [5n, -5n, 7n],
      [5n, -5n, 5n, -5n],
      [1n, 1n, -2n],
      [10n, 5n, 5n],
      [0n, 3n, 0n],
      [-1n, 1n, 0n, 1n],
    ];
    for (const logarithms of cases) {
      for (const shift of [0, 1]) {
        const sum = sumOf(logarithms, shift);
        const name = `${logarithms} by ${shift}`;
        expect(tower.hornerG1(g1Bytes(logarithms.map(g1)), shift), name).toEqual(g1(sum));
        expect(tower.hornerG2(g2Bytes(logarithms.map(g2)), shift), name).toEqual(g2(sum));
      }
    }
  });

  it("takes more points than fit at once", () => {
    const some = Array.from({ length: 7 }, (_, i) => BigInt(i * i));
    const [inG1, inG2] = [some.map(g1), some.map(g2)];
    const logarithms = Array.from({ length: 600 }, (_, i) => some[i % 7] as bigint);
    const at = <T>(points: readonly T[]) => logarithms.map((_, i) => points[i % 7] as T);
    const sum = sumOf(logarithms, 2);
    expect(tower.hornerG1(g1Bytes(at(inG1)), 2)).toEqual(g1(sum));
    expect(tower.hornerG2(g2Bytes(at(inG2)), 2)).toEqual(g2(sum));
  });

  it("refuses bytes that are not whole points, and shifts that are no counts", () => {
    expect(() => tower.hornerG1(new Uint8Array(65), 1)).toThrow(RangeError);
    expect(() => tower.hornerG2(new Uint8Array(64), 1)).toThrow(RangeError);
    for (const shift of [-1, 0.5, Number.NaN]) {
      expect(() => tower.hornerG1(new Uint8Array(64), shift)).toThrow(RangeError);
    }
  });
});

describe("worker / kernels / tower hornerXyzz", () => {
  const MONTGOMERY = 2n ** 256n;
  const words = (values: readonly bigint[]) => bytesOf(values.map((v) => mod(v * MONTGOMERY, Q)));
  /** With ZZ = z^2; infinity with ZZ = 0 and other numbers elsewhere. */
  const xyzzG1 = ({ x, y }: G1Point, z: bigint) =>
    y === 0n ? words([z, z, 0n, z]) : words([x * z ** 2n, y * z ** 3n, z ** 2n, z ** 3n]);
  const xyzzG2 = ({ x, y }: G2Point, z: Fq2) => {
    const { multiply, equals, zero } = FQ2;
    const [zz, zzz] = [multiply(z, z), multiply(multiply(z, z), z)];
    if (equals(y, zero)) return words([...z, ...z, ...zero, ...z]);
    return words([...multiply(x, zz), ...multiply(y, zzz), ...zz, ...zzz]);
  };
  const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const depth = fc.bigInt({ min: 1n, max: Q - 1n });
  const points = fc.array(fc.tuple(logarithm, depth), { maxLength: 7 });

  it("equals the sum of the lists' shifted points in both groups, for any points", () => {
    fc.assert(
      fc.property(
        fc.array(points, { maxLength: 3 }),
        fc.integer({ min: 0, max: 9 }),
        (lists, shift) => {
          const sum = lists
            .flatMap((list) => list.map(([k], i) => k << BigInt(shift * i)))
            .reduce((a, b) => a + b, 0n);
          const inG1 = lists.map((list) => joined(list.map(([k, z]) => xyzzG1(g1(k), z))));
          const inG2 = lists.map((list) => joined(list.map(([k, z]) => xyzzG2(g2(k), [z, k]))));
          expect(tower.hornerXyzzG1(inG1, shift)).toEqual(g1(sum));
          expect(tower.hornerXyzzG2(inG2, shift)).toEqual(g2(sum));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("takes more points than fit at once", () => {
    const some = [0n, 3n, 5n].map((k) => [xyzzG1(g1(k), k + 2n), xyzzG2(g2(k), [k, 2n])] as const);
    const logarithms = Array.from({ length: 600 }, (_, i) => [0n, 3n, 5n][i % 3] as bigint);
    const list = (group: 0 | 1) => joined(logarithms.map((_, i) => some[i % 3]?.[group] as never));
    const sum = logarithms.reduce((total, k, i) => total + (k << BigInt(i)), 0n);
    expect(tower.hornerXyzzG1([list(0)], 1)).toEqual(g1(sum));
    expect(tower.hornerXyzzG2([list(1)], 1)).toEqual(g2(sum));
  });

  it("refuses bytes that are not whole points", () => {
    expect(() => tower.hornerXyzzG1([new Uint8Array(64)], 1)).toThrow(RangeError);
    expect(() => tower.hornerXyzzG2([new Uint8Array(256), new Uint8Array(128)], 1)).toThrow(
      RangeError,
    );
  });
});

describe("worker / kernels / tower sumOfMultiples", () => {
  const factor = fc.oneof(
    fc.constantFrom(0n, 1n, 2n, 15n, 16n, 17n, 31n, 32n, R - 1n, R, R + 1n, 2n ** 256n - 1n),
    fc.integer({ min: 0, max: 255 }).map((k) => 2n ** BigInt(k)),
    fc.bigInt({ min: 0n, max: R - 1n }),
  );
  const terms = (maxLength: number) => fc.array(fc.tuple(logarithm, factor), { maxLength });
  const check = (pairs: readonly (readonly [bigint, bigint])[]) => {
    const sum = pairs.reduce((total, [k, by]) => total + k * by, 0n);
    const of = <T>(lift: (k: bigint) => T) =>
      pairs.map(([k, by]) => ({ point: lift(k), factor: by }));
    expect(tower.sumOfMultiplesG1(of(g1))).toEqual(g1(sum));
    expect(tower.sumOfMultiplesG2(of(g2))).toEqual(g2(sum));
  };

  it("equals the sum of products in both groups, for any points and factors", () => {
    fc.assert(fc.property(terms(6), check), { numRuns: 80 });
  });

  it("adds equal points, cancels opposite ones and takes more terms than fit at once", () => {
    check([]);
    for (const by of [0n, 1n, 2n, 3n, 2n ** 200n - 1n, R]) {
      check([[5n, by]]);
      check([
        [5n, by],
        [5n, by],
      ]);
      check([
        [5n, by],
        [-5n, by],
      ]);
      check([
        [5n, by],
        [-5n, by],
        [5n, by],
      ]);
    }
    check(Array.from({ length: 70 }, (_, i): [bigint, bigint] => [BigInt(i % 3), BigInt(i * i)]));
  });

  it("refuses factors beyond 256 bits and negative ones", () => {
    for (const by of [-1n, 2n ** 256n]) {
      const term = { point: G1.generator, factor: by };
      expect(() => tower.sumOfMultiplesG1([term])).toThrow(RangeError);
    }
  });
});

describe("worker / kernels / tower memory", () => {
  it("holds nothing of points and factors after a sum, nor of elements after wipe", () => {
    const fresh = Tower.open(tower.machine.program);
    const before = fresh.machine.bytes.slice();
    const same = () => Buffer.compare(before, fresh.machine.bytes) === 0;
    const points = g1Bytes([g1(3n), g1(4n)]);
    fresh.hornerG1(points, 3);
    expect(same()).toBe(true);
    fresh.hornerXyzzG1([points], 3);
    expect(same()).toBe(true);
    fresh.hornerG2(g2Bytes([g2(3n), g2(4n)]), 3);
    expect(same()).toBe(true);
    fresh.sumOfMultiplesG1([{ point: g1(3n), factor: R - 5n }]);
    expect(same()).toBe(true);
    fresh.sumOfMultiplesG2([{ point: g2(3n), factor: R - 5n }]);
    expect(same()).toBe(true);
    const refused = { point: g1(3n), factor: -1n };
    expect(() => fresh.sumOfMultiplesG1([{ point: g1(3n), factor: 7n }, refused])).toThrow();
    expect(same()).toBe(true);
    fresh.invertBatch(points, points, 4, toBytesLE(5n));
    expect(same()).toBe(false);
    fresh.wipe();
    expect(same()).toBe(true);
  });
});

describe("worker / kernels / tower program", () => {
  it("serves another instance, which has a memory of its own", () => {
    const other = Tower.open(structuredClone(tower.machine.program));
    const points = g1Bytes([g1(3n), g1(4n)]);
    expect(other.hornerG1(points, 1)).toEqual(g1(11n));
    expect(tower.hornerG1(points, 2)).toEqual(g1(19n));
  });
});
