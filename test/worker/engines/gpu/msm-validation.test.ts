import { describe, expect, it } from "vitest";
import { whyNoDevice } from "../../gpu/device-fixture.ts";
import { saidUnderValidation } from "../../gpu/validation-layer.ts";

/**
 * Two sections of different lengths for two proofs, one of them in parts, with all stages and levels;
 * again in the same memory, and cleared. What runs side by side is the same in both groups.
 */
const PROGRAM = `
  const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
  const { openAny } = await at("../../gpu/device-fixture.ts");
  const { knownPoints, scalarBytes } = await at("./msm-fixture.ts");
  const { narrowed } = await at("./narrow-device.ts");
  const { MsmKernels } = await at("../../../../worker/engines/gpu/msm-kernels.ts");
  const { SectionSums } = await at("../../../../worker/engines/gpu/msm.ts");
  const { loadSection } = await at("../../../../worker/engines/gpu/section.ts");
  const opened = await openAny();
  const device = narrowed(opened, { bindingBytes: 64 << 10 });
  const kernels = new MsmKernels(device);
  const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);
  const counts = [200, 9];
  const sections = await Promise.all(
    counts.map((count) => loadSection(device, "g1", knownPoints("g1", upTo(count)).bytes)),
  );
  const values = upTo(200).map((i) => BigInt(i) ** 30n);
  const scalars = device.createBuffer(2 * 32 * 200);
  await device.upload(scalarBytes([values, values], false), { buffer: scalars });
  // All in one buffer, so that a region is told from the next by its place.
  const buffer = device.createBuffer(16 << 20);
  let offset = 0;
  const take = (bytes) => {
    const slice = { buffer, offset, bytes };
    offset += Math.ceil(bytes / 256) * 256;
    return slice;
  };
  const sums = new SectionSums(kernels, device.limits, sections, 2, take);
  const given = counts.map(() => ({
    slice: { buffer: scalars },
    strideBytes: 32 * 200,
    isMontgomery: false,
  }));
  for (let turn = 0; turn < 2; turn++) {
    await device.submit((commands) => sums.record(commands, given));
    await sums.download(device);
    await device.submit((commands) => sums.clear(commands));
  }
  kernels.free();
  await opened.close();
  console.log("done");
`;

describe.skipIf(whyNoDevice)(
  `worker / engines / gpu / msm, validated${whyNoDevice ? " (no device)" : ""}`,
  () => {
    it("leaves out no barrier between what writes and what reads", async ({ skip }) => {
      const said = await saidUnderValidation(PROGRAM);
      if (said === undefined) return skip("vulkan-validationlayers is missing");
      expect(said).toBe("done\n");
    });
  },
);
