import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { whyNoDevice } from "../../gpu/device-fixture.ts";

/** What is spoilt, so that the layer shows that it would see it. */
type Fault = "no barriers" | "short bindings";

/**
 * In a process of its own, because the loader reads the environment once. A key with all that a
 * quotient may have: several stages of partial sums, several passes of a transform, several proofs;
 * bound as a whole, or in slices. The results do not matter here.
 */
const programOf = (limits: object, fault?: Fault) => `
  const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
  const { openAny } = await at("../../gpu/device-fixture.ts");
  const { narrowed } = await at("./narrow-device.ts");
  const { sampleKey } = await at("./sample-matrices.ts");
  const kernelsOf = await at("../../../../worker/engines/gpu/quotient-kernels.ts");
  const { QuotientKey } = await at("../../../../worker/engines/gpu/quotient.ts");
  const { planRows } = await at("../../../../worker/engines/gpu/row-plan.ts");
  const device = narrowed(await openAny(), ${JSON.stringify(limits)});
  const shape = { domain: 1024, nVars: 1500, entries: 2000, longRow: 3000 };
  const plan = planRows(sampleKey(shape, "validation"), device.limits);
  const kernels = kernelsOf.createQuotientKernels(device);
  const key = await QuotientKey.load(device, kernels, plan);
  const proofs = 3;
  const slice = (bytes) => ({ buffer: device.createBuffer(bytes) });
  const witness = slice(proofs * shape.nVars * 32);
  const output = slice(proofs * shape.domain * 32);
  const scratch = key.scratchBytes(proofs).map(slice);
  await device.upload(new Uint8Array(witness.buffer.bytes), witness);
  const fault = ${JSON.stringify(fault)};
  const spoilt = (commands) => ({
    clear: (slice) => commands.clear(slice),
    barrier: () => fault === "no barriers" || commands.barrier(),
    dispatch: (kernel, slices, push, groups) => {
      const shorter = (slice) => (slice.bytes ? { ...slice, bytes: slice.bytes - 4 } : slice);
      const bound = fault === "short bindings" ? slices.map(shorter) : slices;
      commands.dispatch(kernel, bound, push, groups);
    },
  });
  const record = (commands) =>
    key.record(fault ? spoilt(commands) : commands, { proofs, witness, scratch, output });
  await Promise.all([device.submit(record), device.submit(record)]);
  await device.download(output, new Uint8Array(output.buffer.bytes));
  await device.close();
  console.log("done");
`;

/** What the layer and the program say. */
async function said(check: "SYNCHRONIZATION_VALIDATION" | "GPU_ASSISTED", program: string) {
  const env = {
    ...process.env,
    VK_INSTANCE_LAYERS: "VK_LAYER_KHRONOS_validation",
    VK_LAYER_ENABLES: `VK_VALIDATION_FEATURE_ENABLE_${check}_EXT`,
  };
  const args = ["--input-type=module", "--eval", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stderr}${stdout}`;
}

const isMissing = (text: string) => /VK_ERROR_LAYER_NOT_PRESENT/.test(text);

describe.skipIf(whyNoDevice)(
  `worker / engines / gpu / quotient under validation${whyNoDevice ? " (no device)" : ""}`,
  () => {
    it("has a barrier wherever one dispatch needs what another one wrote", async ({ skip }) => {
      const text = await said("SYNCHRONIZATION_VALIDATION", programOf({}));
      if (isMissing(text)) skip("vulkan-validationlayers is missing");
      expect(text).toBe("done\n");
      const spoilt = await said("SYNCHRONIZATION_VALIDATION", programOf({}, "no barriers"));
      expect(spoilt).toMatch(/SYNC-HAZARD-READ-AFTER-WRITE/);
    });

    // In windows that begin and end anywhere; partial sums' windows overlap then, their elements do
    // not, which the check for barriers cannot know.
    it("reads and writes nothing but what is bound", async ({ skip }) => {
      const limits = { bindingBytes: 32 * 1024 + 33, bindingAlignment: 64 };
      const text = await said("GPU_ASSISTED", programOf(limits));
      if (isMissing(text)) skip("vulkan-validationlayers is missing");
      expect(text).toBe("done\n");
      const spoilt = await said("GPU_ASSISTED", programOf(limits, "short bindings"));
      expect(spoilt).toMatch(/access out of bounds/);
    });
  },
);
