/**
 * Vulkan's functions as this program calls them. Structures come from `layouts.ts`; every VkResult is
 * looked at, and a negative one is thrown as `vulkanError` says. Handles are 64-bit integers, also
 * where the library has pointers.
 */
import { gpuError, vulkanError } from "./failure.ts";
import { completed, type Handle, type Info, LAYOUTS, type StructName } from "./layouts.ts";
import { loadNative, type Native, type Parameter } from "./native.ts";

export type Instance = Handle<"instance">;
export type PhysicalDevice = Handle<"physicalDevice">;
export type Device = Handle<"device">;

/** What `create` makes and `destroy` ends, with the structure that describes it. */
const OBJECTS = {
  buffer: ["Buffer", "bufferCreateInfo"],
  shader: ["ShaderModule", "shaderModuleCreateInfo"],
  setLayout: ["DescriptorSetLayout", "descriptorSetLayoutCreateInfo"],
  pipelineLayout: ["PipelineLayout", "pipelineLayoutCreateInfo"],
  descriptorPool: ["DescriptorPool", "descriptorPoolCreateInfo"],
  commandPool: ["CommandPool", "commandPoolCreateInfo"],
  fence: ["Fence", "fenceCreateInfo"],
} as const satisfies Record<string, readonly [name: string, info: StructName]>;
export type ObjectKind = keyof typeof OBJECTS;
export type InfoOf<K extends ObjectKind> = Info<(typeof OBJECTS)[K][1]>;

const NAMES = ["libvulkan.so.1", "vulkan-1.dll"];
/** VK_TIMEOUT: the fence did not come in time. No error for Vulkan. */
const TIMEOUT = 2;
const DEVICE = "uint64_t";

/**
 * Loads the first library of these names.
 *
 * @throws WorkError ENGINE_UNAVAILABLE, "library"
 */
export async function loadVulkan(names: readonly string[] = NAMES): Promise<Vulkan> {
  const native = await loadNative(names, "vkGetPhysicalDeviceProperties2");
  if (native === undefined) {
    throw gpuError(
      "library",
      `got no Vulkan 1.1 library, expected one of ${names.join(", ")}; install libvulkan1 and the device's driver`,
    );
  }
  return new Vulkan(native);
}

export class Vulkan {
  readonly #native: Native;

  constructor(native: Native) {
    this.#native = native;
  }

  createInstance(info: Info<"instanceCreateInfo">): Instance {
    const out = new BigUint64Array(1);
    const signature = [this.#pointer("instanceCreateInfo"), "void *", "void *"];
    this.#check("vkCreateInstance", signature, this.#fill("instanceCreateInfo", info), null, out);
    return out[0] as Instance;
  }

  destroyInstance(instance: Instance): void {
    this.#call("vkDestroyInstance", [DEVICE, "void *"], instance, null);
  }

  physicalDevices(instance: Instance): PhysicalDevice[] {
    const signature = [DEVICE, "void *", "void *"];
    const count = new Uint32Array(1);
    this.#check("vkEnumeratePhysicalDevices", signature, instance, count, null);
    const out = new BigUint64Array(count[0] as number);
    this.#check("vkEnumeratePhysicalDevices", signature, instance, count, out);
    return [...out.subarray(0, count[0])];
  }

  /** VkPhysicalDeviceProperties, and maxMemoryAllocationSize of VkPhysicalDeviceMaintenance3Properties. */
  properties(device: PhysicalDevice): { properties: DataView; allocationBytes: bigint } {
    const maintenance = new DataView(new ArrayBuffer(32));
    maintenance.setInt32(0, 1_000_168_000, true);
    const all = new DataView(new ArrayBuffer(16 + 824));
    all.setInt32(0, 1_000_059_001, true);
    all.setBigUint64(8, this.#native.address(new Uint8Array(maintenance.buffer)), true);
    const out = new Uint8Array(all.buffer);
    this.#call("vkGetPhysicalDeviceProperties2", [DEVICE, "void *"], device, out);
    return {
      properties: new DataView(all.buffer, 16),
      allocationBytes: maintenance.getBigUint64(24, true),
    };
  }

  /** VkPhysicalDeviceFeatures: 55 booleans. */
  features(device: PhysicalDevice): Uint32Array {
    const out = new Uint32Array(55);
    this.#call("vkGetPhysicalDeviceFeatures", [DEVICE, "void *"], device, out);
    return out;
  }

  /** VkPhysicalDeviceMemoryProperties. */
  memoryProperties(device: PhysicalDevice): DataView {
    const out = new Uint8Array(520);
    this.#call("vkGetPhysicalDeviceMemoryProperties", [DEVICE, "void *"], device, out);
    return new DataView(out.buffer);
  }

  /** The flags of each queue family. */
  queueFamilies(device: PhysicalDevice): number[] {
    const signature = [DEVICE, "void *", "void *"];
    const count = new Uint32Array(1);
    const name = "vkGetPhysicalDeviceQueueFamilyProperties";
    this.#call(name, signature, device, count, null);
    const words = 6;
    const out = new Uint32Array(words * (count[0] as number));
    this.#call(name, signature, device, count, out);
    return Array.from({ length: count[0] as number }, (_, i) => out[words * i] as number);
  }

  createDevice(physical: PhysicalDevice, info: Info<"deviceCreateInfo">): Device {
    return this.#create("vkCreateDevice", physical, "deviceCreateInfo", info);
  }

  destroyDevice(device: Device): void {
    this.#call("vkDestroyDevice", [DEVICE, "void *"], device, null);
  }

  queue(device: Device, family: number): Handle<"queue"> {
    const out = new BigUint64Array(1);
    const signature = [DEVICE, "uint32_t", "uint32_t", "void *"];
    this.#call("vkGetDeviceQueue", signature, device, family, 0, out);
    return out[0] as bigint;
  }

  create<K extends ObjectKind>(kind: K, device: Device, info: InfoOf<K>): Handle<K> {
    const [name, struct] = OBJECTS[kind];
    return this.#create(`vkCreate${name}`, device, struct, info);
  }

  destroy<K extends ObjectKind>(kind: K, device: Device, handle: Handle<K>): void {
    this.#end(`vkDestroy${OBJECTS[kind][0]}`, device, handle);
  }

  /** Size, alignment and a bit for each memory type that will do. */
  memoryRequirements(device: Device, buffer: Handle<"buffer">): { bytes: bigint; types: number } {
    const out = new DataView(new ArrayBuffer(24));
    const signature = [DEVICE, "uint64_t", "void *"];
    const target = new Uint8Array(out.buffer);
    this.#call("vkGetBufferMemoryRequirements", signature, device, buffer, target);
    return { bytes: out.getBigUint64(0, true), types: out.getUint32(16, true) };
  }

  allocateMemory(device: Device, info: Info<"memoryAllocateInfo">): Handle<"memory"> {
    return this.#create("vkAllocateMemory", device, "memoryAllocateInfo", info);
  }

  freeMemory(device: Device, memory: Handle<"memory">): void {
    this.#end("vkFreeMemory", device, memory);
  }

  bindBufferMemory(device: Device, buffer: Handle<"buffer">, memory: Handle<"memory">): void {
    const signature = [DEVICE, "uint64_t", "uint64_t", "uint64_t"];
    this.#check("vkBindBufferMemory", signature, device, buffer, memory, 0);
  }

  /** The memory's bytes, where the program can reach them until the memory is freed: then it would crash. */
  mapMemory(device: Device, memory: Handle<"memory">, bytes: number): ArrayBuffer {
    const out = new BigUint64Array(1);
    const signature = [DEVICE, "uint64_t", "uint64_t", "uint64_t", "uint32_t", "void *"];
    this.#check("vkMapMemory", signature, device, memory, 0, bytes, 0, out);
    return this.#native.view(out[0] as bigint, bytes);
  }

  createComputePipeline(
    device: Device,
    info: Info<"computePipelineCreateInfo">,
  ): Handle<"pipeline"> {
    const out = new BigUint64Array(1);
    const struct = "computePipelineCreateInfo";
    const pointer = this.#pointer(struct);
    const signature = [DEVICE, "uint64_t", "uint32_t", pointer, "void *", "void *"];
    const given = this.#fill(struct, info);
    this.#check("vkCreateComputePipelines", signature, device, 0, 1, given, null, out);
    return out[0] as bigint;
  }

  destroyPipeline(device: Device, pipeline: Handle<"pipeline">): void {
    this.#end("vkDestroyPipeline", device, pipeline);
  }

  /** As many sets as the structure has layouts. Freed with their pool. */
  allocateDescriptorSets(
    device: Device,
    info: Info<"descriptorSetAllocateInfo">,
  ): Handle<"descriptorSet">[] {
    const out = new BigUint64Array(info.setLayouts.length);
    const signature = [DEVICE, this.#pointer("descriptorSetAllocateInfo"), "void *"];
    const given = this.#fill("descriptorSetAllocateInfo", info);
    this.#check("vkAllocateDescriptorSets", signature, device, given, out);
    return [...out];
  }

  updateDescriptorSet(device: Device, write: Info<"writeDescriptorSet">): void {
    const pointer = this.#pointer("writeDescriptorSet");
    const signature = [DEVICE, "uint32_t", pointer, "uint32_t", "void *"];
    const given = this.#fill("writeDescriptorSet", write);
    this.#call("vkUpdateDescriptorSets", signature, device, 1, given, 0, null);
  }

  /** One command buffer. Freed with its pool. */
  allocateCommandBuffer(device: Device, pool: Handle<"commandPool">): Handle<"commandBuffer"> {
    const out = new BigUint64Array(1);
    const signature = [DEVICE, this.#pointer("commandBufferAllocateInfo"), "void *"];
    const given = this.#fill("commandBufferAllocateInfo", { pool, bufferCount: 1 });
    this.#check("vkAllocateCommandBuffers", signature, device, given, out);
    return out[0] as bigint;
  }

  begin(commands: Handle<"commandBuffer">, info: Info<"commandBufferBeginInfo">): void {
    const signature = [DEVICE, this.#pointer("commandBufferBeginInfo")];
    this.#check(
      "vkBeginCommandBuffer",
      signature,
      commands,
      this.#fill("commandBufferBeginInfo", info),
    );
  }

  end(commands: Handle<"commandBuffer">): void {
    this.#check("vkEndCommandBuffer", [DEVICE], commands);
  }

  bindPipeline(commands: Handle<"commandBuffer">, pipeline: Handle<"pipeline">): void {
    this.#call("vkCmdBindPipeline", [DEVICE, "int32_t", "uint64_t"], commands, 1, pipeline);
  }

  bindDescriptorSet(
    commands: Handle<"commandBuffer">,
    layout: Handle<"pipelineLayout">,
    set: Handle<"descriptorSet">,
  ): void {
    const u32 = "uint32_t";
    const signature = [DEVICE, "int32_t", "uint64_t", u32, u32, "void *", u32, "void *"];
    const sets = BigUint64Array.of(set);
    this.#call("vkCmdBindDescriptorSets", signature, commands, 1, layout, 0, 1, sets, 0, null);
  }

  pushConstants(
    commands: Handle<"commandBuffer">,
    layout: Handle<"pipelineLayout">,
    stages: number,
    words: Uint32Array,
  ): void {
    const u32 = "uint32_t";
    const signature = [DEVICE, "uint64_t", u32, u32, u32, "void *"];
    this.#call(
      "vkCmdPushConstants",
      signature,
      commands,
      layout,
      stages,
      0,
      words.byteLength,
      words,
    );
  }

  dispatch(commands: Handle<"commandBuffer">, x: number, y: number, z: number): void {
    this.#call("vkCmdDispatch", [DEVICE, "uint32_t", "uint32_t", "uint32_t"], commands, x, y, z);
  }

  pipelineBarrier(
    commands: Handle<"commandBuffer">,
    stages: readonly [source: number, target: number],
    barrier: Info<"memoryBarrier">,
  ): void {
    const u32 = "uint32_t";
    const pointer = this.#pointer("memoryBarrier");
    const signature = [DEVICE, u32, u32, u32, u32, pointer, u32, "void *", u32, "void *"];
    const given = this.#fill("memoryBarrier", barrier);
    this.#call(
      "vkCmdPipelineBarrier",
      signature,
      commands,
      ...stages,
      0,
      1,
      given,
      0,
      null,
      0,
      null,
    );
  }

  copyBuffer(
    commands: Handle<"commandBuffer">,
    from: Handle<"buffer">,
    to: Handle<"buffer">,
    region: Info<"bufferCopy">,
  ): void {
    const pointer = this.#pointer("bufferCopy");
    const signature = [DEVICE, "uint64_t", "uint64_t", "uint32_t", pointer];
    this.#call(
      "vkCmdCopyBuffer",
      signature,
      commands,
      from,
      to,
      1,
      this.#fill("bufferCopy", region),
    );
  }

  fillBuffer(
    commands: Handle<"commandBuffer">,
    buffer: Handle<"buffer">,
    offset: number,
    bytes: number,
    word: number,
  ): void {
    const signature = [DEVICE, "uint64_t", "uint64_t", "uint64_t", "uint32_t"];
    this.#call("vkCmdFillBuffer", signature, commands, buffer, offset, bytes, word);
  }

  submit(queue: Handle<"queue">, info: Info<"submitInfo">, fence: Handle<"fence">): void {
    const signature = [DEVICE, "uint32_t", this.#pointer("submitInfo"), "uint64_t"];
    this.#check("vkQueueSubmit", signature, queue, 1, this.#fill("submitInfo", info), fence);
  }

  /** Whether the fence came within `timeoutMs`. Waits on another thread, one of libuv's. */
  async waitForFence(device: Device, fence: Handle<"fence">, timeoutMs: number): Promise<boolean> {
    const name = "vkWaitForFences";
    const signature = [DEVICE, "uint32_t", "uint64_t *", "uint32_t", "uint64_t"];
    const timeoutNs = BigInt(Math.ceil(timeoutMs)) * 1_000_000n;
    const args = [device, 1, [fence], 1, timeoutNs];
    const result = (await this.#native.callAside(name, "int32_t", signature, args)) as number;
    if (result < 0) throw vulkanError(name, result);
    return result !== TIMEOUT;
  }

  #create<N extends StructName>(name: string, parent: bigint, struct: N, info: Info<N>): bigint {
    const out = new BigUint64Array(1);
    const signature = [DEVICE, this.#pointer(struct), "void *", "void *"];
    this.#check(name, signature, parent, this.#fill(struct, info), null, out);
    return out[0] as bigint;
  }

  #end(name: string, device: Device, handle: bigint): void {
    this.#call(name, [DEVICE, "uint64_t", "void *"], device, handle, null);
  }

  #fill<N extends StructName>(name: N, info: Info<N>): object {
    return completed(LAYOUTS[name], info);
  }

  #pointer(name: StructName): Parameter {
    return this.#native.pointer(name);
  }

  #check(name: string, signature: readonly Parameter[], ...args: unknown[]): void {
    const result = this.#native.call(name, "int32_t", signature, args) as number;
    if (result < 0) throw vulkanError(name, result);
  }

  #call(name: string, signature: readonly Parameter[], ...args: unknown[]): void {
    this.#native.call(name, "void", signature, args);
  }
}
