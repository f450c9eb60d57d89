/** Chooses kernels in a thread, for `task-thread.ts`. */
import type { ChosenKernels, KernelOptions } from "./engines/wasm/choice.ts";
import { bestKernels } from "./engines/wasm.ts";
import { WorkError } from "./errors.ts";

export type Choice =
  | { readonly kind: "chosen"; readonly kernels: ChosenKernels }
  | { readonly kind: "failed"; readonly message: string };

export default async function choose(options: KernelOptions): Promise<Choice> {
  try {
    return { kind: "chosen", kernels: await bestKernels(options) };
  } catch (error) {
    if (error instanceof WorkError) return { kind: "failed", message: error.message };
    throw error;
  }
}
