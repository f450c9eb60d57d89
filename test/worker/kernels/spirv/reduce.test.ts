import { afterAll, expect, it } from "vitest";
import type { Fq2 } from "../../../../worker/curve.ts";
import { BASE_FIELD, mod, SCALAR_FIELD } from "../../../../worker/field.ts";
import type { GpuKernel } from "../../../../worker/gpu/device.ts";
import {
  REDUCE_GROUP,
  reduceBuckets,
  SEGMENT_BITS,
} from "../../../../worker/kernels/spirv/reduce.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { runOnce } from "../../gpu/device-fixture.ts";
import { IN_G1, IN_G2, type PointCodec } from "./point-codec.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

/** Points from one proof to the next, more than a proof has. */
const GAP = 2;

interface Case {
  readonly rows: number;
  readonly windows: number;
  readonly lengthLog2: number;
  readonly from: 0 | 1;
}

function suite<T extends bigint | Fq2>(codec: PointCodec<T>): void {
  const { name, group, element, words, encoded, decoded, xyzz } = codec;
  const multiples = new Map<bigint, ReturnType<typeof group.add>>();
  const multiple = (log: bigint) => {
    const least = mod(log, SCALAR_FIELD);
    const known = multiples.get(least) ?? group.multiply(group.generator, least);
    multiples.set(least, known);
    return known;
  };

  describeOnDevice(`worker / kernels / spirv / reduce in ${name}`, (device) => {
    let compiled: GpuKernel | undefined;
    afterAll(() => compiled?.free());

    /** Logarithms in, logarithms as the twin has them out, which the points are compared with. */
    const reduce = async ({ rows, windows, lengthLog2, from }: Case, logs: readonly bigint[][]) => {
      const code = reduceBuckets(name);
      expectValid(code);
      compiled ??= (await device()).createKernel(code);
      const segmentsLog2 = Math.max(0, lengthLog2 - SEGMENT_BITS);
      const [length, segments] = [2 ** lengthLog2, 2 ** segmentsLog2];
      const [inPoints, outPoints] = [rows * windows * length, (rows + 1) * windows * segments];
      const depths = randomsBelow(BASE_FIELD, 64, "depths").map((z) => element(z, z));
      const input = encoded(
        logs.flatMap((list) =>
          [...list, ...new Array<bigint>(GAP).fill(1n)].flatMap((log, i) =>
            xyzz(multiple(log), depths[i % 64] as T),
          ),
        ),
      );
      const outWords = 4 * words * (outPoints + GAP) * logs.length;
      const [, out] = await runOnce(
        await device(),
        compiled,
        [input, new Uint32Array(outWords)],
        [rows, windows, lengthLog2, segmentsLog2, from, inPoints + GAP, outPoints + GAP],
        [Math.ceil((rows * windows * segments) / REDUCE_GROUP), logs.length, 1],
      );
      return logs.map((list, proof) => {
        const expected: bigint[] = [];
        const each = length / segments;
        for (let line = 0; line < rows * windows * segments; line++) {
          const part = list.slice(each * line, each * (line + 1));
          expected[line] = part.reduce((sum, log) => sum + log, 0n);
          if (line >= windows * segments) continue;
          expected[rows * windows * segments + line] = part.reduce(
            (sum, log, i) => sum + BigInt(i + from) * log,
            0n,
          );
        }
        expected.forEach((log, i) => {
          const got = decoded(out as Uint32Array, (outPoints + GAP) * proof + i);
          expect(got, `proof ${proof}, point ${i}`).toEqual(multiple(log));
        });
        const behind = 4 * words * ((outPoints + GAP) * proof + outPoints);
        expect(out?.slice(behind, behind + 4 * words * GAP).some((word) => word !== 0)).toBe(false);
        return expected;
      });
    };

    const cases: Case[] = [
      { rows: 1, windows: 3, lengthLog2: 7, from: 1 },
      { rows: 2, windows: 3, lengthLog2: 4, from: 0 },
      { rows: 3, windows: 5, lengthLog2: SEGMENT_BITS, from: 0 },
      { rows: 3, windows: 5, lengthLog2: 1, from: 0 },
      { rows: 1, windows: 2, lengthLog2: 1, from: 1 },
      { rows: 1, windows: 9, lengthLog2: 2, from: 0 },
      { rows: 1, windows: 1, lengthLog2: 0, from: 1 },
    ];
    it.each(cases)(
      "sums up $rows rows of $windows windows of 2^$lengthLog2 from $from",
      async (c) => {
        const count = c.rows * c.windows * 2 ** c.lengthLog2;
        const random = randomsBelow(7n, 2 * count, JSON.stringify(c)).map((log) => log - 3n);
        await reduce(c, [random.slice(0, count), random.slice(count)]);
        // Equal points everywhere: a sum meets its double, and itself.
        await reduce(c, [new Array<bigint>(count).fill(1n)]);
        // Infinity everywhere, and but for one place.
        const zeros = new Array<bigint>(count).fill(0n);
        await reduce(c, [zeros, zeros.with(count - 1, 5n), zeros.with(0, 5n)]);
      },
    );

    it("gives, level by level, the sum with the places as factors", async () => {
      const windows = 2;
      const buckets = 2 ** 7;
      const logs = randomsBelow(9n, windows * buckets, "levels").map((log) => log - 4n);
      let [rows, lengthLog2, list] = [1, 7, logs];
      for (; lengthLog2 > 0; rows++) {
        const from = rows === 1 ? 1 : 0;
        [list] = (await reduce({ rows, windows, lengthLog2, from }, [list])) as [bigint[]];
        lengthLog2 = Math.max(0, lengthLog2 - SEGMENT_BITS);
      }
      for (let window = 0; window < windows; window++) {
        const own = logs.slice(buckets * window, buckets * (window + 1));
        const expected = own.reduce((sum, log, b) => sum + BigInt(b + 1) * log, 0n);
        let got = 0n;
        for (let row = 1; row < rows; row++) {
          got += (list[windows * row + window] as bigint) << BigInt(SEGMENT_BITS * (row - 1));
        }
        expect(got).toBe(expected);
      }
    });
  });
}

suite(IN_G1);
suite(IN_G2);
