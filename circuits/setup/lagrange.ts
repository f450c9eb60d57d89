import { invert, mod, power, SCALAR_FIELD, SCALAR_TWO_ADICITY } from "../../worker/field.ts";

/** A generator of the multiplicative group of BN254's scalar field. */
const GENERATOR = 5n;

/**
 * Lagrange polynomials of a domain of roots of unity, all evaluated at one point:
 * L_i(tau) = (tau^m - 1)/m * x_i/(tau - x_i) with x_i = w^i and m = 2^domainLog2.
 *
 * @param odd  only the odd indices 1, 3, 5, ... (the other coset of the half domain).
 * @returns    2^domainLog2 values in [0, r), or half as many when `odd`.
 * @throws RangeError if tau lies in the domain, where the formula has no value, or if the field has
 *   no domain of this size.
 *
 * Cost: one inversion and about 7 multiplications a value.
 */
export function lagrangeValues(domainLog2: number, tau: bigint, odd = false): bigint[] {
  const size = 2 ** domainLog2;
  const root = rootOfUnity(domainLog2);
  const vanishing = mod(power(tau, BigInt(size), SCALAR_FIELD) - 1n, SCALAR_FIELD);
  if (vanishing === 0n) throw new RangeError("tau lies in the domain; choose another seed");
  const scale = (vanishing * invert(BigInt(size), SCALAR_FIELD)) % SCALAR_FIELD;

  const step = odd ? (root * root) % SCALAR_FIELD : root;
  const count = odd ? size / 2 : size;
  const points: bigint[] = [];
  for (let i = 0, x = odd ? root : 1n; i < count; i++, x = (x * step) % SCALAR_FIELD) {
    points.push(x);
  }
  const inverses = invertEach(points.map((x) => mod(tau - x, SCALAR_FIELD)));
  return points.map((x, i) => {
    const fraction = (x * (inverses[i] as bigint)) % SCALAR_FIELD;
    return (scale * fraction) % SCALAR_FIELD;
  });
}

/**
 * A primitive root of unity of order 2^log2. All are powers of one another: the square of the root
 * for k + 1 is the root for k. circom's provers (ffjavascript, rapidsnark) use these same roots.
 */
function rootOfUnity(log2: number): bigint {
  if (log2 > SCALAR_TWO_ADICITY) {
    throw new RangeError(`domain: got 2^${log2}, expected at most 2^${SCALAR_TWO_ADICITY}`);
  }
  return power(GENERATOR, (SCALAR_FIELD - 1n) >> BigInt(log2), SCALAR_FIELD);
}

/** The inverse of each value (none may be 0) for one inversion: Montgomery's trick. */
function invertEach(values: readonly bigint[]): bigint[] {
  const before: bigint[] = [];
  let product = 1n;
  for (const value of values) {
    before.push(product);
    product = (product * value) % SCALAR_FIELD;
  }
  const inverses = new Array<bigint>(values.length);
  let rest = invert(product, SCALAR_FIELD);
  for (let i = values.length - 1; i >= 0; i--) {
    inverses[i] = (rest * (before[i] as bigint)) % SCALAR_FIELD;
    rest = (rest * (values[i] as bigint)) % SCALAR_FIELD;
  }
  return inverses;
}
