import { expect, it } from "vitest";
import { invert, readLE, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import { gridOf } from "../../../../worker/kernels/spirv/grid.ts";
import { partialSums, ROWS_GROUP, rowSums } from "../../../../worker/kernels/spirv/rows.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const P = SCALAR_FIELD;
const UNTOUCHED = 0xa5a5_a5a5;

function encoded(values: readonly bigint[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(8 * values.length);
  values.forEach((value, i) => {
    writeLE(bytesOf(words), 32 * i, value);
  });
  return words;
}

/** Three vectors of 40, some more elements before each of them and behind. */
const STRIDE = 43;
const BASE = 2;
const vectors = [
  ...[P - 1n, P - 1n, 0n, 1n, P >> 1n],
  ...randomsBelow(P, 3 * STRIDE + 4, "rows: vectors"),
];
/** Of 0 to 32 terms, more than one workgroup has; targets in an order of their own. */
const tasks = Array.from({ length: ROWS_GROUP + 7 }, (_, i) => ({
  start: (i * 5) % 60,
  count: [0, 1, 2, 32][i % 4] as number,
  target: (i * 3) % (ROWS_GROUP + 7),
}));
const SUM_STRIDE = tasks.length + 2;
const SUM_BASE = 3;
const TASK_BASE = 5;
const taskWords = Uint32Array.from([
  ...new Array<number>(TASK_BASE).fill(UNTOUCHED),
  ...tasks.flatMap(({ start, count, target }) => [start, count, target]),
  // One more than there shall be.
  ...[0, 2, tasks.length + 1],
]);
const push = [tasks.length, TASK_BASE, SUM_STRIDE, SUM_BASE, STRIDE, BASE];

/** Where sums go, what is around them, and the expected content of all of it. */
function sums(termOf: (vector: number, i: number) => bigint) {
  const room = new Uint32Array(8 * (SUM_BASE + 3 * SUM_STRIDE)).fill(UNTOUCHED);
  const expected = room.slice();
  for (let v = 0; v < 3; v++) {
    for (const { start, count, target } of tasks) {
      const terms = Array.from({ length: count }, (_, i) => termOf(v, start + i));
      const sum = terms.reduce((all, term) => (all + term) % P, 0n);
      writeLE(bytesOf(expected), 32 * (SUM_BASE + v * SUM_STRIDE + target), sum);
    }
  }
  return { room, expected };
}

describeOnDevice("worker / kernels / spirv / rows", (device) => {
  it("sums coefficients times wires over any tasks, for vectors side by side", async () => {
    const [entryBase, valueBase] = [2 ** 32 - 6, 1];
    const values = [0n, 1n, P - 1n, ...randomsBelow(P, 6, "rows: values")];
    const entries = Array.from({ length: 100 }, (_, i) => [(i * 7) % 40, (i * 3) % 8] as const);
    const inverseR = invert(1n << 256n, P);
    const { room, expected } = sums((v, i) => {
      const [wire, value] = entries[i] as readonly [number, number];
      const factor = values[valueBase + value] as bigint;
      return ((vectors[BASE + v * STRIDE + wire] as bigint) * factor * inverseR) % P;
    });
    const entryWords = Uint32Array.from([...new Array<number>(6).fill(0), ...entries.flat()]);
    const code = rowSums();
    expectValid(code);
    const inputs = [encoded(vectors), encoded(values), entryWords, taskWords, room];
    const grid = gridOf(Math.ceil(tasks.length / ROWS_GROUP), 3);
    const all = [...push, entryBase, valueBase];
    const got = (await runOnce(await device(), code, inputs, all, grid)).at(-1);
    expect([...(got as Uint32Array)]).toEqual([...expected]);
  });

  it("sums partial sums over any tasks, for vectors side by side", async () => {
    const long = [...vectors, ...vectors, ...vectors];
    const { room, expected } = sums((v, i) => long[BASE + v * STRIDE + i] as bigint);
    const code = partialSums();
    expectValid(code);
    const grid = gridOf(Math.ceil(tasks.length / ROWS_GROUP), 3);
    const inputs = [encoded(long), taskWords, room];
    const got = (await runOnce(await device(), code, inputs, push, grid)).at(-1);
    expect([...(got as Uint32Array)]).toEqual([...expected]);
  });

  it("keeps a sum canonical at every step", async () => {
    const { room } = sums(() => 0n);
    const inputs = [encoded(new Array<bigint>(400).fill(P - 1n)), taskWords, room];
    const grid = gridOf(Math.ceil(tasks.length / ROWS_GROUP), 1);
    const got = (await runOnce(await device(), partialSums(), inputs, push, grid)).at(-1);
    for (const { count, target } of tasks) {
      const sum = readLE(bytesOf(got as Uint32Array), 32 * (SUM_BASE + target));
      expect(sum, `${count} terms`).toBe(((P - 1n) * BigInt(count)) % P);
    }
  });
});
