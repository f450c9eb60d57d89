/**
 * The prover as a library: keys, witnesses and proofs as circom and snarkjs write them.
 *
 * ```ts
 * await using prover = await Prover.open();
 * const key = await prover.loadKey(await readFile("circuit.zkey"));
 * const { proof, publicSignals } = await prover.prove(key, await readFile("witness.wtns"));
 * await writeFile("proof.json", JSON.stringify(proofToJson(proof)));
 * ```
 *
 * A program that makes one proof at a time has it made on all cores; one that asks for several at
 * once gets more of them a second, each on one core.
 */
import { availableParallelism } from "node:os";
import type { Backend, LoadKeyOptions, ProveWtnsOptions, ProvingKey } from "./backend.ts";
import { type EngineChoice, openEngine } from "./engines/open.ts";
import { MAX_CREW } from "./engines/wasm/crew.ts";
import type { KeySource } from "./engines/wasm/key-load.ts";
import { Ensemble } from "./ensemble.ts";
import { WorkError } from "./errors.ts";
import { type Proved, verify } from "./groth16.ts";
import { chooseDevice } from "./hosting/choice.ts";
import { kernelsForThreads } from "./kernel-choice.ts";
import type { Proof } from "./proof.ts";
import { ProofVerifier } from "./proof-verifier.ts";
import { Solo } from "./solo.ts";
import type { VerificationKey } from "./verification-key.ts";

export interface OpenOptions {
  /**
   * How many threads to start: one a core ("all", the default) or a number, at most 256. "one"
   * starts none and computes in the calling thread, which is blocked meanwhile.
   */
  readonly threads?: "one" | "all" | number;
  /**
   * "vulkan": a GPU; "wasm": our kernels for processors; "auto" (the default): a GPU where there is one
   * that passes its self-test, else "wasm", which then also goes on where a GPU fails. "reference" is
   * their slow twin, in the calling thread. With `threads: "one"`, "auto" is "wasm".
   */
  readonly engine?: EngineChoice;
  /** Part of the name of the GPU to use, and the only way to a software device ("vulkan"). */
  readonly gpuDevice?: string;
  /** Kernels of the engine "wasm": the fastest that work here ("auto", the default), or by name. */
  readonly kernels?: "auto" | "fma" | "extmul";
  /** Whether the engine "wasm" may use V8's experimental revectorizer; true when left out. */
  readonly revectorize?: boolean;
}

/** Keys leave a device's memory when they are released. */
const HELD_ONLY = 0;

/** Owns threads: close it, or say `await using`. */
export class Prover implements AsyncDisposable {
  readonly #backend: Backend;
  #verifier: ProofVerifier | undefined;

  private constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** @throws WorkError ENGINE_UNAVAILABLE, also if the engine that is asked for by name does not work. */
  static async open(options: OpenOptions = {}): Promise<Prover> {
    const { threads = "all", engine = "auto", gpuDevice = "", ...kernels } = options;
    if (threads === "one" || engine === "reference") {
      const solo = engine === "auto" ? {} : { engine };
      return new Prover(new Solo(await openEngine({ ...solo, gpuDevice, ...kernels })));
    }
    const count = threadCount(threads);
    if (engine === "wasm")
      return new Prover(Ensemble.open(await kernelsForThreads(kernels), count));
    const wish = { engine, gpuDevice, keysMax: HELD_ONLY };
    const [device, chosen] = await Promise.allSettled([
      chooseDevice(wish),
      engine === "auto" ? kernelsForThreads(kernels) : undefined,
    ]);
    const found = device.status === "fulfilled" ? device.value : undefined;
    const keeper = found instanceof WorkError ? undefined : found;
    if (device.status === "rejected") throw device.reason;
    if (chosen.status === "rejected") {
      await keeper?.close();
      throw chosen.reason;
    }
    return new Prover(Ensemble.open(chosen.value, count, keeper));
  }

  /** Which engine computes now, such as "wasm (fma, revectorized)" or "vulkan (NVIDIA H200)". */
  get engineName(): string {
    return this.#backend.engineName;
  }

  /**
   * Checks a `.zkey` file and makes it ready. `key.release()` frees it.
   *
   * @param zkey  the whole file, which must not change until this returns; or where it is.
   * @throws WorkError KEY_MALFORMED, KEY_REFUSED, ARTEFACT_MISMATCH if it cannot be read
   */
  loadKey(zkey: KeySource, options: LoadKeyOptions = {}): Promise<ProvingKey> {
    return this.#backend.loadKey(zkey, options);
  }

  /**
   * Proves and verifies. Calls beyond the number of threads wait for their turn.
   *
   * @param wtns  the whole `.wtns` file; its bytes are the caller's and stay as they are, the copy
   *   made of them is wiped. Do not change them meanwhile.
   * @throws WorkError WITNESS_MALFORMED, WITNESS_UNSATISFIABLE, PROOF_REJECTED, CANCELLED,
   *   ENGINE_UNAVAILABLE if threads die over it
   */
  prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions = {}): Promise<Proved> {
    return this.#backend.prove(key, wtns, options);
  }

  /**
   * Whether a proof verifies. Computes in the calling thread, for a millisecond or two.
   *
   * @param key  from `verificationKeyFromJson`, or a proving key's `verificationKey`.
   */
  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean> {
    this.#verifier ??= new ProofVerifier();
    return verify(this.#verifier, key, publicSignals, proof);
  }

  /** Ends the threads, after the proofs that were asked for. */
  close(): Promise<void> {
    return this.#backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function threadCount(threads: "all" | number): number {
  if (threads === "all") return Math.min(availableParallelism(), MAX_CREW);
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_CREW) return threads;
  throw new RangeError(`threads: got ${threads}, expected "one", "all" or 1 to ${MAX_CREW}`);
}
