import { describe } from "vitest";
import { referenceEngine } from "../../worker/engines/reference.ts";
import { compileKernels, type Representation } from "../../worker/engines/wasm/kernels.ts";
import { openWasm, WasmEngine } from "../../worker/engines/wasm.ts";
import { conformance, type EngineUnderTest } from "./conformance.ts";

const ENGINES: Record<string, EngineUnderTest> = {
  reference: { open: async () => referenceEngine, isFast: false },
  "wasm, FMA kernels": {
    open: () => openWasm({ kernels: "fma", revectorize: false }),
    isFast: true,
  },
  "wasm, revectorized FMA kernels": {
    open: () => openWasm({ kernels: "fma" }),
    isFast: true,
  },
  "wasm, plain SIMD kernels": {
    open: () => openWasm({ kernels: "extmul" }),
    isFast: true,
  },
  "wasm, FMA kernels that trap out of bounds": { open: () => openChecked("fma"), isFast: true },
  "wasm, plain SIMD kernels that trap out of bounds": {
    open: () => openChecked("extmul"),
    isFast: true,
  },
};

async function openChecked(representation: Representation): Promise<WasmEngine> {
  return new WasmEngine(compileKernels({ representation, revectorize: false, checked: true }), 0);
}

for (const [name, engine] of Object.entries(ENGINES)) {
  describe(`worker / engine ${name}`, () => conformance(engine));
}
