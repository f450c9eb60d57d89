/** Opens the engine on a GPU, in the thread or process that hosts it. */
import { openVulkanEngine } from "../engines/vulkan.ts";
import type { VulkanOptions } from "../gpu/vulkan.ts";
import type { Hosted } from "./hosted.ts";

/** @param options  VulkanOptions */
export default async function open(options: unknown): Promise<Hosted> {
  const engine = await openVulkanEngine(options as VulkanOptions);
  const { name, kind, driver, heaps } = engine.device;
  const memoryBytes = heaps
    .filter(({ isLocal }) => isLocal)
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const device = { name, kind, driver, memoryBytes };
  // The self-test is no proof.
  const { batches, jobs } = engine.use;
  const use = () => {
    const now = engine.use;
    return { ...now, batches: now.batches - batches, jobs: now.jobs - jobs };
  };
  return { engine, takesManyRuns: true, device, use };
}
