import {
  createTaskControl,
  type KeyUse,
  type PinnedFile,
  type ProveResult,
  type ProveTask,
  type WarmResult,
  type WarmTask,
} from "../worker/task.ts";
import { type Member, Team, type TeamKey } from "../worker/team.ts";
import type { ChosenEngine } from "./engine.ts";
import { KeyRing } from "./key-ring.ts";
import { keyMemoryBytes } from "./memory-budget.ts";
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

  constructor(options: PoolOptions, { engine }: { readonly engine: ChosenEngine }) {
    const team = new Team(options.threads, { ...engine.data, niceness: options.nice });
    const ringOptions = { keysMax: options.keysMax, keyMemoryBytes: keyMemoryBytes(options) };
    const keys = engine.data.engine === "wasm" ? new KeyRing(ringOptions, { team }) : undefined;
    this.#team = team;
    this.slots = team.members.map((member) => new WorkerSlot(member, keys));
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
  /** Undefined: each thread has its own. */
  readonly #keys: KeyRing | undefined;

  constructor(member: Member, keys: KeyRing | undefined) {
    this.#member = member;
    this.#keys = keys;
  }

  /** How often the thread has died or was ended. */
  get restartCount(): number {
    return this.#member.restartCount;
  }

  /** Whether it helps with another one's proof, until it gets a task. */
  get isHelping(): boolean {
    return this.#member.isHelping;
  }

  /** Whether there is memory for a proof of this slot with the key. */
  hasPlace(zkey: PinnedFile): boolean {
    return this.#keys?.hasPlace(zkey, this.#member) ?? true;
  }

  /**
   * Proves. The task's input bytes are transferred: they are gone from the caller.
   *
   * @param kill     ends the thread, and with it the task.
   * @param onBegin  called when it has waited for memory; perhaps more than once.
   * @throws ProverError CANCELLED after `kill`; WORKER_LOST if the thread died; MEMORY_SHORT; as
   *   loading a key does; NoPlaceError if there is memory for this key in other slots only
   */
  prove(
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
  warm(task: ByFile<WarmTask>, control = createTaskControl()): Promise<WarmResult> {
    return this.#withKey(task, { control }, (key) =>
      this.#member.run(key === undefined ? task : { ...task, keyId: key.id }, key),
    );
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  end(): Promise<void> {
    return this.#member.end();
  }

  async #withKey<R>(
    { artefacts, allowDevKeys }: ByFile<ProveTask | WarmTask>,
    how: {
      readonly control: SharedArrayBuffer;
      readonly kill?: AbortSignal | undefined;
      readonly onBegin?: () => void;
    },
    work: (key: TeamKey | undefined) => Promise<R>,
  ): Promise<R> {
    const { control, kill, onBegin = () => {} } = how;
    const options = { allowDevKeys, control, onBegin, ...(kill && { kill }) };
    try {
      if (this.#keys === undefined) {
        onBegin();
        return await work(undefined);
      }
      return await this.#keys.use(artefacts.zkey, this.#member, options, work);
    } catch (error) {
      throw threadError(error);
    }
  }
}
