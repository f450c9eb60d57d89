import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Line } from "../../prover/stores/line.ts";
import { MemoryStore } from "../../prover/stores/memory.ts";
import { jobStoreContract, LIMITS, PROVABLE } from "./job-store-contract.ts";

jobStoreContract("memory", async (now) => ({
  store: new MemoryStore(LIMITS, { now }),
  close: async () => {},
}));

describe("job store / memory", () => {
  it("overwrites an input when its job ends", async () => {
    for (const end of ["cancel", "succeed", "fail"]) {
      const store = new MemoryStore(LIMITS);
      const bytes = Uint8Array.of(1, 2, 3);
      await store.submit({
        owner: "",
        requestId: "r",
        ...PROVABLE[0],
        inputKind: "WTNS",
        contentSha256: "content",
        priority: "NORMAL",
        labels: {},
        developmentKeys: false,
        expireMs: undefined,
        input: { format: "wtns", bytes, commit: undefined },
      });
      if (end === "cancel") await store.cancel({ owner: "", requestId: "r" });
      else {
        const claim = await store.claim(PROVABLE);
        expect(claim?.input.bytes).toEqual(Uint8Array.of(1, 2, 3));
        const failure = { reason: "INPUT_MALFORMED", message: "", retryable: false };
        await store.settle(
          claim?.lease as never,
          end === "fail"
            ? { kind: "failed", failure }
            : { kind: "succeeded", result: new Uint8Array() },
        );
      }
      expect(bytes, end).toEqual(new Uint8Array(3));
    }
  });
});

describe("job store / line", () => {
  it("behaves like a list from which anything can be taken", () => {
    const step = fc.oneof(
      fc.constant("push" as const),
      fc.constant("unshift" as const),
      fc.nat({ max: 20 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new Line<number>();
        let list: { value: number; place: number }[] = [];
        for (const [value, what] of steps.entries()) {
          if (what === "push") list.push({ value, place: line.push(value) });
          else if (what === "unshift") list.unshift({ value, place: line.unshift(value) });
          else {
            const gone = list[what];
            if (gone === undefined) continue;
            line.remove(gone.place);
            list = list.filter((entry) => entry !== gone);
          }
          expect(line.size).toBe(list.length);
          expect(line.first()).toBe(list[0]?.value);
          for (const [before, { place }] of list.entries()) {
            expect(line.ahead(place)).toBeGreaterThanOrEqual(before);
            expect(line.ahead(place)).toBeLessThanOrEqual(line.size);
          }
        }
      }),
    );
  });
});
