/**
 * A native library through koffi, and the only file that touches it: a wrong argument there is no error
 * but a crash. So the signatures stand beside the calls, in one other file (`libvulkan.ts`), and
 * structures are made from `layouts.ts` and nothing else.
 */
import type { LibraryHandle, TypeObject } from "koffi";
import { gpuError } from "./failure.ts";
import { LAYOUTS, type Layout, type StructName } from "./layouts.ts";

type Koffi = typeof import("koffi");

/** The C type of a parameter: by its name, or as `Native.pointer` made it. */
export type Parameter = string | TypeObject;

/**
 * The first library of these names that has the function `needed`; undefined if there is none.
 *
 * @throws WorkError ENGINE_UNAVAILABLE, "library": koffi itself is missing.
 */
export async function loadNative(
  names: readonly string[],
  needed: string,
): Promise<Native | undefined> {
  const koffi = await import("koffi").catch((cause: unknown) => {
    throw gpuError(
      "library",
      'got no package "koffi" for this machine, expected it beside this one; install optional dependencies, too',
      {},
      { cause },
    );
  });
  for (const name of names) {
    try {
      const library = koffi.load(name);
      library.func(needed, "void", []);
      return new Native(koffi, library);
    } catch {
      // The next name; the caller says what is missing when none is left.
    }
  }
  return undefined;
}

export class Native {
  readonly #koffi: Koffi;
  readonly #library: LibraryHandle;
  readonly #structs = new Map<Layout, TypeObject>();
  readonly #pointers = new Map<StructName, TypeObject>();
  readonly #functions = new Map<string, ReturnType<LibraryHandle["func"]>>();

  constructor(koffi: Koffi, library: LibraryHandle) {
    this.#koffi = koffi;
    this.#library = library;
  }

  /** Calls a function, which always has the same signature. Typed arrays are passed as they are. */
  call(name: string, result: string, signature: readonly Parameter[], args: unknown[]): unknown {
    return this.#function(name, result, signature)(...args);
  }

  /** As `call`, on one of libuv's threads. */
  callAside(
    name: string,
    result: string,
    signature: readonly Parameter[],
    args: unknown[],
  ): Promise<unknown> {
    const called = this.#function(name, result, signature);
    return new Promise((resolve, reject) => {
      called.async(...args, (error: unknown, value: unknown) => {
        if (error) reject(error);
        else resolve(value);
      });
    });
  }

  /** The type of a pointer to a structure; the argument is what `completed` returns. */
  pointer(name: StructName): Parameter {
    let pointer = this.#pointers.get(name);
    if (pointer === undefined) {
      pointer = this.#koffi.pointer(this.#struct(LAYOUTS[name]));
      this.#pointers.set(name, pointer);
    }
    return pointer;
  }

  /** Where the bytes are; the caller keeps them alive as long as the address is used. */
  address(bytes: Uint8Array): bigint {
    return this.#koffi.address(bytes);
  }

  /** The bytes at an address. Reading them after they were freed crashes. */
  view(address: bigint, bytes: number): ArrayBuffer {
    return this.#koffi.view(address, bytes);
  }

  #struct(layout: Layout): TypeObject {
    const known = this.#structs.get(layout);
    if (known !== undefined) return known;
    const members = Object.entries(layout).map(([name, { c, isList }]) => {
      const type = typeof c === "string" ? c : this.#struct(c);
      return [name, isList ? this.#koffi.pointer(type) : type] as const;
    });
    const struct = this.#koffi.struct(Object.fromEntries(members));
    this.#structs.set(layout, struct);
    return struct;
  }

  #function(name: string, result: string, signature: readonly Parameter[]) {
    let found = this.#functions.get(name);
    if (found === undefined) {
      found = this.#library.func(name, result, [...signature]);
      this.#functions.set(name, found);
    }
    return found;
  }
}
