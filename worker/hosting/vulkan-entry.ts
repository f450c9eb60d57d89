/** Opens the engine on a GPU, in the thread or process that hosts it. */
import { gpuError } from "../gpu/failure.ts";
import type { Hosted } from "./hosted.ts";

/** @param options  as `VulkanOptions` */
export default async function open(_options: unknown): Promise<Hosted> {
  throw gpuError("feature", "the engine on a GPU is not part of this version");
}
