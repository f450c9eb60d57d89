/**
 * The columns of a product of digits in doubles, summed as integers. `fma-field.ts` has the algebra.
 */
import type { FunctionWriter } from "./emitter.ts";
import { bitsOf, type Expr, f64x2, i64x2, type Local, v128 } from "./instructions.ts";

export const LIMBS = 5;
export const BITS = 51;
export const W = BigInt(BITS);
export const BASE = 1n << W;
export const HALF_BASE = BASE / 2n;
/** Rows folded at once; the other two of the five low columns get Montgomery rows. */
export const FOLDED = 3;

/** 3/2 * 2^52: a double plus this is an integer plus a bias, in bits. */
export const LOW_BIAS = 1.5 * 2 ** 52;
export const C1 = 1.5 * 2 ** (52 + BITS);
export const C2 = C1 + LOW_BIAS;

/** Locals that a product needs while it is computed; the next one may use them again. */
export class Room {
  readonly columns: readonly Local<"v128">[];
  /** Digits taken from the columns to be folded, and m of the Montgomery rows. */
  readonly low: readonly Local<"v128">[];
  readonly out: readonly Local<"v128">[];
  /** The current digit of the left operand. */
  readonly digit: Local<"v128">;
  readonly high: Local<"v128">;

  constructor(f: FunctionWriter) {
    this.columns = f.locals("v128", 2 * LIMBS);
    this.low = f.locals("v128", FOLDED);
    this.out = f.locals("v128", LIMBS);
    this.digit = f.local("v128");
    this.high = f.local("v128");
  }
}

/** c1 and c2, in locals. */
export interface RoundingConstants {
  readonly c1: Local<"v128">;
  readonly c2: Local<"v128">;
}

/** The columns of one product, with the biases that their sums have gathered. */
export class FmaProduct {
  /** What the digits taken from a column are made positive with: a multiple of 2^52. */
  static readonly #OFFSET = 1n << 62n;
  readonly room: Room;
  readonly #f: FunctionWriter;
  readonly #c1: Local<"v128">;
  readonly #c2: Local<"v128">;
  readonly #constant: (bits: bigint) => Expr<"v128">;
  /** Sum of biases in each column; undefined while the column is empty. */
  readonly #bias: (bigint | undefined)[] = [];

  constructor(
    f: FunctionWriter,
    room: Room,
    { c1, c2 }: RoundingConstants,
    constant: (bits: bigint) => Expr<"v128">,
  ) {
    this.room = room;
    this.#f = f;
    this.#c1 = c1;
    this.#c2 = c2;
    this.#constant = constant;
  }

  /** Adds x y into columns `column` and `column + 1`. */
  add(x: Expr<"v128">, y: Expr<"v128">, column: number): void {
    const { high } = this.room;
    this.#f.set(high, f64x2.relaxedMadd(x, y, this.#c1));
    const low = f64x2.relaxedMadd(x, y, f64x2.sub(this.#c2, high));
    this.#accumulate(column, low, bitsOf(LOW_BIAS));
    this.#accumulate(column + 1, high, bitsOf(C1));
  }

  /** Adds the high part of x y alone, for a column whose low part is known to cancel. */
  addHigh(x: Expr<"v128">, y: Expr<"v128">, column: number): void {
    const { high } = this.room;
    this.#f.set(high, f64x2.relaxedMadd(x, y, this.#c1));
    this.#accumulate(column + 1, high, bitsOf(C1));
  }

  /**
   * dst = the column's signed low digit; the rest is carried into the next column. Adding
   * 2^62 + 2^50 first makes the sum positive, so that a logical shift is a floor (an arithmetic
   * shift of 64-bit lanes is several instructions on x64); the carry's 2^62 / 2^51 is a bias.
   */
  takeDigit(column: number, dst: Local<"v128">): void {
    const f = this.#f;
    const c = this.#unbias(column, FmaProduct.#OFFSET + HALF_BASE);
    this.#accumulate(column + 1, i64x2.shrU(c, BITS), FmaProduct.#OFFSET >> W);
    const exponent = this.#constant(bitsOf(2 ** 52));
    const low = v128.or(v128.and(c, this.#constant(BASE - 1n)), exponent);
    f.set(dst, f64x2.sub(low, this.#constant(bitsOf(2 ** 52 + Number(HALF_BASE)))));
  }

  /** dst = the whole column as a double. */
  takeTop(column: number, dst: Local<"v128">): void {
    const c = this.#unbias(column, bitsOf(LOW_BIAS));
    this.#f.set(dst, f64x2.sub(c, this.#constant(bitsOf(LOW_BIAS))));
  }

  #accumulate(column: number, value: Expr<"v128">, bias: bigint): void {
    const c = at(this.room.columns, column);
    const before = this.#bias[column];
    this.#f.set(c, before === undefined ? value : i64x2.add(c, value));
    this.#bias[column] = (before ?? 0n) + bias;
  }

  /** The column's local, holding its true sum + offset. */
  #unbias(column: number, offset: bigint): Local<"v128"> {
    const c = at(this.room.columns, column);
    this.#f.set(c, i64x2.add(c, this.#constant(offset - (this.#bias[column] ?? 0n))));
    this.#bias[column] = offset;
    return c;
  }
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
