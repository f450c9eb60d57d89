/**
 * What one thread keeps between tasks: keys inside the engine, compiled witness programs and
 * verification keys, each under the SHA-256 of the file that it came from.
 */
import { readPinned } from "./artefacts.ts";
import type { Engine } from "./engine.ts";
import type { LoadedKey } from "./engines/wasm/key-load.ts";
import { WasmEngine, type WasmKey } from "./engines/wasm.ts";
import { WorkError } from "./errors.ts";
import { type ProvingKey, residentKey } from "./groth16.ts";
import { LeastRecentlyUsed } from "./least-recently-used.ts";
import type { AdoptTask, PinnedFile } from "./task.ts";
import { type VerificationKey, verificationKeyFromJson } from "./verification-key.ts";
import { WitnessProgram } from "./witness.ts";
import { parseZkey } from "./zkey.ts";

/**
 * Keys that a thread on its own keeps in memory. A service has a handful of circuits; one more key than this and the one
 * that was used least recently goes. Not tuned.
 */
const MAX_KEYS = 4;
/** Programs and verification keys are small beside a key. Not tuned. */
const MAX_SMALL = 32;

/** Keys inside an engine. */
export class ResidentKeys {
  readonly #engine: Engine;
  readonly #own = new LeastRecentlyUsed<ProvingKey>(MAX_KEYS, (key) => key.resident.release());
  readonly #adopted = new Map<number, AdoptedKey>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * A key by its file, loaded by this thread for itself.
   *
   * @throws WorkError ARTEFACT_MISMATCH, KEY_MALFORMED, or KEY_REFUSED if it is a development key
   *   and those are not allowed.
   */
  async own(zkey: PinnedFile, allowDevKeys: boolean): Promise<ProvingKey> {
    const key = await this.#own.getOrMake(zkey.sha256, async () =>
      residentKey(this.#engine, parseZkey(await readPinned(zkey))),
    );
    return refuseDevKey(key, allowDevKeys);
  }

  adopt({ keyId, key, slot }: AdoptTask): void {
    this.#adopted.set(keyId, { key, slot, resident: undefined });
  }

  release(keyId: number): void {
    this.#adopted.get(keyId)?.resident?.release();
    this.#adopted.delete(keyId);
  }

  /**
   * A key that was adopted.
   *
   * @throws TypeError for another one, or if the engine shares nothing.
   */
  adopted(keyId: number): ProvingKey & { readonly resident: WasmKey } {
    const adopted = this.#adopted.get(keyId);
    if (adopted === undefined || !(this.#engine instanceof WasmEngine)) {
      throw new TypeError(`key ${keyId} is not in this thread`);
    }
    const { key, slot } = adopted;
    // Working memory is laid out when it is needed for the first time.
    adopted.resident ??= this.#engine.adopt(key.shared, slot);
    return { ...key.header, resident: adopted.resident };
  }
}

interface AdoptedKey {
  readonly key: LoadedKey;
  readonly slot: number;
  resident: WasmKey | undefined;
}

/** Verification keys, checked. */
export class ResidentVerificationKeys {
  readonly #keys = new LeastRecentlyUsed<VerificationKey>(MAX_SMALL);

  /** @throws WorkError ARTEFACT_MISMATCH, KEY_MALFORMED, KEY_REFUSED */
  get(file: PinnedFile): Promise<VerificationKey> {
    return this.#keys.getOrMake(file.sha256, async () => {
      // A text decoder takes no shared memory.
      const text = Buffer.from(new Uint8Array(await readPinned(file))).toString("utf8");
      return verificationKeyFromJson(parseJson(text));
    });
  }
}

/** Compiled witness programs. */
export class ResidentPrograms {
  readonly #programs = new LeastRecentlyUsed<WitnessProgram>(MAX_SMALL);
  #last: WitnessProgram | undefined;

  /** @throws WorkError ARTEFACT_MISMATCH */
  async witnessProgram(wasm: PinnedFile): Promise<WitnessProgram> {
    const program = await this.#programs.getOrMake(
      wasm.sha256,
      async () => new WitnessProgram(new Uint8Array(await readPinned(wasm))),
    );
    // Compiled code is small; an instance may take 100 MB, and one of them is enough for a thread.
    if (program !== this.#last) this.#last?.rest();
    this.#last = program;
    return program;
  }
}

/**
 * Refuses a key whose secrets are public, for callers that have not asked for development.
 *
 * @throws WorkError KEY_REFUSED
 */
export function refuseDevKey<K extends { readonly isDevKey: boolean }>(
  key: K,
  isAllowed: boolean,
): K {
  if (isAllowed || !key.isDevKey) return key;
  throw new WorkError(
    "KEY_REFUSED",
    "the key is from a development set-up: its secrets are public and anybody can forge proofs. Use a key from a ceremony, or allow development keys by name",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new WorkError("KEY_MALFORMED", "verification key: not JSON");
  }
}
