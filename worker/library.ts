/**
 * What `import … from "proofmill"` gives: files in, snarkjs's JSON out. In Node it takes the place of
 * `snarkjs.groth16`.
 *
 * ```ts
 * await using key = await loadKey("circuit.zkey");
 * const { proof, publicSignals } = await prove(key, "witness.wtns");
 * ```
 *
 * The second half of this file is the list of everything else that is public. What is not in it may
 * change in any version.
 */

// `await using` in declarations, for a compiler whose default library does not have it yet.
/// <reference lib="esnext.disposable" preserve="true" />
import { createHash } from "node:crypto";
import type { LoadKeyOptions, ProvingKey } from "./backend.ts";
import { WorkError } from "./errors.ts";
import { type FileSource, isOnDisk, locate, readSource } from "./file-source.ts";
import { type OnProgress, verify as verifyProof } from "./groth16.ts";
import { LeastRecentlyUsed } from "./least-recently-used.ts";
import {
  type ProofJson,
  proofFromJson,
  proofToJson,
  publicSignalsFromJson,
  publicSignalsToJson,
} from "./proof.ts";
import { ProofVerifier } from "./proof-verifier.ts";
import { type OpenOptions, Prover } from "./prover.ts";
import { solidityCallData } from "./solidity.ts";
import { discard } from "./spent-bytes.ts";
import {
  type VerificationKeyJson,
  verificationKeyFromJson,
  verificationKeyToJson,
} from "./verification-key.ts";
import { type CircuitInputs, WitnessProgram } from "./witness.ts";
import { encodeWtns } from "./wtns.ts";

/** How a key is loaded: which engine, how many threads, whether it may be a development key. */
export interface KeyOptions extends OpenOptions, LoadKeyOptions {}

export interface ProofOptions {
  /** Aborting makes the call throw CANCELLED soon. Needs threads: a single one is blocked. */
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** The circuit's `.r1cs`: a proof that fails is then explained by the constraint. */
  readonly r1cs?: FileSource;
}

/** snarkjs's `proof.json` and `public.json`, parsed. */
export interface ProofWithSignals {
  readonly proof: ProofJson;
  readonly publicSignals: string[];
}

/** A proving key in memory, with the threads that prove under it. Close it, or say `await using`. */
export class LoadedKey implements AsyncDisposable {
  readonly #prover: Prover;
  readonly #key: ProvingKey;
  /** Asked for and not ended; some of them still read their files. */
  readonly #proofs = new Set<Promise<unknown>>();
  #isClosed = false;

  private constructor(prover: Prover, key: ProvingKey) {
    this.#prover = prover;
    this.#key = key;
  }

  /** As `loadKey`. */
  static async load(zkey: FileSource, options: KeyOptions = {}): Promise<LoadedKey> {
    const source = locate(zkey);
    const prover = await Prover.open(options);
    try {
      return new LoadedKey(prover, await prover.loadKey(source, options));
    } catch (error) {
      await prover.close();
      throw error;
    }
  }

  /** Which engine computes, such as "wasm (fma, revectorized)". */
  get engineName(): string {
    return this.#prover.engineName;
  }

  /** Whether its secrets are public, so that its proofs show nothing. */
  get isDevKey(): boolean {
    return this.#key.isDevKey;
  }

  /** snarkjs's `verification_key.json`, as `snarkjs.zKey.exportVerificationKey` gives it. */
  get verificationKey(): VerificationKeyJson {
    return verificationKeyToJson(this.#key.verificationKey);
  }

  /** As `prove`. Several calls at once get one thread each, one alone gets all. */
  async prove(wtns: FileSource, options: ProofOptions = {}): Promise<ProofWithSignals> {
    if (this.#isClosed) throw new WorkError("ENGINE_UNAVAILABLE", "the key is closed");
    const proof = this.#prove(wtns, options);
    this.#proofs.add(proof);
    try {
      return await proof;
    } finally {
      this.#proofs.delete(proof);
    }
  }

  async #prove(
    wtns: FileSource,
    { signal, onProgress, r1cs }: ProofOptions,
  ): Promise<ProofWithSignals> {
    const bytes = await readSource("witness", wtns);
    try {
      const { proof, publicSignals } = await this.#prover.prove(this.#key, bytes, {
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
        ...(r1cs !== undefined && { r1cs: await readSource("r1cs", r1cs) }),
      });
      return { proof: proofToJson(proof), publicSignals: publicSignalsToJson(publicSignals) };
    } finally {
      if (isOnDisk(wtns)) discard(bytes);
    }
  }

  /**
   * Ends the threads, after the proofs that were asked for. The memory goes with the last reference.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#proofs);
    await this.#prover.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Reads and checks a `.zkey` file (Groth16 over BN254, from snarkjs or this product) and makes it
 * ready for any number of proofs. Until it is closed its threads keep the program alive.
 *
 * @param zkey  bytes that are given, rather than a path, must not change while the key is loaded.
 * @throws WorkError KEY_MALFORMED, KEY_REFUSED, ARTEFACT_MISMATCH, ENGINE_UNAVAILABLE
 */
export function loadKey(zkey: FileSource, options: KeyOptions = {}): Promise<LoadedKey> {
  return LoadedKey.load(zkey, options);
}

/**
 * Proves, and verifies the proof before it is returned: instead of `snarkjs.groth16.prove`.
 *
 * @param zkey     a loaded key; or a file, which is then loaded for this one proof.
 * @param wtns     a `.wtns` file of the key's circuit. Given bytes stay as they are; copies are wiped.
 * @param options  those of `KeyOptions` count only if `zkey` is a file.
 * @throws WorkError WITNESS_MALFORMED, WITNESS_UNSATISFIABLE, PROOF_REJECTED, CANCELLED; with a file
 *   as `loadKey`.
 */
export async function prove(
  zkey: LoadedKey | FileSource,
  wtns: FileSource,
  options: ProofOptions & KeyOptions = {},
): Promise<ProofWithSignals> {
  if (zkey instanceof LoadedKey) return zkey.prove(wtns, options);
  const key = await loadKey(zkey, options);
  try {
    return await key.prove(wtns, options);
  } finally {
    await key.close();
  }
}

/**
 * From inputs to the proof: instead of `snarkjs.groth16.fullProve`.
 *
 * @param inputs  values by the names of the circuit's input signals, each in [0, r).
 * @param wasm    circom's witness program.
 * @throws WorkError INPUT_MALFORMED, WITNESS_UNSATISFIABLE with the assertion that failed, or as
 *   `prove`.
 */
export async function fullProve(
  inputs: CircuitInputs,
  wasm: FileSource,
  zkey: LoadedKey | FileSource,
  options: ProofOptions & KeyOptions = {},
): Promise<ProofWithSignals> {
  const wtns = await calculateWitness(inputs, wasm);
  try {
    return await prove(zkey, wtns, options);
  } finally {
    discard(wtns);
  }
}

/**
 * The witness as a whole `.wtns` file: instead of `snarkjs.wtns.calculate`. It holds the circuit's
 * secrets. Computes in the calling thread, which is blocked meanwhile. The first call for a program
 * makes it ready, 0.2 s for 2^16 constraints; the four programs that were used last stay so.
 *
 * @throws WorkError as `fullProve`; ARTEFACT_MISMATCH if `wasm` is no program of circom 2.
 */
export async function calculateWitness(
  inputs: CircuitInputs,
  wasm: FileSource,
): Promise<Uint8Array> {
  const bytes = await readSource("witness program", wasm);
  const program = witnessProgram(bytes);
  try {
    const values = program.calculate(inputs);
    try {
      return encodeWtns(values);
    } finally {
      discard(values);
    }
  } finally {
    program.rest();
  }
}

/** Rewritten and compiled, or remembered: under the hash of its bytes, as a file may change. */
function witnessProgram(bytes: Uint8Array): WitnessProgram {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  let program = programs.get(sha256);
  if (program === undefined) {
    program = new WitnessProgram(new Uint8Array(bytes));
    programs.set(sha256, program);
  }
  return program;
}

/** Programs that are remembered: some megabytes of code each, and no memory. Not tuned. */
const MAX_PROGRAMS = 4;
const programs = new LeastRecentlyUsed<WitnessProgram>(MAX_PROGRAMS);

/**
 * Whether a proof shows these signals under this key: instead of `snarkjs.groth16.verify`. A proof or
 * a signal that is not in its canonical form is invalid, whatever is wrong with it.
 *
 * @param verificationKey  snarkjs's `verification_key.json`, parsed.
 * @param proof            snarkjs's `proof.json`, parsed.
 * @throws WorkError KEY_MALFORMED, KEY_REFUSED: the key is not the sender's to choose.
 */
export async function verify(
  verificationKey: object,
  publicSignals: readonly (string | bigint)[],
  proof: object,
): Promise<boolean> {
  const key = verificationKeyFromJson(verificationKey);
  try {
    // Whoever sends a proof may send anything.
    const texts = Array.isArray(publicSignals) ? publicSignals.map(decimal) : undefined;
    const signals = publicSignalsFromJson(texts);
    const points = proofFromJson(proof);
    verifier ??= new ProofVerifier();
    return await verifyProof(verifier, key, signals, points);
  } catch (error) {
    if (error instanceof WorkError && error.code === "PROOF_MALFORMED") return false;
    throw error;
  }
}

const decimal = (signal: string | bigint): string =>
  typeof signal === "bigint" ? String(signal) : signal;

/** Compiled by the first verification, then kept. */
let verifier: ProofVerifier | undefined;

/** For `import { groth16 } from "snarkjs"`: the same calls under the same names. */
export const groth16 = { prove, fullProve, verify, exportSolidityCallData: solidityCallData };

export type { LoadKeyOptions, ProveWtnsOptions, ProvingKey } from "./backend.ts";
export { WorkError, type WorkErrorCode, type WorkErrorDetail } from "./errors.ts";
export type { FileSource } from "./file-source.ts";
export type { OnProgress, Proved } from "./groth16.ts";
export {
  type Proof,
  type ProofJson,
  type ProofWords,
  proofFromJson,
  proofToJson,
  proofToWords,
  publicSignalsFromJson,
  publicSignalsToJson,
} from "./proof.ts";
export { type OpenOptions, Prover } from "./prover.ts";
export { solidityCallData, type VerifierArguments, verifierArguments } from "./solidity.ts";
export {
  type VerificationKey,
  type VerificationKeyJson,
  verificationKeyFromJson,
  verificationKeyToJson,
} from "./verification-key.ts";
export { type CircuitInputs, type InputValue, WitnessProgram } from "./witness.ts";
export { encodeWtns } from "./wtns.ts";
