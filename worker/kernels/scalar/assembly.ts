/**
 * What the one-lane kernels are written into: a module, and the plan of its memory. No function
 * calls itself and an instance has one thread, so every temporary has an address of its own, fixed
 * when the code is written.
 */
import { type FunctionWriter, ModuleWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { FQ_BYTES, writeElement } from "./limbs.ts";

const PAGE_BYTES = 65536;

export interface AssemblyOptions {
  /** Whether operands are checked to be in range before each product; a violation traps. */
  readonly isChecked: boolean;
}

export class Assembly {
  readonly module = new ModuleWriter();
  readonly isChecked: boolean;
  readonly #constants: { readonly address: number; readonly values: readonly bigint[] }[] = [];
  #end = 0;

  constructor({ isChecked }: AssemblyOptions) {
    this.isChecked = isChecked;
  }

  /** An address for so many bytes, a multiple of 16. */
  take(bytes: number): number {
    const address = this.#end;
    this.#end += Math.ceil(bytes / 16) * 16;
    return address;
  }

  /** As `take`, for code. */
  place(bytes: number): Expr<"i32"> {
    return i32.const(this.take(bytes));
  }

  /** Consecutive elements of Fq that every instance has in its memory, as they stand. */
  constant(...values: bigint[]): Expr<"i32"> {
    const address = this.take(FQ_BYTES * values.length);
    this.#constants.push({ address, values });
    return i32.const(address);
  }

  /** What every instance has to have in its memory before the first call. */
  constants(): { address: number; bytes: Uint8Array }[] {
    return this.#constants.map(({ address, values }) => {
      const bytes = new Uint8Array(FQ_BYTES * values.length);
      const view = new DataView(bytes.buffer);
      for (const [i, value] of values.entries()) writeElement(view, FQ_BYTES * i, value);
      return { address, bytes };
    });
  }

  get pages(): number {
    return Math.ceil(this.#end / PAGE_BYTES);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.module.bytes({ minimumPages: this.pages, maximumPages: this.pages });
  }
}

/** The `index`-th of consecutive elements. */
export function component(pointer: Expr<"i32">, index: number, stride = FQ_BYTES): Expr<"i32"> {
  return index === 0 ? pointer : i32.add(pointer, i32.const(stride * index));
}

/** Calls in the order of a formula's operations: `const { multiply } = calls(f, field)`. */
export function calls<K extends string>(
  f: FunctionWriter,
  functions: Readonly<Record<K, FunctionWriter>>,
): Readonly<Record<K, (...args: Expr<"i32">[]) => void>> {
  const entries = Object.entries<FunctionWriter>(functions).map(([name, callee]) => [
    name,
    (...args: Expr<"i32">[]) => f.call(callee, ...args),
  ]);
  return Object.fromEntries(entries);
}
