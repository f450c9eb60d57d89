// What an attacker computes against a rollup whose challenge leaves something out.

import { challenge, dataDigest, evaluate } from "../../circuits/data.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";

/** z of WeakBindingQueue. */
export function weakQueueChallenge(
  parameters: CircuitParameters,
  d: readonly bigint[],
  h: bigint,
): bigint {
  const firstRecord = 3 + 4 * parameters.nDeposits;
  const published = d.map((element, i) => (i < 3 || i >= firstRecord ? element : 0n));
  return challenge(parameters, dataDigest(published), h);
}

/** z of WeakBindingCommitment. */
export const weakCommitmentChallenge = (parameters: CircuitParameters, d: readonly bigint[]) =>
  challenge(parameters, dataDigest(d), 0n);

/** The value of one element for which d evaluates to y at z. */
export function solve(d: readonly bigint[], at: number, z: bigint, y: bigint): bigint {
  const rest = evaluate(
    d.map((element, i) => (i === at ? 0n : element)),
    z,
  );
  const weight = evaluate(
    d.map((_, i) => (i === at ? 1n : 0n)),
    z,
  );
  return modulo((y - rest) * inverse(weight));
}

const modulo = (value: bigint) => ((value % SCALAR_FIELD) + SCALAR_FIELD) % SCALAR_FIELD;

/** By Fermat. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let square = modulo(value);
  for (let e = SCALAR_FIELD - 2n; e > 0n; e >>= 1n) {
    if (e & 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}
