import { describe, expect, it } from "vitest";
import { gridOf, itemNumber } from "../../../../worker/kernels/spirv/grid.ts";
import { KernelWriter } from "../../../../worker/kernels/spirv/module.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";

describe("worker / kernels / spirv / grid", () => {
  it("has a workgroup for each number, and no more than 65,535 in a direction", () => {
    for (const groups of [1, 2, 32767, 32768, 32769, 65535, 65536, 2 ** 20, 2 ** 25 + 1]) {
      const [x, y, z] = gridOf(groups, 3);
      expect(y).toBe(3);
      expect(Math.max(x, z)).toBeLessThanOrEqual(65535);
      expect(x * z).toBeGreaterThanOrEqual(groups);
      expect(x * z - groups).toBeLessThan(x);
    }
  });
});

describeOnDevice("worker / kernels / spirv / grid", (device) => {
  it("numbers items over several rows of workgroups, each once and none left out", async () => {
    const size = 4;
    const groups = 70_001;
    const count = size * groups - 1;
    const kernel = new KernelWriter("number", { workgroupSize: [size, 1, 1], push: ["count"] });
    const out = kernel.buffer("u32");
    const code = kernel.main((f) => {
      const i = itemNumber(f, size);
      const place = f.add(f.mul(f.groupId(1), f.push("count")), i);
      f.if(f.lt(i, f.push("count")), () => f.store(out, place, f.add(f.load(out, place), i)));
    });
    const room = new Uint32Array(2 * count + 5).fill(1);
    const [got] = await runOnce(await device(), code, [room], [count], gridOf(groups, 2));
    const expected = room.map((_, i) => (i < 2 * count ? 1 + (i % count) : 1));
    expect(Buffer.compare(bytesOf(got as Uint32Array), bytesOf(expected))).toBe(0);
  });
});
