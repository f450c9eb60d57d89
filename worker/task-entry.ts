/**
 * The entry of every worker thread (`task-thread.ts`): imports the module that it is told and runs
 * its default export on each task that comes, one after the other, in the order of their arrival.
 */
import { parentPort, type Transferable, workerData } from "node:worker_threads";

/** What a thread is started with. */
export interface EntryData {
  /** URL of the module that handles tasks. */
  readonly module: string;
  /** For that module: `workerData.data`. */
  readonly data: unknown;
}

/** A task's id is missing when nobody waits for its result. */
export interface TaskMessage {
  readonly id?: number;
  readonly task: unknown;
}

export type ReplyMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly thrown: string };

interface TaskModule {
  readonly default: (task: unknown) => unknown;
  /** Buffers of a result that move to the other thread, so that they are not copied. */
  readonly transferListOf?: (result: unknown) => Transferable[];
}

const { module } = workerData as EntryData;
const { default: handle, transferListOf }: TaskModule = await import(module);
let previous: Promise<void> = Promise.resolve();

parentPort?.on("message", (message: TaskMessage) => {
  previous = previous.then(() => answer(message));
});

// A message that cannot be read must not be waited for: the thread dies of it.
parentPort?.on("messageerror", (error) => {
  throw error;
});

async function answer({ id, task }: TaskMessage): Promise<void> {
  try {
    const result = await handle(task);
    if (id !== undefined) reply({ id, result }, transferListOf?.(result));
  } catch (caught) {
    // Only where it happened: the text may quote what the task was about.
    if (id !== undefined) reply({ id, thrown: caught instanceof Error ? caught.name : "value" });
  }
}

function reply(message: ReplyMessage, transferList: Transferable[] = []): void {
  parentPort?.postMessage(message, transferList);
}
