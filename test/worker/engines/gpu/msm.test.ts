import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { SectionSums } from "../../../../worker/engines/gpu/msm.ts";
import { planSections } from "../../../../worker/engines/gpu/msm-jobs.ts";
import { MsmKernels } from "../../../../worker/engines/gpu/msm-kernels.ts";
import { mostPoints, planMsm, scratchBytes } from "../../../../worker/engines/gpu/msm-plan.ts";
import { loadSection } from "../../../../worker/engines/gpu/section.ts";
import { referenceEngine } from "../../../../worker/engines/reference.ts";
import { SCALAR_FIELD } from "../../../../worker/field.ts";
import type { GpuSlice } from "../../../../worker/gpu/device.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import type { Zkey } from "../../../../worker/zkey.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { randomsBelow } from "../../kernels/spirv/random.ts";
import {
  expectedSum,
  type KnownPoints,
  knownPoints,
  pointOf,
  type SumCase,
  scalarBytes,
  sumsOn,
} from "./msm-fixture.ts";
import { narrowed } from "./narrow-device.ts";

const R = SCALAR_FIELD;
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const random = (count: number, seed: string) => randomsBelow(R, count, seed);

/** 2^k and 2^k - 1, the scalars about r, and small ones. */
const EDGES = [
  ...[0n, 1n, 2n, 3n, R - 1n, R - 2n, R / 2n, R / 2n + 1n],
  ...[...Array(254).keys()].flatMap((k) => [2n ** BigInt(k) - 1n, 2n ** BigInt(k)]),
].filter((scalar) => scalar < R);

/** What a sum may be over, small enough that all fit into one submission. */
function shapesOf(group: GroupName): Record<string, { points: KnownPoints; scalars: bigint[] }> {
  const count = group === "g1" ? 700 : 150;
  const some = knownPoints(group, upTo(count));
  const of = (scalar: (i: number) => bigint, points = some) => ({
    points,
    scalars: points.logs.map((_, i) => scalar(i)),
  });
  const dense = random(count, `${group} dense`);
  const denseAt = (i: number) => dense[i % count] as bigint;
  const same = knownPoints(group, new Array(count).fill(5));
  const pairs = knownPoints(
    group,
    upTo(count).map((i) => (i % 2 === 0 ? i - 1 : -i)),
  );
  const holes = knownPoints(
    group,
    upTo(count).map((i) => (i % 3 === 0 || i < 9 ? "infinity" : i)),
  );
  return {
    "all scalars 0": of(() => 0n),
    "all scalars 1": of(() => 1n),
    "all scalars 2": of(() => 2n),
    "all scalars r - 1": of(() => R - 1n),
    "all scalars the same": of(() => denseAt(3)),
    "scalars mostly 0 and 1": of((i) => (i % 50 === 0 ? denseAt(i) : BigInt(i % 2))),
    "one scalar that is not 0": of((i) => (i === count - 1 ? denseAt(0) : 0n)),
    "edge scalars": of((i) => EDGES[i % EDGES.length] as bigint),
    "edge scalars, from the end": of((i) => EDGES.at(-1 - (i % EDGES.length)) as bigint),
    "the same point with one scalar": of(() => denseAt(1), same),
    "the same point with any scalars": of(denseAt, same),
    "opposite points with the same scalars": of((i) => denseAt(i >> 1), pairs),
    "opposite points with any scalars": of(denseAt, pairs),
    "points at infinity in between": of(denseAt, holes),
    "points at infinity only": of(denseAt, knownPoints(group, ["infinity", "infinity"])),
    "no points": of(denseAt, knownPoints(group, [])),
    "one point": of(denseAt, knownPoints(group, [3])),
    "one point at r - 1": of(() => R - 1n, knownPoints(group, [3])),
    "two points": of(denseAt, knownPoints(group, [3, 4])),
  };
}

describeOnDevice("worker / engines / gpu / msm", (device) => {
  let compiled: MsmKernels | undefined;
  const kernels = async () => {
    compiled ??= new MsmKernels(await device());
    return compiled;
  };
  afterAll(() => compiled?.free());
  const sums = async (cases: readonly SumCase[], limits = {}) =>
    sumsOn(narrowed(await device(), limits), await kernels(), cases);

  it.each<[GroupName, number]>([
    ["g1", 5000],
    ["g2", 4100],
  ])("sums dense scalars over many workgroups in %s", async (group, count) => {
    const points = knownPoints(group, upTo(count));
    const scalars = random(count, group);
    expect(await sums([{ points, scalars: [scalars] }])).toEqual([[expectedSum(points, scalars)]]);
  });

  it("equals the reference engine", async () => {
    const count = 100;
    const choice = upTo(count).map((i) => (i % 7 === 0 ? "infinity" : i % 5 === 0 ? 4 - i : i));
    const [a, b2] = [knownPoints("g1", choice), knownPoints("g2", choice)];
    const scalars = [...EDGES.slice(0, 20), ...random(count - 20, "reference")];
    const zkey = { a: a.bytes, b2: b2.bytes, nPublic: 0 } as unknown as Zkey;
    const key = await referenceEngine.loadKey(zkey);
    const run = key.begin(scalarBytes([scalars], false));
    const request = { g1: [[{ section: "a" }]], g2: [[{ section: "b2" }]] } as const;
    const { g1, g2 } = await run.sums(request, () => undefined);
    await run.end();
    const got = await sums([
      { points: a, scalars: [scalars] },
      { points: b2, scalars: [scalars] },
    ]);
    expect(got).toEqual([g1, g2]);
  });

  it.each<GroupName>(["g1", "g2"])("sums whatever points and scalars are in %s", async (group) => {
    const shapes = Object.entries(shapesOf(group));
    const got = await sums(
      shapes.map(([, { points, scalars }]) => ({ points, scalars: [scalars] })),
    );
    shapes.forEach(([name, { points, scalars }], i) => {
      expect(got[i], name).toEqual([expectedSum(points, scalars)]);
    });
  });

  it("sums several sections for several proofs in one submission as one by one", async () => {
    const [large, small] = [knownPoints("g1", upTo(900)), knownPoints("g1", upTo(17))];
    const inG2 = knownPoints("g2", upTo(200));
    const three = (count: number) => [
      random(count, "first"),
      upTo(count).map((i) => BigInt(i % 2)),
      new Array<bigint>(count).fill(R - 1n),
    ];
    const cases = [
      { points: large, scalars: three(900) },
      { points: inG2, scalars: three(200), isMontgomery: true },
      { points: small, scalars: three(17) },
      { points: large, scalars: three(900).reverse(), isMontgomery: true },
    ];
    const together = await sums(cases);
    for (const [i, { points, scalars, isMontgomery = false }] of cases.entries()) {
      expect(together[i]).toEqual(scalars.map((values) => expectedSum(points, values)));
      for (const [proof, values] of scalars.entries()) {
        const [alone] = await sums([{ points, scalars: [values], isMontgomery }]);
        expect(alone).toEqual([together[i]?.[proof]]);
      }
    }
  });

  it.each<[GroupName, number, number]>([
    ["g1", 1100, 64 << 10],
    ["g1", 1100, 256 << 10],
    ["g2", 300, 128 << 10],
  ])("cuts up %s sections of %i points for bindings of %i bytes", async (group, count, bytes) => {
    const limits = { bindingBytes: bytes };
    const most = mostPoints(group, { ...(await device()).limits, ...limits });
    expect(most).toBeLessThan(count);
    // A long stretch of infinity: the scalars of one binding are the ones that end a chunk, too.
    const choice = upTo(count).map((i) => (i > 100 && i < 140 ? ("infinity" as const) : i));
    const points = knownPoints(group, choice);
    const scalars = [random(count, "a"), upTo(count).map((i) => BigInt(i % 2)), random(count, "b")];
    const got = await sums([{ points, scalars, isMontgomery: true }], limits);
    expect(got).toEqual([scalars.map((values) => expectedSum(points, values))]);
  });

  it("takes proofs in parts where one binding cannot hold all of them", async () => {
    const count = 500;
    const points = knownPoints("g1", upTo(count));
    const { limits } = await device();
    const { bytes } = planMsm({ group: "g1", count }, 5, limits);
    // Room for two proofs' parts of the largest, so that five are three parts.
    const largest = Math.max(bytes.entries, bytes.buckets, ...bytes.slotValues);
    const scalars = [..."abcde"].map((seed) => random(count, seed));
    const got = await sums([{ points, scalars }], { bindingBytes: 2 * largest + 300 });
    expect(got).toEqual([scalars.map((values) => expectedSum(points, values))]);
    // One workgroup along y has the same effect.
    const { workgroupCount } = limits;
    const flat = { workgroupCount: [workgroupCount[0], 1, 1] as const };
    expect(await sums([{ points, scalars }], flat)).toEqual(got);
  });

  it("finds scalars from an offset on, far apart, in bindings that begin at coarse steps", async () => {
    const [count, proofs, bindingBytes] = [40, 3, 512 << 10];
    const own = (await device()).limits.bindingAlignment;
    // Two proofs' scalars and what is between them do not fit into one binding.
    const strideBytes = bindingBytes - 1024;
    for (const bindingAlignment of [own, Math.max(own, 256)]) {
      const gpu = narrowed(await device(), { bindingBytes, bindingAlignment });
      const points = knownPoints("g1", upTo(count));
      const section = await loadSection(gpu, "g1", points.bytes, (i) => 2 * i + 5);
      const buffers: GpuSlice[] = [];
      const take = (bytes: number) => {
        const slice = { buffer: gpu.createBuffer(bytes) };
        buffers.push(slice);
        return slice;
      };
      try {
        const batch = new SectionSums(await kernels(), gpu.limits, [section], proofs, take);
        const bytes = strideBytes * (proofs - 1) + 32 * 3 * count;
        const slice = { ...take(bytes + 320), offset: 288, bytes };
        const scalars = [..."abc"].map((seed) => random(3 * count, seed));
        for (const [proof, values] of scalars.entries()) {
          const { buffer, offset } = slice;
          const to = { buffer, offset: offset + strideBytes * proof };
          await gpu.upload(scalarBytes([values], false), to);
        }
        const record = (first: number) =>
          gpu.submit((commands) => {
            batch.record(commands, [{ slice, strideBytes, first, isMontgomery: false }]);
          });
        for (const first of [0, 3, 8, 9]) {
          await record(first);
          const results = await batch.download(gpu);
          scalars.forEach((values, proof) => {
            const mine = points.logs.map((_, i) => values[2 * i + 5 + first] as bigint);
            const got = pointOf(batch.layout[0] as never, results, proof);
            const name = `alignment ${bindingAlignment}, first ${first}, proof ${proof}`;
            expect(got, name).toEqual(expectedSum(points, mine));
          });
        }
        await expect(record(40)).rejects.toThrow(RangeError);
      } finally {
        section.free();
        for (const { buffer } of buffers) buffer.free();
      }
    }
  });

  it("uses its memory again, keeps to it, and leaves zeros in the end", async () => {
    const gpu = await device();
    const proofs = 3;
    const [first, second] = [knownPoints("g1", upTo(333)), knownPoints("g2", upTo(50))];
    const sections = await Promise.all(
      [first, second].map(({ group, bytes }) => loadSection(gpu, group, bytes)),
    );
    // Each region lies between stretches that nobody may touch.
    const FENCE = 512;
    const regions: { slice: GpuSlice; bytes: number }[] = [];
    const take = (bytes: number) => {
      const slice = { buffer: gpu.createBuffer(bytes + 2 * FENCE), offset: FENCE };
      regions.push({ slice, bytes });
      return slice;
    };
    const contentOf = async ({ slice: { buffer } }: { slice: GpuSlice }) => {
      const bytes = new Uint8Array(buffer.bytes);
      await gpu.download({ buffer }, bytes);
      return bytes;
    };
    const scalarBuffers = [first, second].map(({ logs }) =>
      gpu.createBuffer(32 * logs.length * proofs),
    );
    try {
      const batch = new SectionSums(await kernels(), gpu.limits, sections, proofs, take);
      const plans = planSections(sections, proofs, gpu.limits).flat();
      const taken = regions.reduce((sum, { bytes }) => sum + bytes, 0);
      expect(taken).toBe(scratchBytes(plans, proofs));
      for (const { slice } of regions) {
        const { buffer } = slice;
        await gpu.upload(new Uint8Array(buffer.bytes).fill(0xa5), { buffer });
      }
      // Longer sums first, so that what they leave would be seen; then fewer proofs.
      for (const [turn, count] of [3, 3, 1, 2].entries()) {
        const values = [first, second].map(({ logs }) =>
          Array.from({ length: count }, (_, proof) =>
            turn === 1
              ? logs.map((__, i) => BigInt(i % 2))
              : random(logs.length, `${turn} ${proof}`),
          ),
        );
        for (const [i, list] of values.entries()) {
          await gpu.upload(scalarBytes(list, false), { buffer: scalarBuffers[i] as never });
        }
        const scalars = [first, second].map(({ logs }, i) => ({
          slice: { buffer: scalarBuffers[i] as never },
          strideBytes: 32 * logs.length,
          isMontgomery: false,
        }));
        await gpu.submit((commands) => batch.record(commands, scalars, count));
        const results = await batch.download(gpu);
        [first, second].forEach((points, i) => {
          values[i]?.forEach((list, proof) => {
            const name = `turn ${turn}, section ${i}, proof ${proof}`;
            expect(pointOf(batch.layout[i] as never, results, proof), name).toEqual(
              expectedSum(points, list),
            );
          });
        });
      }
      await gpu.submit((commands) => batch.clear(commands));
      for (const region of regions) {
        const bytes = await contentOf(region);
        const inside = bytes.subarray(FENCE, FENCE + region.bytes);
        expect(inside.every((byte) => byte === 0)).toBe(true);
        const fences = [bytes.subarray(0, FENCE), bytes.subarray(FENCE + region.bytes)];
        for (const fence of fences) expect(fence.every((byte) => byte === 0xa5)).toBe(true);
      }
    } finally {
      for (const section of sections) section.free();
      for (const { slice } of regions) slice.buffer.free();
      for (const buffer of scalarBuffers) buffer.free();
    }
  });

  it("refuses more proofs than it has memory for, and scalars out of line", async () => {
    const gpu = await device();
    const section = await loadSection(gpu, "g1", knownPoints("g1", upTo(9)).bytes);
    const buffers: GpuSlice[] = [];
    const take = (bytes: number) => {
      const slice = { buffer: gpu.createBuffer(bytes) };
      buffers.push(slice);
      return slice;
    };
    try {
      const batch = new SectionSums(await kernels(), gpu.limits, [section], 2, take);
      const slice = take(1024);
      const attempt = (scalars: object, proofs?: number) =>
        gpu.submit((commands) => {
          const whole = { slice, strideBytes: 288, isMontgomery: false, ...scalars };
          batch.record(commands, [whole], proofs);
        });
      await attempt({});
      for (const proofs of [0, 3, 1.5]) await expect(attempt({}, proofs)).rejects.toThrow("proofs");
      await expect(gpu.submit((commands) => batch.record(commands, []))).rejects.toThrow(
        "sections",
      );
      await expect(attempt({ strideBytes: 300 })).rejects.toThrow(RangeError);
      await expect(attempt({ strideBytes: 1024 })).rejects.toThrow(RangeError);
      await expect(attempt({ slice: { ...slice, offset: 16 } })).rejects.toThrow(RangeError);
      await expect(attempt({ slice: { ...slice, bytes: 512 } })).rejects.toThrow(RangeError);
    } finally {
      section.free();
      for (const { buffer } of buffers) buffer.free();
    }
  });

  it.each<[GroupName, number]>([
    ["g1", 25],
    ["g2", 8],
  ])("sums any points with any scalars in %s", async (group, numRuns) => {
    const scalar = fc.oneof(
      fc.constantFrom(0n, 1n, ...EDGES),
      fc.bigInt({ min: 0n, max: R - 1n }),
      fc.integer({ min: 0, max: 40 }).map(BigInt),
    );
    const point = fc.oneof(
      fc.integer({ min: -6, max: 6 }).map((i) => (i === 0 ? ("infinity" as const) : i)),
      fc.integer({ min: 1, max: 200 }),
    );
    const section = fc.array(fc.tuple(point, scalar, scalar), { maxLength: 60 });
    const property = fc.asyncProperty(
      fc.array(section, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (sections, isMontgomery) => {
        const cases = sections.map((terms) => ({
          points: knownPoints(
            group,
            terms.map(([choice]) => choice),
          ),
          scalars: [terms.map(([, s]) => s), terms.map(([, , s]) => s)],
          isMontgomery,
        }));
        const expected = cases.map(({ points, scalars }) =>
          scalars.map((values) => expectedSum(points, values)),
        );
        expect(await sums(cases)).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns });
  });
});
