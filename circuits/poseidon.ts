import {
  poseidon1,
  poseidon2,
  poseidon3,
  poseidon4,
  poseidon5,
  poseidon6,
  poseidon7,
  poseidon8,
  poseidon9,
  poseidon10,
  poseidon11,
  poseidon12,
  poseidon13,
  poseidon14,
  poseidon15,
  poseidon16,
} from "poseidon-lite";
import { isElement } from "./field.ts";

type Permutation = (inputs: bigint[]) => bigint;

const BY_INPUT_COUNT: readonly Permutation[] = [
  poseidon1,
  poseidon2,
  poseidon3,
  poseidon4,
  poseidon5,
  poseidon6,
  poseidon7,
  poseidon8,
  poseidon9,
  poseidon10,
  poseidon11,
  poseidon12,
  poseidon13,
  poseidon14,
  poseidon15,
  poseidon16,
];

/**
 * Poseidon over BN254's scalar field, as circomlib's `Poseidon(n)`: x^5, capacity element 0, first output.
 *
 * Grassi, Khovratovich, Rechberger, Roy, Schofnegger, "Poseidon", eprint.iacr.org/2019/458.
 * Other libraries reduce an input >= r; here it is refused, because two inputs with one hash are a collision.
 *
 * @param inputs 1 to 16 field elements.
 * @throws RangeError if the count or an element is out of range.
 */
export function poseidon(inputs: readonly bigint[]): bigint {
  const permutation = BY_INPUT_COUNT[inputs.length - 1];
  if (permutation === undefined) {
    throw new RangeError(`poseidon: got ${inputs.length} inputs, expected 1 to 16`);
  }
  const refused = inputs.findIndex((input) => !isElement(input));
  if (refused >= 0) {
    throw new RangeError(
      `poseidon: input ${refused} is not a field element, reduce it mod r first`,
    );
  }
  return permutation(inputs as bigint[]);
}
