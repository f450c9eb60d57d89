/**
 * The optimal ate pairing on BN254 as the definition has it: Vercauteren, "Optimal pairings",
 * eprint.iacr.org/2008/096, section IV; the curve in its parametrisation by Barreto and Naehrig.
 *
 * Fq12 is Fq[w] / (w^12 - 18 w^6 + 82), where w^6 = 9 + i, so that i = w^6 - 9. G2 is moved to the
 * curve y^2 = x^3 + 3 over Fq12 by (x, y) -> (x w^2, y w^3). Everything is affine, the final
 * exponentiation is one long power: slow, and short enough to be read.
 */
import { type Fq2, G1, type G1Point, G2, type G2Point } from "../curve.ts";
import { BASE_FIELD, invert, mod, SCALAR_FIELD } from "../field.ts";

/** Twelve coefficients, lowest power of w first. */
type Fq12 = readonly bigint[];
interface Point12 {
  readonly x: Fq12;
  readonly y: Fq12;
}

/** The curve's parameter; q and r are polynomials in it. */
const T = 4965661367192848881n;
const LOOP = 6n * T + 2n;
const FINAL_EXPONENT = (BASE_FIELD ** 12n - 1n) / SCALAR_FIELD;

/** Whether the product of e(p, q) over the pairs is 1. */
export function isPairingProductOne(pairs: readonly (readonly [G1Point, G2Point])[]): boolean {
  let product = constant(1n);
  for (const [p, q] of pairs) {
    if (!G1.isInfinity(p) && !G2.isInfinity(q)) product = multiply(product, millerLoop(p, q));
  }
  return equals(power(product, FINAL_EXPONENT), constant(1n));
}

function millerLoop(p: G1Point, q: G2Point): Fq12 {
  const at: Point12 = { x: constant(p.x), y: constant(p.y) };
  const base: Point12 = { x: twist(q.x, 2), y: twist(q.y, 3) };
  let point = base;
  let value = constant(1n);
  const step = (other: Point12) => {
    const slope = slopeOf(point, other);
    // The line through both points, evaluated at p.
    const line = subtract(multiply(slope, subtract(at.x, point.x)), subtract(at.y, point.y));
    value = multiply(value, line);
    const x = subtract(subtract(multiply(slope, slope), point.x), other.x);
    point = { x, y: subtract(multiply(slope, subtract(point.x, x)), point.y) };
  };
  for (const bit of LOOP.toString(2).slice(1)) {
    value = multiply(value, value);
    step(point);
    if (bit === "1") step(base);
  }
  const first = frobenius(base);
  const second = frobenius(first);
  step(first);
  step({ x: second.x, y: subtract(constant(0n), second.y) });
  return value;
}

/** Of the line through two points, or of the tangent if they are the same. Never vertical here. */
function slopeOf(p: Point12, q: Point12): Fq12 {
  if (!equals(p.x, q.x)) return multiply(subtract(q.y, p.y), inverse(subtract(q.x, p.x)));
  const numerator = multiply(constant(3n), multiply(p.x, p.x));
  return multiply(numerator, inverse(multiply(constant(2n), p.y)));
}

function frobenius({ x, y }: Point12): Point12 {
  return { x: power(x, BASE_FIELD), y: power(y, BASE_FIELD) };
}

/** (a + b i) w^exponent, exponent < 6. */
function twist([a, b]: Fq2, exponent: number): Fq12 {
  const result = new Array<bigint>(12).fill(0n);
  result[exponent] = mod(a - 9n * b, BASE_FIELD);
  result[exponent + 6] = b;
  return result;
}

function constant(value: bigint): Fq12 {
  return [value, ...new Array<bigint>(11).fill(0n)];
}

function equals(a: Fq12, b: Fq12): boolean {
  return a.every((value, i) => value === b[i]);
}

function subtract(a: Fq12, b: Fq12): Fq12 {
  return a.map((value, i) => mod(value - (b[i] as bigint), BASE_FIELD));
}

function multiply(a: Fq12, b: Fq12): Fq12 {
  const product = new Array<bigint>(23).fill(0n);
  for (let i = 0; i < 12; i++) {
    for (let j = 0; j < 12; j++) {
      product[i + j] = (product[i + j] as bigint) + (a[i] as bigint) * (b[j] as bigint);
    }
  }
  for (let i = 22; i >= 12; i--) {
    // w^12 = 18 w^6 - 82.
    product[i - 6] = (product[i - 6] as bigint) + 18n * (product[i] as bigint);
    product[i - 12] = (product[i - 12] as bigint) - 82n * (product[i] as bigint);
  }
  return product.slice(0, 12).map((value) => mod(value, BASE_FIELD));
}

function power(base: Fq12, exponent: bigint): Fq12 {
  let result = constant(1n);
  for (const bit of exponent.toString(2)) {
    result = multiply(result, result);
    if (bit === "1") result = multiply(result, base);
  }
  return result;
}

/** Euclid's algorithm on polynomials: base and modulus have no common factor. */
function inverse(base: Fq12): Fq12 {
  let [low, high] = [
    [...base, 0n],
    [82n, 0n, 0n, 0n, 0n, 0n, -18n, 0n, 0n, 0n, 0n, 0n, 1n],
  ];
  let [lowFactor, highFactor] = [[1n], [0n]] as [bigint[], bigint[]];
  while (degree(low) > 0) {
    const shift = degree(high) - degree(low);
    if (shift < 0) {
      [low, high, lowFactor, highFactor] = [high, low, highFactor, lowFactor];
      continue;
    }
    const leading = low[degree(low)] as bigint;
    const ratio = mod((high[degree(high)] as bigint) * invert(leading, BASE_FIELD), BASE_FIELD);
    high = subtractShifted(high, low, ratio, shift);
    highFactor = subtractShifted(highFactor, lowFactor, ratio, shift);
    if (degree(high) < degree(low)) {
      [low, high, lowFactor, highFactor] = [high, low, highFactor, lowFactor];
    }
  }
  const scale = invert(low[0] as bigint, BASE_FIELD);
  return Array.from({ length: 12 }, (_, i) => mod((lowFactor[i] ?? 0n) * scale, BASE_FIELD));
}

function degree(polynomial: readonly bigint[]): number {
  return polynomial.findLastIndex((value) => value !== 0n);
}

/** a - ratio * b * w^shift, without reduction by the modulus polynomial. */
function subtractShifted(
  a: readonly bigint[],
  b: readonly bigint[],
  ratio: bigint,
  shift: number,
): bigint[] {
  const result = [...a];
  for (const [i, value] of b.entries()) {
    result[i + shift] = mod((result[i + shift] ?? 0n) - ratio * value, BASE_FIELD);
  }
  return Array.from(result, (value) => value ?? 0n);
}
