/**
 * Computes in threads of its own: several proofs at once, each on one thread, and a proof that is
 * alone on all of them; or on a device, which all of them share. The calling thread only waits.
 */
import type { Backend, LoadKeyOptions, ProveWtnsOptions, ProvingKey } from "./backend.ts";
import type { ChosenKernels } from "./engines/wasm/choice.ts";
import type { KeySource } from "./engines/wasm/key-load.ts";
import { WorkError } from "./errors.ts";
import { type OnProgress, type Proved, whyRejected } from "./groth16.ts";
import { isFatal } from "./hosting/host.ts";
import { isMemoryShort } from "./hosting/host-keys.ts";
import type { HostThread } from "./hosting/host-thread.ts";
import { HostedKey } from "./hosting/hosted-key.ts";
import type { DeviceKeeper } from "./hosting/keeper.ts";
import { Tower } from "./kernels/tower.ts";
import { Line } from "./line.ts";
import { parseR1cs } from "./r1cs.ts";
import { refuseDevKey } from "./resident.ts";
import {
  createTaskControl,
  type PinnedFile,
  type ProveResult,
  type ProveTask,
  readProgress,
  requestCancel,
  type ThreadData,
} from "./task.ts";
import { type Member, Team, type TeamKey } from "./team.ts";
import { parseWtns } from "./wtns.ts";
import type { ZkeyHeader } from "./zkey.ts";

/** How often progress is looked at. */
const PROGRESS_MS = 20;

export interface EnsembleParts {
  /** For people. */
  readonly engineName: string;
  readonly team: Team;
  /** Of a device that proves; without it the team's own engines do, if they have some. */
  readonly keeper?: DeviceKeeper | undefined;
}

export class Ensemble implements Backend {
  readonly #parts: EnsembleParts;
  readonly #line: Line;
  readonly #tower = Tower.open();
  /** Loads and proofs that were asked for and have not ended: some of them are in no line just now. */
  readonly #accepted = new Set<Promise<unknown>>();
  #isClosed = false;

  /** @param parts  closed with this. */
  constructor(parts: EnsembleParts) {
    this.#parts = parts;
    this.#line = new Line(parts.team);
  }

  /**
   * Starts the threads.
   *
   * @param kernels  from `kernelsForThreads`; undefined: only the device proves.
   */
  static open(
    kernels: ChosenKernels | undefined,
    threads: number,
    keeper?: DeviceKeeper,
  ): Ensemble {
    const { program } = Tower.open().machine;
    const data: ThreadData =
      kernels === undefined
        ? { engine: "linked", program }
        : { engine: "wasm", kernels: kernels.compiled, program };
    const engineName = kernels === undefined ? "" : `wasm (${kernels.path})`;
    return new Ensemble({ engineName, team: new Team(threads, data), keeper });
  }

  get engineName(): string {
    const { engineName, keeper } = this.#parts;
    const isGivenUp = keeper?.state.kind === "away" && keeper.state.isFinal;
    return keeper === undefined || isGivenUp ? engineName : keeper.engineName;
  }

  async loadKey(source: KeySource, { allowDevKeys = false }: LoadKeyOptions): Promise<EnsembleKey> {
    this.#refuseIfClosed();
    return this.#accept(this.#load(source, allowDevKeys));
  }

  async #load(source: KeySource, allowDevKeys: boolean): Promise<EnsembleKey> {
    const { team, keeper } = this.#parts;
    const host = await keeper?.settled();
    if (keeper === undefined || host === undefined) {
      const key = await this.#loadLocal(source, allowDevKeys);
      return new EnsembleKey(team, key.header, { local: key });
    }
    try {
      const hosted = await HostedKey.load(keeper, host, this.#tower, source);
      try {
        refuseDevKey(hosted.header, allowDevKeys);
      } catch (error) {
        await hosted.release();
        throw error;
      }
      return new EnsembleKey(team, hosted.header, { hosted });
    } catch (error) {
      if (!this.#mayGoOn(host, error)) throw error;
      if (!isMemoryShort(error)) return this.#load(source, allowDevKeys);
      const key = await this.#loadLocal(source, allowDevKeys);
      return new EnsembleKey(team, key.header, { local: key });
    }
  }

  async prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions): Promise<Proved> {
    this.#refuseIfClosed();
    const proving = EnsembleKey.use(key, this.#parts.team, async (ours) => {
      const result = await this.#proveSomewhere(ours, wtns, options);
      if (result.kind === "proved") {
        return { proof: result.proof, publicSignals: result.publicSignals };
      }
      const { code, message, detail } = result;
      if (code !== "WITNESS_UNSATISFIABLE" || options.r1cs === undefined) {
        throw new WorkError(code, message, detail);
      }
      const r1cs = parseR1cs(options.r1cs);
      throw await whyRejected(parseWtns(wtns, key.nVars), async () => r1cs);
    });
    return this.#accept(proving);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#accepted.size > 0) await Promise.allSettled(this.#accepted);
    await this.#parts.team.close();
    await this.#parts.keeper?.close();
  }

  /** On the device while there is one and it holds the key, else by the threads. */
  async #proveSomewhere(
    key: EnsembleKey,
    wtns: Uint8Array,
    options: ProveWtnsOptions,
  ): Promise<ProveResult> {
    for (;;) {
      const { hosted } = key;
      const host = await hosted?.host().catch((error) => this.#withoutHost(key, error));
      this.#requireEngine();
      if (hosted === undefined || host === undefined) break;
      const artefacts = { zkey: hosted.file };
      const result = await this.#tryTwice(options, (member) =>
        proveOn(wtns, options, artefacts, (task) => member.runLinked(task, host)),
      );
      if (result.kind !== "failed" || result.detail.gpu === undefined) return result;
      const error = new WorkError(result.code, result.message, result.detail);
      if (!this.#mayGoOn(host, error)) throw error;
      if (isMemoryShort(error)) await key.leaveDevice();
    }
    const local = await key.localKey((file) => this.#loadLocal(file, true));
    return this.#tryTwice(options, (member) =>
      proveOn(wtns, options, {}, (task) => member.prove(task, local)),
    );
  }

  #accept<R>(work: Promise<R>): Promise<R> {
    this.#accepted.add(work);
    const forget = () => this.#accepted.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** A thread that died takes nothing with it but its own proof. */
  async #tryTwice<R>(
    { signal }: ProveWtnsOptions,
    work: (member: Member) => Promise<R>,
  ): Promise<R> {
    return this.#line.do(work, signal).catch((error) => {
      if (this.#isClosed || !isThreadLost(error)) throw error;
      return this.#line.do(work, signal);
    });
  }

  /** A device that was opened again does not take the key: it is away once more, or has less room now. */
  async #withoutHost(key: EnsembleKey, error: unknown): Promise<undefined> {
    const { engineName } = this.#parts;
    if (engineName === "" || !(isFatal(error) || isMemoryShort(error))) throw error;
    await key.leaveDevice();
  }

  /** Whether something else can do what the device could not: it is opened again, or given up. */
  #mayGoOn(host: HostThread, error: unknown): boolean {
    const { keeper, engineName } = this.#parts;
    if (isFatal(error)) {
      keeper?.report(host, error);
      return keeper?.state.kind === "reopening" || engineName !== "";
    }
    return isMemoryShort(error) && engineName !== "";
  }

  async #loadLocal(source: KeySource, allowDevKeys: boolean): Promise<TeamKey> {
    this.#requireEngine();
    const { team } = this.#parts;
    const control = createTaskControl();
    return this.#line.do((member) => team.load(member, source, { allowDevKeys, control }));
  }

  /** @throws WorkError ENGINE_UNAVAILABLE if only the device proves, and it is away */
  #requireEngine(): void {
    const { engineName, keeper } = this.#parts;
    if (engineName === "" && keeper?.state.kind === "away") throw keeper.state.error;
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new WorkError("ENGINE_UNAVAILABLE", "the prover is closed");
  }
}

const isThreadLost = (error: unknown) =>
  error instanceof WorkError && error.code === "ENGINE_UNAVAILABLE";

async function proveOn(
  wtns: Uint8Array,
  { signal, onProgress }: ProveWtnsOptions,
  artefacts: ProveTask["artefacts"],
  work: (task: ProveTask) => Promise<ProveResult>,
): Promise<ProveResult> {
  const control = createTaskControl();
  const cancel = () => requestCancel(control);
  signal?.addEventListener("abort", cancel);
  const stopReporting = onProgress && report(control, onProgress);
  // A Buffer's slice would not be a copy.
  const bytes = new Uint8Array(wtns);
  try {
    const input = { kind: "wtns", bytes } as const;
    return await work({ kind: "prove", artefacts, input, allowDevKeys: true, control });
  } finally {
    // Unless it has moved to the thread, which wipes it.
    if (bytes.length > 0) bytes.fill(0);
    signal?.removeEventListener("abort", cancel);
    stopReporting?.();
  }
}

/** @returns what stops it, after a last look. */
function report(control: SharedArrayBuffer, onProgress: OnProgress): () => void {
  let sawProving = false;
  const look = () => {
    const { stage, permille } = readProgress(control);
    if (stage !== "proving" && stage !== "verifying") return;
    // A proof may be made between two looks: the caller hears of both stages all the same.
    if (stage === "verifying" && !sawProving) onProgress("proving", 1);
    sawProving = true;
    onProgress(stage, permille / 1000);
  };
  const timer = setInterval(look, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    look();
  };
}

/** In the device's memory, or in the team's, or, once the device is gone, first there and then here. */
class EnsembleKey implements ProvingKey {
  readonly nVars: number;
  readonly nPublic: number;
  readonly verificationKey: ProvingKey["verificationKey"];
  readonly isDevKey: boolean;
  readonly #team: Team;
  readonly #users = new Set<Promise<unknown>>();
  readonly #file: PinnedFile | undefined;
  #hosted: HostedKey | undefined;
  #local: Promise<TeamKey> | undefined;
  #isReleased = false;

  constructor(
    team: Team,
    header: ZkeyHeader,
    { hosted, local }: { readonly hosted?: HostedKey; readonly local?: TeamKey },
  ) {
    ({
      nVars: this.nVars,
      nPublic: this.nPublic,
      verificationKey: this.verificationKey,
      isDevKey: this.isDevKey,
    } = header);
    this.#team = team;
    this.#hosted = hosted;
    this.#file = hosted?.file;
    this.#local = local && Promise.resolve(local);
  }

  /** Uses a key, which is not released meanwhile. */
  static use<R>(key: ProvingKey, team: Team, work: (key: EnsembleKey) => Promise<R>): Promise<R> {
    if (!(key instanceof EnsembleKey) || key.#team !== team || key.#isReleased) {
      throw new TypeError("the key is another prover's, or was released");
    }
    const done = work(key);
    const users = key.#users;
    users.add(done);
    const forget = () => users.delete(done);
    done.then(forget, forget);
    return done;
  }

  /** Undefined: it is not in the device's memory. */
  get hosted(): HostedKey | undefined {
    return this.#hosted;
  }

  /** From now on the threads prove with it. */
  async leaveDevice(): Promise<void> {
    const hosted = this.#hosted;
    this.#hosted = undefined;
    await hosted?.release();
  }

  /** @param load  loads it from the file that it came from, which must still be the same. */
  async localKey(load: (source: KeySource) => Promise<TeamKey>): Promise<TeamKey> {
    await this.leaveDevice();
    const { path = "", shared } = this.#file ?? {};
    this.#local ??= load(shared === undefined ? { path } : new Uint8Array(shared));
    const key = await this.#local.catch((error) => {
      this.#local = undefined;
      throw error;
    });
    if (this.#file === undefined || key.sha256 === this.#file.sha256) return key;
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      "the key's file was changed since it was loaded: load it again",
    );
  }

  async release(): Promise<void> {
    this.#isReleased = true;
    await Promise.allSettled(this.#users);
    await this.leaveDevice();
    const key = await this.#local?.catch(() => undefined);
    this.#local = undefined;
    if (key !== undefined) this.#team.release(key);
  }
}
