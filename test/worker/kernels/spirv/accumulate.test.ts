import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import type { Fq2 } from "../../../../worker/curve.ts";
import { mod, SCALAR_FIELD } from "../../../../worker/field.ts";
import type { GpuKernel } from "../../../../worker/gpu/device.ts";
import {
  ACCUMULATE_GROUP,
  accumulateEntries,
  accumulatePartials,
  NOBODY,
} from "../../../../worker/kernels/spirv/accumulate.ts";
import { SIGN_BIT } from "../../../../worker/kernels/spirv/digits.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { runOnce } from "../../gpu/device-fixture.ts";
import { IN_G1, IN_G2, type PointCodec } from "./point-codec.ts";
import { expectValid } from "./validation.ts";

/** What nobody has written. */
const UNTOUCHED = 0xdead_beef;
const GAP = 3;
/** The points are the multiples of the generator by these; a word's sign makes the opposite. */
const LOGS = [1, 2, 3, 0, 7, 11];

/** An entry: a point of LOGS and whether its opposite is meant. */
interface Entry {
  readonly bucket: number;
  readonly point: number;
  readonly isNegative: boolean;
}

const logOf = ({ point, isNegative }: Entry) => (LOGS[point] as number) * (isNegative ? -1 : 1);

/** Runs of these lengths in buckets b = 0, 2, 4, ...: those in between stay empty. */
function entriesOf(runs: readonly number[], seed = 1): Entry[] {
  let state = seed;
  const next = () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state >> 8;
  };
  return runs.flatMap((length, run) =>
    Array.from({ length }, () => ({
      bucket: 2 * run,
      point: next() % LOGS.length,
      isNegative: next() % 2 === 1,
    })),
  );
}

function suite<T extends bigint | Fq2>(codec: PointCodec<T>): void {
  const { name, group, words, encoded, decoded } = codec;
  const multiple = (log: number) => group.multiply(group.generator, mod(BigInt(log), SCALAR_FIELD));
  const points = encoded(LOGS.map(multiple).flatMap(({ x, y }) => [x, y]));
  const sumWords = 4 * words;

  describeOnDevice(`worker / kernels / spirv / accumulate in ${name}`, (device) => {
    const compiled = new Map<string, GpuKernel>();
    const kernelOf = async (kind: "entries" | "partials") => {
      let kernel = compiled.get(kind);
      if (kernel === undefined) {
        const code = kind === "entries" ? accumulateEntries(name) : accumulatePartials(name);
        expectValid(code);
        kernel = (await device()).createKernel(code);
        compiled.set(kind, kernel);
      }
      return kernel;
    };
    afterAll(() => {
      for (const kernel of compiled.values()) kernel.free();
    });

    /** What a level stored and left open, for each proof; all else has to be untouched. */
    const level = async (
      kind: "entries" | "partials",
      inputs: readonly Uint32Array[],
      proofs: number,
      buckets: number,
      chunks: number,
      push: (strides: readonly number[]) => number[],
    ) => {
      const [bucketStride, slotStride] = [buckets + GAP, 2 * chunks + GAP];
      const before = [
        new Uint32Array(proofs * bucketStride * sumWords).fill(UNTOUCHED),
        new Uint32Array(proofs * slotStride).fill(UNTOUCHED),
        new Uint32Array(proofs * slotStride * sumWords).fill(UNTOUCHED),
      ];
      const outputs = await runOnce(
        await device(),
        await kernelOf(kind),
        [...inputs, ...before],
        push([bucketStride, slotStride]),
        [Math.ceil(chunks / ACCUMULATE_GROUP), proofs, 1],
      );
      const [sums, slotBuckets, slotValues] = outputs.slice(inputs.length) as [
        Uint32Array,
        Uint32Array,
        Uint32Array,
      ];
      const isTouched = (list: Uint32Array, i: number) =>
        list.subarray(sumWords * i, sumWords * (i + 1)).some((word) => word !== UNTOUCHED);
      return {
        slotStride,
        slotBuckets,
        slotValues,
        of: Array.from({ length: proofs }, (_, proof) => {
          const own = (i: number) => bucketStride * proof + i;
          const gap = Array.from({ length: GAP }, (_, i) => own(buckets + i));
          for (const i of gap) expect(isTouched(sums, i), "a sum in the gap").toBe(false);
          const ids = slotBuckets.subarray(slotStride * proof, slotStride * (proof + 1));
          expect([...ids.subarray(2 * chunks)]).toEqual(new Array(GAP).fill(UNTOUCHED));
          return {
            stored: new Map(
              Array.from({ length: buckets }, (_, bucket) => bucket)
                .filter((bucket) => isTouched(sums, own(bucket)))
                .map((bucket) => [bucket, decoded(sums, own(bucket))]),
            ),
            slots: Array.from(ids.subarray(0, 2 * chunks), (bucket, i) => ({
              bucket,
              point: bucket === NOBODY ? undefined : decoded(slotValues, slotStride * proof + i),
            })),
          };
        }),
      };
    };

    /**
     * The levels until one chunk is left, each against what the list before says.
     *
     * @returns how many slots the first level leaves open, for each proof.
     */
    const expectSums = async (
      lists: readonly (readonly Entry[])[],
      first: number,
      later = 8,
      few = { shortest: first, wanted: 1 },
    ) => {
      const most = Math.max(1, ...lists.map(({ length }) => length));
      const buckets = Math.max(1, ...lists.flat().map(({ bucket }) => bucket + 2));
      const [endStride, entryStride] = [buckets + GAP, most + GAP];
      const ends = new Uint32Array(lists.length * endStride);
      const entries = new Uint32Array(2 * lists.length * entryStride);
      lists.forEach((list, proof) => {
        ends[endStride * proof + buckets - 1] = list.length;
        // Behind the last entry is anything, such as what looks like more of the last bucket.
        const bucket = list.at(-1)?.bucket ?? 0;
        const padded = [...list];
        while (padded.length < entryStride) padded.push({ bucket, point: 0, isNegative: false });
        padded.forEach((entry, i) => {
          const word = entry.point + (entry.isNegative ? 2 ** SIGN_BIT : 0);
          entries.set([entry.bucket, word], 2 * (entryStride * proof + i));
        });
      });
      // For each proof: what is left to be stored, and what was.
      const open = lists.map((list) => {
        const sums = new Map<number, number>();
        for (const e of list) sums.set(e.bucket, (sums.get(e.bucket) ?? 0) + logOf(e));
        return sums;
      });
      let chunks = Math.ceil(most / first);
      let out = await level(
        "entries",
        [points, entries, ends],
        lists.length,
        buckets,
        chunks,
        (strides) => [
          ...[first, chunks, few.shortest, few.wanted],
          ...[buckets, endStride, entryStride, ...strides],
        ],
      );
      const opened = out.of.map(
        ({ slots }) => slots.filter(({ bucket }) => bucket !== NOBODY).length,
      );
      for (;;) {
        out.of.forEach(({ stored, slots }, proof) => {
          const left = open[proof] as Map<number, number>;
          for (const [bucket, point] of stored) {
            // Once, and never while some of it is still open.
            const log = left.get(bucket);
            expect(log, `bucket ${bucket} has a sum to store`).toBeDefined();
            expect(point, `bucket ${bucket}`).toEqual(multiple(log as number));
            expect(slots.some((slot) => slot.bucket === bucket)).toBe(false);
            left.delete(bucket);
          }
          // The list is in order: a stretch for each bucket that is open, with its sum.
          const runs = slots.filter(({ bucket }, i) => bucket !== slots[i - 1]?.bucket);
          const somebody = runs.map(({ bucket }) => bucket).filter((bucket) => bucket !== NOBODY);
          expect(somebody).toEqual([...left.keys()].sort((a, b) => a - b));
          for (const [bucket, log] of left) {
            const sum = slots
              .filter((slot) => slot.bucket === bucket)
              .reduce((all, { point }) => group.add(all, point as never), group.infinity);
            expect(sum, `slots of bucket ${bucket}`).toEqual(multiple(log));
          }
        });
        if (chunks === 1) break;
        const [total, placeStride] = [2 * chunks, out.slotStride];
        chunks = Math.ceil(total / later);
        const inputs = [out.slotBuckets, out.slotValues];
        out = await level("partials", inputs, lists.length, buckets, chunks, (strides) => [
          ...[later, chunks, total, placeStride],
          ...strides,
        ]);
      }
      for (const left of open) expect([...left.keys()], "buckets never stored").toEqual([]);
      return opened;
    };

    it.each<[string, number[]]>([
      ["nothing", []],
      ["one entry", [1]],
      ["one run that ends with its chunk", [8]],
      ["runs that begin and end with chunks", [8, 8, 16, 24, 8]],
      ["runs of one entry", new Array(70).fill(1)],
      ["all in one bucket", [ACCUMULATE_GROUP * 8 * 2 + 5]],
      ["a long run between short ones", [3, 2, 500, 1, 9]],
      ["two long runs that meet inside a chunk", [203, 301]],
      ["two long runs that meet between chunks", [200, 304]],
      ["runs a bit longer and shorter than a chunk", [7, 9, 15, 17, 7, 9, 1, 8]],
    ])("sums up %s", async (_, runs) => {
      await expectSums([entriesOf(runs)], 8);
    });

    it("doubles equal points, cancels opposite ones, skips infinity", async () => {
      const entry = (bucket: number, point: number, isNegative = false) => ({
        ...{ bucket, point, isNegative },
      });
      const both = (bucket: number, point: number) => [
        entry(bucket, point),
        entry(bucket, point, true),
      ];
      await expectSums(
        [
          [
            ...new Array(40).fill(entry(0, 1)),
            ...[0, 1, 2, 4].flatMap((point) => both(2, point)),
            ...new Array(20).fill(both(4, 1)).flat(),
            ...new Array(9).fill(entry(6, 3)),
            ...[entry(8, 0), entry(8, 0), entry(8, 1, true), entry(8, 2)],
          ],
        ],
        4,
      );
    });

    it("takes shorter chunks where a proof has fewer entries", async () => {
      const lists = [256, 40, 16, 15, 3].map((length) => entriesOf([length]));
      const few = { shortest: 2, wanted: 8 };
      const open = await expectSums(lists, 16, 8, few);
      // A run over n chunks leaves 2 n - 2 slots: chunks of 16, 8, 2, 2 and 2.
      expect(open).toEqual([30, 8, 14, 14, 2]);
    });

    it("sums up any runs of several proofs, in chunks of any length", async () => {
      const length = fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 0, max: 4 }) },
        fc.integer({ min: 0, max: 70 }),
      );
      const runs = fc.array(length, { maxLength: 12 });
      const property = fc.asyncProperty(
        fc.array(runs, { minLength: 1, maxLength: 3 }),
        fc.record({
          shortest: fc.integer({ min: 1, max: 4 }),
          doublings: fc.integer({ min: 0, max: 3 }),
          wanted: fc.integer({ min: 1, max: 40 }),
        }),
        // With less, two chunks leave as many places as two chunks have.
        fc.integer({ min: 4, max: 9 }),
        fc.integer({ min: 1, max: 1 << 30 }),
        async (proofs, { shortest, doublings, wanted }, later, seed) => {
          const lists = proofs.map((lengths, i) => entriesOf(lengths, seed + i));
          const first = shortest * 2 ** doublings;
          const chunks = Math.ceil(Math.max(1, ...lists.map(({ length }) => length)) / first);
          const few = { shortest, wanted: Math.min(wanted, chunks) };
          await expectSums(lists, first, later, few);
        },
      );
      await fc.assert(property, { numRuns: name === "g1" ? 25 : 8 });
    });
  });
}

suite(IN_G1);
suite(IN_G2);
