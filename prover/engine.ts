import type { EngineName } from "../worker/engines/open.ts";
import { kernelsForThreads } from "../worker/kernel-choice.ts";
import { Tower } from "../worker/kernels/tower.ts";
import type { ThreadData } from "../worker/task.ts";

export interface EngineChoice {
  readonly engine: EngineName;
  readonly kernels: "auto" | "fma" | "extmul";
  readonly revectorize: boolean;
}

/** What the threads of this process compute with. */
export interface ChosenEngine {
  /** For people, such as "wasm (fma, revectorized)". */
  readonly name: string;
  /** Faster ways that do not work here, each with the reason. */
  readonly refused: readonly string[];
  readonly data: ThreadData;
}

/**
 * Chooses and compiles, before there are threads: compiling sets flags of V8 that reach them all.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export async function chooseEngine({ engine, ...options }: EngineChoice): Promise<ChosenEngine> {
  if (engine !== "wasm") return { name: engine, refused: [], data: { engine } };
  const { compiled: kernels, path, refused } = await kernelsForThreads(options);
  const { program } = Tower.open().machine;
  return { name: `wasm (${path})`, refused, data: { engine, kernels, program } };
}
