import { WorkError } from "../worker/errors.ts";
import type { HostThread } from "../worker/hosting/host-thread.ts";
import {
  createTaskControl,
  type KeyUse,
  type PinnedFile,
  type ProveResult,
  type ProveTask,
  type ResultOf,
  type WarmResult,
  type WarmTask,
} from "../worker/task.ts";
import { type Member, Team, type TeamKey } from "../worker/team.ts";
import { DeviceRoom } from "./device-room.ts";
import { ElsewhereError } from "./elsewhere.ts";
import type { ServedEngine } from "./engine.ts";
import { ProverError } from "./errors.ts";
import { KeyRing, NoPlaceError } from "./key-ring.ts";
import { keyMemoryBytes, MemoryBudget } from "./memory-budget.ts";
import { threadError } from "./thread-slot.ts";

export interface PoolOptions {
  readonly threads: number;
  /** How much they give way to the threads that callers wait for, 0 to 19. */
  readonly nice: number;
  readonly keysMax: number;
  /** Of the whole process. */
  readonly memoryMaxBytes: number;
}

/** A task names its key by its file. */
type ByFile<T extends KeyUse> = Omit<T, "keyId"> & {
  readonly artefacts: { readonly zkey: PinnedFile };
};

/**
 * The threads that prove. There is no waiting line here: the scheduler gives each of them one task
 * at a time, because the one line is in the job store.
 */
export class WorkerPool {
  readonly slots: readonly WorkerSlot[];
  readonly #team: Team;

  constructor(options: PoolOptions, { engine }: { readonly engine: ServedEngine }) {
    const team = new Team(options.threads, { ...engine.data, niceness: options.nice });
    const ringOptions = { keysMax: options.keysMax, keyMemoryBytes: keyMemoryBytes(options) };
    const budget = new MemoryBudget(ringOptions.keyMemoryBytes);
    const keys =
      engine.data.engine === "wasm" ? new KeyRing(ringOptions, { team, budget }) : undefined;
    const parts = { keys, room: new DeviceRoom(budget), engine };
    this.#team = team;
    this.slots = team.members.map((member) => new WorkerSlot(member, parts));
  }

  /** Whether threads that have no task help with proofs of others. */
  assist(mayAssist: boolean): void {
    this.#team.assist(mayAssist);
  }

  /** Ends all threads; tasks still running fail. */
  async close(): Promise<void> {
    await this.#team.close();
  }
}

export class WorkerSlot {
  readonly #member: Member;
  /** Of proofs that threads make without a device. Undefined: each thread has its own. */
  readonly #keys: KeyRing | undefined;
  readonly #room: DeviceRoom;
  readonly #engine: ServedEngine;

  constructor(
    member: Member,
    parts: {
      readonly keys: KeyRing | undefined;
      readonly room: DeviceRoom;
      readonly engine: ServedEngine;
    },
  ) {
    this.#member = member;
    this.#keys = parts.keys;
    this.#room = parts.room;
    this.#engine = parts.engine;
  }

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#member.restartCount;
  }

  /** Whether it helps with another one's proof, until it gets a task. */
  get isHelping(): boolean {
    return this.#member.isHelping;
  }

  /** Whether there is an engine, and memory for a proof of this slot with the key. */
  hasPlace(zkey: PinnedFile): boolean {
    const place = this.#engine.placeFor(zkey.sha256);
    if (place !== "local") return place !== "nowhere" && this.#room.hasPlace(zkey.sha256);
    return this.#keys?.hasPlace(zkey, this.#member) ?? true;
  }

  /**
   * Proves. The task's input bytes are transferred: they are gone from the caller.
   *
   * @param kill     ends the thread, and with it the task.
   * @param onBegin  called when it has waited for memory; perhaps more than once.
   * @throws ProverError CANCELLED after `kill`; WORKER_LOST if the thread died; MEMORY_SHORT; as
   *   loading a key does; ElsewhereError if another slot or another engine can do it
   */
  async prove(
    task: ByFile<ProveTask>,
    kill?: AbortSignal,
    onBegin: () => void = () => {},
  ): Promise<ProveResult> {
    const { control } = task;
    const work = (key?: TeamKey) => this.#member.prove(task, key, kill);
    return this.#withKey(task, { control, kill, onBegin }, work);
  }

  /**
   * Makes ready for a circuit's first proof.
   *
   * @param control  from `createTaskControl`, to read how far it is.
   * @throws ProverError as `prove`
   */
  async warm(task: ByFile<WarmTask>, control = createTaskControl()): Promise<WarmResult> {
    for (;;) {
      try {
        return await this.#withKey(task, { control }, (key) =>
          this.#member.run(key === undefined ? task : { ...task, keyId: key.id }, key),
        );
      } catch (error) {
        if (!(error instanceof ElsewhereError) || error instanceof NoPlaceError) throw error;
        // The engine uses something else by then, or opens its device again.
        await this.#engine.settled();
      }
    }
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  end(): Promise<void> {
    return this.#member.end();
  }

  async #withKey<T extends ByFile<ProveTask> | ByFile<WarmTask>>(
    task: T,
    how: {
      readonly control: SharedArrayBuffer;
      readonly kill?: AbortSignal | undefined;
      readonly onBegin?: () => void;
    },
    work: (key: TeamKey | undefined) => Promise<ResultOf<T>>,
  ): Promise<ResultOf<T>> {
    const { artefacts, allowDevKeys } = task;
    const { control, kill, onBegin = () => {} } = how;
    const options = { allowDevKeys, control, onBegin, ...(kill && { kill }) };
    const place = this.#engine.placeFor(artefacts.zkey.sha256);
    if (place === "nowhere") throw new ElsewhereError("the engine's device is away");
    try {
      if (place !== "local") {
        const { sha256 } = artefacts.zkey;
        return await this.#room.use(sha256, async () => {
          onBegin();
          const result = await this.#member.runLinked(task, place, kill);
          if (result.kind === "warm") this.#room.learn(sha256, result.nVars);
          return this.#judged(place, task, result);
        });
      }
      if (this.#keys === undefined) {
        onBegin();
        return await work(undefined);
      }
      const result = await this.#keys.use(artefacts.zkey, this.#member, options, work);
      this.#engine.judge(artefacts.zkey.sha256, result);
      return result;
    } catch (error) {
      throw threadError(error);
    }
  }

  /**
   * A result from a device, unless the device's failure is all that it says, or another engine shall tell
   * whose fault it is.
   */
  #judged<R extends ProveResult | WarmResult>(
    host: HostThread,
    { artefacts }: ByFile<KeyUse>,
    result: R,
  ): R {
    if (result.kind !== "failed") return result;
    const { sha256 } = artefacts.zkey;
    if (result.code === "PROOF_REJECTED" && this.#engine.doubt(host, sha256)) {
      throw new ElsewhereError(
        "the device made a proof that does not verify: another engine tries",
      );
    }
    if (result.detail.gpu === undefined) return result;
    const error = new WorkError(result.code, result.message, result.detail);
    if (this.#engine.report(host, error, sha256)) {
      throw new ElsewhereError(`another engine does it: ${error.message}`);
    }
    if (error.detail.gpu !== "memory") return result;
    throw new ProverError("MEMORY_SHORT", error.message, { cause: error });
  }
}
