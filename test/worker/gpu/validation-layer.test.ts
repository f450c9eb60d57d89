import { describe, expect, it } from "vitest";
import { whyNoDevice } from "./device-fixture.ts";
import { saidUnderValidation } from "./validation-layer.ts";

/**
 * Everything that a device does: both kinds of memory, slices, several dispatches and submissions,
 * freeing and closing. The layer also looks for barriers that are missing, which a software driver
 * never needs.
 */
const PROGRAM = `
  const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
  const { openAny } = await at("./device-fixture.ts");
  const { elementwise } = await at("../../../worker/kernels/spirv/elementwise.ts");
  const { SCALAR_FIELD } = await at("../../../worker/field.ts");
  for (const isStaged of [false, true]) {
    const device = await openAny({ isStaged });
    const kernel = device.createKernel(elementwise("multiply", SCALAR_FIELD));
    const [buffer, other] = [device.createBuffer(8192), device.createBuffer(8192)];
    await device.upload(new Uint8Array(8192).fill(1), { buffer });
    const half = { buffer, offset: 4096, bytes: 4096 };
    const round = (commands) => {
      commands.clear({ buffer: other });
      commands.barrier();
      commands.dispatch(kernel, [{ buffer }, half, { buffer: other }], [100], [2, 1, 1]);
      commands.barrier();
      commands.dispatch(kernel, [{ buffer }, { buffer }, half], [0], [2, 1, 1]);
      commands.barrier();
      commands.copy({ buffer: other, bytes: 64 }, { buffer, offset: 64, bytes: 64 });
    };
    await Promise.all([device.submit(round), device.submit(round)]);
    await device.download({ buffer }, new Uint8Array(8192));
    kernel.free();
    other.free();
    await device.close();
  }
  console.log("done");
`;

describe.skipIf(whyNoDevice)(
  `worker / gpu / validation layer${whyNoDevice ? " (no device)" : ""}`,
  () => {
    it("has nothing to say to all that a device does", async ({ skip }) => {
      const said = await saidUnderValidation(PROGRAM);
      if (said === undefined) return skip("vulkan-validationlayers is missing");
      expect(said).toBe("done\n");
    });
  },
);
