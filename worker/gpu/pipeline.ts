/** Kernels as Vulkan's pipelines. */
import type { GpuLimits, KernelCode } from "./device.ts";
import type { Device, Vulkan } from "./libvulkan.ts";
import type { Pipeline } from "./recording.ts";

const STORAGE_BUFFER = 7;
const COMPUTE_STAGE = 0x20;

/** Why a device cannot run a kernel, as "name: got ..., expected ...", or undefined. */
export function refusalOf(code: KernelCode, limits: GpuLimits): string | undefined {
  const [x, y, z] = code.workgroupSize;
  const bounds: readonly (readonly [what: string, got: number, most: number])[] = [
    ["buffers", code.bindings, limits.bindings],
    ["bytes of push constants", 4 * code.pushWords, limits.pushBytes],
    ["bytes of shared memory", code.sharedBytes, limits.sharedBytes],
    ["invocations in a workgroup", x * y * z, limits.workgroupInvocations],
    ["invocations along x", x, limits.workgroupSize[0]],
    ["invocations along y", y, limits.workgroupSize[1]],
    ["invocations along z", z, limits.workgroupSize[2]],
  ];
  const broken = bounds.find(([, got, most]) => got > most);
  if (broken === undefined) return undefined;
  const [what, got, most] = broken;
  return `${code.name}: got ${got} ${what}, expected at most ${most}; use another device`;
}

/** @throws WorkError ENGINE_UNAVAILABLE; nothing is held then. */
export function makePipeline(
  vulkan: Vulkan,
  device: Device,
  code: KernelCode,
): Pipeline & { free(): void } {
  const undo: (() => void)[] = [];
  const free = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const setLayout = vulkan.create("setLayout", device, {
      bindings: Array.from({ length: code.bindings }, (_, binding) => ({
        binding,
        descriptorType: STORAGE_BUFFER,
        descriptorCount: 1,
        stageFlags: COMPUTE_STAGE,
      })),
    });
    undo.push(() => vulkan.destroy("setLayout", device, setLayout));
    const size = 4 * code.pushWords;
    const layout = vulkan.create("pipelineLayout", device, {
      setLayouts: [setLayout],
      pushConstantRanges: size === 0 ? [] : [{ stageFlags: COMPUTE_STAGE, offset: 0, size }],
    });
    undo.push(() => vulkan.destroy("pipelineLayout", device, layout));
    const module = vulkan.create("shader", device, {
      codeBytes: code.words.byteLength,
      code: code.words,
    });
    try {
      const stage = { stage: COMPUTE_STAGE, module, name: "main" };
      const pipeline = vulkan.createComputePipeline(device, { stage, layout });
      undo.push(() => vulkan.destroyPipeline(device, pipeline));
      return { pipeline, layout, setLayout, free };
    } finally {
      vulkan.destroy("shader", device, module);
    }
  } catch (error) {
    free();
    throw error;
  }
}
