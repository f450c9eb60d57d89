import { babyjubjub } from "@noble/curves/misc.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addPoints,
  BASE8,
  clearCofactor,
  IDENTITY,
  isOnCurve,
  multiplyPoint,
  type Point,
  SUBGROUP_ORDER,
} from "../../circuits/babyjubjub.ts";
import {
  isUsableKey,
  publicKeyOf,
  secretScalar,
  signMessage,
  verifySignature,
} from "../../circuits/eddsa.ts";
import { poseidon } from "../../circuits/poseidon.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { eddsaVectors } from "./vectors.ts";

const signatures = eddsaVectors().signatures.map((vector) => ({
  key: { ax: BigInt(vector.ax), ay: BigInt(vector.ay) },
  message: BigInt(vector.message),
  signature: { s: BigInt(vector.s), r8x: BigInt(vector.r8x), r8y: BigInt(vector.r8y) },
}));
const [{ key, message, signature }] = signatures as [(typeof signatures)[0]];

const element = () => fc.bigInt({ min: 0n, max: SCALAR_FIELD - 1n });
const scalar = () => fc.bigInt({ min: 0n, max: (1n << 254n) - 1n });

/** A point of order 8, from a point of the whole curve that noble finds, with its prime part cleared. */
function pointOfOrder8(): Point {
  for (let y = 2n; ; y++) {
    const bytes = new Uint8Array(32);
    bytes[0] = Number(y);
    try {
      const { x } = babyjubjub.Point.fromBytes(bytes).toAffine();
      const torsion = multiplyPoint(SUBGROUP_ORDER, { x, y });
      const half = multiplyPoint(4n, torsion);
      if (half.x !== IDENTITY.x || half.y !== IDENTITY.y) return torsion;
    } catch {
      // no point has this y
    }
  }
}

describe("circuits / babyjubjub", () => {
  it("equals circomlibjs for multiples of Base8", () => {
    for (const { scalar, x, y } of eddsaVectors().multiples) {
      expect(multiplyPoint(BigInt(scalar), BASE8), scalar).toEqual({ x: BigInt(x), y: BigInt(y) });
    }
  });

  it("equals noble's curve for sums and multiples", () => {
    const noble = babyjubjub.Point.fromAffine(BASE8);
    fc.assert(
      fc.property(scalar(), scalar(), (a, b) => {
        const [p, q] = [multiplyPoint(a, BASE8), multiplyPoint(b, BASE8)];
        const [np, nq] = [a, b].map((k) => noble.multiplyUnsafe(k % SUBGROUP_ORDER));
        expect(p).toEqual(np?.toAffine());
        expect(addPoints(p, q)).toEqual(nq && np?.add(nq).toAffine());
      }),
      { numRuns: 20 },
    );
  });

  it("adds a point to itself, to its negative and to the identity", () => {
    const negative = { x: SCALAR_FIELD - BASE8.x, y: BASE8.y };
    expect(addPoints(BASE8, BASE8)).toEqual(multiplyPoint(2n, BASE8));
    expect(addPoints(BASE8, negative)).toEqual(IDENTITY);
    expect(addPoints(BASE8, IDENTITY)).toEqual(BASE8);
    expect(multiplyPoint(0n, BASE8)).toEqual(IDENTITY);
    expect(multiplyPoint(SUBGROUP_ORDER, BASE8)).toEqual(IDENTITY);
  });

  it("takes a point only in canonical form", () => {
    expect(isOnCurve(BASE8)).toBe(true);
    expect(isOnCurve({ x: BASE8.x, y: BASE8.y + 1n })).toBe(false);
    expect(isOnCurve({ x: BASE8.x + SCALAR_FIELD, y: BASE8.y })).toBe(false);
    expect(isOnCurve({ x: BASE8.x - SCALAR_FIELD, y: BASE8.y })).toBe(false);
  });
});

describe("circuits / eddsa", () => {
  it("accepts signatures made by circomlibjs", () => {
    for (const [i, vector] of signatures.entries()) {
      expect(verifySignature(vector.key, vector.message, vector.signature), `${i}`).toBe(true);
    }
  });

  it("accepts what it signs, and signs the same twice", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), element(), (seed, message) => {
        const signed = signMessage(seed, message);
        expect(verifySignature(publicKeyOf(secretScalar(seed)), message, signed)).toBe(true);
        expect(signMessage(seed, message)).toEqual(signed);
        expect(signMessage(seed, (message + 1n) % SCALAR_FIELD).r8x).not.toBe(signed.r8x);
      }),
      { numRuns: 10 },
    );
  });

  it("refuses a signature with any one number changed", () => {
    const changed = [
      verifySignature({ ...key, ax: key.ax + 1n }, message, signature),
      verifySignature({ ...key, ay: key.ay + 1n }, message, signature),
      verifySignature({ ...key, ax: SCALAR_FIELD - key.ax }, message, signature),
      verifySignature(key, message + 1n, signature),
      verifySignature(key, message, { ...signature, s: signature.s + 1n }),
      verifySignature(key, message, { ...signature, r8x: SCALAR_FIELD - signature.r8x }),
      verifySignature(key, message, { ...signature, r8y: signature.r8y + 1n }),
    ];
    expect(changed).toEqual(changed.map(() => false));
  });

  it("refuses aliases: s plus the order, coordinates and message plus r", () => {
    const aliases = [
      verifySignature(key, message, { ...signature, s: signature.s + SUBGROUP_ORDER }),
      verifySignature(key, message, { ...signature, s: signature.s - SUBGROUP_ORDER }),
      verifySignature(key, message, { ...signature, r8x: signature.r8x + SCALAR_FIELD }),
      verifySignature({ ...key, ay: key.ay + SCALAR_FIELD }, message, signature),
      verifySignature(key, message + SCALAR_FIELD, signature),
    ];
    expect(aliases).toEqual(aliases.map(() => false));
  });

  it("refuses every key of small order, for which s = 0 and R8 = identity would solve the equation", () => {
    const generator = pointOfOrder8();
    const forged = { s: 0n, r8x: IDENTITY.x, r8y: IDENTITY.y };
    for (let k = 0n; k < 8n; k++) {
      const point = multiplyPoint(k, generator);
      expect(isOnCurve(point)).toBe(true);
      expect(clearCofactor(point)).toEqual(IDENTITY);
      const small = { ax: point.x, ay: point.y };
      expect(isUsableKey(small), `order ${k}`).toBe(false);
      expect(verifySignature(small, message, forged), `order ${k}`).toBe(false);
    }
  });

  it("accepts a key with a small-order part, as the circuit does: only 8A enters", () => {
    const secret = 6789n;
    const clean = publicKeyOf(secret);
    const mixed = addPoints({ x: clean.ax, y: clean.ay }, pointOfOrder8());
    const mixedKey = { ax: mixed.x, ay: mixed.y };
    const r8 = multiplyPoint(12345n, BASE8);
    const h = poseidon([r8.x, r8.y, mixed.x, mixed.y, message]);
    const s = (12345n + 8n * h * secret) % SUBGROUP_ORDER;
    expect(isUsableKey(mixedKey)).toBe(true);
    expect(verifySignature(mixedKey, message, { s, r8x: r8.x, r8y: r8.y })).toBe(true);
    expect(verifySignature(clean, message, { s, r8x: r8.x, r8y: r8.y })).toBe(false);
  });

  it("refuses R8 with a small-order part: the equation is checked without clearing it", () => {
    const nonce = 12345n;
    const secret = 6789n;
    const own = publicKeyOf(secret);
    const r8 = addPoints(multiplyPoint(nonce, BASE8), pointOfOrder8());
    const h = poseidon([r8.x, r8.y, own.ax, own.ay, message]);
    const s = (nonce + 8n * h * secret) % SUBGROUP_ORDER;
    expect(verifySignature(own, message, { s, r8x: r8.x, r8y: r8.y })).toBe(false);
  });

  it("is total on any numbers", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(), { minLength: 6, maxLength: 6 }), (numbers) => {
        const [ax, ay, any, s, r8x, r8y] = numbers as [
          bigint,
          bigint,
          bigint,
          bigint,
          bigint,
          bigint,
        ];
        expect(verifySignature({ ax, ay }, any, { s, r8x, r8y })).toBe(false);
      }),
    );
  });
});
