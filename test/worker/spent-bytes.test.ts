import { describe, expect, it } from "vitest";
import { discard } from "../../worker/spent-bytes.ts";

describe("worker / spent bytes", () => {
  it("gives back the memory of a whole buffer", () => {
    const bytes = new Uint8Array(1024).fill(7);
    const { buffer } = bytes;
    discard(bytes);
    expect(buffer.byteLength).toBe("transfer" in buffer ? 0 : 1024);
    if (bytes.length > 0) expect(bytes.every((byte) => byte === 0)).toBe(true);
    // Twice is once.
    discard(bytes);
  });

  it("zeroes a part of a buffer, and nothing beside it", () => {
    const all = new Uint8Array(8).fill(7);
    discard(all.subarray(2, 5));
    expect([...all]).toEqual([7, 7, 0, 0, 0, 7, 7, 7]);
    const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7);
    discard(shared);
    expect([...shared]).toEqual([0, 0, 0, 0]);
  });
});
