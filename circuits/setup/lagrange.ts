/**
 * Lagrange polynomials of a domain of roots of unity, all evaluated at one point tau:
 *
 *     L_i(tau) = (tau^m - 1)/m * x_i/(tau - x_i) = scale / (tau/x_i - 1),   x_i = w^i, m = 2^log2.
 *
 * So they are the inverses of a geometric sequence less 1, and that is how the kernels compute them:
 * the sequence by doubling what is there, all inverses with one inversion by a tree of products.
 */
import { rootOfUnity } from "../../worker/engines/wasm/quotient.ts";
import { invert, mod, power, SCALAR_FIELD, SCALAR_TWO_ADICITY } from "../../worker/field.ts";
import type { ScalarArrays } from "./scalar-arrays.ts";

/** scale / (first * ratio^i - 1) for i = 0 to count - 1. */
export interface Fractions {
  readonly first: bigint;
  readonly ratio: bigint;
  readonly scale: bigint;
  /** A power of two, at least 2. */
  readonly count: number;
}

/**
 * The values of all L_i.
 *
 * @throws RangeError if tau lies in the domain, where the formula has no value, or if the field has
 *   no domain of this size.
 */
export function lagrangeValues(domainLog2: number, tau: bigint): Fractions {
  const count = 2 ** domainLog2;
  const { root, scale } = domainOf(domainLog2, tau);
  return { first: tau, ratio: invert(root, SCALAR_FIELD), scale, count };
}

/**
 * Those of L_1, L_3, L_5, ...: of the coset that a domain has beside its half.
 *
 * @throws RangeError as `lagrangeValues`.
 */
export function oddLagrangeValues(domainLog2: number, tau: bigint): Fractions {
  const { root, scale } = domainOf(domainLog2, tau);
  const inverse = invert(root, SCALAR_FIELD);
  return {
    first: (tau * inverse) % SCALAR_FIELD,
    ratio: (inverse * inverse) % SCALAR_FIELD,
    scale,
    count: 2 ** (domainLog2 - 1),
  };
}

function domainOf(log2: number, tau: bigint) {
  if (log2 > SCALAR_TWO_ADICITY) {
    throw new RangeError(`domain: got 2^${log2}, expected at most 2^${SCALAR_TWO_ADICITY}`);
  }
  const size = 2 ** log2;
  const vanishing = mod(power(tau, BigInt(size), SCALAR_FIELD) - 1n, SCALAR_FIELD);
  if (vanishing === 0n) throw new RangeError("tau lies in the domain; choose another seed");
  const scale = (vanishing * invert(BigInt(size), SCALAR_FIELD)) % SCALAR_FIELD;
  return { root: rootOfUnity(size), scale };
}

/** Working memory for `count` fractions. */
export function takeFractions(arrays: ScalarArrays, count: number) {
  return { values: arrays.take(count), products: arrays.take(count) };
}

/**
 * Writes fractions, times a factor, as canonical integers.
 *
 * @param out  address of count x 32 B.
 */
export function writeFractions(
  arrays: ScalarArrays,
  { first, ratio, scale, count }: Fractions,
  factor: bigint,
  { values, products }: ReturnType<typeof takeFractions>,
  out: number,
): void {
  arrays.writePowers(values, count, first, ratio);
  arrays.subtractOne(values, count);
  arrays.invertEach(values, products, count, (scale * factor) % SCALAR_FIELD);
  arrays.pack(out, values, count);
}
