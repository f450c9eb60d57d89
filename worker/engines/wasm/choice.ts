/**
 * Which kernels run here: the fastest that compile and give the known answers.
 */
import { WorkError } from "../../errors.ts";
import { ModuleWriter } from "../../kernels/emitter.ts";
import { f64x2, v128 } from "../../kernels/instructions.ts";
import { type CompiledKernels, type CompileOptions, compileKernels } from "./kernels.ts";

export interface KernelOptions {
  /** "auto" (the default) tries "fma", then "extmul"; a name takes no other. */
  readonly kernels?: "auto" | "fma" | "extmul";
  /**
   * Whether to try V8's revectorizer, an experimental optimization that makes "fma" nearly twice as
   * fast: true when left out. It is only used where the kernels give the known answers with it, and
   * every proof is verified in any case.
   */
  readonly revectorize?: boolean;
}

export interface ChosenKernels {
  readonly compiled: CompiledKernels;
  /** For people, such as "fma, 256-bit". */
  readonly path: string;
  /** What was tried before, and why it was not taken. */
  readonly refused: readonly string[];
}

/** For people: the path that a set of options takes. */
export function pathOf({ representation, revectorize }: CompileOptions): string {
  if (representation === "extmul") return "extmul";
  return revectorize ? "fma, revectorized" : "fma";
}

/**
 * @param test  what is wrong with kernels, or undefined (`self-test.ts`).
 * @throws WorkError ENGINE_UNAVAILABLE if none of them works.
 */
export async function chooseKernels(
  { kernels = "auto", revectorize = true }: KernelOptions,
  test: (compiled: CompiledKernels) => Promise<string | undefined>,
): Promise<ChosenKernels> {
  const candidates: CompileOptions[] = [
    ...(revectorize ? [{ representation: "fma", revectorize: true } as const] : []),
    { representation: "fma", revectorize: false },
    { representation: "extmul", revectorize: false },
  ];
  const refused: string[] = [];
  for (const options of candidates) {
    if (kernels !== "auto" && kernels !== options.representation) continue;
    const path = pathOf(options);
    try {
      if (options.representation === "fma" && !fusesMultiplyAdd()) {
        refused.push(`${path}: this processor or runtime does not fuse multiply and add`);
        continue;
      }
      const compiled = compileKernels(options);
      const problem = await test(compiled);
      if (problem === undefined) return { compiled, path, refused };
      refused.push(`${path}: ${problem}`);
    } catch (error) {
      refused.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new WorkError(
    "ENGINE_UNAVAILABLE",
    `no kernels work here (${refused.join("; ")}). Needed is Node 20 or later on a processor with SIMD`,
  );
}

/**
 * Whether relaxed_madd is a fused multiply-add: (1 + 2^-30)(1 - 2^-30) - 1 is -2^-60 if it is, and
 * 0 if the product is rounded first.
 */
function fusesMultiplyAdd(): boolean {
  const module = new ModuleWriter();
  module.define("probe", ["i32"], [], (f, at) => {
    f.do(
      v128.store(at, f64x2.relaxedMadd(v128.load(at), v128.load(at, 16), v128.load(at, 32)), 48),
    );
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = module.bytes({ minimumPages: 1, maximumPages: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const numbers = new Float64Array(memory.buffer);
  const small = 2 ** -30;
  numbers.set([1 + small, 1 + small, 1 - small, 1 - small, -1, -1]);
  (exports.probe as (at: number) => void)(0);
  return numbers[6] === -(small * small) && numbers[7] === -(small * small);
}
