/** Dimensions of one compiled circuit. Two circuits with different dimensions have different keys. */
export interface CircuitParameters {
  /** Name of the artefact folder and of the generated verifier. */
  readonly id: string;
  /** Transfer slots in a batch. */
  readonly nTx: number;
  /** Quaternary tree levels: 4^levels accounts, index 0 unused. */
  readonly levels: number;
  /** Slots for entries of the contract's queue. */
  readonly nDeposits: number;
  /** Levels below the root that are hashed once a batch and not once an update; 0 < top < levels. */
  readonly top: number;
}

/** A circuit that does not exist, cannot be compiled, or whose artefacts cannot be read. */
export class CircuitError extends Error {
  override readonly name = "CircuitError";
}

/**
 * Every circuit that can be built.
 *
 * `top`: each carried level costs two hashes of all its nodes a batch, and saves two hashes in every update of the
 * state. 2 is cheaper below about ten transfers, 3 above. How far each circuit fills its domain is in
 * `test/snapshots/constraints.json`.
 */
export const CIRCUITS: readonly CircuitParameters[] = [
  // Tests: 16 accounts, compiled and set up in seconds. 2^14.
  { id: "batch-tiny", nTx: 2, levels: 2, nDeposits: 1, top: 1 },
  // Quick start: 65,536 accounts, the most transfers that fit 2^16.
  { id: "batch-4", nTx: 4, levels: 8, nDeposits: 1, top: 2 },
  // The most transfers that fit 2^17, 2^18 and 2^19: benchmark and production.
  { id: "batch-9", nTx: 9, levels: 8, nDeposits: 1, top: 3 },
  { id: "batch-21", nTx: 21, levels: 8, nDeposits: 1, top: 3 },
  { id: "batch-45", nTx: 45, levels: 8, nDeposits: 1, top: 3 },
];

/**
 * The circuit of that name.
 *
 * @throws CircuitError if there is none.
 */
export function circuitParameters(id: string): CircuitParameters {
  const found = CIRCUITS.find((circuit) => circuit.id === id);
  if (found === undefined) {
    const known = CIRCUITS.map((circuit) => circuit.id).join(", ");
    throw new CircuitError(`Unknown circuit ${JSON.stringify(id)}; expected one of ${known}.`);
  }
  return found;
}
