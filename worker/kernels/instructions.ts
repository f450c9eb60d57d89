/**
 * WebAssembly's instructions as typed expressions and statements (core 2.0, and the two fused
 * multiply-adds of relaxed SIMD): those that kernels use, named as in the specification.
 *
 * An expression is the bytes that leave its value on the stack, tagged with its type, so that
 * TypeScript refuses an i32 where a v128 belongs. A statement is the bytes of something that leaves
 * the stack as it was. Both are plain arrays: kernels are a few kilobytes and are made once.
 */
import { signed, unsigned } from "./leb128.ts";

export const TYPE_CODE = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof TYPE_CODE;

/** Code that leaves one value of type T on the stack. */
export interface Expr<T extends ValueType> {
  readonly type: T;
  readonly code: readonly number[];
}
/** Code that leaves the stack as it was. */
export type Statement = readonly number[];

/** A parameter or a local variable; as an expression, its value. */
export class Local<T extends ValueType> implements Expr<T> {
  readonly type: T;
  readonly index: number;
  readonly code: readonly number[];

  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
    this.code = [0x20, ...unsigned(index)];
  }
}

/** The bits of a double. */
export function bitsOf(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint;
}

function expr<T extends ValueType>(type: T, ...code: (readonly number[] | number)[]): Expr<T> {
  return { type, code: code.flat() as number[] };
}

const unary =
  <A extends ValueType, R extends ValueType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>): Expr<R> =>
    expr(result, a.code, opcode);
const binary =
  <A extends ValueType, R extends ValueType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>, b: Expr<A>): Expr<R> =>
    expr(result, a.code, b.code, opcode);
const loading =
  <T extends ValueType>(result: T, opcode: readonly number[], align: number) =>
  (address: Expr<"i32">, offset = 0): Expr<T> =>
    expr(result, address.code, opcode, align, unsigned(offset));
const storing =
  <T extends ValueType>(opcode: readonly number[], align: number) =>
  (address: Expr<"i32">, value: Expr<T>, offset = 0): Statement => [
    ...address.code,
    ...value.code,
    ...opcode,
    align,
    ...unsigned(offset),
  ];
/** An instruction of the SIMD group. */
const simd = (code: number) => [0xfd, ...unsigned(code)];

/** condition != 0 ? a : b, both evaluated. */
export function select<T extends ValueType>(
  condition: Expr<"i32">,
  a: Expr<T>,
  b: Expr<NoInfer<T>>,
): Expr<T> {
  return expr(a.type, a.code, b.code, condition.code, 0x1b);
}

export const i32 = {
  const: (value: number) => expr("i32", 0x41, signed(BigInt(value | 0))),
  add: binary<"i32", "i32">("i32", 0x6a),
  sub: binary<"i32", "i32">("i32", 0x6b),
  mul: binary<"i32", "i32">("i32", 0x6c),
  and: binary<"i32", "i32">("i32", 0x71),
  or: binary<"i32", "i32">("i32", 0x72),
  xor: binary<"i32", "i32">("i32", 0x73),
  shl: binary<"i32", "i32">("i32", 0x74),
  shrS: binary<"i32", "i32">("i32", 0x75),
  shrU: binary<"i32", "i32">("i32", 0x76),
  eqz: unary<"i32", "i32">("i32", 0x45),
  eq: binary<"i32", "i32">("i32", 0x46),
  ne: binary<"i32", "i32">("i32", 0x47),
  ltS: binary<"i32", "i32">("i32", 0x48),
  ltU: binary<"i32", "i32">("i32", 0x49),
  gtU: binary<"i32", "i32">("i32", 0x4b),
  leU: binary<"i32", "i32">("i32", 0x4d),
  geU: binary<"i32", "i32">("i32", 0x4f),
  wrap: unary<"i64", "i32">("i32", 0xa7),
  ctz: unary<"i32", "i32">("i32", 0x68),
  load: loading("i32", [0x28], 2),
  load8U: loading("i32", [0x2d], 0),
  load16U: loading("i32", [0x2f], 1),
  load16S: loading("i32", [0x2e], 1),
  store: storing<"i32">([0x36], 2),
  store8: storing<"i32">([0x3a], 0),
  store16: storing<"i32">([0x3b], 1),
} as const;

export const i64 = {
  const: (value: bigint) => expr("i64", 0x42, signed(BigInt.asIntN(64, value))),
  add: binary<"i64", "i64">("i64", 0x7c),
  sub: binary<"i64", "i64">("i64", 0x7d),
  mul: binary<"i64", "i64">("i64", 0x7e),
  and: binary<"i64", "i64">("i64", 0x83),
  or: binary<"i64", "i64">("i64", 0x84),
  xor: binary<"i64", "i64">("i64", 0x85),
  shl: binary<"i64", "i64">("i64", 0x86),
  shrS: binary<"i64", "i64">("i64", 0x87),
  shrU: binary<"i64", "i64">("i64", 0x88),
  eqz: unary<"i64", "i32">("i32", 0x50),
  eq: binary<"i64", "i32">("i32", 0x51),
  ne: binary<"i64", "i32">("i32", 0x52),
  ltS: binary<"i64", "i32">("i32", 0x53),
  ltU: binary<"i64", "i32">("i32", 0x54),
  gtU: binary<"i64", "i32">("i32", 0x56),
  geU: binary<"i64", "i32">("i32", 0x5a),
  ctz: unary<"i64", "i64">("i64", 0x7a),
  clz: unary<"i64", "i64">("i64", 0x79),
  extendU: unary<"i32", "i64">("i64", 0xad),
  extendS: unary<"i32", "i64">("i64", 0xac),
  /** Toward zero, saturating. */
  truncate: unary<"f64", "i64">("i64", 0xfc, 0x06),
  /** The bits of a double. */
  reinterpret: unary<"f64", "i64">("i64", 0xbd),
  load: loading("i64", [0x29], 3),
  load32U: loading("i64", [0x35], 2),
  load32S: loading("i64", [0x34], 2),
  store: storing<"i64">([0x37], 3),
  store32: storing<"i64">([0x3e], 2),
} as const;

export const f64 = {
  const: (value: number) =>
    expr("f64", 0x44, [...new Uint8Array(new Float64Array([value]).buffer)]),
  add: binary<"f64", "f64">("f64", 0xa0),
  mul: binary<"f64", "f64">("f64", 0xa2),
  nearest: unary<"f64", "f64">("f64", 0x9e),
  convertS: unary<"i64", "f64">("f64", 0xb9),
  load: loading("f64", [0x2b], 3),
  store: storing<"f64">([0x39], 3),
} as const;

export const v128 = {
  load: loading("v128", simd(0x00), 4),
  store: storing<"v128">(simd(0x0b), 4),
  /** Eight bytes into the low half, zero above. */
  load64Zero: loading("v128", simd(0x5d), 3),
  load64Splat: loading("v128", simd(0x0a), 3),
  /** `vector` with eight bytes from memory in half `lane`. */
  load64Lane: (address: Expr<"i32">, vector: Expr<"v128">, lane: 0 | 1, offset = 0) =>
    expr("v128", address.code, vector.code, simd(0x57), 3, unsigned(offset), lane),
  store64Lane: (address: Expr<"i32">, vector: Expr<"v128">, lane: 0 | 1, offset = 0): Statement => [
    ...address.code,
    ...vector.code,
    ...simd(0x5b),
    3,
    ...unsigned(offset),
    lane,
  ],
  const64: (low: bigint, high = low) =>
    expr("v128", simd(0x0c), [
      ...new Uint8Array(
        new BigUint64Array([BigInt.asUintN(64, low), BigInt.asUintN(64, high)]).buffer,
      ),
    ]),
  and: binary<"v128", "v128">("v128", ...simd(0x4e)),
  /** a and not b */
  andNot: binary<"v128", "v128">("v128", ...simd(0x4f)),
  or: binary<"v128", "v128">("v128", ...simd(0x50)),
  xor: binary<"v128", "v128">("v128", ...simd(0x51)),
  anyTrue: unary<"v128", "i32">("i32", ...simd(0x53)),
  /** Bits of a where the mask is 1, of b where it is 0. */
  bitselect: (a: Expr<"v128">, b: Expr<"v128">, mask: Expr<"v128">) =>
    expr("v128", a.code, b.code, mask.code, simd(0x52)),
  /** Halves of 64 bits: 0 and 1 are those of a, 2 and 3 those of b. */
  shuffle64: (a: Expr<"v128">, b: Expr<"v128">, low: number, high: number) =>
    expr("v128", a.code, b.code, simd(0x0d), eightFrom(low), eightFrom(high)),
} as const;

function eightFrom(half: number): number[] {
  return Array.from({ length: 8 }, (_, i) => 8 * half + i);
}

const shift =
  (code: number) =>
  (a: Expr<"v128">, bits: number): Expr<"v128"> =>
    expr("v128", a.code, i32.const(bits).code, simd(code));

export const i64x2 = {
  splat: unary<"i64", "v128">("v128", ...simd(0x12)),
  extract: (a: Expr<"v128">, lane: 0 | 1) => expr("i64", a.code, simd(0x1d), lane),
  add: binary<"v128", "v128">("v128", ...simd(0xce)),
  sub: binary<"v128", "v128">("v128", ...simd(0xd1)),
  shl: shift(0xcb),
  shrS: shift(0xcc),
  shrU: shift(0xcd),
  eq: binary<"v128", "v128">("v128", ...simd(0xd6)),
  gtS: binary<"v128", "v128">("v128", ...simd(0xd9)),
  /** 1 if no lane is 0. */
  allTrue: unary<"v128", "i32">("i32", ...simd(0xc3)),
  /** The products of the low two of four signed 32-bit lanes. */
  extmulLowS: binary<"v128", "v128">("v128", ...simd(0xdc)),
  extmulLowU: binary<"v128", "v128">("v128", ...simd(0xde)),
  extmulHighU: binary<"v128", "v128">("v128", ...simd(0xdf)),
} as const;

export const i32x4 = {
  add: binary<"v128", "v128">("v128", ...simd(0xae)),
  sub: binary<"v128", "v128">("v128", ...simd(0xb1)),
  shl: shift(0xab),
  shrS: shift(0xac),
  /** Four lanes picked from a (0 to 3) and b (4 to 7). */
  shuffle: (a: Expr<"v128">, b: Expr<"v128">, lanes: readonly number[]) =>
    expr(
      "v128",
      a.code,
      b.code,
      simd(0x0d),
      lanes.flatMap((lane) => [0, 1, 2, 3].map((i) => 4 * lane + i)),
    ),
} as const;

export const f64x2 = {
  splat: unary<"f64", "v128">("v128", ...simd(0x14)),
  abs: unary<"v128", "v128">("v128", ...simd(0xec)),
  neg: unary<"v128", "v128">("v128", ...simd(0xed)),
  add: binary<"v128", "v128">("v128", ...simd(0xf0)),
  sub: binary<"v128", "v128">("v128", ...simd(0xf1)),
  mul: binary<"v128", "v128">("v128", ...simd(0xf2)),
  max: binary<"v128", "v128">("v128", ...simd(0xf5)),
  le: binary<"v128", "v128">("v128", ...simd(0x4b)),
  /** a b + c, fused where the machine has it: relaxed SIMD. */
  relaxedMadd: (a: Expr<"v128">, b: Expr<"v128">, c: Expr<"v128">) =>
    expr("v128", a.code, b.code, c.code, simd(0x107)),
  /** c - a b, fused where the machine has it: relaxed SIMD. */
  relaxedNmadd: (a: Expr<"v128">, b: Expr<"v128">, c: Expr<"v128">) =>
    expr("v128", a.code, b.code, c.code, simd(0x108)),
} as const;
