import { expect, it } from "vitest";
import {
  SCAN_BLOCK,
  SCAN_GROUP,
  scanBlocks,
  scanSums,
  scanWords,
} from "../../../../worker/kernels/spirv/scan.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const GAP = 3;

describeOnDevice("worker / kernels / spirv / scan", (device) => {
  it("are valid modules", () => {
    for (const code of [scanSums(), scanBlocks(), scanWords()]) expectValid(code);
  });

  const sizes = [1, 2, 255, SCAN_BLOCK - 1, SCAN_BLOCK, SCAN_BLOCK + 1, 40_000];
  // More blocks than the one workgroup of `scanBlocks` takes in a turn.
  const large = SCAN_BLOCK * (2 * SCAN_GROUP + 1) + 77;
  it.each([...sizes, large])("sum up %i words, of several vectors", async (count) => {
    const vectors = 2;
    const stride = count + GAP;
    const words = new Uint32Array(vectors * stride);
    randomsBelow(2n ** 32n, Math.min(count, 5000), `${count} words`).forEach((value, i, all) => {
      for (let j = i; j < words.length; j += all.length) words[j] = Number(value);
    });
    const blocks = Math.ceil(count / SCAN_BLOCK);
    const sumStride = blocks + GAP;
    const sums = new Uint32Array(vectors * sumStride).fill(0xdead_beef);
    const push = [count, stride, sumStride];
    const gpu = await device();
    const groups = [blocks, vectors, 1] as const;
    const [, first] = await runOnce(gpu, scanSums(), [words, sums], push, groups);
    const [second] = await runOnce(
      gpu,
      scanBlocks(),
      [first as Uint32Array],
      [blocks, sumStride],
      [1, vectors, 1],
    );
    const [out] = await runOnce(gpu, scanWords(), [words, second as Uint32Array], push, groups);
    const expected = words.slice();
    for (let vector = 0; vector < vectors; vector++) {
      let before = 0;
      for (let i = stride * vector; i < stride * vector + count; i++) {
        expected[i] = before;
        before = (before + (words[i] as number)) >>> 0;
      }
      // What is between the vectors stays.
      const gap = second?.slice(sumStride * vector + blocks, sumStride * (vector + 1));
      expect(gap).toEqual(new Uint32Array(GAP).fill(0xdead_beef));
    }
    expect(expected.findIndex((word, i) => word !== out?.[i])).toBe(-1);
  });
});
