/**
 * The part of the WebAssembly JavaScript interface that `worker/` uses. TypeScript keeps it in its
 * DOM library, which a server does not load. Specification: webassembly.github.io/spec/js-api.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
    static exports(module: Module): { readonly name: string; readonly kind: string }[];
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class Memory {
    constructor(limits: {
      readonly initial: number;
      readonly maximum: number;
      readonly shared: boolean;
    });
    readonly buffer: ArrayBuffer;
    /** @returns the pages before. @throws RangeError */
    grow(pages: number): number;
  }
  class LinkError extends Error {}
}
