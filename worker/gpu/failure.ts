/** What can go wrong with a device, as WorkError ENGINE_UNAVAILABLE. */
import { WorkError, type WorkErrorDetail } from "../errors.ts";

/** `detail.gpu` of the error; the comment says what may be done. */
export type GpuFailure =
  /** The program's package or the system's library is missing: install it. */
  | "library"
  /** No driver, or none for a device that may be used: install one, or name a device. */
  | "device"
  /** The device lacks something that the kernels need: another device. */
  | "feature"
  /** Memory of the device or of the machine is short: smaller keys, fewer of them, a larger device. */
  | "memory"
  /** The device was reset or is gone: another device or another engine; then a new start. */
  | "lost"
  /** Something submitted did not end in time; the device cannot be trusted any more. */
  | "hang"
  /** An answer that the interface does not allow for here: a fault in the driver or in this program. */
  | "driver"
  /** The device was closed before. */
  | "closed";

export function gpuError(
  gpu: GpuFailure,
  message: string,
  detail: WorkErrorDetail = {},
  options?: ErrorOptions,
): WorkError {
  return new WorkError("ENGINE_UNAVAILABLE", message, { gpu, ...detail }, options);
}

/** What to do where the loader finds no driver, or a driver no device. */
export const INSTALL_DRIVER =
  "install the device's driver, and in a container pass the device in " +
  "(NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics)";

/** Vulkan's own error codes, VkResult: registry.khronos.org/vulkan, chapter "Return Codes". */
const RESULTS: Record<number, readonly [name: string, gpu: GpuFailure, advice: string]> = {
  [-1]: ["VK_ERROR_OUT_OF_HOST_MEMORY", "memory", "give the process more memory"],
  [-2]: ["VK_ERROR_OUT_OF_DEVICE_MEMORY", "memory", "load fewer or smaller keys"],
  [-3]: ["VK_ERROR_INITIALIZATION_FAILED", "device", "check the driver with vulkaninfo"],
  [-4]: ["VK_ERROR_DEVICE_LOST", "lost", "look into the kernel's log, then start again"],
  [-5]: ["VK_ERROR_MEMORY_MAP_FAILED", "memory", "give the process more address space"],
  [-6]: ["VK_ERROR_LAYER_NOT_PRESENT", "library", "install the layer or do without it"],
  [-7]: ["VK_ERROR_EXTENSION_NOT_PRESENT", "feature", "update the driver"],
  [-8]: ["VK_ERROR_FEATURE_NOT_PRESENT", "feature", "update the driver or use another device"],
  [-9]: ["VK_ERROR_INCOMPATIBLE_DRIVER", "device", INSTALL_DRIVER],
  [-10]: ["VK_ERROR_TOO_MANY_OBJECTS", "memory", "load fewer keys"],
};

/** The error for a negative VkResult of a function. */
export function vulkanError(name: string, result: number): WorkError {
  const [text, gpu, advice] = RESULTS[result] ?? ["", "driver", "update the driver"];
  return gpuError(
    gpu,
    `${name}: got ${text || "VkResult"} (${result}), expected success; ${advice}`,
    { vulkan: name, result },
  );
}
