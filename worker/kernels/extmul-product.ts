/**
 * Products of nine-limb numbers with their reduction, as functions of two lanes. `extmul-field.ts` has
 * the algebra and the bounds.
 */
import { invert } from "../field.ts";
import { type Expr, type FunctionWriter, i32x4, i64x2, type Local, v128 } from "./emitter.ts";
import type { ConstantPool, KernelWriter } from "./vector-field.ts";

export const LIMBS = 9;
export const LIMB_BITS = 29;
const W = BigInt(LIMB_BITS);
/** B */
export const BASE = 1n << W;
const HALF_BASE = BASE / 2n;
/** Columns folded at once; the other two of the nine low ones get Montgomery rows. */
const FOLDED = 7;

/** What makes a column's sum positive. */
const OFFSET = 1n << 63n;
/** What that leaves in the carry. */
const CARRY_BIAS = OFFSET / BASE;
/** 2^50 / p's top limb is below 2^31. */
const QUOTIENT_BITS = 50n;

/** Operands of a product: at most this in size, and the product of two at most its square / 4. */
const MAX_LIMB = 2n * BASE;

/** A modulus and what follows from it. */
export interface Prime {
  readonly limbs: readonly bigint[];
  /** -1/p mod B */
  readonly mu: bigint;
  /** powers[n] = limbs of B^-n mod p, centred. */
  readonly powers: readonly (readonly bigint[])[];
}

/** @param modulus  An odd prime of 254 bits. */
export function primeOf(modulus: bigint): Prime {
  const centred = (x: bigint) => (x > modulus / 2n ? x - modulus : x);
  return {
    limbs: limbsOf(modulus),
    mu: BigInt.asIntN(LIMB_BITS, -invert(modulus, BASE)),
    powers: Array.from({ length: FOLDED + 1 }, (_, n) =>
      limbsOf(centred(invert(1n << (W * BigInt(n)), modulus))),
    ),
  };
}

/** Signed limbs, in [-B/2, B/2) but for the top one. */
export function limbsOf(x: bigint): bigint[] {
  const limbs: bigint[] = [];
  let rest = x;
  for (let i = 0; i < LIMBS - 1; i++) {
    const limb = BigInt.asIntN(LIMB_BITS, rest);
    limbs.push(limb);
    rest = (rest - limb) >> W;
  }
  return [...limbs, rest];
}

/** Functions of limbs as vectors of two 64-bit lanes; each returns limbs in bounds. */
export interface Products {
  /** (a, b) -> a b / R */
  readonly multiply: FunctionWriter;
  /** (a, b, c, d) -> (a b + c d) / R */
  readonly multiplySum: FunctionWriter;
  /** (a) -> a^2 / R */
  readonly square: FunctionWriter;
  /** (a) -> a, reduced */
  readonly reduce: FunctionWriter;
}

/** @param checked  Trap when an operand of a product is out of bounds. */
export function writeProducts(
  { module, constants }: KernelWriter,
  prime: Prime,
  checked: boolean,
): Products {
  const define = (operands: number, write: (p: ProductWriter, operands: Vectors[]) => void) =>
    module.define("", vectors(operands * LIMBS), vectors(LIMBS), (f, ...parameters) => {
      const product = new ProductWriter(f, constants, prime, checked);
      write(
        product,
        Array.from({ length: operands }, (_, i) => parameters.slice(LIMBS * i, LIMBS * (i + 1))),
      );
    });
  return {
    multiply: define(2, (p, [a, b]) => p.multiply([[a, b] as Pair])),
    multiplySum: define(4, (p, [a, b, c, d]) => p.multiply([[a, b] as Pair, [c, d] as Pair])),
    square: define(1, (p, [a]) => p.square(a as Vectors)),
    reduce: define(1, (p, [a]) => p.reduce(a as Vectors)),
  };
}

type Vectors = readonly Local<"v128">[];
type Pair = readonly [Vectors, Vectors];

function vectors(count: number): "v128"[] {
  return Array.from({ length: count }, () => "v128");
}

/** Writes one function's body. */
class ProductWriter {
  readonly #f: FunctionWriter;
  readonly #pool: ConstantPool;
  readonly #prime: Prime;
  readonly #checked: boolean;
  /** The column's sum. */
  readonly #sum: Local<"v128">;
  readonly #carry: Local<"v128">;

  constructor(f: FunctionWriter, pool: ConstantPool, prime: Prime, checked: boolean) {
    this.#f = f;
    this.#pool = pool;
    this.#prime = prime;
    this.#checked = checked;
    this.#sum = f.local("v128");
    this.#carry = f.local("v128");
  }

  multiply(pairs: readonly Pair[]): void {
    for (const [a, b] of pairs) {
      this.#assertBounds(a, b);
      for (const limb of [...a, ...b]) this.#f.set(limb, narrow(limb));
    }
    this.#reduceColumns((k) =>
      pairs.flatMap(([a, b]) =>
        columnIndices(k).map((i) => i64x2.extmulLowS(at(a, i), at(b, k - i))),
      ),
    );
  }

  /** Squares on the diagonal, each mixed product once, with the doubled limb. */
  square(a: Vectors): void {
    const f = this.#f;
    this.#assertBounds(a, a);
    const twice = f.locals("v128", LIMBS);
    a.forEach((limb, i) => {
      f.set(limb, narrow(limb));
      f.set(at(twice, i), i32x4.add(limb, limb));
    });
    this.#reduceColumns((k) =>
      columnIndices(k)
        .filter((i) => 2 * i <= k)
        .map((i) => i64x2.extmulLowS(at(2 * i === k ? a : twice, i), at(a, k - i))),
    );
  }

  /**
   * q = round(top limb / top limb of p), x - q p, then carries from limb to limb. The value ends at
   * most 0.5 p + p / 2^17 in size. Holds for limbs below 2^31: |q| < 2^10, and no 64 bits overflow.
   */
  reduce(x: Vectors): void {
    const f = this.#f;
    const { limbs } = this.#prime;
    const top = at(x, LIMBS - 1);
    if (this.#checked) this.#assertAtMost(this.#sizeOf(x), (1n << 31n) - 1n);
    const inverse = (1n << QUOTIENT_BITS) / at(limbs, LIMBS - 1);
    const rounded = OFFSET + (1n << (QUOTIENT_BITS - 1n));
    f.set(this.#sum, i64x2.extmulLowS(narrow(top), this.#factor(inverse)));
    f.set(
      this.#sum,
      i64x2.sub(
        i64x2.shrU(i64x2.add(this.#sum, this.#constant(rounded)), Number(QUOTIENT_BITS)),
        this.#constant(OFFSET >> QUOTIENT_BITS),
      ),
    );
    const q = f.local("v128");
    f.set(q, narrow(this.#sum));
    x.forEach((limb, i) => {
      f.set(limb, i64x2.sub(limb, i64x2.extmulLowS(q, this.#factor(at(limbs, i)))));
    });
    for (let i = 0; i < LIMBS - 1; i++) this.#takeDigit(at(x, i), at(x, i), i);
    f.set(top, this.#withCarry(top, 0n, LIMBS - 1));
    f.result(...x);
  }

  /** @param products  Those of column k. */
  #reduceColumns(products: (k: number) => readonly Expr<"v128">[]): void {
    const f = this.#f;
    const { limbs, powers } = this.#prime;
    /** Digits of the low columns: q_0 .. q_6, m_7, m_8, narrow. */
    const low = f.locals("v128", LIMBS);
    const out = f.locals("v128", LIMBS);
    for (let k = 0; k < 2 * LIMBS - 1; k++) {
      // The digits so far: q_i I_(7-i) from column 7 on, m_i p from column i on.
      const reductions = low.slice(0, k).flatMap((digit, i) => {
        const factor = i < FOLDED ? at(powers, FOLDED - i) : limbs;
        const limb = factor[k - Math.max(i, FOLDED)];
        return limb === undefined ? [] : [i64x2.extmulLowS(digit, this.#factor(limb))];
      });
      f.set(this.#sum, [...products(k), ...reductions].reduce(i64x2.add));
      if (k < FOLDED) this.#takeFolded(at(low, k), k);
      else if (k < LIMBS) this.#takeRow(at(low, k), k);
      else this.#takeDigit(at(out, k - LIMBS), this.#sum, k);
    }
    f.set(at(out, LIMBS - 1), i64x2.sub(this.#carry, this.#constant(CARRY_BIAS)));
    f.result(...out);
  }

  /** q = the sum's low bits, unsigned. */
  #takeFolded(q: Local<"v128">, column: number): void {
    const f = this.#f;
    f.set(this.#sum, this.#withCarry(this.#sum, OFFSET, column));
    f.set(q, narrow(v128.and(this.#sum, this.#constant(BASE - 1n))));
    f.set(this.#carry, i64x2.shrU(this.#sum, LIMB_BITS));
  }

  /** m = sum mu mod B; with m p_0 the sum is a multiple of B. */
  #takeRow(m: Local<"v128">, column: number): void {
    const f = this.#f;
    const { limbs, mu } = this.#prime;
    f.set(this.#sum, this.#withCarry(this.#sum, OFFSET, column));
    const product = i64x2.extmulLowS(narrow(this.#sum), this.#factor(mu));
    f.set(m, narrow(this.#digit(i64x2.add(product, this.#constant(HALF_BASE)))));
    const cleared = i64x2.add(this.#sum, i64x2.extmulLowS(m, this.#factor(at(limbs, 0))));
    f.set(this.#carry, i64x2.shrU(cleared, LIMB_BITS));
  }

  /** dst = the signed digit of column + carry; the rest is carried on. */
  #takeDigit(dst: Local<"v128">, sum: Expr<"v128">, column: number): void {
    const f = this.#f;
    f.set(this.#sum, this.#withCarry(sum, OFFSET + HALF_BASE, column));
    f.set(dst, this.#digit(this.#sum));
    f.set(this.#carry, i64x2.shrU(this.#sum, LIMB_BITS));
  }

  /** The signed digit of what B/2 was added to. */
  #digit(sum: Expr<"v128">): Expr<"v128"> {
    return i64x2.sub(v128.and(sum, this.#constant(BASE - 1n)), this.#constant(HALF_BASE));
  }

  /** sum + carry + offset; the lowest column has no carry. */
  #withCarry(sum: Expr<"v128">, offset: bigint, column: number): Expr<"v128"> {
    if (column === 0) return i64x2.add(sum, this.#constant(offset));
    return i64x2.add(i64x2.add(sum, this.#constant(offset - CARRY_BIAS)), this.#carry);
  }

  #constant(value: bigint): Expr<"v128"> {
    return this.#pool.vector(value, 0);
  }

  /** A factor for `extmulLowS`, which reads lanes 0 and 1 of four. */
  #factor(value: bigint): Expr<"v128"> {
    const bits = BigInt.asUintN(32, value);
    return this.#constant(bits | (bits << 32n));
  }

  /** max |a_i|, max |b_j| <= 2 B and max |a_i| max |b_j| <= B^2, in a debug build. */
  #assertBounds(a: Vectors, b: Vectors): void {
    if (!this.#checked) return;
    const sizes = [this.#sizeOf(a), this.#sizeOf(b)] as const;
    for (const size of sizes) this.#assertAtMost(size, MAX_LIMB);
    const [sizeA, sizeB] = sizes;
    this.#assertAtMost(i64x2.extmulLowS(narrow(sizeA), narrow(sizeB)), BASE * BASE);
  }

  /** The largest |limb| in each lane; more than 2^62 where one is out of all bounds. */
  #sizeOf(limbs: Vectors): Local<"v128"> {
    const f = this.#f;
    const size = f.local("v128");
    f.set(size, this.#constant(0n));
    for (const limb of limbs) {
      for (const value of [limb, i64x2.sub(this.#constant(0n), limb)]) {
        f.set(size, v128.bitselect(value, size, i64x2.gtS(value, size)));
      }
    }
    return size;
  }

  #assertAtMost(size: Expr<"v128">, most: bigint): void {
    const f = this.#f;
    f.if(v128.anyTrue(i64x2.gtS(size, this.#constant(most))), () => f.unreachable());
  }
}

/** The i for which a_i b_(k-i) belongs to column k. */
function columnIndices(k: number): number[] {
  const first = Math.max(0, k - LIMBS + 1);
  return Array.from({ length: Math.min(k, LIMBS - 1) - first + 1 }, (_, i) => first + i);
}

/** The low halves of both 64-bit lanes, where `extmulLowS` reads them. */
function narrow(x: Expr<"v128">): Expr<"v128"> {
  return i32x4.shuffle(x, x, [0, 2, 0, 2]);
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
