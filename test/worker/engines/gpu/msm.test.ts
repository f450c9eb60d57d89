import { afterAll, expect, it } from "vitest";
import { MsmKernels } from "../../../../worker/engines/gpu/msm-kernels.ts";
import { SCALAR_FIELD } from "../../../../worker/field.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { randomsBelow } from "../../kernels/spirv/random.ts";
import { expectedSum, knownPoints, sumsOn } from "./msm-fixture.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describeOnDevice("worker / engines / gpu / msm", (device) => {
  let compiled: MsmKernels | undefined;
  const kernels = async () => {
    compiled ??= new MsmKernels(await device());
    return compiled;
  };
  afterAll(() => compiled?.free());

  it.each<[GroupName, number]>([
    ["g1", 4100],
    ["g2", 4100],
  ])("sums dense scalars over many points in %s", async (group, count) => {
    const points = knownPoints(group, upTo(count));
    const scalars = randomsBelow(SCALAR_FIELD, count, group);
    const [sums] = await sumsOn(await device(), await kernels(), [{ points, scalars: [scalars] }]);
    expect(sums).toEqual([expectedSum(points, scalars)]);
  });
});
