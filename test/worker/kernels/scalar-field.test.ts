import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FQ2, type Fq2 } from "../../../worker/curve.ts";
import { invert, mod, BASE_FIELD as Q, readLE, toBytesLE, writeLE } from "../../../worker/field.ts";
import { writeInvertBatch } from "../../../worker/kernels/scalar/batch.ts";
import { writeLinear, writePrimeField } from "../../../worker/kernels/scalar/fq.ts";
import { writeQuadraticField } from "../../../worker/kernels/scalar/fq2.ts";
import { writeInverse, writeMontgomeryInverse } from "../../../worker/kernels/scalar/inverse.ts";
import { digitsOf, FQ_BYTES, RADIX_INVERSE } from "../../../worker/kernels/scalar/limbs.ts";
import { writeWords } from "../../../worker/kernels/scalar/words.ts";
import { bounded, canonical, EDGES, scalarInstance } from "./scalar-instance.ts";

const RUNS = { numRuns: 3000 };
const CAPACITY = 16;

const kernels = scalarInstance((assembly) => {
  const fq = writePrimeField(assembly);
  const words = writeWords(assembly, fq);
  const plain = writeInverse(assembly, fq);
  writeInvertBatch(assembly, { fq, words, invert: plain }, CAPACITY);
  writeQuadraticField(assembly, fq, writeMontgomeryInverse(assembly, fq, plain));
  writeLinear(assembly, "mixture", 2, [1n, -2n, 9n]);
});
const [a, b, d] = [kernels.place(2), kernels.place(2), kernels.place(2)];
const io = kernels.place(64);

/** The element at d: unique digits and |value| < q, or whatever bound is said. */
function result(elements = 1, bound = 1n): bigint[] {
  const values = kernels.get(d, elements);
  for (const [i, value] of values.entries()) {
    expect(value < bound * Q && value > -bound * Q).toBe(true);
    const digits = digitsOf(value).map(Number);
    const stored = digits.map((_, k) => kernels.view.getInt32(d + FQ_BYTES * i + 4 * k, true));
    if (bound === 1n) expect(stored).toEqual(digits);
    for (let lane = 9; lane < 12; lane++) {
      expect(kernels.view.getInt32(d + FQ_BYTES * i + 4 * lane, true)).toBe(0);
    }
  }
  return values;
}

const residue = (value: bigint) => mod(value, Q);

describe("worker / kernels / scalar Fq", () => {
  it("multiplies and squares whatever has bound 4", () => {
    fc.assert(
      fc.property(bounded(4n), bounded(4n), (x, y) => {
        kernels.put(a, x);
        kernels.put(b, y);
        kernels.call("fq.multiply", d, a, b);
        expect(residue(result()[0] as bigint)).toBe(residue(x * y * RADIX_INVERSE));
        kernels.call("fq.square", d, a);
        expect(residue(result()[0] as bigint)).toBe(residue(x * x * RADIX_INVERSE));
      }),
      RUNS,
    );
  });

  it("multiplies digits of the largest size, of either sign", () => {
    const extreme = fc.array(fc.constantFrom(-(2 ** 28) - 1, 2 ** 28 + 1), {
      minLength: 8,
      maxLength: 8,
    });
    const put = (address: number, digits: readonly number[]) => {
      kernels.put(address, 0n);
      let value = 0n;
      for (const [i, digit] of digits.entries()) {
        kernels.view.setInt32(address + 4 * i, digit, true);
        value += BigInt(digit) << (29n * BigInt(i));
      }
      return value;
    };
    fc.assert(
      fc.property(extreme, extreme, fc.integer({ min: -(2 ** 23), max: 2 ** 23 }), (x, y, top) => {
        const [left, right] = [put(a, [...x, top]), put(b, [...y, -top])];
        kernels.call("fq.multiply", d, a, b);
        expect(residue(result()[0] as bigint)).toBe(residue(left * right * RADIX_INVERSE));
      }),
      RUNS,
    );
  });

  it("adds and subtracts exactly, with carried digits", () => {
    fc.assert(
      fc.property(bounded(4n), bounded(4n), (x, y) => {
        kernels.put(a, x);
        kernels.put(b, y);
        kernels.call("fq.add", d, a, b);
        expect(result(1, 8n)).toEqual([x + y]);
        kernels.call("fq.subtract", d, a, b);
        expect(result(1, 8n)).toEqual([x - y]);
        for (let i = 0; i < 8; i++) {
          expect(Math.abs(kernels.view.getInt32(d + 4 * i, true))).toBeLessThanOrEqual(2 ** 28 + 1);
        }
      }),
      RUNS,
    );
  });

  it("reduces and negates whatever has bound 100", () => {
    fc.assert(
      fc.property(bounded(100n), (x) => {
        kernels.put(a, x);
        kernels.call("fq.reduce", d, a);
        const [reduced] = result() as [bigint];
        expect(residue(reduced)).toBe(residue(x));
        expect(1000n * (reduced < 0n ? -reduced : reduced)).toBeLessThan(502n * Q);
        kernels.call("fq.negate", d, a);
        expect(residue(result()[0] as bigint)).toBe(residue(-x));
      }),
      RUNS,
    );
  });

  it("works when the result takes an operand's place", () => {
    fc.assert(
      fc.property(bounded(4n), bounded(4n), (x, y) => {
        for (const name of ["fq.multiply", "fq.add", "fq.subtract"]) {
          kernels.put(a, x);
          kernels.put(b, y);
          kernels.call(name, d, a, b);
          const [expected] = kernels.get(d);
          kernels.call(name, a, a, b);
          expect(kernels.get(a)).toEqual([expected]);
          kernels.put(a, x);
          kernels.call(name, b, a, b);
          expect(kernels.get(b)).toEqual([expected]);
        }
      }),
    );
  });

  it("knows zero by its digits", () => {
    for (const value of EDGES) {
      kernels.put(a, value);
      expect(kernels.call("fq.isZero", a)).toBe(value === 0n ? 1 : 0);
    }
    kernels.put(a, 3n * Q);
    kernels.call("fq.reduce", a, a);
    expect(kernels.call("fq.isZero", a)).toBe(1);
  });

  it("traps in a checked build when an operand is out of its range", () => {
    const refused = (address: number) =>
      expect(() => kernels.call("fq.multiply", d, address, address)).toThrow(/unreachable/);
    kernels.put(a, 5n * Q);
    refused(a);
    kernels.put(a, -5n * Q);
    refused(a);
    kernels.put(a, 1n);
    kernels.call("fq.multiply", d, a, a);
    kernels.view.setInt32(a + 12, 2 ** 28 + 2, true);
    refused(a);
    kernels.view.setInt32(a + 12, -(2 ** 28) - 2, true);
    refused(a);
  });
});

describe("worker / kernels / scalar words", () => {
  it("takes any 256 bits and gives back the canonical value", () => {
    const any = fc.oneof(canonical, fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }));
    fc.assert(
      fc.property(any, (value) => {
        writeLE(kernels.bytes, io, value);
        kernels.call("words.read", d, io);
        expect(residue(result()[0] as bigint)).toBe(residue(value));
        kernels.call("words.write", io + 32, d);
        expect(readLE(kernels.bytes, io + 32)).toBe(residue(value));
        kernels.call("words.enter", d, io, 1);
        expect(kernels.leave(d, 1)).toEqual([residue(value)]);
        kernels.call("words.leave", io + 32, d, 1);
        expect(readLE(kernels.bytes, io + 32)).toBe(residue(value));
      }),
      RUNS,
    );
    for (const value of [Q, 2n * Q, 5n * Q, 2n ** 256n - 1n]) {
      writeLE(kernels.bytes, io, value);
      kernels.call("words.read", d, io);
      kernels.call("words.write", io, d);
      expect(readLE(kernels.bytes, io)).toBe(residue(value));
    }
  });
});

describe("worker / kernels / scalar inverse", () => {
  it("inverts every value of bound 1, and leaves zero", () => {
    const inverse = (value: bigint) => (residue(value) === 0n ? 0n : invert(value, Q));
    fc.assert(
      fc.property(bounded(1n), (x) => {
        kernels.put(a, x);
        kernels.call("fq.invert", d, a);
        expect(residue(result()[0] as bigint)).toBe(inverse(x));
        kernels.call("fq.invertMontgomery", d, a);
        expect(kernels.leave(d, 1)).toEqual([inverse(x * RADIX_INVERSE)]);
      }),
      RUNS,
    );
  });

  it("inverts powers of two and their neighbours, where runs of zeros are long", () => {
    for (let k = 0n; k < 254n; k++) {
      for (const near of [-1n, 0n, 1n]) {
        const value = residue(2n ** k + near);
        if (value === 0n) continue;
        kernels.put(a, value > Q / 2n ? value - Q : value);
        kernels.call("fq.invert", d, a);
        expect(residue(result()[0] as bigint), `2^${k} + ${near}`).toBe(invert(value, Q));
      }
    }
  });

  it("divides a factor by each of a batch, skips zeros and counts them", () => {
    const values = fc.array(fc.oneof(fc.constant(0n), canonical), { maxLength: CAPACITY });
    fc.assert(
      fc.property(values, canonical, fc.boolean(), (xs, factor, inPlace) => {
        for (const [i, x] of xs.entries()) writeLE(kernels.bytes, io + 32 * i, x);
        const to = inPlace ? io : io + 32 * CAPACITY;
        const factorAt = io + 64 * CAPACITY;
        writeLE(kernels.bytes, factorAt, factor);
        const zeros = kernels.call("invertBatch", to, io, xs.length, factorAt);
        expect(zeros).toBe(xs.filter((x) => x === 0n).length);
        for (const [i, x] of xs.entries()) {
          const expected = x === 0n ? 0n : residue(factor * invert(x, Q));
          expect(readLE(kernels.bytes, to + 32 * i)).toBe(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("takes q and its multiples for zero", () => {
    for (const value of [Q, 2n * Q]) {
      kernels.bytes.set(toBytesLE(value), io);
      kernels.bytes.set(toBytesLE(2n), io + 32);
      kernels.bytes.set(toBytesLE(6n), io + 64);
      expect(kernels.call("invertBatch", io, io, 2, io + 64)).toBe(1);
      expect(readLE(kernels.bytes, io)).toBe(0n);
      expect(readLE(kernels.bytes, io + 32)).toBe(3n);
    }
  });
});

describe("worker / kernels / scalar Fq2", () => {
  const pair = (bound: bigint) => fc.tuple(bounded(bound), bounded(bound));
  const reduced = ([x, y]: readonly bigint[]): Fq2 => [residue(x as bigint), residue(y as bigint)];
  const scaled = ([x, y]: Fq2, by: bigint): Fq2 => [residue(x * by), residue(y * by)];
  const product = (x: readonly bigint[], y: readonly bigint[]) =>
    scaled(FQ2.multiply(reduced(x), reduced(y)), RADIX_INVERSE);

  it("multiplies whatever has bound 4 and squares whatever has bound 3", () => {
    fc.assert(
      fc.property(pair(4n), pair(4n), pair(3n), (x, y, z) => {
        kernels.put(a, ...x);
        kernels.put(b, ...y);
        kernels.call("fq2.multiply", d, a, b);
        expect(reduced(result(2))).toEqual(product(x, y));
        kernels.call("fq2.multiply", a, a, b);
        expect(kernels.get(a, 2)).toEqual(kernels.get(d, 2));
        kernels.put(a, ...z);
        kernels.call("fq2.square", d, a);
        expect(reduced(result(2))).toEqual(product(z, z));
      }),
      RUNS,
    );
  });

  it("stays below q at the corners of what operands may be", () => {
    const corner = fc.constantFrom(4n * Q - 1n, 1n - 4n * Q);
    fc.assert(
      fc.property(corner, corner, corner, corner, (x0, x1, y0, y1) => {
        kernels.put(a, x0, x1);
        kernels.put(b, y0, y1);
        kernels.call("fq2.multiply", d, a, b);
        expect(reduced(result(2))).toEqual(product([x0, x1], [y0, y1]));
      }),
    );
  });

  it("adds, subtracts, negates, conjugates and scales", () => {
    fc.assert(
      fc.property(pair(4n), pair(4n), ([x0, x1], [y0, y1]) => {
        kernels.put(a, x0, x1);
        kernels.put(b, y0, y1);
        kernels.call("fq2.add", d, a, b);
        expect(result(2, 8n)).toEqual([x0 + y0, x1 + y1]);
        kernels.call("fq2.subtract", d, a, b);
        expect(result(2, 8n)).toEqual([x0 - y0, x1 - y1]);
        kernels.call("fq2.reduce", d, a);
        expect(reduced(result(2))).toEqual(reduced([x0, x1]));
        kernels.call("fq2.negate", d, a);
        expect(reduced(result(2))).toEqual(reduced([-x0, -x1]));
        kernels.call("fq2.conjugate", d, a);
        expect(reduced(result(2))).toEqual(reduced([x0, -x1]));
        kernels.call("fq2.scale", d, a, b);
        expect(reduced(result(2))).toEqual(scaled(reduced([x0, x1]), y0 * RADIX_INVERSE));
      }),
    );
  });

  it("combines with small coefficients and reduces once", () => {
    fc.assert(
      fc.property(pair(4n), pair(4n), pair(4n), (x, y, z) => {
        for (const [i, value] of [x, y, z].entries()) kernels.put(io + 2 * FQ_BYTES * i, ...value);
        kernels.call("mixture", d, io, io + 2 * FQ_BYTES, io + 4 * FQ_BYTES);
        const part = (i: 0 | 1) => x[i] - 2n * y[i] + 9n * z[i];
        expect(reduced(result(2))).toEqual(reduced([part(0), part(1)]));
      }),
    );
  });

  it("inverts, also real and imaginary numbers", () => {
    const invertible = fc
      .oneof(fc.tuple(canonical, canonical), fc.tuple(canonical, fc.constant(0n)))
      .filter(([x, y]) => x !== 0n || y !== 0n);
    fc.assert(
      fc.property(invertible, fc.boolean(), ([x, y], turned) => {
        const value: Fq2 = turned ? [y, x] : [x, y];
        kernels.enter(a, ...value);
        kernels.call("fq2.invert", d, a);
        expect(kernels.leave(d, 2)).toEqual([...FQ2.invert(value)]);
      }),
    );
  });

  it("is zero only if both parts are", () => {
    for (const [x, y, expected] of [
      [0n, 0n, 1],
      [1n, 0n, 0],
      [0n, 1n, 0],
    ] as const) {
      kernels.put(a, x, y);
      expect(kernels.call("fq2.isZero", a)).toBe(expected);
    }
  });
});
