/** The engine on a GPU that Vulkan drives. */
import { gpuError } from "../gpu/failure.ts";
import { openVulkan, type VulkanOptions } from "../gpu/vulkan.ts";
import { GpuEngine } from "./gpu/engine.ts";
import { selfTest } from "./self-test.ts";

/**
 * Opens a device, compiles the kernels and lets them compute what is known: seconds for a driver that
 * has not seen the kernels before, on the calling thread.
 *
 * @param options  `device` is part of a device's name, and the only way to a software device.
 * @throws WorkError ENGINE_UNAVAILABLE, with `detail.gpu` as `GpuFailure`
 */
export async function openVulkanEngine(options: VulkanOptions = {}): Promise<GpuEngine> {
  const device = await openVulkan(options);
  try {
    const engine = new GpuEngine("vulkan", device);
    const fault = await selfTest(engine);
    if (fault === undefined) return engine;
    throw gpuError(
      "driver",
      `${device.name}: got a wrong answer in the self-test (${fault}), expected the known one; update the driver or use another device`,
      { fault },
    );
  } catch (error) {
    await device.close();
    throw error;
  }
}
