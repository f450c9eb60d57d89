import type { CircuitParameters } from "../circuits/parameters.ts";
import type { PinnedArtefacts, PinnedFile } from "../worker/task.ts";
import { ProverError } from "./errors.ts";

/** A circuit that this process proves, with its files held to their hashes. */
export interface ServedCircuit {
  readonly id: string;
  /** Undefined: not a transfer batch. */
  readonly parameters: CircuitParameters | undefined;
  readonly artefacts: PinnedArtefacts & { readonly wasm: PinnedFile; readonly r1cs: PinnedFile };
  readonly verificationKey: PinnedFile;
  /** snarkjs's form, UTF-8. */
  readonly verificationKeyJson: Uint8Array;
  readonly publicSignalNames: readonly string[];
  readonly constraintCount: number;
  /** Values in a witness, the constant 1 included. */
  readonly wireCount: number;
  readonly domainLog2: number;
  readonly developmentKeys: boolean;
}

/** The circuits of this process, by id. */
export class CircuitRegistry {
  readonly #circuits: ReadonlyMap<string, ServedCircuit>;

  constructor(circuits: readonly ServedCircuit[]) {
    this.#circuits = new Map(
      [...circuits].sort((a, b) => (a.id < b.id ? -1 : 1)).map((circuit) => [circuit.id, circuit]),
    );
  }

  get all(): readonly ServedCircuit[] {
    return [...this.#circuits.values()];
  }

  get hasDevelopmentKeys(): boolean {
    return this.all.some(({ developmentKeys }) => developmentKeys);
  }

  /** @throws ProverError CIRCUIT_UNKNOWN */
  get(id: string): ServedCircuit {
    const circuit = this.#circuits.get(id);
    if (circuit !== undefined) return circuit;
    const known = [...this.#circuits.keys()].join(", ");
    // The id is the caller's text: shown up to the length that any circuit's name has.
    const description = `got ${JSON.stringify(id.slice(0, 64))}, expected one of ${known}`;
    throw new ProverError("CIRCUIT_UNKNOWN", `circuit_id: ${description}`, {
      violations: [{ field: "circuit_id", description }],
    });
  }
}
