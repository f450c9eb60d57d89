/**
 * The engine's kernels as one compiled module: which representation of field elements, compiled how,
 * and instantiated over a key's memory.
 *
 * Three paths, from fast to everywhere:
 *
 * | path | numbers | needs |
 * |---|---|---|
 * | `fma` revectorized | 5 x 51 bits in doubles, 256-bit vectors | Node 22 with AVX2 and FMA, an experimental flag of V8 |
 * | `fma` | the same, 128-bit vectors | relaxed SIMD (Node 22) and a processor with FMA |
 * | `extmul` | 9 x 29 bits in 64-bit lanes | plain SIMD (tried on Node 20 and later) |
 *
 * `docs/adr/0019-kernels.md` has the reasons.
 */
import { setFlagsFromString } from "node:v8";
import { BASE_FIELD, SCALAR_FIELD } from "../../field.ts";
import { calledField } from "../../kernels/called-field.ts";
import { type Degree, writeCurveKernels } from "../../kernels/curve.ts";
import { writeEntryKernels } from "../../kernels/entries.ts";
import { extmulField } from "../../kernels/extmul-field.ts";
import { fmaField } from "../../kernels/fma-field.ts";
import { writeGatherKernels } from "../../kernels/gather.ts";
import { writeIntegerKernels } from "../../kernels/integers.ts";
import { writeKeyPointKernels } from "../../kernels/key-points.ts";
import { writeRowKernels } from "../../kernels/rows.ts";
import { writeTransformKernels } from "../../kernels/transform.ts";
import { KernelWriter, type VectorField } from "../../kernels/vector-field.ts";

/** Pages of 64 KiB in 4 GiB, the most that a 32-bit address reaches. */
export const MAX_PAGES = 65536;
export const PAGE_BYTES = 65536;
/** Constants lie from here on: address 0 stays unused, so that 0 can mean "no point". */
const CONSTANTS = 1024;
/** The first address that constants leave free. */
export const FIRST_FREE = 65536;

/** Representations of field elements. */
export type Representation = "fma" | "extmul";

export interface CompileOptions {
  readonly representation: Representation;
  /** Lets V8 pair 128-bit operations, with `--experimental-wasm-revectorize`. */
  readonly revectorize: boolean;
  /** Traps when a number is out of bounds: for tests, several times slower. */
  readonly checked?: boolean;
}

/** Plain data (and a module): posted to other threads, so that one compilation serves all. */
export interface CompiledKernels {
  readonly module: WebAssembly.Module;
  readonly options: CompileOptions;
  /** The constants' bytes, to be written from `CONSTANTS` on in each memory. */
  readonly constants: Uint8Array;
}

/** Kernels of one group, by degree. */
type GroupKernel = `${
  | "touch"
  | "gatherPacked"
  | "gatherLanes"
  | "expand"
  | "regroup"
  | "differences"
  | "forward"
  | "unwind"
  | "finish"
  | "tangent"
  | "findZeros"
  | "admit"
  | "lanes"
  | "onCurve"}${Degree}`;
/** Kernels of one field, by letter. */
type FieldKernel = `${"multiply" | "scale" | "unpack" | "gather" | "pack"}${"Q" | "R"}`;
type KernelName =
  | GroupKernel
  | FieldKernel
  | "norm2"
  | "conjugate2"
  | "fold"
  | "count"
  | "prefix"
  | "place"
  | "pairs"
  | "firstPairs"
  | "collect"
  | "countSizes"
  | "placeSegments"
  | "rowPairs"
  | "inFrequency"
  | "inFrequencyReduced"
  | "inTime"
  | "inTimeReduced"
  | "turn"
  | "quotient"
  | "evens"
  | "addToRows"
  | "finishRows";

/** All kernels take addresses and counts as numbers (u32); counts are at least 1. */
export type Kernels = Readonly<Record<KernelName, (...args: number[]) => number>>;

/** The two fields of a representation. */
export interface Fields {
  readonly fq: VectorField;
  readonly fr: VectorField;
}

export function fieldsOf({ representation, checked = false }: CompileOptions): Fields {
  const field = representation === "fma" ? fmaField : extmulField;
  return { fq: field(BASE_FIELD, { checked }), fr: field(SCALAR_FIELD, { checked }) };
}

/** @throws WebAssembly.CompileError where the module's instructions are not known. */
export function compileKernels(options: CompileOptions): CompiledKernels {
  const { fq, fr } = fieldsOf(options);
  const writer = new KernelWriter(CONSTANTS, options.revectorize);
  writeEntryKernels(writer, SCALAR_FIELD);
  const called = calledField(fq);
  for (const degree of [1, 2] as const) {
    writeGatherKernels(writer, fq, degree);
    writeCurveKernels(writer, options.representation === "extmul" ? called : fq, degree);
  }
  const ofKeys = options.revectorize ? fq : called;
  for (const degree of [1, 2] as const) writeKeyPointKernels(writer, ofKeys, degree);
  writeIntegerKernels(writer, fq, "Q");
  writeIntegerKernels(writer, fr, "R");
  writeTransformKernels(writer, fr);
  writeRowKernels(writer, fr);
  const bytes = writer.module.bytes({
    minimumPages: 1,
    maximumPages: MAX_PAGES,
    label: JSON.stringify(options),
  });
  const { size } = writer.constants;
  if (CONSTANTS + size > FIRST_FREE) throw new Error(`${size} bytes of constants do not fit`);
  const memory = new SharedArrayBuffer(FIRST_FREE);
  writer.constants.write(memory);
  return {
    module: compiled(bytes, options.revectorize),
    options,
    constants: new Uint8Array(memory, CONSTANTS, size).slice(),
  };
}

/** Kernels over a memory, whose constants are written when `isNew`. */
export function instantiate(
  { module, constants }: CompiledKernels,
  memory: WebAssembly.Memory,
  isNew: boolean,
): Kernels {
  if (isNew) new Uint8Array(memory.buffer, CONSTANTS, constants.length).set(constants);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as Kernels;
}

/**
 * Compiles every function with the optimizing compiler, now. Left to itself, V8 runs a baseline
 * compiler's code first, at half the speed, and optimizes later and in the background, when the flag
 * for the revectorizer is not set any more.
 *
 * V8's flags are the whole process's. The two used here are set for this one moment and are harmless
 * to whatever other threads compile meanwhile: `--allow-natives-syntax` lets one function of this
 * file name V8's own test function for tiering up, and `--experimental-wasm-revectorize` is looked at
 * by one optimization only. (`--no-liftoff` would do the first thing, too, but it changes flags that
 * compilations under way in other threads rely on, and V8 then aborts the process.)
 */
export function compiled(bytes: Uint8Array<ArrayBuffer>, revectorize: boolean): WebAssembly.Module {
  const module = new WebAssembly.Module(bytes);
  const tierUp = tierUpFunction();
  if (tierUp === undefined) return module;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  if (revectorize) setFlagsFromString("--experimental-wasm-revectorize");
  try {
    for (const kernel of Object.values(exports)) tierUp(kernel);
  } finally {
    if (revectorize) setFlagsFromString("--no-experimental-wasm-revectorize");
  }
  return module;
}

/** V8's own function for tests, or undefined where it is not known (before Node 22) or not allowed. */
function tierUpFunction(): ((kernel: unknown) => void) | undefined {
  setFlagsFromString("--allow-natives-syntax");
  try {
    return new Function("kernel", "%WasmTierUpFunction(kernel)") as (kernel: unknown) => void;
  } catch {
    return undefined;
  } finally {
    setFlagsFromString("--no-allow-natives-syntax");
  }
}
