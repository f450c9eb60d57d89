import { describe, expect, it } from "vitest";
import { type Candidate, chooseDevice } from "../../../worker/gpu/choice.ts";
import { chooseMemoryType } from "../../../worker/gpu/memory.ts";

const candidate = (name: string, kind: Candidate["kind"], more: Partial<Candidate> = {}) => ({
  name,
  kind,
  version: [1, 3] as const,
  hasInt64: true,
  queueFamily: 0,
  ...more,
});
const software = candidate("llvmpipe (LLVM 15)", "software");
const integrated = candidate("Chip 5", "integrated");
const discrete = candidate("Card 9000", "discrete");

describe("worker / gpu / choice", () => {
  it("prefers a discrete device, then an integrated one, wherever they stand", () => {
    expect(chooseDevice([software, integrated, discrete])).toBe(discrete);
    expect(chooseDevice([integrated, software])).toBe(integrated);
    const second = candidate("Card 9001", "discrete");
    expect(chooseDevice([discrete, second])).toBe(discrete);
  });

  it("takes a software device only by its name, in any case of letters", () => {
    expect(chooseDevice([software, discrete], "LLVMpipe")).toBe(software);
    expect(() => chooseDevice([software])).toThrow(
      expect.objectContaining({
        code: "ENGINE_UNAVAILABLE",
        detail: { gpu: "device", devices: "llvmpipe (LLVM 15), software" },
      }),
    );
  });

  it("does not take another device than the one that was named", () => {
    expect(() => chooseDevice([discrete], "llvmpipe")).toThrow(/Card 9000.*expected.*"llvmpipe"/);
  });

  it("refuses with what to do where there is no device", () => {
    expect(() => chooseDevice([])).toThrow(
      expect.objectContaining({ code: "ENGINE_UNAVAILABLE", detail: { gpu: "device" } }),
    );
  });

  it("passes over a device that cannot run the kernels, and says what it lacks if it is the only one", () => {
    const lacking: [Partial<Candidate>, RegExp][] = [
      [{ hasInt64: false }, /no shaderInt64/],
      [{ version: [1, 0] }, /Vulkan 1\.0, expected 1\.1/],
      [{ queueFamily: undefined }, /no queue that computes/],
    ];
    for (const [lack, message] of lacking) {
      const old = candidate("Old card", "discrete", lack);
      expect(chooseDevice([old, integrated])).toBe(integrated);
      expect(() => chooseDevice([old])).toThrow(message);
      expect(() => chooseDevice([old, integrated], "old")).toThrow(
        expect.objectContaining({ detail: expect.objectContaining({ gpu: "feature" }) }),
      );
    }
  });
});

describe("worker / gpu / memory types", () => {
  const [LOCAL, VISIBLE, COHERENT, CACHED] = [1, 2, 4, 8] as const;
  const mapped = VISIBLE | COHERENT;
  const card = [0, LOCAL | mapped, mapped, mapped | CACHED, LOCAL];
  const shared = [LOCAL | VISIBLE | COHERENT, LOCAL | VISIBLE | COHERENT | CACHED];
  const types = (flags: readonly number[]) => flags.map((flag) => ({ flags: flag, heap: 0 }));

  it("keeps a card's data in its own memory and stages through the machine's cached one", () => {
    expect(chooseMemoryType(types(card), 0b11111, "local")).toBe(4);
    expect(chooseMemoryType(types(card), 0b11111, "staging")).toBe(3);
    expect(chooseMemoryType(types(card), 0b01111, "local")).toBe(1);
    expect(chooseMemoryType(types(card), 0b00110, "staging")).toBe(2);
  });

  it("maps what is shared, cached if that can be had", () => {
    expect(chooseMemoryType(types(shared), 0b11, "unified")).toBe(1);
    expect(chooseMemoryType(types(shared), 0b01, "unified")).toBe(0);
    expect(chooseMemoryType(types(shared), 0b11, "staging")).toBe(1);
  });

  it("refuses a driver that offers none", () => {
    expect(() => chooseMemoryType(types(card), 0b00001, "staging")).toThrow(/no memory type/);
  });
});
