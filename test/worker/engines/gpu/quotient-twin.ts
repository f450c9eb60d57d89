/**
 * The quotient by bigints and a fast transform, for domains that `referenceQuotient` takes minutes for;
 * tested against that one.
 */
import { invert, mod, power, readLE, SCALAR_FIELD } from "../../../../worker/field.ts";
import { COEFFICIENT_BYTES, type Zkey } from "../../../../worker/zkey.ts";

const P = SCALAR_FIELD;
const rootOf = (order: number) => power(5n, (P - 1n) / BigInt(order), P);

export function quotientTwin(
  { coefficients, domainSize: n }: Pick<Zkey, "coefficients" | "domainSize">,
  witness: Uint8Array,
): bigint[] {
  const rows = [0, 1].map(() => new Array<bigint>(n).fill(0n)) as [bigint[], bigint[]];
  const view = new DataView(coefficients.buffer, coefficients.byteOffset);
  const scale = invert(2n ** 512n, P);
  for (let at = 0; at < coefficients.length; at += COEFFICIENT_BYTES) {
    const of = rows[view.getUint32(at, true)] as bigint[];
    const row = view.getUint32(at + 4, true);
    const wire = readLE(witness, 32 * view.getUint32(at + 8, true));
    of[row] = ((of[row] as bigint) + readLE(coefficients, at + 12) * wire) % P;
  }
  const [a, b] = rows.map((values) => values.map((x) => (x * scale) % P)) as [bigint[], bigint[]];
  const c = a.map((x, i) => (x * (b[i] as bigint)) % P);
  const [onA, onB, onC] = [a, b, c].map(toCoset) as [bigint[], bigint[], bigint[]];
  return onA.map((x, i) => mod(x * (onB[i] as bigint) - (onC[i] as bigint), P));
}

function toCoset(values: readonly bigint[]): bigint[] {
  const n = values.length;
  const [w, g] = [rootOf(n), rootOf(2 * n)];
  const scale = invert(BigInt(n), P);
  const polynomial = transformed(values, invert(w, P));
  let shift = scale;
  return transformed(
    polynomial.map((x) => {
      const shifted = (x * shift) % P;
      shift = (shift * g) % P;
      return shifted;
    }),
    w,
  );
}

/** Values of the polynomial at the powers of the root: by its even and its odd coefficients. */
function transformed(coefficients: readonly bigint[], root: bigint): bigint[] {
  const n = coefficients.length;
  if (n === 1) return [...coefficients];
  const square = (root * root) % P;
  const even = transformed(
    coefficients.filter((_, i) => i % 2 === 0),
    square,
  );
  const odd = transformed(
    coefficients.filter((_, i) => i % 2 === 1),
    square,
  );
  let x = 1n;
  const terms = odd.map((value) => {
    const term = (value * x) % P;
    x = (x * root) % P;
    return term;
  });
  return [
    ...even.map((value, i) => (value + (terms[i] as bigint)) % P),
    ...even.map((value, i) => mod(value - (terms[i] as bigint), P)),
  ];
}
