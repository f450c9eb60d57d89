/**
 * Products of nine-limb numbers and their reduction. `extmul-field.ts` has the algebra and the bounds.
 */
import { invert } from "../field.ts";
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32x4, i64x2, type Local, v128 } from "./instructions.ts";
import { signedLimbs } from "./vector-field.ts";

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

/** |a_i|, |b_j| */
const MAX_LIMB = 2n * BASE;
/** |a_i b_j| */
const MAX_PRODUCT = BASE * BASE;

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

export function limbsOf(x: bigint): bigint[] {
  return signedLimbs(x, LIMB_BITS, LIMBS);
}

/** Limbs as vectors of two 64-bit lanes. */
type Vectors = readonly Expr<"v128">[];
type Variables = readonly Local<"v128">[];

/** Writes products into one function. */
export class ExtmulProduct {
  readonly #f: FunctionWriter;
  readonly #constant: (bits: bigint) => Expr<"v128">;
  readonly #prime: Prime;
  readonly #checked: boolean;
  /** Limbs of up to four operands, narrow. */
  readonly #operands: readonly Variables[];
  /** Digits of the low columns: q_0 .. q_6, m_7, m_8, narrow. */
  readonly #low: Variables;
  /** The column's sum. */
  readonly #sum: Local<"v128">;
  readonly #carry: Local<"v128">;

  /**
   * @param constant  64 bits in both lanes.
   * @param checked  Trap when an operand is out of bounds.
   */
  constructor(
    f: FunctionWriter,
    prime: Prime,
    constant: (bits: bigint) => Expr<"v128">,
    checked: boolean,
  ) {
    this.#f = f;
    this.#constant = constant;
    this.#prime = prime;
    this.#checked = checked;
    this.#operands = Array.from({ length: 4 }, () => f.locals("v128", LIMBS));
    this.#low = f.locals("v128", LIMBS);
    this.#sum = f.local("v128");
    this.#carry = f.local("v128");
  }

  /** dst = the sum of the pairs' products, one or two, / R. */
  multiply(dst: Variables, pairs: readonly (readonly [Vectors, Vectors])[]): void {
    const operands = pairs.map(([a, b], i) => {
      this.#assertBounds(a, b);
      return [this.#narrow(2 * i, a), this.#narrow(2 * i + 1, b)] as const;
    });
    this.#reduceColumns(dst, (k) =>
      operands.flatMap(([a, b]) =>
        columnIndices(k).map((i) => i64x2.extmulLowS(at(a, i), at(b, k - i))),
      ),
    );
  }

  /** dst = x^2 / R: squares on the diagonal, each mixed product once, with the doubled limb. */
  square(dst: Variables, x: Vectors): void {
    this.#assertBounds(x, x, MAX_PRODUCT / 2n);
    const a = this.#narrow(0, x);
    const twice = at(this.#operands, 1);
    twice.forEach((limb, i) => {
      this.#f.set(limb, i32x4.add(at(a, i), at(a, i)));
    });
    this.#reduceColumns(dst, (k) =>
      columnIndices(k)
        .filter((i) => 2 * i <= k)
        .map((i) => i64x2.extmulLowS(at(2 * i === k ? a : twice, i), at(a, k - i))),
    );
  }

  /**
   * q = round(top limb / top limb of p), x - q p, then carries from limb to limb. Holds for limbs
   * below 2^31: |q| < 2^10, q p's lower limbs stay below p / 2^12 and x's below p / 2^19, so that the
   * value ends at most 0.5 p + p / 2^11 in size; no 64 bits overflow.
   */
  reduce(x: Variables): void {
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
    const q = at(this.#low, 0);
    f.set(q, narrow(this.#sum));
    x.forEach((limb, i) => {
      f.set(limb, i64x2.sub(limb, i64x2.extmulLowS(q, this.#factor(at(limbs, i)))));
    });
    for (let i = 0; i < LIMBS - 1; i++) this.#takeDigit(at(x, i), at(x, i), i);
    f.set(top, this.#withCarry(top, 0n, LIMBS - 1));
  }

  /** @param products  Those of column k. */
  #reduceColumns(dst: Variables, products: (k: number) => readonly Expr<"v128">[]): void {
    const f = this.#f;
    const { limbs, powers } = this.#prime;
    const low = this.#low;
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
      else this.#takeDigit(at(dst, k - LIMBS), this.#sum, k);
    }
    f.set(at(dst, LIMBS - 1), i64x2.sub(this.#carry, this.#constant(CARRY_BIAS)));
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

  #narrow(operand: number, limbs: Vectors): Variables {
    const locals = at(this.#operands, operand);
    locals.forEach((local, i) => {
      this.#f.set(local, narrow(at(limbs, i)));
    });
    return locals;
  }

  /** A factor for `extmulLowS`, which reads lanes 0 and 1 of four. */
  #factor(value: bigint): Expr<"v128"> {
    const bits = BigInt.asUintN(32, value);
    return this.#constant(bits | (bits << 32n));
  }

  /** max |a_i|, max |b_j| <= 2 B and max |a_i| max |b_j| <= most in a debug build. */
  #assertBounds(a: Vectors, b: Vectors, most = MAX_PRODUCT): void {
    if (!this.#checked) return;
    const sizes = [this.#sizeOf(a), this.#sizeOf(b)] as const;
    for (const size of sizes) this.#assertAtMost(size, MAX_LIMB);
    const [sizeA, sizeB] = sizes;
    this.#assertAtMost(i64x2.extmulLowS(narrow(sizeA), narrow(sizeB)), most);
  }

  /** The largest |limb| in each lane. */
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
    const isOut = v128.anyTrue(i64x2.gtS(size, this.#constant(most)));
    // One statement, as halves are written statement by statement.
    f.do(f.capture(() => f.if(isOut, () => f.unreachable())).flat());
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
