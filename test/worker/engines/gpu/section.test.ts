import { expect, it } from "vitest";
import { affineBytes, mostPoints } from "../../../../worker/engines/gpu/msm-plan.ts";
import { loadSection, type Section } from "../../../../worker/engines/gpu/section.ts";
import type { GpuDevice } from "../../../../worker/gpu/device.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { narrowed } from "./narrow-device.ts";

/** Bytes that look like points: all of point i are i + 1 mod 256 but for the last, so that none is 0. */
function pointsOf(group: GroupName, count: number, isInfinity: (i: number) => boolean): Uint8Array {
  const size = affineBytes(group);
  const bytes = new Uint8Array(size * count);
  for (let i = 0; i < count; i++) {
    if (isInfinity(i)) continue;
    // Only the last byte tells some from infinity.
    bytes.fill(i % 5 === 0 ? 0 : i + 1, size * i, size * (i + 1));
    bytes[size * (i + 1) - 1] = 1;
  }
  return bytes;
}

async function contentOf(device: GpuDevice, { chunks }: Section) {
  return Promise.all(
    chunks.map(async (chunk) => {
      const points = new Uint8Array(chunk.points.bytes as number);
      const map = new Uint32Array((chunk.map.bytes as number) / 4);
      await device.download(chunk.points, points);
      await device.download(chunk.map, new Uint8Array(map.buffer));
      return { points, scalars: [...map].map((scalar) => chunk.firstScalar + scalar) };
    }),
  );
}

describeOnDevice("worker / engines / gpu / section", (device) => {
  it.each<[GroupName, number, number]>([
    ["g1", 64 << 10, 3],
    ["g2", 64 << 10, 1],
    ["g1", 64 << 10, 100],
    ["g1", 128 << 20, 3],
  ])(
    "keeps all points of %s but infinity, in bindings of %i bytes, each %i-th scalar",
    async (group, bindingBytes, step) => {
      const gpu = narrowed(await device(), { bindingBytes });
      const count = 1000;
      const isInfinity = (i: number) =>
        i === 0 || i === count - 1 || i % 7 === 3 || (i > 400 && i < 600);
      const points = pointsOf(group, count, isInfinity);
      const scalarOf = (i: number) => step * i + 17;
      const before = gpu.allocatedBytes;
      const section = await loadSection(gpu, group, points, scalarOf);
      try {
        const kept = Array.from({ length: count }, (_, i) => i).filter((i) => !isInfinity(i));
        const most = mostPoints(group, gpu.limits);
        const content = await contentOf(gpu, section);
        expect(content.flatMap(({ scalars }) => scalars)).toEqual(kept.map(scalarOf));
        const size = affineBytes(group);
        const expected = kept.map((i) => points.subarray(size * i, size * (i + 1)));
        expect(
          Buffer.concat(content.map((chunk) => chunk.points)).equals(Buffer.concat(expected)),
        ).toBe(true);
        for (const chunk of section.chunks) {
          expect(chunk.count).toBeLessThanOrEqual(most);
          // What the kernels bind: the scalars of a chunk, from an aligned one on.
          expect(32 * chunk.scalars + 256).toBeLessThanOrEqual(bindingBytes);
        }
        expect(section.chunks.length > 1).toBe(bindingBytes < 128 << 20);
        expect(gpu.allocatedBytes - before).toBe(section.bytes);
      } finally {
        section.free();
        section.free();
      }
      expect(gpu.allocatedBytes).toBe(before);
    },
  );

  it("brings more than goes up at a time", async () => {
    const gpu = await device();
    const count = (4 << 20) / 64 + 10;
    const points = pointsOf("g1", count, (i) => i === 5);
    const section = await loadSection(gpu, "g1", points);
    try {
      const [content] = await contentOf(gpu, section);
      expect(content?.scalars[5]).toBe(6);
      expect(content?.scalars.at(-1)).toBe(count - 1);
      expect(
        Buffer.compare(content?.points.subarray(64 * 5) as Uint8Array, points.subarray(64 * 6)),
      ).toBe(0);
    } finally {
      section.free();
    }
  });

  it("keeps to the largest buffer, points and map together", async () => {
    const limits = { bindingBytes: 64 << 10, bufferBytes: 4 << 10 };
    const gpu = narrowed(await device(), limits);
    const section = await loadSection(
      gpu,
      "g2",
      pointsOf("g2", 1000, () => false),
    );
    const sizes = section.chunks.map(({ points }) => points.buffer.bytes);
    expect(section.chunks.reduce((sum, { count }) => sum + count, 0)).toBe(1000);
    section.free();
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.bufferBytes);
  });

  it("has no chunk where no point is left", async () => {
    const gpu = await device();
    for (const points of [new Uint8Array(0), new Uint8Array(640)]) {
      const section = await loadSection(gpu, "g1", points);
      expect([section.chunks.length, section.bytes]).toEqual([0, 0]);
      section.free();
    }
  });

  it("holds nothing where loading fails", async () => {
    const gpu = await device();
    const before = gpu.allocatedBytes;
    let uploads = 0;
    const narrow = narrowed(gpu, { bindingBytes: 64 << 10 });
    const failing = {
      ...narrow,
      limits: narrow.limits,
      upload: async (...args: Parameters<GpuDevice["upload"]>) => {
        if (++uploads === 4) throw new Error("no more");
        await gpu.upload(...args);
      },
    };
    const points = pointsOf("g1", 1000, () => false);
    await expect(loadSection(failing, "g1", points)).rejects.toThrow("no more");
    expect(gpu.allocatedBytes).toBe(before);
  });
});
