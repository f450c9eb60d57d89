import { ModuleWriter } from "../../../worker/kernels/emitter.ts";

/** Functions over a page of memory. */
export function moduleInstance(write: (module: ModuleWriter) => void) {
  const module = new ModuleWriter();
  write(module);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
  const bytes = module.bytes({ minimumPages: 1, maximumPages: 2 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return {
    // biome-ignore lint/suspicious/noExplicitAny: functions of any signature
    call: (name: string, ...args: any[]) => (exports[name] as (...args: any[]) => any)(...args),
    u64: new BigUint64Array(memory.buffer),
    bytes: new Uint8Array(memory.buffer),
  };
}
