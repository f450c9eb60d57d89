import { expect, it } from "vitest";
import { mod, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import {
  countDigits,
  DIGITS_GROUP,
  ENTRY_WORDS,
  SIGN_BIT,
  scatterDigits,
} from "../../../../worker/kernels/spirv/digits.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

/** Digits of `bits` bits in (-2^(bits-1), 2^(bits-1)], the lowest first. */
function signedDigits(scalar: bigint, bits: number, windows: number): number[] {
  const base = 2 ** bits;
  let [rest, carry] = [scalar, 0];
  return Array.from({ length: windows }, () => {
    const value = Number(rest % BigInt(base)) + carry;
    rest /= BigInt(base);
    carry = value > base / 2 ? 1 : 0;
    return value - carry * base;
  });
}

const windowsOf = (bits: number) => Math.ceil(255 / bits);

const EDGES = [
  ...[0n, 1n, 2n, 3n, SCALAR_FIELD - 1n, SCALAR_FIELD - 2n, SCALAR_FIELD / 2n],
  ...[...Array(254).keys()].flatMap((k) => [2n ** BigInt(k) - 1n, 2n ** BigInt(k)]),
].filter((scalar) => scalar < SCALAR_FIELD);

describeOnDevice("worker / kernels / spirv / digits", (device) => {
  /** Both kernels over `proofs` vectors of scalars, with a gap before and between them. */
  const run = async (
    bits: number,
    scalars: readonly (readonly bigint[])[],
    map: readonly number[],
    isMontgomery: boolean,
  ) => {
    const windows = windowsOf(bits);
    const gap = 3;
    const length = (scalars[0] as readonly bigint[]).length;
    const stride = length + gap;
    const words = new Uint32Array(8 * (gap + stride * scalars.length)).fill(0xdead_beef);
    scalars.forEach((values, proof) => {
      values.forEach((value, i) => {
        const form = isMontgomery ? mod(value << 256n, SCALAR_FIELD) : value;
        writeLE(bytesOf(words), 32 * (gap + stride * proof + i), form);
      });
    });
    const buckets = windows * 2 ** (bits - 1);
    const bucketStride = buckets + 5;
    const push = [map.length, gap, stride, isMontgomery ? 1 : 0, bits, windows, bucketStride];
    const groups = [Math.ceil(map.length / DIGITS_GROUP), scalars.length, 1] as const;
    const counts = new Uint32Array(bucketStride * scalars.length);
    const [, , counted] = (await runOnce(
      await device(),
      countDigits(),
      [words, Uint32Array.from(map), counts],
      push,
      groups,
    )) as [Uint32Array, Uint32Array, Uint32Array];
    const cursors = new Uint32Array(counted.length);
    scalars.forEach((_, proof) => {
      let next = 0;
      for (let b = bucketStride * proof; b < bucketStride * proof + buckets; b++) {
        cursors[b] = next;
        next += counted[b] as number;
      }
    });
    const entryStride = map.length * windows + 1;
    const [, , ends, entries] = (await runOnce(
      await device(),
      scatterDigits(),
      [
        words,
        Uint32Array.from(map),
        cursors,
        new Uint32Array(ENTRY_WORDS * entryStride * scalars.length),
      ],
      [...push, entryStride],
      groups,
    )) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    return { buckets, bucketStride, counted, cursors, ends, entries, entryStride };
  };

  /** What comes out, against the digits of the twin. */
  const expectSorted = async (
    bits: number,
    scalars: readonly (readonly bigint[])[],
    map: readonly number[],
    isMontgomery: boolean,
  ) => {
    const out = await run(bits, scalars, map, isMontgomery);
    const half = 2 ** (bits - 1);
    scalars.forEach((values, proof) => {
      const expected = Array.from({ length: out.buckets }, () => [] as number[]);
      map.forEach((scalar, point) => {
        const digits = signedDigits(values[scalar] as bigint, bits, windowsOf(bits));
        digits.forEach((digit, window) => {
          if (digit === 0) return;
          const sign = digit < 0 ? 2 ** SIGN_BIT : 0;
          expected[half * window + Math.abs(digit) - 1]?.push(point + sign);
        });
      });
      let place = ENTRY_WORDS * out.entryStride * proof;
      expected.forEach((points, bucket) => {
        const at = out.bucketStride * proof + bucket;
        const name = `${bits} bits, proof ${proof}, bucket ${bucket}`;
        if (out.counted[at] !== points.length) expect(out.counted[at], name).toBe(points.length);
        const end = (out.cursors[at] as number) + points.length;
        if (out.ends[at] !== end) expect(out.ends[at], name).toBe(end);
        const got = points.map((_, i) => {
          const word = place + ENTRY_WORDS * i;
          if (out.entries[word] !== bucket) expect(out.entries[word], name).toBe(bucket);
          return out.entries[word + 1] as number;
        });
        const ordered = (list: number[]) => [...list].sort((a, b) => a - b);
        if (points.length > 0) expect(ordered(got), name).toEqual(ordered(points));
        place += ENTRY_WORDS * points.length;
      });
    });
    return out;
  };

  it("are valid modules", () => {
    expectValid(countDigits());
    expectValid(scatterDigits());
  });

  it.each([2, 3, 5, 8, 13, 16, 17, 20])("sort edge scalars by digits of %i bits", async (bits) => {
    // The twin itself: digits in range, and their sum is the scalar.
    for (const scalar of EDGES) {
      const digits = signedDigits(scalar, bits, windowsOf(bits));
      const sum = digits.reduceRight((all, d) => (all << BigInt(bits)) + BigInt(d), 0n);
      expect(sum).toBe(scalar);
      expect(Math.max(...digits)).toBeLessThanOrEqual(2 ** (bits - 1));
      expect(Math.min(...digits)).toBeGreaterThan(-(2 ** (bits - 1)));
    }
    await expectSorted(bits, [EDGES], [...EDGES.keys()], false);
  });

  it("take scalars of several proofs, in Montgomery form, through the map", async () => {
    const scalars = [0, 1, 2].map((proof) => randomsBelow(SCALAR_FIELD, 300, `proof ${proof}`));
    const map = Array.from({ length: 290 }, (_, i) => (7 * i) % 300);
    for (const isMontgomery of [false, true]) await expectSorted(7, scalars, map, isMontgomery);
  });

  it("count and place many points of one bucket", async () => {
    const scalars = [new Array<bigint>(5000).fill(SCALAR_FIELD - 1n), new Array(5000).fill(1n)];
    await expectSorted(6, scalars, [...Array(5000).keys()], false);
  });

  it("write nothing but their own, whatever the scalars are", async () => {
    const wild = [2n ** 256n - 1n, 2n ** 255n, SCALAR_FIELD, 2n ** 256n - 2n ** 200n];
    for (const bits of [2, 5, 16, 20]) {
      const out = await run(bits, [wild, wild], [0, 1, 2, 3], false);
      for (let proof = 0; proof < 2; proof++) {
        const behind = out.bucketStride * proof + out.buckets;
        expect(out.counted.slice(behind, behind + 5)).toEqual(new Uint32Array(5));
        expect(out.ends.slice(behind, behind + 5)).toEqual(new Uint32Array(5));
      }
    }
  });
});
