/**
 * `manifest.json` pins what belongs together for one circuit: constraints, witness program, proving
 * key and verification key, each by its SHA-256. The set-up writes it last, so a folder with a
 * manifest is a finished one; whoever uses the files computes the hashes and refuses a difference.
 */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeWhole } from "../worker/binfile.ts";
import { WorkError } from "../worker/errors.ts";
import type { PinnedFile } from "../worker/task.ts";
import { verificationKeyToJson } from "../worker/verification-key.ts";
import { hashFile } from "./file-hash.ts";
import { CIRCUITS, type CircuitParameters } from "./parameters.ts";
import { assertUsableKey, type KeyPolicy, readKeyIdentity } from "./setup/usable-key.ts";

/** The files of a circuit's folder. */
export const FILE_NAMES = {
  r1cs: "circuit.r1cs",
  wasm: "circuit.wasm",
  zkey: "circuit.zkey",
  verificationKey: "verification_key.json",
} as const;

export type ArtefactName = keyof typeof FILE_NAMES;

/** SHA-256 of each file, 64 lower-case hexadecimal digits. */
export type ArtefactHashes = Readonly<Record<ArtefactName, string>>;

/** How the key was made, as far as it is known. */
export interface Ceremony {
  /** BLAKE2b-512 of the powers-of-tau file, lower-case hexadecimal. */
  readonly powersOfTau: string;
  /** Contributions of phase 2, the beacon included. */
  readonly contributions: number;
  /** The public randomness that closed phase 2, hexadecimal, and log2 of its hash iterations. */
  readonly beacon: string;
  readonly beaconIterationsLog2: number;
}

export interface Manifest {
  readonly formatVersion: 1;
  readonly circuitId: string;
  /** Absent for a circuit that is not a transfer batch. */
  readonly parameters?: Omit<CircuitParameters, "id">;
  readonly constraints: number;
  /** Values in a witness, the constant 1 included. */
  readonly wires: number;
  /** log2 of the key's evaluation domain. */
  readonly domainLog2: number;
  /** Names of the public signals, in the order of proofs and calldata. */
  readonly publicSignals: readonly string[];
  readonly keys: "dev" | "ceremony";
  /** With dev keys only: all their secrets follow from it. */
  readonly seed?: string;
  /** With ceremony keys only. */
  readonly ceremony?: Ceremony;
  readonly sha256: ArtefactHashes;
  /** Name to version of what made the files, for people who must find a difference. */
  readonly tools: Readonly<Record<string, string>>;
}

/** A circuit's files, checked, with what its manifest says. */
export interface Artefacts {
  readonly circuitId: string;
  /** Undefined for a circuit that is not a transfer batch. */
  readonly parameters: CircuitParameters | undefined;
  readonly constraints: number;
  readonly wires: number;
  readonly domainLog2: number;
  readonly publicSignals: readonly string[];
  readonly keys: "dev" | "ceremony";
  readonly r1cs: PinnedFile;
  readonly wasm: PinnedFile;
  readonly zkey: PinnedFile;
  readonly verificationKey: PinnedFile;
}

export type ArtefactErrorCode =
  /** There is no manifest or no such file: the set-up has not run, or not to its end. */
  | "ARTEFACT_MISSING"
  /** The manifest is not one, or contradicts the circuit table or the key. */
  | "MANIFEST_MALFORMED"
  /** A file is not the one that the manifest pins. */
  | "ARTEFACT_MISMATCH"
  /** Proofs under this key can be forged: a development key, or no phase-2 contribution. */
  | "KEY_REFUSED";

/** A circuit's files must not be used. */
export class ArtefactError extends Error {
  override readonly name = "ArtefactError";
  readonly code: ArtefactErrorCode;
  /** The file at fault. */
  readonly path: string;

  constructor(code: ArtefactErrorCode, path: string, problem: string, options?: ErrorOptions) {
    super(`${path}: ${problem}`, options);
    this.code = code;
    this.path = path;
  }
}

export const MANIFEST_NAME = "manifest.json";

/**
 * Loads a circuit's manifest and checks everything that it pins. Fails closed: there is no way to
 * get `Artefacts` of files that differ.
 *
 * The hashes are of the files as they are now. A process that uses a file later hashes the bytes
 * that it uses again (`readPinned` in worker/).
 *
 * @throws ArtefactError
 */
export async function loadArtefacts(dir: string, policy: KeyPolicy): Promise<Artefacts> {
  const manifest = await readManifest(dir);
  const { circuitId, constraints, wires, domainLog2, publicSignals, keys, sha256 } = manifest;
  await Promise.all(namesOf(FILE_NAMES).map((name) => checkHash(dir, name, sha256[name])));
  await checkKey(dir, manifest, policy);
  const pinned = (name: ArtefactName): PinnedFile => ({
    path: join(dir, FILE_NAMES[name]),
    sha256: sha256[name],
  });
  return {
    circuitId,
    parameters: manifest.parameters && { id: circuitId, ...manifest.parameters },
    constraints,
    wires,
    domainLog2,
    publicSignals,
    keys,
    r1cs: pinned("r1cs"),
    wasm: pinned("wasm"),
    zkey: pinned("zkey"),
    verificationKey: pinned("verificationKey"),
  };
}

/**
 * Reads and checks a manifest alone, not the files that it pins.
 *
 * @throws ArtefactError ARTEFACT_MISSING, MANIFEST_MALFORMED
 */
export async function readManifest(dir: string): Promise<Manifest> {
  const path = join(dir, MANIFEST_NAME);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const advice = "no readable manifest. Build the circuit (npm run build:circuits) or run set-up";
    throw new ArtefactError("ARTEFACT_MISSING", path, advice, { cause });
  }
  const problem = (what: string): never => {
    throw new ArtefactError("MANIFEST_MALFORMED", path, what);
  };
  return parseManifest(parseJson(text), problem);
}

/** Writes the manifest, whole or not at all. Call it when every file that it pins is in its place. */
export async function writeManifest(dir: string, manifest: Manifest): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeWhole(join(dir, MANIFEST_NAME), [Buffer.from(text)]);
}

/** SHA-256 of a circuit's files as they are. */
export async function hashArtefacts(dir: string): Promise<ArtefactHashes> {
  const hashed = namesOf(FILE_NAMES).map(
    async (name) => [name, await hashFile(join(dir, FILE_NAMES[name]), "sha256")] as const,
  );
  return Object.fromEntries(await Promise.all(hashed)) as ArtefactHashes;
}

async function checkHash(dir: string, name: ArtefactName, expected: string): Promise<void> {
  const path = join(dir, FILE_NAMES[name]);
  let got: string;
  try {
    got = await hashFile(path, "sha256");
  } catch (cause) {
    throw new ArtefactError("ARTEFACT_MISSING", path, "cannot be read. Run set-up again", {
      cause,
    });
  }
  if (got !== expected) {
    throw new ArtefactError(
      "ARTEFACT_MISMATCH",
      path,
      `got sha256 ${got}, expected ${expected} (${MANIFEST_NAME}). Restore the file or run set-up again`,
    );
  }
}

/** The key's own marks must agree with the manifest, and the policy must allow it. */
async function checkKey(dir: string, manifest: Manifest, policy: KeyPolicy): Promise<void> {
  const zkeyPath = join(dir, FILE_NAMES.zkey);
  const vkeyPath = join(dir, FILE_NAMES.verificationKey);
  try {
    const identity = await readKeyIdentity(zkeyPath);
    if (identity.isDevKey !== (manifest.keys === "dev")) {
      const [is, says] = identity.isDevKey ? ["is", "is not"] : ["is not", "is"];
      const problem = `${is} a development key, but the manifest says that it ${says}`;
      throw new ArtefactError("MANIFEST_MALFORMED", zkeyPath, problem);
    }
    assertUsableKey(identity, policy);
    const expected = verificationKeyToJson(identity.verificationKey);
    const got = recordOf(parseJson(await readFile(vkeyPath, "utf8")));
    for (const [field, value] of Object.entries(expected)) {
      if (JSON.stringify(got?.[field]) !== JSON.stringify(value)) {
        const problem = `${field} is not that of ${basename(zkeyPath)}. Run set-up again`;
        throw new ArtefactError("ARTEFACT_MISMATCH", vkeyPath, problem);
      }
    }
  } catch (error) {
    if (error instanceof WorkError) {
      const code = error.code === "KEY_REFUSED" ? "KEY_REFUSED" : "ARTEFACT_MISMATCH";
      throw new ArtefactError(code, zkeyPath, error.message, { cause: error });
    }
    throw error;
  }
}

function parseManifest(json: unknown, problem: (what: string) => never): Manifest {
  const manifest = recordOf(json) ?? problem("is not a JSON object");
  const { circuitId, publicSignals, keys, seed, ceremony, parameters } = manifest;
  if (manifest.formatVersion !== 1) {
    problem(`has format version ${JSON.stringify(manifest.formatVersion)}, expected 1`);
  }
  if (typeof circuitId !== "string" || !/^[a-z0-9][a-z0-9.-]{0,63}$/.test(circuitId)) {
    return problem("circuitId: expected 1 to 64 characters of a-z, 0-9, . and -");
  }
  for (const field of ["constraints", "wires", "domainLog2"] as const) {
    if (!isCount(manifest[field])) problem(`${field}: expected a whole number`);
  }
  if (!Array.isArray(publicSignals) || !publicSignals.every((name) => typeof name === "string")) {
    problem("publicSignals: expected a list of names");
  }
  if (keys !== "dev" && keys !== "ceremony") problem('keys: expected "dev" or "ceremony"');
  if ((keys === "dev") !== (typeof seed === "string")) problem("seed: belongs to dev keys only");
  if ((keys === "ceremony") !== (recordOf(ceremony) !== undefined)) {
    problem("ceremony: belongs to ceremony keys only");
  }
  const sha256 = recordOf(manifest.sha256) ?? problem("sha256: expected an object");
  for (const name of namesOf(FILE_NAMES)) {
    const hash = sha256[name];
    if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) {
      problem(`sha256.${name}: expected 64 hexadecimal digits`);
    }
  }
  if (parameters !== undefined) checkParameters(circuitId, parameters, problem);
  else if (CIRCUITS.some(({ id }) => id === circuitId)) {
    problem(`parameters: expected those of ${circuitId}`);
  }
  return manifest as unknown as Manifest;
}

/** A known id stands for its parameters: a folder cannot give it others. */
function checkParameters(id: string, json: unknown, problem: (what: string) => never): void {
  const got = recordOf(json) ?? problem("parameters: expected an object");
  for (const field of ["nTx", "levels", "nDeposits", "top"] as const) {
    const known = CIRCUITS.find((circuit) => circuit.id === id)?.[field];
    if (!isCount(got[field]) || (known !== undefined && got[field] !== known)) {
      const wanted = known === undefined ? "a whole number" : `${known} for ${id}`;
      problem(`parameters.${field}: got ${JSON.stringify(got[field])}, expected ${wanted}`);
    }
  }
}

/** Undefined for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function recordOf(json: unknown): Record<string, unknown> | undefined {
  const isRecord = typeof json === "object" && json !== null && !Array.isArray(json);
  return isRecord ? (json as Record<string, unknown>) : undefined;
}

function namesOf<T extends object>(table: T): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}
