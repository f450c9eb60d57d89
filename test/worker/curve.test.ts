import { bn254 } from "@noble/curves/bn254.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FQ2, type Fq2, G1, G2 } from "../../worker/curve.ts";
import {
  BASE_FIELD,
  firstNotScalar,
  fromBytesBE,
  invert,
  mod,
  parseDecimal,
  power,
  readLE,
  SCALAR_FIELD,
  toBytesBE,
  toBytesLE,
} from "../../worker/field.ts";
import { scalarBytes } from "./synthetic-key.ts";

const scalar = fc.bigInt({ min: 0n, max: SCALAR_FIELD - 1n });
const coordinate = fc.bigInt({ min: 0n, max: BASE_FIELD - 1n });
const word = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });

/** The same multiple of the generator by noble, in our form. */
function nobleG1(k: bigint) {
  if (k === 0n) return G1.infinity;
  const { x, y } = bn254.G1.Point.BASE.multiply(k).toAffine();
  return { x, y };
}

function nobleG2(k: bigint) {
  if (k === 0n) return G2.infinity;
  const { x, y } = bn254.G2.Point.BASE.multiply(k).toAffine();
  return { x: [x.c0, x.c1] as Fq2, y: [y.c0, y.c1] as Fq2 };
}

describe("worker / field", () => {
  it("has noble's moduli", () => {
    expect(SCALAR_FIELD).toBe(bn254.fields.Fr.ORDER);
    expect(BASE_FIELD).toBe(bn254.fields.Fp.ORDER);
  });

  it("inverts, and refuses to invert zero", () => {
    fc.assert(
      fc.property(coordinate, (a) => {
        fc.pre(a !== 0n);
        expect(mod(a * invert(a, BASE_FIELD), BASE_FIELD)).toBe(1n);
        expect(invert(a - BASE_FIELD, BASE_FIELD)).toBe(power(a, BASE_FIELD - 2n, BASE_FIELD));
      }),
    );
    expect(() => invert(0n, BASE_FIELD)).toThrow(RangeError);
    expect(() => invert(BASE_FIELD, BASE_FIELD)).toThrow(RangeError);
  });

  it("keeps every 256-bit value through both byte orders", () => {
    fc.assert(
      fc.property(word, (value) => {
        expect(readLE(toBytesLE(value))).toBe(value);
        expect(fromBytesBE(toBytesBE(value))).toBe(value);
        expect(toBytesBE(value)).toEqual(toBytesLE(value).reverse());
      }),
    );
    expect(toBytesLE(1n)[0]).toBe(1);
    expect(toBytesBE(1n)[31]).toBe(1);
  });

  it("reads decimals that are canonical, and no others", () => {
    fc.assert(
      fc.property(scalar, (value) => {
        expect(parseDecimal(String(value), SCALAR_FIELD)).toBe(value);
      }),
    );
    const refused = ["", "-1", "+1", "01", "1.0", " 1", "0x1", String(SCALAR_FIELD), 1, 1n, null];
    for (const text of refused) expect(parseDecimal(text, SCALAR_FIELD), `${text}`).toBeUndefined();
    expect(parseDecimal(String(SCALAR_FIELD - 1n), SCALAR_FIELD)).toBe(SCALAR_FIELD - 1n);
  });

  it("finds the first value that is not below r", () => {
    const edge = [0n, SCALAR_FIELD - 1n, 0x30n << 248n];
    expect(firstNotScalar(scalarBytes(edge))).toBe(-1);
    for (const wild of [SCALAR_FIELD, SCALAR_FIELD + 1n, 2n ** 256n - 1n, 0x31n << 248n]) {
      expect(firstNotScalar(scalarBytes([...edge, wild, 0n])), `${wild}`).toBe(3);
    }
  });
});

describe("worker / curve", () => {
  it("multiplies and adds as noble does, in both groups", () => {
    fc.assert(
      fc.property(scalar, scalar, (a, b) => {
        expect(G1.multiply(G1.generator, a)).toEqual(nobleG1(a));
        expect(G2.multiply(G2.generator, a)).toEqual(nobleG2(a));
        const sum = mod(a + b, SCALAR_FIELD);
        expect(G1.add(nobleG1(a), nobleG1(b))).toEqual(nobleG1(sum));
        expect(G2.add(nobleG2(a), nobleG2(b))).toEqual(nobleG2(sum));
      }),
      { numRuns: 10 },
    );
  });

  it("adds a point to itself, to its opposite and to infinity", () => {
    const p = nobleG1(7n);
    expect(G1.add(p, p)).toEqual(nobleG1(14n));
    expect(G1.add(p, G1.negate(p))).toEqual(G1.infinity);
    expect(G1.add(p, G1.infinity)).toEqual(p);
    expect(G1.add(G1.infinity, p)).toEqual(p);
    expect(G1.negate(G1.infinity)).toEqual(G1.infinity);
    expect(G1.multiply(p, SCALAR_FIELD)).toEqual(G1.infinity);
    expect(G1.multiply(p, 0n)).toEqual(G1.infinity);
  });

  it("knows which coordinates are a point", () => {
    expect(G1.isOnCurve(nobleG1(5n))).toBe(true);
    expect(G1.isOnCurve({ x: 1n, y: 3n })).toBe(false);
    expect(G1.isOnCurve({ x: 0n, y: 1n })).toBe(false);
    expect(G2.isInSubgroup(nobleG2(5n))).toBe(true);
    expect(G2.isOnCurve({ x: [1n, 0n], y: [2n, 0n] })).toBe(false);
    expect(G1.isInSubgroup(G1.infinity)).toBe(true);
  });

  it("inverts in Fq2", () => {
    fc.assert(
      fc.property(coordinate, coordinate, (a, b) => {
        fc.pre(a !== 0n || b !== 0n);
        expect(FQ2.multiply([a, b], FQ2.invert([a, b]))).toEqual([1n, 0n]);
      }),
    );
  });
});
