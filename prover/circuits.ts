import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ArtefactError, loadArtefacts, MANIFEST_NAME } from "../circuits/manifest.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { readShared } from "../worker/artefacts.ts";
import type { PinnedArtefacts, PinnedFile } from "../worker/task.ts";
import { ProverError } from "./errors.ts";
import type { CircuitKey } from "./job-store.ts";

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
  /** Accepted jobs are proved, new ones are not taken. */
  readonly isDraining: boolean;
}

/** What jobs of this circuit are bound to. */
export function circuitKey({ id, artefacts }: ServedCircuit): CircuitKey {
  return { circuitId: id, zkeySha256: artefacts.zkey.sha256 };
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

  /** Whether it is here, under that very key. */
  has({ circuitId, zkeySha256 }: CircuitKey): boolean {
    return this.#circuits.get(circuitId)?.artefacts.zkey.sha256 === zkeySha256;
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

/**
 * The circuit, if it takes new jobs.
 *
 * @throws ProverError CIRCUIT_DRAINING
 */
export function requireOpen(circuit: ServedCircuit, circuits: CircuitRegistry): void {
  if (!circuit.isDraining) return;
  const open = circuits.all.filter(({ isDraining }) => !isDraining).map(({ id }) => id);
  const description = `${circuit.id} takes no new jobs: a newer circuit takes its place. Open are ${open.join(", ") || "none"}`;
  throw new ProverError("CIRCUIT_DRAINING", `circuit_id: ${description}`, {
    violations: [{ field: "circuit_id", description }],
  });
}

export interface LoadOptions {
  /** Holds one folder of artefacts for each circuit. */
  readonly circuitsDir: string;
  /** Names of folders; empty: all that have a manifest. */
  readonly circuits: readonly string[];
  /** Names of folders that are loaded as well, and whose circuits take no new jobs. */
  readonly circuitsDraining: readonly string[];
  readonly allowDevKeys: boolean;
}

/**
 * Loads circuits and checks their files. One bad circuit is a failure of all: a server that lacks
 * a circuit it was told to serve should not start.
 *
 * @param onProgress  is told of each folder before it is read, and of the end with the last one's name.
 * @throws ArtefactError
 */
export async function loadCircuits(
  options: LoadOptions,
  onProgress: (folder: string, doneCount: number, totalCount: number) => void = () => {},
): Promise<CircuitRegistry> {
  const { circuitsDir, circuits, circuitsDraining } = options;
  const named = circuits.length > 0 ? circuits : await finishedFolders(circuitsDir);
  const folders = [...new Set([...named, ...circuitsDraining])];
  if (folders.length === 0) {
    throw new ArtefactError(
      "ARTEFACT_MISSING",
      circuitsDir,
      `no folder in it has a ${MANIFEST_NAME}. Build a circuit (npm run build:circuits) or set PROVER_CIRCUITS_DIR`,
    );
  }
  const loaded: ServedCircuit[] = [];
  // One after another: hashing a large key takes a core anyway.
  for (const folder of folders) {
    const dir = join(circuitsDir, folder);
    onProgress(folder, loaded.length, folders.length);
    const isDraining = circuitsDraining.includes(folder);
    const circuit = { ...(await loadCircuit(dir, options.allowDevKeys)), isDraining };
    // Which of them is meant, an old build or the new one, is not ours to guess.
    if (loaded.some(({ id }) => id === circuit.id)) {
      throw new ArtefactError(
        "MANIFEST_MALFORMED",
        join(dir, MANIFEST_NAME),
        `got circuit ${circuit.id} a second time, expected one folder for each circuit. Move this one away, or name the folders to serve in PROVER_CIRCUITS`,
      );
    }
    loaded.push(circuit);
    if (loaded.length === folders.length) onProgress(folder, loaded.length, folders.length);
  }
  return new CircuitRegistry(loaded);
}

async function loadCircuit(
  dir: string,
  allowDevKeys: boolean,
): Promise<Omit<ServedCircuit, "isDraining">> {
  const { circuitId, parameters, keys, r1cs, wasm, zkey, verificationKey, ...counts } =
    await loadArtefacts(dir, { allowDevKeys });
  return {
    id: circuitId,
    parameters,
    // In memory once for all threads; and a thread that is replaced can go on although somebody
    // builds the circuit anew on disk. The key is shared in another form (`key-ring.ts`), and the
    // constraints only explain a failure.
    artefacts: { r1cs, wasm: await shared(wasm), zkey },
    verificationKey: await shared(verificationKey),
    verificationKeyJson: await readFile(verificationKey.path),
    publicSignalNames: counts.publicSignals,
    constraintCount: counts.constraints,
    wireCount: counts.wires,
    domainLog2: counts.domainLog2,
    developmentKeys: keys === "dev",
  };
}

async function shared(file: PinnedFile): Promise<PinnedFile> {
  return { ...file, shared: await readShared(file.path) };
}

async function finishedFolders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const folders: string[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    if ((await readdir(join(dir, entry.name))).includes(MANIFEST_NAME)) folders.push(entry.name);
  }
  return folders;
}
