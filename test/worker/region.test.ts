import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clear } from "../../worker/engines/wasm/region.ts";

describe("worker / engines / region clear", () => {
  it("zeroes every byte of a range, and none outside", () => {
    const size = 3 * 65536;
    const memory = new WebAssembly.Memory({ initial: 3, maximum: 3, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const end = fc.oneof(
      fc.integer({ min: 0, max: size }),
      fc.integer({ min: 0, max: size / 4096 }).map((unit) => 4096 * unit),
    );
    const written = fc.array(fc.integer({ min: 0, max: size - 1 }), { maxLength: 50 });
    fc.assert(
      fc.property(end, end, written, fc.boolean(), (one, other, places, isFull) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        bytes.fill(isFull ? 0xff : 0);
        for (const place of places) bytes[place] = 7;
        const expected = bytes.slice();
        expected.fill(0, from, to);
        clear(memory, from, to);
        expect(Buffer.compare(bytes, expected)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
