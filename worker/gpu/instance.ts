/** The machine's Vulkan devices, and the one that is taken. */
import { type Candidate, chooseDevice } from "./choice.ts";
import type { GpuHeap, GpuKind, GpuLimits, Size3 } from "./device.ts";
import type { Instance, PhysicalDevice, Vulkan } from "./libvulkan.ts";
import type { MemoryType } from "./memory.ts";

export interface Physical extends Candidate {
  readonly handle: PhysicalDevice;
  readonly driver: string;
  readonly limits: GpuLimits;
  readonly heaps: readonly GpuHeap[];
  readonly memoryTypes: readonly MemoryType[];
}

/** VkPhysicalDeviceType. */
const KINDS: readonly GpuKind[] = ["virtual", "integrated", "discrete", "virtual", "software"];
const COMPUTE_QUEUE = 2;
const SHADER_INT64 = 40;
/** Where VkPhysicalDeviceLimits begins in VkPhysicalDeviceProperties. */
const LIMITS = 296;
/**
 * The largest buffer that this program makes: kernels count 32-bit words with 32 bits, which is four
 * times as much, but a view of mapped memory ends here.
 */
const MOST_BUFFER_BYTES = 2 ** 32;

/** Opens Vulkan 1.1. The caller destroys the instance. */
export function openInstance(vulkan: Vulkan): Instance {
  const apiVersion = (1 << 22) | (1 << 12);
  return vulkan.createInstance({ applicationInfo: [{ applicationName: "proofmill", apiVersion }] });
}

/** @throws WorkError ENGINE_UNAVAILABLE, as `chooseDevice`. */
export function findDevice(vulkan: Vulkan, instance: Instance, name?: string): Physical {
  const devices = vulkan.physicalDevices(instance).map((handle) => describe(vulkan, handle));
  return chooseDevice(devices, name);
}

function describe(vulkan: Vulkan, handle: PhysicalDevice): Physical {
  const { properties, allocationBytes } = vulkan.properties(handle);
  const version = properties.getUint32(0, true);
  const text = new Uint8Array(properties.buffer, properties.byteOffset + 20, 256);
  const family = vulkan.queueFamilies(handle).findIndex((flags) => flags & COMPUTE_QUEUE);
  return {
    handle,
    name: Buffer.from(text.subarray(0, text.indexOf(0))).toString("utf8"),
    kind: KINDS[properties.getUint32(16, true)] ?? "virtual",
    version: [(version >>> 22) & 0x7f, (version >>> 12) & 0x3ff],
    driver: String(properties.getUint32(4, true)),
    hasInt64: vulkan.features(handle)[SHADER_INT64] === 1,
    queueFamily: family < 0 ? undefined : family,
    limits: limitsOf(properties, allocationBytes),
    ...memoryOf(vulkan.memoryProperties(handle)),
  };
}

function limitsOf(properties: DataView, allocationBytes: bigint): GpuLimits {
  const u32 = (offset: number) => properties.getUint32(LIMITS + offset, true);
  const size3 = (offset: number): Size3 => [u32(offset), u32(offset + 4), u32(offset + 8)];
  return {
    bindingBytes: u32(28),
    pushBytes: u32(32),
    bufferCount: u32(36),
    bindings: Math.min(u32(76), u32(92), u32(108)),
    sharedBytes: u32(216),
    workgroupCount: size3(220),
    workgroupInvocations: u32(232),
    workgroupSize: size3(236),
    bindingAlignment: Number(properties.getBigUint64(LIMITS + 328, true)),
    bufferBytes: Math.min(Number(allocationBytes), MOST_BUFFER_BYTES),
  };
}

function memoryOf(memory: DataView): { memoryTypes: MemoryType[]; heaps: GpuHeap[] } {
  const u32 = (offset: number) => memory.getUint32(offset, true);
  return {
    memoryTypes: Array.from({ length: u32(0) }, (_, i) => ({
      flags: u32(4 + 8 * i),
      heap: u32(8 + 8 * i),
    })),
    heaps: Array.from({ length: u32(260) }, (_, i) => ({
      bytes: Number(memory.getBigUint64(264 + 16 * i, true)),
      isLocal: (u32(272 + 16 * i) & 1) !== 0,
    })),
  };
}
