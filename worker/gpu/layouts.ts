/**
 * Vulkan's structures as data: the C layout for `native.ts`, and from the same table the type of
 * what a caller gives. Members that this program never uses have a fixed value, and a count is the
 * length of the list that it counts, so that neither can be given wrongly.
 * registry.khronos.org/vulkan/specs/1.1, names without the prefix.
 */

/** An object of the driver, told apart by kind. Dispatchable ones are pointers: 64-bit machines only. */
export type Handle<T extends string> = bigint & { readonly __handle?: T };

/** One member; T is what a caller gives for it, `never` where it is not the caller's. */
export interface Member<T> {
  readonly c: string | Layout;
  /** A pointer to a list of `c`, rather than one of it. */
  readonly isList: boolean;
  readonly fixed?: number | null;
  readonly counts?: string;
  readonly given?: T;
}

export type Layout = { readonly [name: string]: Member<unknown> };

type Given<L extends Layout> = {
  [K in keyof L as Exclude<L[K]["given"], undefined> extends never ? never : K]: Exclude<
    L[K]["given"],
    undefined
  >;
};

const member = <T>(c: string | Layout, isList = false): Member<T> => ({ c, isList });
const fixed = (c: string, value: number | null): Member<never> => ({
  c,
  isList: false,
  fixed: value,
});
const count = (counts: string): Member<never> => ({ c: "uint32_t", isList: false, counts });
const list = <L extends Layout>(layout: L) => member<readonly Given<L>[]>(layout, true);
const inline = <L extends Layout>(layout: L) => member<Given<L>>(layout);
const handle = <T extends string>() => member<Handle<T>>("uint64_t");
const handles = <T extends string>() => member<readonly Handle<T>[]>("uint64_t", true);

const u32 = member<number>("uint32_t");
const u64 = member<number | bigint>("uint64_t");
const text = member<string>("const char *");
const zero = fixed("uint32_t", 0);
const nothing = fixed("void *", null);
/** The members that most structures begin with. */
const head = (sType: number) => ({ sType: fixed("int32_t", sType), pNext: nothing });
const headAndFlags = (sType: number) => ({ ...head(sType), flags: zero });

const applicationInfo = {
  ...head(0),
  applicationName: text,
  applicationVersion: zero,
  engineName: nothing,
  engineVersion: zero,
  apiVersion: u32,
};
const deviceQueueCreateInfo = {
  ...headAndFlags(2),
  queueFamilyIndex: u32,
  queueCount: count("priorities"),
  priorities: member<readonly number[]>("float", true),
};
const descriptorSetLayoutBinding = {
  binding: u32,
  descriptorType: u32,
  descriptorCount: u32,
  stageFlags: u32,
  immutableSamplers: nothing,
};
const pushConstantRange = { stageFlags: u32, offset: u32, size: u32 };
const descriptorPoolSize = { type: u32, descriptorCount: u32 };
const descriptorBufferInfo = { buffer: handle<"buffer">(), offset: u64, range: u64 };
const shaderStage = {
  ...headAndFlags(18),
  stage: u32,
  module: handle<"shader">(),
  name: text,
  specialization: nothing,
};

export const LAYOUTS = {
  instanceCreateInfo: {
    ...head(1),
    flags: zero,
    applicationInfo: list(applicationInfo),
    layerCount: zero,
    layers: nothing,
    extensionCount: zero,
    extensions: nothing,
  },
  deviceCreateInfo: {
    ...headAndFlags(3),
    queueInfoCount: count("queueInfos"),
    queueInfos: list(deviceQueueCreateInfo),
    layerCount: zero,
    layers: nothing,
    extensionCount: zero,
    extensions: nothing,
    /** 55 booleans of 32 bits, VkPhysicalDeviceFeatures. */
    features: member<readonly number[]>("uint32_t", true),
  },
  submitInfo: {
    ...head(4),
    waitCount: zero,
    waits: nothing,
    waitStages: nothing,
    commandBufferCount: count("commandBuffers"),
    commandBuffers: handles<"commandBuffer">(),
    signalCount: zero,
    signals: nothing,
  },
  memoryAllocateInfo: { ...head(5), allocationSize: u64, memoryTypeIndex: u32 },
  fenceCreateInfo: headAndFlags(8),
  bufferCreateInfo: {
    ...headAndFlags(12),
    size: u64,
    usage: u32,
    sharingMode: zero,
    familyCount: zero,
    families: nothing,
  },
  shaderModuleCreateInfo: {
    ...headAndFlags(16),
    codeBytes: member<number>("size_t"),
    code: member<Uint32Array>("uint32_t", true),
  },
  computePipelineCreateInfo: {
    ...headAndFlags(29),
    stage: inline(shaderStage),
    layout: handle<"pipelineLayout">(),
    base: fixed("uint64_t", 0),
    baseIndex: fixed("int32_t", -1),
  },
  pipelineLayoutCreateInfo: {
    ...headAndFlags(30),
    setLayoutCount: count("setLayouts"),
    setLayouts: handles<"setLayout">(),
    rangeCount: count("pushConstantRanges"),
    pushConstantRanges: list(pushConstantRange),
  },
  descriptorSetLayoutCreateInfo: {
    ...headAndFlags(32),
    bindingCount: count("bindings"),
    bindings: list(descriptorSetLayoutBinding),
  },
  descriptorPoolCreateInfo: {
    ...headAndFlags(33),
    maxSets: u32,
    sizeCount: count("sizes"),
    sizes: list(descriptorPoolSize),
  },
  descriptorSetAllocateInfo: {
    ...head(34),
    pool: handle<"descriptorPool">(),
    setCount: count("setLayouts"),
    setLayouts: handles<"setLayout">(),
  },
  writeDescriptorSet: {
    ...head(35),
    set: handle<"descriptorSet">(),
    binding: u32,
    arrayElement: zero,
    descriptorCount: count("buffers"),
    descriptorType: u32,
    images: nothing,
    buffers: list(descriptorBufferInfo),
    texelBufferViews: nothing,
  },
  commandPoolCreateInfo: { ...head(39), flags: u32, queueFamilyIndex: u32 },
  commandBufferAllocateInfo: {
    ...head(40),
    pool: handle<"commandPool">(),
    level: zero,
    bufferCount: u32,
  },
  commandBufferBeginInfo: { ...head(42), flags: u32, inheritance: nothing },
  memoryBarrier: { ...head(46), sourceAccess: u32, targetAccess: u32 },
  bufferCopy: { sourceOffset: u64, targetOffset: u64, size: u64 },
} satisfies Record<string, Layout>;

export type StructName = keyof typeof LAYOUTS;
/** What a caller gives for a structure. */
export type Info<N extends StructName> = Given<(typeof LAYOUTS)[N]>;

/** All members of a structure, with the fixed ones and the counts put in. */
export function completed(layout: Layout, given: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(layout).map(([name, { c, isList, fixed: value, counts }]) => {
      if (counts !== undefined) return [name, (given[counts] as ArrayLike<unknown>).length];
      if (value !== undefined) return [name, value];
      const own = given[name];
      if (typeof c === "string") return [name, own];
      if (!isList) return [name, completed(c, own as Record<string, unknown>)];
      return [name, (own as Record<string, unknown>[]).map((item) => completed(c, item))];
    }),
  );
}
