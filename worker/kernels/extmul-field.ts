/**
 * Field elements as nine signed limbs of 29 bits in 64-bit lanes, multiplied as integers: plain SIMD,
 * for machines and engines without fused multiply-adds.
 *
 * **What.** x = sum x_i 2^(29 i), R = 2^261. WebAssembly's widest vector multiplication is
 * `i64x2.extmul_low_i32x4_s`: two 32-bit numbers of one vector times two of another, products of 64
 * bits. It reads lanes 0 and 1 of four, so that operands, which lie as 64-bit numbers, are brought
 * together first: one shuffle for each limb, where a product has nine or more.
 *
 * **Columns.** With B = 2^29, a product's column k is sum_i a_i b_(k-i), and each is finished before
 * the next: all that passes on is a carry. A sum's low 29 bits and the rest come apart as
 *
 *     c = digit + B carry,   digit = (c + B/2) mod B - B/2,   carry = floor((c + B/2) / B).
 *
 * 2^63 is added first, so that the sum is positive as an unsigned number and a logical shift is a
 * floor (an arithmetic shift of 64-bit lanes is several instructions on x64); the carry's 2^63 / B is
 * known, and subtracted with the next column's constants.
 *
 * **Reduction ("fold, then Montgomery").** The digits q_0 .. q_6 of the low columns are folded up:
 * with I_n = B^-n mod p, centred, q_i B^i = q_i I_(7-i) B^7 mod p, 63 products that do not wait for
 * each other. Columns 7 and 8 are cleared by Montgomery rows: m = c mu mod B, mu = -1/p, and m p is
 * added, so that the column is a multiple of B. Nine such rows would be a chain, and eight folded
 * columns would leave a value that is not small.
 *
 * **Bounds.** Normalised limbs are at most B/2 in size, the top one as the value demands. Operands may
 * be sums and differences of normalised limbs, or of unpacked (unsigned) ones, as long as
 *
 *     |a_i| <= 2^30,   |b_j| <= 2^30,   |a_i b_j| <= B^2 = 2^58
 *
 * (half of that for a square, as in the other representation).
 *
 * A column of `mulSum` then stays within 63 bits and the sign: 18 products of operands, 7 of a digit
 * q_i < B with a limb of I_n, 2 of a digit m with a limb of p, and a carry, in all
 * 18 * 2^58 + 7 * 2^57 + 2 * 2^56 + 2^34 < 45 * 2^57 < 2^63. (Sums on the way may wrap around.)
 *
 * Values: |a| <= alpha p, |b| <= beta p gives |a b / R| <= 0.006 alpha beta p + 0.501 p, where
 * 0.006 = p / 2^261, 0.5 p is the rows' m p / B^2 and the folds' share is below p / 2^26. Top limbs of
 * the result are 2^21.6 for each p: they are never the largest.
 */
import type { FunctionWriter } from "./emitter.ts";
import { BASE, ExtmulProduct, LIMB_BITS, LIMBS, limbsOf, primeOf } from "./extmul-product.ts";
import { type Expr, i64, i64x2, v128 } from "./instructions.ts";
import {
  type Arithmetic,
  type Element,
  HALF_BYTES,
  type Half,
  LIMB_STRIDE,
  oneByOne,
  type Product,
  type Variable,
  type VectorField,
} from "./vector-field.ts";

export interface ExtmulOptions {
  /** Debug builds trap when an operand of a product is out of bounds. */
  readonly checked?: boolean;
}

/** @param modulus  An odd prime of 254 bits. */
export function extmulField(modulus: bigint, { checked = false }: ExtmulOptions = {}): VectorField {
  const width = BigInt(LIMB_BITS);
  const prime = primeOf(modulus);
  return {
    modulus,
    radix: 1n << (width * BigInt(LIMBS)),
    limbs: LIMBS,
    limbBits: LIMB_BITS,
    limbsOf: (x) => limbsOf(x).map((limb) => BigInt.asUintN(64, limb)),
    valueOf: (limbs) =>
      limbs.reduceRight((sum, bits) => (sum << width) + BigInt.asIntN(64, bits), 0n),
    arithmetic: (f, half, { constants }) => {
      const constant = (bits: bigint) => constants.vector(bits, half);
      const product = new ExtmulProduct(f, prime, constant, checked);
      return new ExtmulArithmetic(f, half, constant, product);
    },
    loadLimb: (address, offset) => i64.load(address, offset),
    storeLimb: (address, value, offset) => i64.store(address, value, offset),
  };
}

class ExtmulArithmetic implements Arithmetic {
  readonly half: Half;
  readonly #f: FunctionWriter;
  readonly #constant: (bits: bigint) => Expr<"v128">;
  readonly #product: ExtmulProduct;

  constructor(
    f: FunctionWriter,
    half: Half,
    constant: (bits: bigint) => Expr<"v128">,
    product: ExtmulProduct,
  ) {
    this.half = half;
    this.#f = f;
    this.#constant = constant;
    this.#product = product;
  }

  variable(): Variable {
    return this.#f.locals("v128", LIMBS);
  }

  load(address: Expr<"i32">, offset: number): Element {
    const start = offset + HALF_BYTES * this.half;
    return Array.from({ length: LIMBS }, (_, i) => v128.load(address, start + LIMB_STRIDE * i));
  }

  store(address: Expr<"i32">, offset: number, value: Element): void {
    const start = offset + HALF_BYTES * this.half;
    value.forEach((limb, i) => {
      this.#f.do(v128.store(address, limb, start + LIMB_STRIDE * i));
    });
  }

  set(dst: Variable, value: Element): void {
    value.forEach((limb, i) => {
      this.#f.set(at(dst, i), limb);
    });
  }

  add(a: Element, b: Element): Element {
    return a.map((limb, i) => i64x2.add(limb, at(b, i)));
  }

  sub(a: Element, b: Element): Element {
    return a.map((limb, i) => i64x2.sub(limb, at(b, i)));
  }

  neg(a: Element): Element {
    return a.map((limb) => i64x2.sub(this.#constant(0n), limb));
  }

  mul(dst: Variable, a: Element, b: Element): void {
    this.#product.multiply(dst, [[a, b]]);
  }

  mulSum(dst: Variable, a: Element, b: Element, c: Element, d: Element): void {
    this.#product.multiply(dst, [
      [a, b],
      [c, d],
    ]);
  }

  square(dst: Variable, a: Element): void {
    this.#product.square(dst, a);
  }

  /** There are no registers for two at once. */
  together(products: readonly Product[]): void {
    oneByOne(this, products);
  }

  reduce(...variables: Variable[]): void {
    for (const variable of variables) this.#product.reduce(variable);
  }

  /** Unsigned limbs below 2^29: good as an operand, or of one difference. */
  unpack(dst: Variable, words: readonly Expr<"v128">[]): void {
    const mask = this.#constant(BASE - 1n);
    for (let i = 0; i < LIMBS; i++) {
      const bit = LIMB_BITS * i;
      const word = bit >> 6;
      const shift = bit & 63;
      let limb = i64x2.shrU(at(words, word), shift);
      if (shift > 64 - LIMB_BITS && word < words.length - 1) {
        limb = v128.or(limb, i64x2.shl(at(words, word + 1), 64 - shift));
      }
      this.#f.set(at(dst, i), i < LIMBS - 1 ? v128.and(limb, mask) : limb);
    }
  }

  /** Lanes (x0 + x1, x0 - x1). */
  butterfly(x: Element): Element {
    const mask = v128.const64(0n, -1n);
    return x.map((limb) =>
      i64x2.add(v128.shuffle64(limb, limb, 0, 0), negated(v128.shuffle64(limb, limb, 1, 1), mask)),
    );
  }

  /** All ones where bit 0 is set. */
  signs(low: Expr<"i32">, high: Expr<"i32">): Expr<"v128"> {
    const mask = (value: Expr<"i32">) =>
      i64x2.splat(i64.sub(i64.const(0n), i64.and(i64.extendU(value), i64.const(1n))));
    return v128.shuffle64(mask(low), mask(high), 0, 2);
  }

  negateBy(mask: Expr<"v128">, a: Element): Element {
    return a.map((limb) => negated(limb, mask));
  }
}

/** -x where the mask is all ones. */
function negated(x: Expr<"v128">, mask: Expr<"v128">): Expr<"v128"> {
  return i64x2.sub(v128.xor(x, mask), mask);
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
