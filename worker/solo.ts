/** Computes in the calling thread, one proof after the other, with any engine. */
import type { Backend, LoadKeyOptions, ProveWtnsOptions, ProvingKey } from "./backend.ts";
import type { Engine } from "./engine.ts";
import { type KeySource, loadSharedKey } from "./engines/wasm/key-load.ts";
import { WasmEngine } from "./engines/wasm.ts";
import { readSource } from "./file-source.ts";
import { type ProvingKey as EngineKey, type Proved, prove, residentKey } from "./groth16.ts";
import { parseR1cs } from "./r1cs.ts";
import { refuseDevKey } from "./resident.ts";
import { parseWtns } from "./wtns.ts";
import { parseZkey } from "./zkey.ts";

export class Solo implements Backend {
  readonly #engine: Engine;
  /** The end of the last proof: an engine works on one at a time. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get engineName(): string {
    return this.#engine.name;
  }

  async loadKey(zkey: KeySource, { allowDevKeys = false }: LoadKeyOptions): Promise<SoloKey> {
    const key = refuseDevKey(await this.#load(zkey), allowDevKeys);
    return new SoloKey(this.#engine, key, () => this.#previous);
  }

  async prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions): Promise<Proved> {
    const { signal, onProgress, r1cs } = options;
    const engineKey = SoloKey.of(key, this.#engine);
    const before = this.#previous;
    let finish = () => {};
    this.#previous = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await before;
    try {
      return await prove(this.#engine, engineKey, parseWtns(wtns, key.nVars).slice(), {
        ...(signal && { isCancelled: () => signal.aborted }),
        ...(onProgress && { onProgress }),
        ...(r1cs && { constraints: async () => parseR1cs(r1cs) }),
      });
    } finally {
      finish();
    }
  }

  async close(): Promise<void> {
    await this.#previous;
    await this.#engine.close();
  }

  async #load(zkey: KeySource): Promise<EngineKey> {
    const engine = this.#engine;
    if (engine instanceof WasmEngine) {
      const { shared, header } = await loadSharedKey(zkey, engine.kernels);
      return { ...header, resident: engine.adopt(shared) };
    }
    const source = zkey instanceof Uint8Array ? zkey : zkey.path;
    return residentKey(engine, parseZkey(await readSource("zkey", source)));
  }
}

class SoloKey implements ProvingKey {
  readonly nVars: number;
  readonly nPublic: number;
  readonly verificationKey: ProvingKey["verificationKey"];
  readonly isDevKey: boolean;
  readonly #engine: Engine;
  readonly #lastProof: () => Promise<unknown>;
  #key: EngineKey | undefined;

  constructor(engine: Engine, key: EngineKey, lastProof: () => Promise<unknown>) {
    ({
      nVars: this.nVars,
      nPublic: this.nPublic,
      verificationKey: this.verificationKey,
      isDevKey: this.isDevKey,
    } = key);
    this.#engine = engine;
    this.#key = key;
    this.#lastProof = lastProof;
  }

  static of(key: ProvingKey, engine: Engine): EngineKey {
    if (!(key instanceof SoloKey) || key.#engine !== engine || key.#key === undefined) {
      throw new TypeError("the key is another prover's, or was released");
    }
    return key.#key;
  }

  async release(): Promise<void> {
    const key = this.#key;
    this.#key = undefined;
    await this.#lastProof();
    key?.resident.release();
  }
}
