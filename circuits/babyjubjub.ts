// BabyJubJub (ERC-2494): the twisted Edwards curve 168700 x^2 + y^2 = 1 + 168696 x^2 y^2 over BN254's scalar field.
// The group has 8 * l elements, l = SUBGROUP_ORDER prime. 168700 is a square and 168696 is not, so the addition law
// below is complete: it holds for every two points of the curve.
//
// Inside, a point is (X : Y : Z) with x = X/Z, y = Y/Z: one inversion for a whole multiplication.
// Bernstein, Birkner, Joye, Lange, Peters, "Twisted Edwards Curves", section 6, eprint.iacr.org/2008/013.
// Not constant time: see docs/data-encoding.md, "Wallet".
import { SCALAR_FIELD } from "../worker/field.ts";
import { isElement, toElement } from "./field.ts";

export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** Order l of the prime subgroup. */
export const SUBGROUP_ORDER =
  2736030358979909402780800718157159386076813972158567259200215660948447373041n;

/** The generator of the prime subgroup that circomlib uses: eight times the curve's generator. */
export const BASE8: Point = {
  x: 5299619240641551281634865583518297030282874472190772894086521144482721001553n,
  y: 16950150798460657717958625567821834550301663161624707787222815936182638968203n,
};

export const IDENTITY: Point = { x: 0n, y: 1n };

const A = 168700n;
const D = 168696n;

interface Projective {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
}

const PROJECTIVE_IDENTITY: Projective = { x: 0n, y: 1n, z: 1n };

/** True for two canonical field elements that satisfy the curve's equation. */
export function isOnCurve(point: Point): boolean {
  if (!isElement(point.x) || !isElement(point.y)) return false;
  const xx = (point.x * point.x) % SCALAR_FIELD;
  const yy = (point.y * point.y) % SCALAR_FIELD;
  return (A * xx + yy - 1n - D * xx * yy) % SCALAR_FIELD === 0n;
}

/** p + q for points of the curve. */
export function addPoints(p: Point, q: Point): Point {
  return toAffine(add({ ...p, z: 1n }, { ...q, z: 1n }));
}

/**
 * scalar * point for a point of the curve.
 *
 * @throws RangeError if the scalar is negative.
 */
export function multiplyPoint(scalar: bigint, point: Point): Point {
  if (scalar < 0n) throw new RangeError("multiplyPoint: the scalar is negative");
  const base = { ...point, z: 1n };
  let sum = PROJECTIVE_IDENTITY;
  for (const bit of scalar.toString(2)) {
    sum = double(sum);
    if (bit === "1") sum = add(sum, base);
  }
  return toAffine(sum);
}

/** 8 * point: the part of a point of the curve that lies in the prime subgroup, times eight. */
export function clearCofactor(point: Point): Point {
  return toAffine(double(double(double({ ...point, z: 1n }))));
}

// a = Z1 Z2, b = a^2, c = X1 X2, d = Y1 Y2, e = D c d, f = b - e, g = b + e,
// X3 = a f ((X1 + Y1)(X2 + Y2) - c - d), Y3 = a g (d - A c), Z3 = f g
function add(p: Projective, q: Projective): Projective {
  const a = (p.z * q.z) % SCALAR_FIELD;
  const b = (a * a) % SCALAR_FIELD;
  const c = (p.x * q.x) % SCALAR_FIELD;
  const d = (p.y * q.y) % SCALAR_FIELD;
  const e = (D * c * d) % SCALAR_FIELD;
  const f = b - e;
  const g = b + e;
  return {
    x: (((a * f) % SCALAR_FIELD) * ((p.x + p.y) * (q.x + q.y) - c - d)) % SCALAR_FIELD,
    y: (((a * g) % SCALAR_FIELD) * (d - A * c)) % SCALAR_FIELD,
    z: (f * g) % SCALAR_FIELD,
  };
}

// b = (X + Y)^2, c = X^2, d = Y^2, e = A c, f = e + d, j = f - 2 Z^2,
// X3 = (b - c - d) j, Y3 = f (e - d), Z3 = f j
function double(p: Projective): Projective {
  const c = (p.x * p.x) % SCALAR_FIELD;
  const d = (p.y * p.y) % SCALAR_FIELD;
  const e = A * c;
  const f = (e + d) % SCALAR_FIELD;
  const j = (f - 2n * p.z * p.z) % SCALAR_FIELD;
  return {
    x: (((2n * p.x * p.y) % SCALAR_FIELD) * j) % SCALAR_FIELD,
    y: (f * (e - d)) % SCALAR_FIELD,
    z: (f * j) % SCALAR_FIELD,
  };
}

function toAffine(p: Projective): Point {
  const inverse = invert(toElement(p.z));
  return { x: toElement(p.x * inverse), y: toElement(p.y * inverse) };
}

/** 1 / value mod r by Euclid's algorithm; value is not zero. */
function invert(value: bigint): bigint {
  let [a, b] = [value, SCALAR_FIELD];
  let [x, y] = [1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return toElement(x);
}
