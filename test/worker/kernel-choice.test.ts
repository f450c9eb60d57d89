import { describe, expect, it } from "vitest";
import { bestKernels } from "../../worker/engines/wasm.ts";
import { kernelsForThreads } from "../../worker/kernel-choice.ts";

describe("worker / kernel choice", () => {
  it("is the choice of the calling thread, made once", async () => {
    const chosen = await kernelsForThreads();
    const here = await bestKernels();
    expect(chosen.path).toBe(here.path);
    expect(chosen.compiled.options).toEqual(here.compiled.options);
    expect(chosen.compiled.constants).toEqual(here.compiled.constants);
    expect(WebAssembly.Module.exports(chosen.compiled.module)).toEqual(
      WebAssembly.Module.exports(here.compiled.module),
    );
    expect(await kernelsForThreads({ kernels: "auto", revectorize: true })).toBe(chosen);
    expect(await kernelsForThreads({ kernels: "extmul" })).not.toBe(chosen);
  });

  it("says why there is none", async () => {
    const none = kernelsForThreads({ kernels: "abacus" as never });
    await expect(none).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
      message: expect.stringContaining("no kernels work here"),
    });
  });
});
