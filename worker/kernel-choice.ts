/**
 * Kernels chosen and compiled in a thread of their own, which ends then: some 35 MB that writing and
 * optimizing them takes go with it, and the calling thread is free meanwhile. The module that comes
 * out belongs to the process, optimized as it is.
 */
import type { ChosenKernels, KernelOptions } from "./engines/wasm/choice.ts";
import { WorkError } from "./errors.ts";
import type { Choice } from "./kernel-thread.ts";
import { moduleUrl } from "./module-url.ts";
import { TaskThread } from "./task-thread.ts";

const chosen = new Map<string, Promise<ChosenKernels>>();

/**
 * As `bestKernels`, for threads that are started afterwards: once in a process for each choice.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export function kernelsForThreads({
  kernels = "auto",
  revectorize = true,
}: KernelOptions = {}): Promise<ChosenKernels> {
  const name = `${kernels} ${revectorize}`;
  const choice = chosen.get(name) ?? chooseInThread({ kernels, revectorize });
  chosen.set(name, choice);
  return choice;
}

async function chooseInThread(options: KernelOptions): Promise<ChosenKernels> {
  const thread = new TaskThread(moduleUrl(new URL("./kernel-thread.ts", import.meta.url)));
  try {
    const choice = await thread.run<Choice>(options);
    if (choice.kind === "chosen") return choice.kernels;
    throw new WorkError("ENGINE_UNAVAILABLE", choice.message);
  } finally {
    await thread.close();
  }
}
