import { expect, it } from "vitest";
import { invert, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import { gridOf } from "../../../../worker/kernels/spirv/grid.ts";
import { extendTable, POWERS_GROUP } from "../../../../worker/kernels/spirv/powers.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const P = SCALAR_FIELD;

function encoded(values: readonly bigint[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(8 * values.length);
  values.forEach((value, i) => {
    writeLE(bytesOf(words), 32 * i, value);
  });
  return words;
}

describeOnDevice("worker / kernels / spirv / powers", (device) => {
  it("doubles a table by a factor, and touches nothing behind it", async () => {
    const code = extendTable();
    expectValid(code);
    for (const have of [1, POWERS_GROUP + 3]) {
      const [factor, ...rest] = randomsBelow(P, 1 + have, `powers ${have}`) as [bigint, bigint];
      const table = [...rest, ...new Array<bigint>(have).fill(5n), 7n];
      const inverseR = invert(1n << 256n, P);
      const products = rest.map((x) => (x * factor * inverseR) % P);
      const grid = gridOf(Math.ceil(have / POWERS_GROUP));
      const push = [have, ...encoded([factor])];
      const [got] = await runOnce(await device(), code, [encoded(table)], push, grid);
      const expected = encoded([...rest, ...products, 7n]);
      expect(Buffer.compare(bytesOf(got as Uint32Array), bytesOf(expected))).toBe(0);
    }
  });
});
