/** Engines by name. */
import type { Engine } from "../engine.ts";
import { openHosted } from "../hosting/hosted.ts";
import { vulkanOpener } from "../hosting/vulkan-opener.ts";
import { referenceEngine } from "./reference.ts";
import type { KernelOptions } from "./wasm/choice.ts";
import { openWasm } from "./wasm.ts";

export const ENGINE_NAMES = ["vulkan", "wasm", "reference"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** "auto": a GPU if there is one that can be used, else "wasm". */
export const ENGINE_CHOICES = ["auto", ...ENGINE_NAMES] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

export interface EngineOptions extends KernelOptions {
  /** "wasm" when left out. */
  readonly engine?: EngineName;
  /** Of the engine "vulkan": part of a device's name, and the only way to a software device. */
  readonly gpuDevice?: string;
}

/**
 * An engine for the calling thread.
 *
 * @throws WorkError ENGINE_UNAVAILABLE
 */
export async function openEngine({
  engine,
  gpuDevice,
  ...kernels
}: EngineOptions = {}): Promise<Engine> {
  if (engine === "vulkan") return (await openHosted(vulkanOpener(gpuDevice))).engine;
  return engine === "reference" ? referenceEngine : openWasm(kernels);
}
