import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseKernels } from "../../../worker/engines/wasm/choice.ts";
import type { FunctionWriter } from "../../../worker/kernels/emitter.ts";
import {
  bitsOf,
  type Expr,
  f64,
  f64x2,
  i32,
  i32x4,
  i64,
  i64x2,
  type Local,
  type Statement,
  type ValueType,
  v128,
} from "../../../worker/kernels/instructions.ts";
import { unsigned } from "../../../worker/kernels/leb128.ts";
import { moduleInstance } from "./module-instance.ts";

const U64 = (1n << 64n) - 1n;
const s64 = (x: bigint) => BigInt.asIntN(64, x);
const u64 = (x: bigint) => BigInt.asUintN(64, x);
const u32 = (x: bigint) => BigInt.asUintN(32, x);
const truth = (value: boolean) => (value ? 1n : 0n);

/** Values of all types as bits: i32 in 32 of them, v128 as two halves, the low one first. */
type Bits = readonly [bigint, bigint];
const scalar = (x: bigint): Bits => [u64(x), 0n];
const doubleOf = (bits: bigint) => new Float64Array(new BigUint64Array([bits]).buffer)[0] as number;

interface Operation {
  readonly operands: readonly ValueType[];
  readonly result: ValueType;
  // biome-ignore lint/suspicious/noExplicitAny: an instruction of any signature
  readonly write: (...operands: any[]) => Expr<ValueType>;
  readonly twin: (...operands: Bits[]) => Bits;
}

const operation = (
  operands: readonly ValueType[],
  result: ValueType,
  write: Operation["write"],
  twin: Operation["twin"],
): Operation => ({ operands, result, write, twin });

/** On integers of one width: the twin gets both signed. */
const integers =
  (type: "i32" | "i64") =>
  (write: Operation["write"], twin: (a: bigint, b: bigint) => bigint, result: ValueType = type) => {
    const bits = type === "i32" ? 32 : 64;
    return operation([type, type], result, write, ([a], [b]) => {
      const value = twin(BigInt.asIntN(bits, a), BigInt.asIntN(bits, b));
      return [BigInt.asUintN(result === "i32" ? 32 : 64, value), 0n];
    });
  };
const on32 = integers("i32");
const on64 = integers("i64");
const lanes64 = (write: Operation["write"], twin: (a: bigint, b: bigint) => bigint) =>
  operation(["v128", "v128"], "v128", write, (a, b) => [
    u64(twin(a[0], b[0])),
    u64(twin(a[1], b[1])),
  ]);
const shifted64 = (
  write: (a: Expr<"v128">, bits: number) => Expr<"v128">,
  bits: number,
  twin: (a: bigint) => bigint,
) =>
  operation(
    ["v128"],
    "v128",
    (a) => write(a, bits),
    (a) => [u64(twin(a[0])), u64(twin(a[1]))],
  );
/** Four lanes of 32 bits. */
const split = ([low, high]: Bits) => [low, low >> 32n, high, high >> 32n].map(u32);
const joined = (lanes: readonly bigint[]): Bits => {
  const [a, b, c, d] = lanes.map(u32) as [bigint, bigint, bigint, bigint];
  return [a | (b << 32n), c | (d << 32n)];
};
const lanes32 = (write: Operation["write"], twin: (a: bigint, b: bigint) => bigint) =>
  operation(["v128", "v128"], "v128", write, (a, b) => {
    const others = split(b);
    return joined(split(a).map((x, i) => twin(x, others[i] as bigint)));
  });
const doubles = (count: 1 | 2, write: Operation["write"], twin: (...x: number[]) => number) =>
  operation(new Array(count).fill("v128"), "v128", write, (...operands) => {
    const lane = (i: 0 | 1) => bitsOf(twin(...operands.map((x) => doubleOf(x[i]))));
    return [lane(0), lane(1)];
  });
const s32 = (x: bigint) => BigInt.asIntN(32, x);

const OPERATIONS: Record<string, Operation> = {
  "i32.add": on32(i32.add, (a, b) => a + b),
  "i32.sub": on32(i32.sub, (a, b) => a - b),
  "i32.mul": on32(i32.mul, (a, b) => a * b),
  "i32.and": on32(i32.and, (a, b) => a & b),
  "i32.or": on32(i32.or, (a, b) => a | b),
  "i32.xor": on32(i32.xor, (a, b) => a ^ b),
  "i32.shl": on32(i32.shl, (a, b) => a << (b & 31n)),
  "i32.shrS": on32(i32.shrS, (a, b) => a >> (b & 31n)),
  "i32.shrU": on32(i32.shrU, (a, b) => u32(a) >> (b & 31n)),
  "i32.eqz": on32(i32.eqz, (a) => truth(a === 0n)),
  "i32.eq": on32(i32.eq, (a, b) => truth(a === b)),
  "i32.ne": on32(i32.ne, (a, b) => truth(a !== b)),
  "i32.ltS": on32(i32.ltS, (a, b) => truth(a < b)),
  "i32.ltU": on32(i32.ltU, (a, b) => truth(u32(a) < u32(b))),
  "i32.gtU": on32(i32.gtU, (a, b) => truth(u32(a) > u32(b))),
  "i32.leU": on32(i32.leU, (a, b) => truth(u32(a) <= u32(b))),
  "i32.geU": on32(i32.geU, (a, b) => truth(u32(a) >= u32(b))),
  "i32.ctz": on32(i32.ctz, (a) => BigInt(zerosBelow(u32(a), 32))),
  "i32.wrap": on64(i32.wrap, (a) => a, "i32"),
  "i64.add": on64(i64.add, (a, b) => a + b),
  "i64.sub": on64(i64.sub, (a, b) => a - b),
  "i64.mul": on64(i64.mul, (a, b) => a * b),
  "i64.and": on64(i64.and, (a, b) => a & b),
  "i64.or": on64(i64.or, (a, b) => a | b),
  "i64.xor": on64(i64.xor, (a, b) => a ^ b),
  "i64.shl": on64(i64.shl, (a, b) => a << (b & 63n)),
  "i64.shrS": on64(i64.shrS, (a, b) => a >> (b & 63n)),
  "i64.shrU": on64(i64.shrU, (a, b) => u64(a) >> (b & 63n)),
  "i64.eqz": on64(i64.eqz, (a) => truth(a === 0n), "i32"),
  "i64.eq": on64(i64.eq, (a, b) => truth(a === b), "i32"),
  "i64.ne": on64(i64.ne, (a, b) => truth(a !== b), "i32"),
  "i64.ltS": on64(i64.ltS, (a, b) => truth(a < b), "i32"),
  "i64.ltU": on64(i64.ltU, (a, b) => truth(u64(a) < u64(b)), "i32"),
  "i64.gtU": on64(i64.gtU, (a, b) => truth(u64(a) > u64(b)), "i32"),
  "i64.geU": on64(i64.geU, (a, b) => truth(u64(a) >= u64(b)), "i32"),
  "i64.ctz": on64(i64.ctz, (a) => BigInt(zerosBelow(u64(a), 64))),
  "i64.clz": on64(i64.clz, (a) => BigInt(a === 0n ? 64 : 64 - u64(a).toString(2).length)),
  "i64.extendU": on32(i64.extendU, (a) => u32(a), "i64"),
  "i64.extendS": on32(i64.extendS, (a) => a, "i64"),
  "i64.reinterpret": operation(["f64"], "i64", i64.reinterpret, ([a]) => scalar(a)),
  "i64.truncate": operation(["f64"], "i64", i64.truncate, ([a]) => scalar(truncated(doubleOf(a)))),
  "f64.add": operation(["f64", "f64"], "f64", f64.add, ([a], [b]) =>
    scalar(bitsOf(doubleOf(a) + doubleOf(b))),
  ),
  "f64.mul": operation(["f64", "f64"], "f64", f64.mul, ([a], [b]) =>
    scalar(bitsOf(doubleOf(a) * doubleOf(b))),
  ),
  "f64.nearest": operation(["f64"], "f64", f64.nearest, ([a]) =>
    scalar(bitsOf(roundedToEven(doubleOf(a)))),
  ),
  "f64.convertS": operation(["i64"], "f64", f64.convertS, ([a]) => scalar(bitsOf(Number(s64(a))))),
  "v128.and": lanes64(v128.and, (a, b) => a & b),
  "v128.andNot": lanes64(v128.andNot, (a, b) => a & ~b),
  "v128.or": lanes64(v128.or, (a, b) => a | b),
  "v128.xor": lanes64(v128.xor, (a, b) => a ^ b),
  "v128.anyTrue": operation(["v128"], "i32", v128.anyTrue, (a) =>
    scalar(truth(a[0] !== 0n || a[1] !== 0n)),
  ),
  "v128.bitselect": operation(["v128", "v128", "v128"], "v128", v128.bitselect, (a, b, mask) => {
    const lane = (i: 0 | 1) => (a[i] & mask[i]) | (b[i] & ~mask[i] & U64);
    return [lane(0), lane(1)];
  }),
  "v128.shuffle64": operation(
    ["v128", "v128"],
    "v128",
    (a, b) => v128.shuffle64(a, b, 3, 0),
    (a, b) => [b[1], a[0]],
  ),
  "i64x2.splat": operation(["i64"], "v128", i64x2.splat, ([a]) => [a, a]),
  "i64x2.extract": operation(
    ["v128"],
    "i64",
    (a) => i64x2.extract(a, 1),
    (a) => scalar(a[1]),
  ),
  "i64x2.add": lanes64(i64x2.add, (a, b) => a + b),
  "i64x2.sub": lanes64(i64x2.sub, (a, b) => a - b),
  "i64x2.shl": shifted64(i64x2.shl, 29, (a) => a << 29n),
  "i64x2.shrS": shifted64(i64x2.shrS, 51, (a) => s64(a) >> 51n),
  "i64x2.shrU": shifted64(i64x2.shrU, 51, (a) => a >> 51n),
  "i64x2.eq": lanes64(i64x2.eq, (a, b) => (a === b ? -1n : 0n)),
  "i64x2.gtS": lanes64(i64x2.gtS, (a, b) => (s64(a) > s64(b) ? -1n : 0n)),
  "i64x2.allTrue": operation(["v128"], "i32", i64x2.allTrue, (a) =>
    scalar(truth(a[0] !== 0n && a[1] !== 0n)),
  ),
  "i64x2.extmulLowS": operation(["v128", "v128"], "v128", i64x2.extmulLowS, (a, b) =>
    products(a, b, [0, 1], s32),
  ),
  "i64x2.extmulLowU": operation(["v128", "v128"], "v128", i64x2.extmulLowU, (a, b) =>
    products(a, b, [0, 1], u32),
  ),
  "i64x2.extmulHighU": operation(["v128", "v128"], "v128", i64x2.extmulHighU, (a, b) =>
    products(a, b, [2, 3], u32),
  ),
  "i32x4.add": lanes32(i32x4.add, (a, b) => a + b),
  "i32x4.sub": lanes32(i32x4.sub, (a, b) => a - b),
  "i32x4.shl": lanes32(
    (a) => i32x4.shl(a, 3),
    (a) => a << 3n,
  ),
  "i32x4.shrS": lanes32(
    (a) => i32x4.shrS(a, 28),
    (a) => s32(a) >> 28n,
  ),
  "i32x4.shuffle": operation(
    ["v128", "v128"],
    "v128",
    (a, b) => i32x4.shuffle(a, b, [6, 0, 3, 5]),
    (a, b) => joined([6, 0, 3, 5].map((i) => [...split(a), ...split(b)][i] as bigint)),
  ),
  "f64x2.splat": operation(["f64"], "v128", f64x2.splat, ([a]) => [a, a]),
  "f64x2.abs": doubles(1, f64x2.abs, Math.abs),
  "f64x2.neg": doubles(1, f64x2.neg, (a) => -a),
  "f64x2.add": doubles(2, f64x2.add, (a, b) => (a as number) + (b as number)),
  "f64x2.sub": doubles(2, f64x2.sub, (a, b) => (a as number) - (b as number)),
  "f64x2.mul": doubles(2, f64x2.mul, (a, b) => (a as number) * (b as number)),
  "f64x2.max": doubles(2, f64x2.max, Math.max),
  "f64x2.le": operation(["v128", "v128"], "v128", f64x2.le, (a, b) => {
    const lane = (i: 0 | 1) => (doubleOf(a[i]) <= doubleOf(b[i]) ? U64 : 0n);
    return [lane(0), lane(1)];
  }),
};
/** Those of relaxed SIMD are checked where they are used, and refused elsewhere. */
const RELAXED = ["f64x2.relaxedMadd", "f64x2.relaxedNmadd"];
/** Constants and what reads or writes memory, tested below. */
const OTHERS = /\.(const|const64|load.*|store.*)$/;

function zerosBelow(x: bigint, bits: number): number {
  for (let i = 0; i < bits; i++) if ((x >> BigInt(i)) & 1n) return i;
  return bits;
}

function truncated(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return 2n ** 63n - 1n;
  return x <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(x));
}

function roundedToEven(x: number): number {
  const floor = Math.floor(x);
  const isUp = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0);
  const rounded = isUp ? floor + 1 : floor;
  return rounded === 0 && x < 0 ? -0 : rounded;
}

function products(a: Bits, b: Bits, lanes: readonly number[], read: (x: bigint) => bigint): Bits {
  const [x, y] = [split(a), split(b)];
  const [low, high] = lanes.map((i) => read(x[i] as bigint) * read(y[i] as bigint));
  return [u64(low as bigint), u64(high as bigint)];
}

function load<T extends ValueType>(type: T, address: number): Expr<ValueType> {
  const at = i32.const(0);
  switch (type) {
    case "i32":
      return i32.load(at, address);
    case "i64":
      return i64.load(at, address);
    case "f64":
      return f64.load(at, address);
    default:
      return v128.load(at, address);
  }
}

function store(value: Expr<ValueType>, address: number): Statement {
  const at = i32.const(0);
  switch (value.type) {
    case "i32":
      return i32.store(at, value as Expr<"i32">, address);
    case "i64":
      return i64.store(at, value as Expr<"i64">, address);
    case "f64":
      return f64.store(at, value as Expr<"f64">, address);
    default:
      return v128.store(at, value as Expr<"v128">, address);
  }
}

describe("worker / kernels / instructions", () => {
  it("has a twin here for each", () => {
    const groups = { i32, i64, f64, v128, i64x2, i32x4, f64x2 };
    const names = Object.entries(groups).flatMap(([group, operations]) =>
      Object.keys(operations).map((name) => `${group}.${name}`),
    );
    const known = [...Object.keys(OPERATIONS), ...RELAXED];
    expect(names.filter((name) => !known.includes(name) && !OTHERS.test(name))).toEqual([]);
    expect(known.filter((name) => !names.includes(name))).toEqual([]);
  });

  it("do what their names say", () => {
    const RESULT = 64;
    const kernels = moduleInstance((module) => {
      for (const [name, { operands, write }] of Object.entries(OPERATIONS)) {
        module.define(name, [], [], (f) => {
          f.do(store(write(...operands.map((type, i) => load(type, 16 * i))), RESULT));
        });
      }
    });
    const word = fc.oneof(
      fc.constantFrom(
        ...[0n, 1n, 31n, 32n, 63n, 64n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 32n],
        ...[(1n << 63n) - 1n, 1n << 63n, U64, 0x80000000_7fffffffn, 0xffffffff_80000000n],
        ...[0, -0, 0.5, -0.5, 1.5, 2.5, -2.5, 2 ** 52, 1e300, -(2 ** 63), 2 ** 63].map(bitsOf),
      ),
      fc.bigInt({ min: 0n, max: U64 }),
      // Doubles that are numbers.
      fc.double({ noNaN: true }).map(bitsOf),
    );
    const bits = fc.tuple(word, word);
    fc.assert(
      fc.property(bits, bits, bits, (...all) => {
        for (const [name, { operands, result, twin }] of Object.entries(OPERATIONS)) {
          // Which bits a NaN has is left open.
          const isDouble = name.startsWith("f64");
          if (isDouble && all.flat().some((x) => Number.isNaN(doubleOf(x)))) continue;
          kernels.u64.fill(0n, 0, RESULT / 8 + 2);
          all.forEach((value, i) => {
            kernels.u64.set(value, 2 * i);
          });
          kernels.call(name);
          const expected = twin(...operands.map((_, i) => all[i] as Bits));
          const actual = kernels.u64.slice(RESULT / 8, RESULT / 8 + 2);
          const isUndetermined = [...expected].some((x) => isDouble && Number.isNaN(doubleOf(x)));
          if (isUndetermined) continue;
          const mask = result === "i32" ? 0xffff_ffffn : U64;
          expect([...actual], name).toEqual([expected[0] & mask, expected[1]]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("read and write memory in the widths and with the signs that their names say", () => {
    const AT = 200;
    const at = (f: FunctionWriter): Local<"i32"> => {
      const local = f.local("i32");
      f.set(local, i32.const(AT - 72));
      return local;
    };
    const loads: Record<string, (address: Expr<"i32">, offset: number) => Expr<ValueType>> = {
      "i32.load": i32.load,
      "i32.load8U": i32.load8U,
      "i32.load16U": i32.load16U,
      "i32.load16S": i32.load16S,
      "i64.load": i64.load,
      "i64.load32U": i64.load32U,
      "i64.load32S": i64.load32S,
      "f64.load": f64.load,
      "v128.load": v128.load,
      "v128.load64Zero": v128.load64Zero,
      "v128.load64Splat": v128.load64Splat,
      "v128.load64Lane": (address, offset) =>
        v128.load64Lane(address, v128.const64(5n, 6n), 1, offset),
    };
    const kernels = moduleInstance((module) => {
      for (const [name, read] of Object.entries(loads)) {
        module.define(name, [], [], (f) => f.do(store(read(at(f), 72), 0)));
      }
      module.define("stores", [], [], (f) => {
        const value = i64.const(-2n);
        f.do(
          i32.store(at(f), i32.const(-3), 72),
          i32.store8(at(f), i32.const(0x1ff), 76),
          i32.store16(at(f), i32.const(0x2fffe), 78),
          i64.store32(at(f), value, 80),
          v128.store64Lane(at(f), v128.const64(1n, 9n), 1, 88),
        );
      });
    });
    kernels.u64.set([0x8182838485868788n, 0x0102030405060708n], AT / 8);
    const read = (name: string) => {
      kernels.u64.fill(0n, 0, 2);
      kernels.call(name);
      return [...kernels.u64.slice(0, 2)];
    };
    expect(read("i32.load")).toEqual([0x85868788n, 0n]);
    expect(read("i32.load8U")).toEqual([0x88n, 0n]);
    expect(read("i32.load16U")).toEqual([0x8788n, 0n]);
    expect(read("i32.load16S")).toEqual([0xffff8788n, 0n]);
    expect(read("i64.load")).toEqual([0x8182838485868788n, 0n]);
    expect(read("i64.load32U")).toEqual([0x85868788n, 0n]);
    expect(read("i64.load32S")).toEqual([0xffffffff85868788n, 0n]);
    expect(read("f64.load")).toEqual([0x8182838485868788n, 0n]);
    expect(read("v128.load")).toEqual([0x8182838485868788n, 0x0102030405060708n]);
    expect(read("v128.load64Zero")).toEqual([0x8182838485868788n, 0n]);
    expect(read("v128.load64Splat")).toEqual([0x8182838485868788n, 0x8182838485868788n]);
    expect(read("v128.load64Lane")).toEqual([5n, 0x8182838485868788n]);
    kernels.u64.fill(0n, AT / 8, AT / 8 + 3);
    kernels.call("stores");
    expect([...kernels.u64.slice(AT / 8, AT / 8 + 3)]).toEqual([
      0xfffe00fffffffffdn,
      0xfffffffen,
      9n,
    ]);
  });

  it("fuse a multiplication and an addition, where the processor can", async (context) => {
    const known = await chooseKernels(
      { kernels: "fma", revectorize: false },
      async () => undefined,
    ).catch((error: Error) => error);
    if (known instanceof Error) return context.skip(known.message);
    const kernels = moduleInstance((module) => {
      const operands = [0, 16, 32].map((address) => v128.load(i32.const(0), address));
      type Three = [Expr<"v128">, Expr<"v128">, Expr<"v128">];
      module.define("fused", [], [], (f) => {
        f.do(store(f64x2.relaxedMadd(...(operands as Three)), 64));
        f.do(store(f64x2.relaxedNmadd(...(operands as Three)), 80));
      });
    });
    const doubles = new Float64Array(kernels.u64.buffer);
    doubles.set([3, 1 + 2 ** -30, 5, 1 - 2 ** -30, 7, -1]);
    kernels.call("fused");
    expect([...doubles.slice(8, 12)]).toEqual([22, -(2 ** -60), -8, 2 ** -60 - 2]);
  });
});

describe("worker / kernels / encodings", () => {
  it("writes LEB128 without a sign, at the edges of its bytes", () => {
    expect(unsigned(0)).toEqual([0]);
    expect(unsigned(127)).toEqual([0x7f]);
    expect(unsigned(128)).toEqual([0x80, 1]);
    expect(unsigned(16383)).toEqual([0xff, 0x7f]);
    expect(unsigned(16384)).toEqual([0x80, 0x80, 1]);
    expect(unsigned(624485)).toEqual([0xe5, 0x8e, 0x26]);
    expect(unsigned(2 ** 31)).toEqual([0x80, 0x80, 0x80, 0x80, 8]);
    expect(unsigned(2 ** 32 - 1)).toEqual([0xff, 0xff, 0xff, 0xff, 0xf]);
  });

  it("writes LEB128 with a sign, at the edges of its bytes", () => {
    const leb = (value: number) => i32.const(value).code.slice(1);
    expect(leb(0)).toEqual([0]);
    expect(leb(63)).toEqual([63]);
    expect(leb(64)).toEqual([0xc0, 0]);
    expect(leb(-1)).toEqual([0x7f]);
    expect(leb(-64)).toEqual([0x40]);
    expect(leb(-65)).toEqual([0xbf, 0x7f]);
    expect(leb(-123456)).toEqual([0xc0, 0xbb, 0x78]);
    expect(leb(2 ** 31 - 1)).toEqual([0xff, 0xff, 0xff, 0xff, 7]);
    expect(leb(-(2 ** 31))).toEqual([0x80, 0x80, 0x80, 0x80, 0x78]);
    expect(leb(2 ** 32 - 1)).toEqual(leb(-1));
  });

  it("writes constants of all types that come out as they went in", () => {
    const powers = Array.from({ length: 64 }, (_, k) => 1n << BigInt(k));
    const values = [0n, ...powers.flatMap((x) => [x - 1n, x, -x, -x - 1n])];
    const kernels = moduleInstance((module) => {
      values.forEach((value, i) => {
        module.define(`i64.${i}`, [], ["i64"], (f) => f.result(i64.const(value)));
        const low = Number(BigInt.asIntN(32, value));
        module.define(`i32.${i}`, [], ["i32"], (f) => f.result(i32.const(low)));
        module.define(`f64.${i}`, [], ["f64"], (f) => f.result(f64.const(Number(value) / 3)));
        module.define(`v128.${i}`, [], [], (f) => f.do(store(v128.const64(value, ~value), 0)));
      });
    });
    values.forEach((value, i) => {
      expect(kernels.call(`i64.${i}`)).toBe(s64(value));
      expect(kernels.call(`i32.${i}`)).toBe(Number(BigInt.asIntN(32, value)));
      expect(kernels.call(`f64.${i}`)).toBe(Number(value) / 3);
      kernels.call(`v128.${i}`);
      expect([...kernels.u64.slice(0, 2)]).toEqual([u64(value), u64(~value)]);
    });
  });

  it("reaches offsets and locals beyond one byte of their encoding", () => {
    const offsets = [0, 120, 128, 16376, 16384, 65528];
    const kernels = moduleInstance((module) => {
      module.define("sum", ["i32"], ["i64"], (f, base) => {
        const locals = f.locals("i64", 300);
        locals.forEach((local, i) => {
          f.set(local, i64.const(BigInt(i)));
        });
        for (const offset of offsets) f.do(i64.store(base, i64.const(BigInt(offset)), offset));
        f.result(locals.reduce<Expr<"i64">>((sum, local) => i64.add(sum, local), i64.const(0n)));
      });
    });
    expect(kernels.call("sum", 0)).toBe((299n * 300n) / 2n);
    for (const offset of offsets) expect(kernels.u64[offset / 8]).toBe(BigInt(offset));
  });
});
