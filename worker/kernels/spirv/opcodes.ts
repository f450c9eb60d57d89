/**
 * Numbers of SPIR-V 1.3, as far as kernels need them. registry.khronos.org/SPIR-V, "Unified
 * Specification", chapters 3.7 (storage classes), 3.20 (decorations), 3.21 (built-ins) and 3.49
 * (instructions).
 */
export const OP = {
  memoryModel: 14,
  entryPoint: 15,
  executionMode: 16,
  capability: 17,
  typeVoid: 19,
  typeBool: 20,
  typeInt: 21,
  typeVector: 23,
  typeArray: 28,
  typeRuntimeArray: 29,
  typeStruct: 30,
  typePointer: 32,
  typeFunction: 33,
  constant: 43,
  function: 54,
  functionParameter: 55,
  functionEnd: 56,
  functionCall: 57,
  variable: 59,
  load: 61,
  store: 62,
  accessChain: 65,
  decorate: 71,
  memberDecorate: 72,
  compositeConstruct: 80,
  compositeExtract: 81,
  uConvert: 113,
  add: 128,
  sub: 130,
  mul: 132,
  logicalOr: 166,
  logicalAnd: 167,
  logicalNot: 168,
  select: 169,
  equal: 170,
  notEqual: 171,
  lessThan: 176,
  lessThanEqual: 178,
  shiftRight: 194,
  shiftLeft: 196,
  or: 197,
  xor: 198,
  and: 199,
  not: 200,
  bitReverse: 204,
  controlBarrier: 224,
  atomicAdd: 234,
  loopMerge: 246,
  selectionMerge: 247,
  label: 248,
  branch: 249,
  branchConditional: 250,
  return: 253,
  returnValue: 254,
} as const;

export const STORAGE = {
  input: 1,
  workgroup: 4,
  function: 7,
  pushConstant: 9,
  storageBuffer: 12,
} as const;

export const DECORATION = {
  block: 2,
  arrayStride: 6,
  builtIn: 11,
  nonWritable: 24,
  binding: 33,
  descriptorSet: 34,
  offset: 35,
} as const;

export const BUILT_IN = {
  workgroupId: 26,
  localInvocationId: 27,
  globalInvocationId: 28,
} as const;

/** One instruction: its length in words and its opcode share the first word. */
export function instruction(opcode: number, ...operands: readonly number[]): number[] {
  return [((operands.length + 1) << 16) | opcode, ...operands];
}

/** A string as words: UTF-8, ended by a zero byte. */
export function text(value: string): number[] {
  const bytes = new Uint8Array(4 * (Math.floor(value.length / 4) + 1));
  bytes.set(Buffer.from(value, "latin1"));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}
