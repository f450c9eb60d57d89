/**
 * BN254's groups G1 and G2 on bigints: membership, addition, multiplication. For the few points of a
 * verification key or a proof, and as the oracle of the engines; never for a key's long sections.
 *
 * G1: y^2 = x^3 + 3 over Fq, of prime order r.
 * G2: y^2 = x^3 + 3/(9+i) over Fq2 = Fq[i]/(i^2+1); the curve's order is r times a large cofactor,
 *     so a point on it must still be checked to lie in the subgroup of order r.
 * Parameters: EIP-196 and EIP-197. Formulas: hyperelliptic.org/EFD, short Weierstrass, a = 0,
 * Jacobian (dbl-2009-l, add-2007-bl). Not constant time.
 */
import { BASE_FIELD, invert, mod, SCALAR_FIELD } from "./field.ts";

/** real + imaginary * i, each canonical. */
export type Fq2 = readonly [real: bigint, imaginary: bigint];

/** Affine and canonical; (0, 0) is the point at infinity, as in a zkey and in the EVM. */
export interface Affine<T> {
  readonly x: T;
  readonly y: T;
}

export type G1Point = Affine<bigint>;
export type G2Point = Affine<Fq2>;

export interface Field<T> {
  readonly zero: T;
  readonly one: T;
  add(a: T, b: T): T;
  subtract(a: T, b: T): T;
  multiply(a: T, b: T): T;
  invert(a: T): T;
  equals(a: T, b: T): boolean;
}

export const FQ: Field<bigint> = {
  zero: 0n,
  one: 1n,
  add: (a, b) => mod(a + b, BASE_FIELD),
  subtract: (a, b) => mod(a - b, BASE_FIELD),
  multiply: (a, b) => (a * b) % BASE_FIELD,
  invert: (a) => invert(a, BASE_FIELD),
  equals: (a, b) => a === b,
};

export const FQ2: Field<Fq2> = {
  zero: [0n, 0n],
  one: [1n, 0n],
  add: (a, b) => [mod(a[0] + b[0], BASE_FIELD), mod(a[1] + b[1], BASE_FIELD)],
  subtract: (a, b) => [mod(a[0] - b[0], BASE_FIELD), mod(a[1] - b[1], BASE_FIELD)],
  multiply: (a, b) => [
    mod(a[0] * b[0] - a[1] * b[1], BASE_FIELD),
    (a[0] * b[1] + a[1] * b[0]) % BASE_FIELD,
  ],
  invert: (a) => {
    const norm = invert(a[0] * a[0] + a[1] * a[1], BASE_FIELD);
    return [(a[0] * norm) % BASE_FIELD, mod(-a[1] * norm, BASE_FIELD)];
  },
  equals: (a, b) => a[0] === b[0] && a[1] === b[1],
};

/** Jacobian: x = X/Z^2, y = Y/Z^3; Z = 0 is the point at infinity. */
interface Jacobian<T> {
  readonly x: T;
  readonly y: T;
  readonly z: T;
}

/** One of the two groups, over its coordinate field. */
export class Group<T> {
  readonly field: Field<T>;
  readonly generator: Affine<T>;
  readonly infinity: Affine<T>;
  readonly #b: T;

  constructor(field: Field<T>, b: T, generator: Affine<T>) {
    this.field = field;
    this.#b = b;
    this.generator = generator;
    this.infinity = { x: field.zero, y: field.zero };
  }

  isInfinity(p: Affine<T>): boolean {
    const { field } = this;
    return field.equals(p.x, field.zero) && field.equals(p.y, field.zero);
  }

  equals(p: Affine<T>, q: Affine<T>): boolean {
    return this.field.equals(p.x, q.x) && this.field.equals(p.y, q.y);
  }

  /** Whether a point with canonical coordinates satisfies the curve's equation (or is infinity). */
  isOnCurve(p: Affine<T>): boolean {
    if (this.isInfinity(p)) return true;
    const { multiply, add, equals } = this.field;
    const right = add(multiply(multiply(p.x, p.x), p.x), this.#b);
    return equals(multiply(p.y, p.y), right);
  }

  /** Whether a point lies on the curve and has an order that divides r. */
  isInSubgroup(p: Affine<T>): boolean {
    return this.isOnCurve(p) && this.#isZero(this.#times(this.#lift(p), SCALAR_FIELD));
  }

  negate(p: Affine<T>): Affine<T> {
    return { x: p.x, y: this.field.subtract(this.field.zero, p.y) };
  }

  add(p: Affine<T>, q: Affine<T>): Affine<T> {
    return this.#lower(this.#add(this.#lift(p), this.#lift(q)));
  }

  /** scalar * p, for a scalar >= 0; it is not reduced. */
  multiply(p: Affine<T>, scalar: bigint): Affine<T> {
    return this.#lower(this.#times(this.#lift(p), scalar));
  }

  /** The sum of factor * point. Factors >= 0. */
  sum(terms: Iterable<{ readonly point: Affine<T>; readonly factor: bigint }>): Affine<T> {
    let total = this.#lift(this.infinity);
    for (const { point, factor } of terms) {
      total = this.#add(total, this.#times(this.#lift(point), factor));
    }
    return this.#lower(total);
  }

  #lift(p: Affine<T>): Jacobian<T> {
    const { zero, one } = this.field;
    return this.isInfinity(p) ? { x: one, y: one, z: zero } : { x: p.x, y: p.y, z: one };
  }

  #lower(p: Jacobian<T>): Affine<T> {
    if (this.#isZero(p)) return this.infinity;
    const { multiply, invert } = this.field;
    const zInverse = invert(p.z);
    const zInverse2 = multiply(zInverse, zInverse);
    return { x: multiply(p.x, zInverse2), y: multiply(p.y, multiply(zInverse2, zInverse)) };
  }

  #isZero(p: Jacobian<T>): boolean {
    return this.field.equals(p.z, this.field.zero);
  }

  #times(p: Jacobian<T>, scalar: bigint): Jacobian<T> {
    let result = this.#lift(this.infinity);
    for (const bit of scalar.toString(2)) {
      result = this.#double(result);
      if (bit === "1") result = this.#add(result, p);
    }
    return result;
  }

  #double(p: Jacobian<T>): Jacobian<T> {
    const { add, subtract, multiply } = this.field;
    const a = multiply(p.x, p.x);
    const b = multiply(p.y, p.y);
    const c = multiply(b, b);
    const half = multiply(p.x, b);
    const d = add(add(half, half), add(half, half));
    const e = add(add(a, a), a);
    const x = subtract(multiply(e, e), add(d, d));
    const c4 = add(add(c, c), add(c, c));
    const y = subtract(multiply(e, subtract(d, x)), add(c4, c4));
    const z = multiply(p.y, p.z);
    return { x, y, z: add(z, z) };
  }

  #add(p: Jacobian<T>, q: Jacobian<T>): Jacobian<T> {
    if (this.#isZero(p)) return q;
    if (this.#isZero(q)) return p;
    const { add, subtract, multiply, equals } = this.field;
    const pz2 = multiply(p.z, p.z);
    const qz2 = multiply(q.z, q.z);
    const u1 = multiply(p.x, qz2);
    const u2 = multiply(q.x, pz2);
    const s1 = multiply(p.y, multiply(q.z, qz2));
    const s2 = multiply(q.y, multiply(p.z, pz2));
    if (equals(u1, u2)) {
      return equals(s1, s2) ? this.#double(p) : this.#lift(this.infinity);
    }
    const h = subtract(u2, u1);
    const h2 = multiply(h, h);
    const h3 = multiply(h, h2);
    const r = subtract(s2, s1);
    const v = multiply(u1, h2);
    const x = subtract(subtract(multiply(r, r), h3), add(v, v));
    const y = subtract(multiply(r, subtract(v, x)), multiply(s1, h3));
    return { x, y, z: multiply(multiply(p.z, q.z), h) };
  }
}

export const G1 = new Group<bigint>(FQ, 3n, { x: 1n, y: 2n });

export const G2 = new Group<Fq2>(FQ2, FQ2.multiply([3n, 0n], FQ2.invert([9n, 1n])), {
  x: [
    10857046999023057135944570762232829481370756359578518086990519993285655852781n,
    11559732032986387107991004021392285783925812861821192530917403151452391805634n,
  ],
  y: [
    8495653923123431417604973247489272438418190587263600148770280649306958101930n,
    4082367875863433681332203403145435568316851327593401208105741076214120093531n,
  ],
});
