/** Engines by name. */
import type { Engine } from "../engine.ts";
import { WorkError } from "../errors.ts";
import { openFfjavascript } from "./ffjavascript.ts";
import { referenceEngine } from "./reference.ts";
import type { KernelOptions } from "./wasm/choice.ts";
import { openWasm } from "./wasm.ts";

export const ENGINE_NAMES = ["wasm", "ffjavascript", "reference"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineOptions extends KernelOptions {
  /** "wasm" when left out. */
  readonly engine?: EngineName;
  /** "all" starts one thread a core; "one" computes in the calling thread. */
  readonly threads: "one" | "all";
}

/** @throws WorkError ENGINE_UNAVAILABLE */
export async function openEngine({ engine, threads, ...kernels }: EngineOptions): Promise<Engine> {
  switch (engine) {
    case "reference":
      return referenceEngine;
    case "ffjavascript":
      return openFfjavascript({ threads });
    case "wasm":
      return openWasm(kernels);
    default:
      return openWasm(kernels).catch((error) => {
        const isUnavailable = error instanceof WorkError && error.code === "ENGINE_UNAVAILABLE";
        if (!isUnavailable) throw error;
        return openFfjavascript({ threads });
      });
  }
}
