/** One recording on its way through the device, with what lives as long as it. */
import type { Handle } from "./layouts.ts";
import type { Device, Vulkan } from "./libvulkan.ts";
import type { Recording } from "./recording.ts";

const STORAGE_BUFFER = 7;
/** VK_COMMAND_POOL_CREATE_TRANSIENT_BIT */
const TRANSIENT = 1;

export interface Submission {
  /** Signalled when all of it is done. */
  readonly fence: Handle<"fence">;
  /** Not before the fence is signalled, unless the device is lost. */
  free(): void;
}

/** @throws WorkError ENGINE_UNAVAILABLE; nothing is held and nothing runs then. */
export function submitRecording(
  vulkan: Vulkan,
  device: Device,
  queue: Handle<"queue">,
  queueFamilyIndex: number,
  recording: Recording,
): Submission {
  const undo: (() => void)[] = [];
  const free = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const fence = vulkan.create("fence", device, {});
    undo.push(() => vulkan.destroy("fence", device, fence));
    const pool = vulkan.create("commandPool", device, { flags: TRANSIENT, queueFamilyIndex });
    undo.push(() => vulkan.destroy("commandPool", device, pool));
    const commands = vulkan.allocateCommandBuffer(device, pool);
    recording.write(vulkan, device, commands, (maxSets, buffers) => {
      const sets = vulkan.create("descriptorPool", device, {
        maxSets,
        sizes: [{ type: STORAGE_BUFFER, descriptorCount: buffers }],
      });
      undo.push(() => vulkan.destroy("descriptorPool", device, sets));
      return sets;
    });
    vulkan.submit(queue, { commandBuffers: [commands] }, fence);
    return { fence, free };
  } catch (error) {
    free();
    throw error;
  }
}
