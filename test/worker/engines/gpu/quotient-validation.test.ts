import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { whyNoDevice } from "../../gpu/device-fixture.ts";

/**
 * In a process of its own, because the loader reads the environment once. A key with all that a
 * quotient may have: several stages of partial sums, several passes of a transform, several proofs.
 * The results do not matter here. `withoutBarriers` leaves out those within the submission.
 */
const programOf = (withoutBarriers: boolean) => `
  const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
  const { openAny } = await at("../../gpu/device-fixture.ts");
  const { sampleKey } = await at("./sample-matrices.ts");
  const kernelsOf = await at("../../../../worker/engines/gpu/quotient-kernels.ts");
  const { QuotientKey } = await at("../../../../worker/engines/gpu/quotient.ts");
  const { planRows } = await at("../../../../worker/engines/gpu/row-plan.ts");
  const device = await openAny();
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
  const record = (commands) => {
    if (${withoutBarriers}) commands.barrier = () => undefined;
    key.record(commands, { proofs, witness, scratch, output });
  };
  await Promise.all([device.submit(record), device.submit(record)]);
  await device.download(output, new Uint8Array(output.buffer.bytes));
  await device.close();
  console.log("done");
`;

/** What the layer and the program say. */
async function said(program: string): Promise<string> {
  const env = {
    ...process.env,
    VK_INSTANCE_LAYERS: "VK_LAYER_KHRONOS_validation",
    VK_LAYER_ENABLES: "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT",
  };
  const args = ["--input-type=module", "--eval", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stderr}${stdout}`;
}

describe.skipIf(whyNoDevice)(
  `worker / engines / gpu / quotient under validation${whyNoDevice ? " (no device)" : ""}`,
  () => {
    it("has a barrier wherever one dispatch needs what another one wrote", async ({ skip }) => {
      const text = await said(programOf(false));
      if (/VK_ERROR_LAYER_NOT_PRESENT/.test(text)) skip("vulkan-validationlayers is missing");
      expect(text).toBe("done\n");
      expect(await said(programOf(true))).toMatch(/SYNC-HAZARD-READ-AFTER-WRITE/);
    });
  },
);
