import { describe } from "vitest";
import { referenceEngine } from "../../worker/engines/reference.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
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
};

for (const [name, engine] of Object.entries(ENGINES)) {
  describe(`worker / engine ${name}`, () => conformance(engine));
}
