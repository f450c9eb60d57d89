/**
 * The way into ffjavascript's thread manager: looks for cancellation, limits what is under way,
 * wipes scratch memory.
 */
import type { Command, ThreadManager } from "ffjavascript";

/** Room for the buckets of the largest window (2^12 points of 192 B) when scratch is wiped. */
const SCRATCH_MARGIN_BYTES = 2 ** 20;

/**
 * Stands in front of ffjavascript's thread manager. At most as many tasks are under way as there
 * are threads, so that a cancellation finds the rest not yet started.
 */
export class TaskQueue {
  readonly #manager: ThreadManager;
  readonly #start: ThreadManager["queueAction"];
  readonly #underWay = new Set<Promise<unknown>>();
  #waiting = 0;
  #watcher: ((tasksDone: number) => void) | undefined;
  #tasksDone = 0;
  #scratchBytes = 0;

  constructor(manager: ThreadManager) {
    this.#manager = manager;
    this.#start = manager.queueAction.bind(manager);
    manager.queueAction = (task) => this.run(task);
  }

  /**
   * Runs `work` with a watcher that is called before each of its tasks. What the watcher throws, the
   * task throws.
   */
  async watch<T>(watcher: (tasksDone: number) => void, work: () => Promise<T>): Promise<T> {
    if (this.#watcher !== undefined) throw new TypeError("this engine is busy with another sum");
    this.#watcher = watcher;
    this.#tasksDone = 0;
    try {
      watcher(0);
      return await work();
    } finally {
      // After a failure some tasks may still wait for their turn; they must fail, too.
      await this.idle();
      this.#watcher = undefined;
    }
  }

  async run(task: readonly Command[]): Promise<Uint8Array[]> {
    this.#waiting++;
    try {
      while (this.#underWay.size >= this.#manager.concurrency) await settled(this.#underWay);
      this.#watcher?.(this.#tasksDone);
    } finally {
      this.#waiting--;
    }
    this.#scratchBytes = Math.max(this.#scratchBytes, scratchBytesOf(task));
    const result = this.#start(task);
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
      this.#tasksDone++;
    }
  }

  /** When nothing runs and nothing waits. */
  async idle(): Promise<void> {
    while (this.#underWay.size + this.#waiting > 0) {
      await (this.#underWay.size > 0 ? settled(this.#underWay) : Promise.resolve());
    }
  }

  /** Overwrites the scratch area in which the tasks since the last wipe had their inputs. */
  async wipeScratch(): Promise<void> {
    if (this.#scratchBytes === 0) return;
    const zeros = new Uint8Array(this.#scratchBytes + SCRATCH_MARGIN_BYTES);
    const wipe: readonly Command[] = [{ cmd: "ALLOCSET", var: 0, buff: zeros }];
    this.#scratchBytes = 0;
    if (this.#manager.singleThread) {
      await this.#start(wipe);
      return;
    }
    const threads = Array.from({ length: this.#manager.concurrency }, (_, thread) => thread);
    await Promise.all(threads.map((thread) => this.#manager.postAction(thread, wipe)));
  }
}

/** When one of the promises has settled, either way. */
async function settled(promises: ReadonlySet<Promise<unknown>>): Promise<void> {
  await Promise.race([...promises].map((promise) => promise.catch(() => undefined)));
}

function scratchBytesOf(task: readonly Command[]): number {
  return task.reduce((bytes, command) => {
    if (command.cmd === "ALLOC") return bytes + command.len + 4;
    return command.cmd === "ALLOCSET" ? bytes + command.buff.byteLength + 4 : bytes;
  }, 0);
}
