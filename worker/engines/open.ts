/** Engines by name. */
import type { Engine } from "../engine.ts";
import { referenceEngine } from "./reference.ts";
import type { KernelOptions } from "./wasm/choice.ts";
import { openWasm } from "./wasm.ts";

export const ENGINE_NAMES = ["wasm", "reference"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineOptions extends KernelOptions {
  /** "wasm" when left out. */
  readonly engine?: EngineName;
}

/**
 * An engine for the calling thread.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export async function openEngine({ engine, ...kernels }: EngineOptions = {}): Promise<Engine> {
  return engine === "reference" ? referenceEngine : openWasm(kernels);
}
