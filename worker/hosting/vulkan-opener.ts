/** What opens the engine on a GPU. */
import { moduleUrl } from "../module-url.ts";
import type { Opener } from "./hosted.ts";

const ENTRY = moduleUrl(new URL("./vulkan-entry.ts", import.meta.url));

/** @param gpuDevice  part of a device's name, and the only way to a software device; empty: the best GPU. */
export function vulkanOpener(gpuDevice = ""): Opener {
  return { module: ENTRY.href, options: gpuDevice === "" ? {} : { device: gpuDevice } };
}
