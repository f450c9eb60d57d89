import type { EngineChoice } from "../worker/engines/open.ts";
import { WorkError } from "../worker/errors.ts";
import { gpuError } from "../worker/gpu/failure.ts";
import { chooseDevice } from "../worker/hosting/choice.ts";
import type { HostThread } from "../worker/hosting/host-thread.ts";
import type { Opener } from "../worker/hosting/hosted.ts";
import type { DeviceKeeper, KeeperState } from "../worker/hosting/keeper.ts";
import { kernelsForThreads } from "../worker/kernel-choice.ts";
import { Tower } from "../worker/kernels/tower.ts";
import type { ProveResult, ThreadData, WarmResult } from "../worker/task.ts";
import { ProverError } from "./errors.ts";

export interface EngineOptions {
  readonly engine: EngineChoice;
  /** As in DeviceWish. */
  readonly gpuDevice: string;
  readonly keysMax: number;
  readonly nice: number;
  readonly kernels: "auto" | "fma" | "extmul";
  readonly revectorize: boolean;
}

export interface ChooseOptions {
  /** Whether this process proves. One that does not opens no device. */
  readonly isProving?: boolean;
  /** As in DeviceWish. */
  readonly opener?: Opener | undefined;
}

/** What computes beside, or instead of, a device. */
interface Local {
  readonly name: string;
  readonly refused: readonly string[];
  readonly data: ThreadData;
}

/**
 * Chooses what the threads of this process compute with: before there are threads, because compiling
 * kernels sets flags of V8 that reach them all.
 *
 * @throws WorkError ENGINE_UNAVAILABLE: for "auto", if nothing works; by name, if that one does not.
 */
export async function chooseEngine(
  options: EngineOptions,
  { isProving = true, opener }: ChooseOptions = {},
): Promise<ServedEngine> {
  const { engine } = options;
  if (engine === "reference") {
    return new ServedEngine({ name: engine, refused: [], data: { engine } });
  }
  if (engine === "wasm" || (engine === "auto" && !isProving)) {
    return new ServedEngine(await chooseWasm(options));
  }
  const linked = {
    name: engine,
    refused: [],
    data: { engine: "linked", program: Tower.open().machine.program },
  } as const;
  if (!isProving) return new ServedEngine(linked);
  const { gpuDevice, keysMax, nice: niceness } = options;
  const wish = { engine, gpuDevice, keysMax, niceness, opener };
  if (engine === "vulkan") return new ServedEngine(linked, await demanded(chooseDevice(wish)));
  const device = chooseDevice(wish);
  try {
    const wasm = await chooseWasm(options);
    const found = await device;
    if (!(found instanceof WorkError)) return new ServedEngine(wasm, found);
    const refused = [...wasm.refused, `vulkan: ${found.message}`];
    return new ServedEngine({ ...wasm, refused });
  } catch (error) {
    const found = await device.catch(() => undefined);
    if (found !== undefined && !(found instanceof WorkError)) await found.close();
    throw error;
  }
}

async function chooseWasm({ kernels, revectorize }: EngineOptions): Promise<Local> {
  const { compiled, path, refused } = await kernelsForThreads({ kernels, revectorize });
  const { program } = Tower.open().machine;
  return { name: `wasm (${path})`, refused, data: { engine: "wasm", kernels: compiled, program } };
}

async function demanded(choice: Promise<DeviceKeeper | WorkError>): Promise<DeviceKeeper> {
  const found = await choice;
  if (found instanceof WorkError) throw found;
  return found;
}

/** What happened to the device of an engine. */
export type DeviceNews =
  | KeeperState
  /** It does not hold one proof of a key, whose proofs are made without it from now on. */
  | { readonly kind: "too small"; readonly error: WorkError; readonly zkeySha256: string };

/**
 * What the threads of this process compute with, now: a device as long as there is one, and the
 * threads' own engine without it. Which of them it was is in each job's result.
 */
export class ServedEngine {
  /** For threads. */
  readonly data: ThreadData;
  /** Undefined: no device was chosen. */
  readonly keeper: DeviceKeeper | undefined;
  readonly #local: Local;
  /** Keys that the device does not hold, by the SHA-256 of their files. */
  readonly #tooLarge = new Map<string, WorkError>();
  /** Keys of which a device made a proof that does not verify, until the threads have tried. */
  readonly #doubted = new Map<string, HostThread>();
  readonly #listeners: ((news: DeviceNews) => void)[] = [];

  constructor(local: Local, keeper?: DeviceKeeper) {
    this.#local = local;
    this.data = local.data;
    this.keeper = keeper;
    keeper?.onChange((state) => this.#tell(state));
  }

  /** For people, such as "wasm (fma, revectorized)": what is in use. */
  get name(): string {
    return this.names[0] as string;
  }

  /** All that can be used, what is in use first. */
  get names(): readonly string[] {
    const { keeper } = this;
    if (keeper === undefined) return [this.#local.name];
    if (!this.mayFallBack) return [keeper.engineName];
    return this.#isGivenUp ? [this.#local.name] : [keeper.engineName, this.#local.name];
  }

  /** What proves a key's circuit, as `names`. */
  namesFor(zkeySha256: string): readonly string[] {
    return this.#tooLarge.has(zkeySha256) ? [this.#local.name] : this.names;
  }

  /** Faster ways that do not work here, or not any more, each with the reason. */
  get refused(): readonly string[] {
    const reasons = [...this.#local.refused];
    const { keeper } = this;
    if (keeper === undefined) return reasons;
    if (keeper.state.kind === "away") {
      reasons.push(`${keeper.engineName}: ${keeper.state.error.message}`);
    }
    for (const [sha256, { message }] of this.#tooLarge) {
      reasons.push(`${keeper.engineName} for the key ${sha256.slice(0, 16)}: ${message}`);
    }
    return reasons;
  }

  /** Whether the threads have an engine of their own. */
  get mayFallBack(): boolean {
    return this.data.engine !== "linked";
  }

  /** Whether a chosen device is not used any more. */
  get hasFallenBack(): boolean {
    return this.keeper !== undefined && this.mayFallBack && this.#isGivenUp;
  }

  /** Whether proofs can be made now. */
  get isUp(): boolean {
    return this.mayFallBack || this.keeper?.host !== undefined;
  }

  /**
   * Where proofs with a key are made now: on a device, by the threads themselves, or, for the time
   * being, nowhere.
   */
  placeFor(zkeySha256: string): HostThread | "local" | "nowhere" {
    const { keeper } = this;
    if (keeper === undefined) return this.data.engine === "linked" ? "nowhere" : "local";
    if (this.#tooLarge.has(zkeySha256) || this.#doubted.has(zkeySha256)) return "local";
    if (keeper.host !== undefined) return keeper.host;
    return this.#isGivenUp ? "local" : "nowhere";
  }

  /**
   * That a task on a device has failed so. The engine uses what it has instead, if it has.
   *
   * @returns whether somebody else can do the task.
   */
  report(host: HostThread, error: WorkError, zkeySha256: string): boolean {
    if (error.detail.gpu === "memory") {
      if (this.mayFallBack && !this.#tooLarge.has(zkeySha256)) {
        this.#tooLarge.set(zkeySha256, error);
        this.#tell({ kind: "too small", error, zkeySha256 });
      }
    } else {
      this.keeper?.report(host, error);
    }
    return this.mayFallBack;
  }

  /**
   * That a device made a proof which does not verify, although its witness satisfies the circuit: the
   * device is at fault, or the key. The threads' own engine tells by the key's next proof, and until then
   * the device goes on with other keys.
   *
   * @returns whether there is an engine that can tell.
   */
  doubt(host: HostThread, zkeySha256: string): boolean {
    if (this.mayFallBack) this.#doubted.set(zkeySha256, host);
    return this.mayFallBack;
  }

  /** That the threads themselves have made a proof with a key, or could not. */
  judge(zkeySha256: string, result: ProveResult | WarmResult): void {
    const host = this.#doubted.get(zkeySha256);
    if (host === undefined) return;
    const isProved = result.kind === "proved";
    if (!isProved && !(result.kind === "failed" && result.code === "PROOF_REJECTED")) return;
    this.#doubted.delete(zkeySha256);
    if (!isProved) return;
    const message = "the device made a proof that does not verify; it was discarded";
    this.keeper?.report(host, gpuError("driver", message));
  }

  /**
   * Waits while a device is opened again.
   *
   * @throws ProverError ENGINE_UNAVAILABLE if that was in vain and there is no other engine.
   */
  async settled(): Promise<void> {
    await this.keeper?.settled();
    const state = this.keeper?.state;
    if (this.mayFallBack || state?.kind !== "away") return;
    throw ProverError.from(state.error);
  }

  /** Calls after each change. */
  onNews(listener: (news: DeviceNews) => void): void {
    this.#listeners.push(listener);
  }

  /** Frees the device. */
  async close(): Promise<void> {
    await this.keeper?.close();
  }

  get #isGivenUp(): boolean {
    const state = this.keeper?.state;
    return state?.kind === "away" && state.isFinal;
  }

  #tell(news: DeviceNews): void {
    for (const listener of this.#listeners) listener(news);
  }
}
