import { describe, expect, it } from "vitest";
import { Scratch } from "../../../../worker/engines/gpu/scratch.ts";
import type { GpuBuffer, GpuDevice } from "../../../../worker/gpu/device.ts";
import { gpuError } from "../../../../worker/gpu/failure.ts";

/** A device with buffers of at most so many bytes, and nothing in them. */
function deviceWith(bufferBytes: number) {
  const buffers = new Set<GpuBuffer>();
  const createBuffer = (bytes: number) => {
    if (bytes > bufferBytes) throw gpuError("memory", "the test's device: too long");
    const buffer = { bytes, free: () => void buffers.delete(buffer) };
    buffers.add(buffer);
    return buffer;
  };
  return { device: { limits: { bufferBytes }, createBuffer } as unknown as GpuDevice, buffers };
}

describe("worker / engines / gpu / scratch", () => {
  // Of AMD's driver the most is four bytes short of 4 GiB.
  it.each([2 ** 12, 2 ** 12 - 4])(
    "takes more than one buffer where the longest has %i bytes",
    (most) => {
      const { device, buffers } = deviceWith(most);
      const scratch = new Scratch(device);
      scratch.begin(3 * most);
      const slices = [700, 2300, 3800, 1, 2500].map((bytes) => scratch.take(bytes));
      for (const [i, { buffer, offset = 0, bytes = 0 }] of slices.entries()) {
        expect(offset % 256).toBe(0);
        expect(offset + bytes).toBeLessThanOrEqual(buffer.bytes);
        for (const other of slices.slice(0, i)) {
          const isApart =
            other.buffer !== buffer || (other.offset ?? 0) + (other.bytes ?? 0) <= offset;
          expect(isApart).toBe(true);
        }
      }
      // The next batch has the same buffers.
      const before = [...buffers];
      scratch.begin(3 * most);
      expect([...buffers]).toEqual(before);
      scratch.free();
      expect(buffers.size).toBe(0);
    },
  );

  it("holds nothing where memory is short", () => {
    const { device, buffers } = deviceWith(2 ** 12);
    const scratch = new Scratch(device);
    const createBuffer = device.createBuffer;
    Object.assign(device, {
      createBuffer: (bytes: number) => {
        if (buffers.size === 2) throw gpuError("memory", "the test's device: full");
        return createBuffer(bytes);
      },
    });
    expect(() => scratch.begin(2 ** 14)).toThrow("full");
    expect([buffers.size, scratch.bytes]).toEqual([0, 0]);
  });
});
