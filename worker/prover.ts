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
 * Made for a program that makes one proof at a time on all cores. A service that makes many runs
 * `thread.ts` in a pool, one proof a thread.
 */
import type { Engine } from "./engine.ts";
import { type EngineName, openEngine } from "./engines/open.ts";
import {
  type OnProgress,
  type Proved,
  type ProvingKey,
  prove,
  residentKey,
  verify,
} from "./groth16.ts";
import type { Proof } from "./proof.ts";
import { parseR1cs } from "./r1cs.ts";
import { devKeyRefused } from "./resident.ts";
import type { VerificationKey } from "./verification-key.ts";
import { parseWtns } from "./wtns.ts";
import { parseZkey } from "./zkey.ts";

export interface OpenOptions {
  /** "all" (the default) starts one thread a core; "one" computes in the calling thread. */
  readonly threads?: "one" | "all";
  /** "wasm" (the default): our kernels. The others are slower twins, for comparison. */
  readonly engine?: EngineName;
  /** Kernels of the engine "wasm": the fastest that work here ("auto", the default), or by name. */
  readonly kernels?: "auto" | "fma" | "extmul";
  /** Whether the engine "wasm" may use V8's experimental revectorizer; true when left out. */
  readonly revectorize?: boolean;
}

export interface LoadKeyOptions {
  /** Development keys are refused unless this is true: anybody can forge their proofs. */
  readonly allowDevKeys?: boolean;
}

export interface ProveWtnsOptions {
  /** Aborting makes `prove` throw CANCELLED soon. Needs `threads: "all"`: one thread is blocked. */
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** The circuit's `.r1cs` file: a proof that fails is then explained by the constraint. */
  readonly r1cs?: Uint8Array;
}

/** Owns threads: close it, or say `await using`. */
export class Prover implements AsyncDisposable {
  readonly #engine: Engine;
  /** The end of the last proof: an engine works on one at a time. */
  #previous: Promise<unknown> = Promise.resolve();

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @throws WorkError ENGINE_UNAVAILABLE */
  static async open({ threads = "all", ...options }: OpenOptions = {}): Promise<Prover> {
    return new Prover(await openEngine({ threads, ...options }));
  }

  /** Which engine computes, such as "wasm (fma, revectorized)". */
  get engineName(): string {
    return this.#engine.name;
  }

  /**
   * Checks a `.zkey` file and makes it ready. `key.resident.release()` frees it.
   *
   * @param zkey  the whole file. The key keeps views of it: do not change it afterwards.
   * @throws WorkError KEY_MALFORMED, KEY_REFUSED
   */
  async loadKey(
    zkey: Uint8Array,
    { allowDevKeys = false }: LoadKeyOptions = {},
  ): Promise<ProvingKey> {
    const parsed = parseZkey(zkey);
    if (parsed.isDevKey && !allowDevKeys) throw devKeyRefused();
    return residentKey(this.#engine, parsed);
  }

  /**
   * Proves and verifies. Calls wait for each other.
   *
   * @param wtns  the whole `.wtns` file; its bytes are the caller's and stay as they are, the copy
   *   made of them is wiped.
   * @throws WorkError WITNESS_MALFORMED, WITNESS_UNSATISFIABLE, PROOF_REJECTED, CANCELLED
   */
  async prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions = {}): Promise<Proved> {
    const { signal, onProgress, r1cs } = options;
    const before = this.#previous;
    let finish = () => {};
    this.#previous = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await before;
    try {
      return await prove(this.#engine, key, parseWtns(wtns, key.nVars).slice(), {
        ...(signal && { isCancelled: () => signal.aborted }),
        ...(onProgress && { onProgress }),
        ...(r1cs && { constraints: async () => parseR1cs(r1cs) }),
      });
    } finally {
      finish();
    }
  }

  /**
   * Whether a proof verifies.
   *
   * @param key  from `verificationKeyFromJson`, or a proving key's `verificationKey`.
   */
  async verify(
    key: VerificationKey,
    publicSignals: readonly bigint[],
    proof: Proof,
  ): Promise<boolean> {
    return verify(this.#engine, key, publicSignals, proof);
  }

  /** Ends the threads, after a proof that still runs. */
  async close(): Promise<void> {
    await this.#previous;
    await this.#engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
