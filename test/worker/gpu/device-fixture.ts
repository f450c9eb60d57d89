/** The device that tests run on: the machine's GPU, or its software driver; or why there is none. */
import type { GpuDevice, GpuKernel, KernelCode, Size3 } from "../../../worker/gpu/device.ts";
import { openVulkan, type VulkanOptions } from "../../../worker/gpu/vulkan.ts";

/** Mesa's driver that computes on the processor. */
export const SOFTWARE = "llvmpipe";

/** A device by name, for a machine with several. */
const NAMED = process.env.PROOFMILL_TEST_DEVICE;

/** A GPU if there is one, else the software device. */
export async function openAny(options: VulkanOptions = {}): Promise<GpuDevice> {
  if (NAMED !== undefined) return openVulkan({ ...options, device: NAMED });
  return openVulkan(options).catch(() => openVulkan({ ...options, device: SOFTWARE }));
}

/** Undefined where there is a device. */
export const whyNoDevice: string | undefined = await openAny().then(
  async (device) => {
    await device.close();
    return undefined;
  },
  (error: Error) => error.message,
);

/**
 * Runs a kernel once over buffers that begin as `inputs`, and returns what they hold then. Buffers
 * and kernel are freed.
 */
export async function runOnce(
  device: GpuDevice,
  code: KernelCode | GpuKernel,
  inputs: readonly Uint32Array[],
  push: readonly number[],
  groups: Size3,
): Promise<Uint32Array[]> {
  const kernel = "code" in code ? code : device.createKernel(code);
  const buffers = inputs.map((words) => device.createBuffer(words.byteLength));
  try {
    for (const [i, buffer] of buffers.entries()) {
      await device.upload(bytesOf(inputs[i] as Uint32Array), { buffer });
    }
    await device.submit((commands) => {
      commands.dispatch(
        kernel,
        buffers.map((buffer) => ({ buffer })),
        push,
        groups,
      );
    });
    const outputs = inputs.map(({ length }) => new Uint32Array(length));
    for (const [i, buffer] of buffers.entries()) {
      await device.download({ buffer }, bytesOf(outputs[i] as Uint32Array));
    }
    return outputs;
  } finally {
    for (const buffer of buffers) buffer.free();
    if (kernel !== code) kernel.free();
  }
}

export function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
