import fc from "fast-check";
import { expect, it } from "vitest";
import type { Code } from "../../../../worker/kernels/spirv/code.ts";
import { KernelWriter } from "../../../../worker/kernels/spirv/module.ts";
import type { U32, U64, Value } from "../../../../worker/kernels/spirv/values.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { runOnce } from "../../gpu/device-fixture.ts";
import { expectValid } from "./validation.ts";

type Word = "u32" | "u64";
interface Operation {
  readonly type: Word;
  // biome-ignore lint/suspicious/noExplicitAny: operands of either type, a result of any
  readonly write: (f: Code, a: any, b: any) => Value;
  readonly twin: (a: bigint, b: bigint) => bigint;
}

const truth = (value: boolean) => (value ? 1n : 0n);
const u32 = (x: bigint) => BigInt.asUintN(32, x);
const u64 = (x: bigint) => BigInt.asUintN(64, x);

const both: Record<string, Omit<Operation, "type">> = {
  add: { write: (f, a, b) => f.add(a, b), twin: (a, b) => a + b },
  sub: { write: (f, a, b) => f.sub(a, b), twin: (a, b) => a - b },
  mul: { write: (f, a, b) => f.mul(a, b), twin: (a, b) => a * b },
  and: { write: (f, a, b) => f.and(a, b), twin: (a, b) => a & b },
  or: { write: (f, a, b) => f.or(a, b), twin: (a, b) => a | b },
  xor: { write: (f, a, b) => f.xor(a, b), twin: (a, b) => a ^ b },
  "shl by 0": { write: (f, a) => f.shl(a, 0), twin: (a) => a },
  "shl by 31": { write: (f, a) => f.shl(a, 31), twin: (a) => a << 31n },
  "shr by 31": { write: (f, a) => f.shr(a, 31), twin: (a) => a >> 31n },
  eq: { write: (f, a, b) => f.eq(a, b), twin: (a, b) => truth(a === b) },
  ne: { write: (f, a, b) => f.ne(a, b), twin: (a, b) => truth(a !== b) },
  lt: { write: (f, a, b) => f.lt(a, b), twin: (a, b) => truth(a < b) },
  le: { write: (f, a, b) => f.le(a, b), twin: (a, b) => truth(a <= b) },
  both: {
    write: (f, a, b) => f.both(f.lt(a, b), f.ne(a, f.sub(b, b))),
    twin: (a, b) => truth(a < b && a !== 0n),
  },
  either: {
    write: (f, a, b) => f.either(f.lt(a, b), f.eq(a, f.sub(b, b))),
    twin: (a, b) => truth(a < b || a === 0n),
  },
  not: { write: (f, a, b) => f.not(f.lt(a, b)), twin: (a, b) => truth(a >= b) },
  select: {
    write: (f, a, b) => f.select(f.lt(a, b), a, b),
    twin: (a, b) => (a < b ? a : b),
  },
};
const OPERATIONS: Record<string, Operation> = {
  ...Object.fromEntries(
    (["u32", "u64"] as const).flatMap((type) =>
      Object.entries(both).map(([name, one]) => [`${type} ${name}`, { ...one, type }]),
    ),
  ),
  "u32 shl by b": {
    type: "u32",
    write: (f, a: U32, b: U32) => f.shl(a, f.and(b, f.u32(31))),
    twin: (a, b) => a << (b & 31n),
  },
  "u64 shr by 63": { type: "u64", write: (f, a: U64) => f.shr(a, 63), twin: (a) => a >> 63n },
  "u32 reverse": {
    type: "u32",
    write: (f, a: U32) => f.reverse(a),
    twin: (a) => BigInt(`0b${[...a.toString(2).padStart(32, "0")].reverse().join("")}`),
  },
  "u32 widen": {
    type: "u32",
    write: (f, a: U32, b: U32) => f.mul(f.widen(a), f.widen(b)),
    twin: (a, b) => a * b,
  },
  "u64 low": { type: "u64", write: (f, a: U64) => f.low(a), twin: (a) => u32(a) },
  "u64 high": { type: "u64", write: (f, a: U64) => f.high(a), twin: (a) => a >> 32n },
  "u64 constant": {
    type: "u64",
    write: (f, a: U64) => f.add(a, f.u64(0xfedc_ba98_7654_3210n)),
    twin: (a) => a + 0xfedc_ba98_7654_3210n,
  },
};
const names = Object.keys(OPERATIONS);

/** For each pair of operands (64 bits each) and each operation, 64 bits of result. */
const kernel = (() => {
  const k = new KernelWriter("operations", { workgroupSize: [8, 1, 1], push: ["count"] });
  const input = k.buffer("u32x4", "read");
  const output = k.buffer("u32");
  return k.main((f) => {
    const i = f.globalId(0);
    f.if(f.lt(i, f.push("count")), () => {
      const [a, a1, b, b1] = f.loadFour(input, i);
      const wide = (low: U32, high: U32) => f.or(f.widen(low), f.shl(f.widen(high), 32));
      Object.values(OPERATIONS).forEach(({ type, write }, n) => {
        const operands = type === "u32" ? [a, b] : [wide(a, a1), wide(b, b1)];
        const value = write(f, ...(operands as [Value, Value]));
        const at = f.add(f.mul(i, f.u32(2 * names.length)), f.u32(2 * n));
        const zero = f.u32(0);
        const [low, high] =
          value.type === "u64"
            ? [f.low(value as U64), f.high(value as U64)]
            : [
                value.type === "u32" ? (value as U32) : f.select(value as never, f.u32(1), zero),
                zero,
              ];
        f.store(output, at, low);
        f.store(output, f.add(at, f.u32(1)), high);
      });
    });
  });
})();

describeOnDevice("worker / kernels / spirv / code", (device) => {
  const edge = fc.constantFrom(
    0n,
    1n,
    2n,
    31n,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
    1n << 32n,
    (1n << 63n) - 1n,
    1n << 63n,
    (1n << 64n) - 1n,
  );
  const operand = fc.oneof(edge, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

  it("computes every operation as bigints do", async () => {
    const gpu = await device();
    const compiled = gpu.createKernel(kernel);
    const pairs = fc.array(fc.tuple(operand, operand), { minLength: 1, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(pairs, async (given) => {
        const input = new BigUint64Array(given.flat());
        const words = new Uint32Array(input.buffer);
        const room = new Uint32Array(2 * names.length * given.length);
        const groups = [Math.ceil(given.length / 8), 1, 1] as const;
        const [, output] = await runOnce(gpu, compiled, [words, room], [given.length], groups);
        const results = new BigUint64Array((output as Uint32Array).buffer);
        given.forEach(([a, b], i) => {
          names.forEach((name, n) => {
            const { type, twin } = OPERATIONS[name] as Operation;
            const expected = type === "u32" ? twin(u32(a), u32(b)) : twin(a, b);
            // Products of words and constants of 64 bits keep all of them; sums of words wrap.
            const bits = type === "u32" && name !== "u32 widen" ? u32(expected) : u64(expected);
            expect(results[i * names.length + n], `${name} of ${a}, ${b}`).toBe(bits);
          });
        });
      }),
      { numRuns: 20 },
    );
  });

  it("branches, loops, calls functions and shares memory", async () => {
    const k = new KernelWriter("control", { workgroupSize: [16, 1, 1], push: ["step", "bound"] });
    const data = k.buffer("u32");
    const fours = k.buffer("u32x4");
    const shared = k.shared(16);
    const sumAndSmaller = k.define(["u32", "u32"], (f, a, b) => {
      const smaller = f.variable("u32", a);
      f.if(f.lt(b, a), () => f.set(smaller, b));
      return [f.widen(f.add(a, b)), f.get(smaller)];
    });
    const code = k.main((f) => {
      const [i, local] = [f.globalId(0), f.localId(0)];
      const total = f.variable("u32", f.u32(0));
      f.for(f.u32(0), f.push("bound"), f.push("step"), (j) => {
        f.if(
          f.eq(f.and(j, f.u32(1)), f.u32(0)),
          () => f.set(total, f.add(f.get(total), f.mul(j, i))),
          () => {
            f.if(f.lt(i, f.u32(10)), () => f.set(total, f.add(f.get(total), f.u32(1))));
          },
        );
      });
      f.storeShared(shared, local, f.get(total));
      f.barrier();
      const opposite = f.loadShared(shared, f.sub(f.u32(15), local));
      const [sum, smaller] = f.call(sumAndSmaller, f.get(total), opposite) as [U64, U32];
      f.store(data, i, f.low(sum));
      f.storeFour(fours, i, [smaller, f.groupId(0), local, i]);
    });
    expectValid(code);
    const [got, quads] = await runOnce(
      await device(),
      code,
      [new Uint32Array(48), new Uint32Array(4 * 48)],
      [3, 20],
      [3, 1, 1],
    );
    const total = (i: number) =>
      [0, 3, 6, 9, 12, 15, 18].reduce((sum, j) => sum + (j % 2 ? Number(i < 10) : j * i), 0);
    for (let i = 0; i < 48; i++) {
      const opposite = 16 * (i >> 4) + 15 - (i & 15);
      expect(got?.[i], `invocation ${i}`).toBe(total(i) + total(opposite));
      const smaller = Math.min(total(i), total(opposite));
      expect([...(quads as Uint32Array).slice(4 * i, 4 * i + 4)]).toEqual([
        smaller,
        i >> 4,
        i & 15,
        i,
      ]);
    }
  });

  it("adds to a word without losing an addition, and tells each what was there before", async () => {
    const k = new KernelWriter("atomic", { workgroupSize: [64, 1, 1], push: [] });
    const [counters, places] = [k.buffer("u32"), k.buffer("u32")];
    const code = k.main((f) => {
      const i = f.globalId(0);
      const counter = f.and(i, f.u32(3));
      f.store(places, i, f.atomicAdd(counters, counter, f.add(counter, f.u32(1))));
    });
    expectValid(code);
    const count = 64 * 500;
    const inputs = [Uint32Array.of(7, 0, 0, 2 ** 32 - 30, 9), new Uint32Array(count)];
    const [ends, before] = await runOnce(await device(), code, inputs, [], [count / 64, 1, 1]);
    const start = [7, 0, 0, 2 ** 32 - 30];
    for (const [counter, first] of start.entries()) {
      const step = counter + 1;
      expect(ends?.[counter]).toBe((first + (step * count) / 4) % 2 ** 32);
      const own = before?.filter((_, i) => i % 4 === counter).map((word) => word - first);
      const expected = Array.from({ length: count / 4 }, (_, i) => step * i);
      expect(
        [...(own ?? [])].sort((a, b) => a - b),
        `counter ${counter}`,
      ).toEqual(expected);
    }
    expect(ends?.[4]).toBe(9);
  });

  it("writes modules that Khronos's validator accepts", () => {
    expectValid(kernel);
  });
});
