import { describe, expect, it } from "vitest";
import { whyNoDevice } from "../../gpu/device-fixture.ts";
import { saidUnderValidation } from "../../gpu/validation-layer.ts";

/**
 * A key with all that a quotient may have: several stages of partial sums, several passes of a
 * transform, several proofs. The results do not matter here. `withoutBarriers` leaves out those within the submission.
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

describe.skipIf(whyNoDevice)(
  `worker / engines / gpu / quotient under validation${whyNoDevice ? " (no device)" : ""}`,
  () => {
    it("has a barrier wherever one dispatch needs what another one wrote", async ({ skip }) => {
      const said = await saidUnderValidation(programOf(false));
      if (said === undefined) return skip("vulkan-validationlayers is missing");
      expect(said).toBe("done\n");
      expect(await saidUnderValidation(programOf(true))).toMatch(/SYNC-HAZARD-READ-AFTER-WRITE/);
    });
  },
);
