/**
 * Field elements as five signed digits of 51 bits in doubles, multiplied with fused multiply-adds.
 *
 * **What.** x = sum d_i 2^(51 i), R = 2^255. The product of two digits (each below 2^51) has 102 bits,
 * a double holds 53. With c1 = 3/2 * 2^103 the fused hi = a b + c1 is rounded to a multiple of 2^51,
 * and lo = a b + (c2 - hi), c2 = c1 + 3/2 * 2^52, is exact: c1 and c2 cancel, and
 *
 *     a b = (hi - c1) + (lo - 3/2 2^52),   |lo - 3/2 2^52| <= 2^50.
 *
 * Because of the constants added to them, the bit patterns of hi and lo are an integer plus a bias:
 * bits(hi) = bits(c1) + (hi - c1) / 2^51, bits(lo) = bits(3/2 2^52) + lo'. So a column of the
 * schoolbook product is summed with 64-bit integer additions, and the biases, known when the code is
 * written, are subtracted once for each column. (Niall Emmart's technique for GPUs; with floating
 * point in WebAssembly it was used by Gregor Mitschabaude in the ZPrize 2022.)
 *
 * **Why 51 bits.** WebAssembly rounds to nearest only, so lo is signed, and with 52 bits c2 would
 * not be a double any more and products come out wrong.
 *
 * **Reduction ("fold, then Montgomery").** After the 25 products, t = sum c_k 2^(51 k), k = 0..9.
 * Columns 0, 1, 2 are made digits (q_0, q_1, q_2, the carries going up) and folded all at once:
 * q_i 2^(51 i) = q_i 2^(51 (i - 3)) 2^153, and with I_n = 2^(-51 n) mod p, centred,
 * q_i 2^(51 i) = q_i I_(3-i) 2^153 mod p: 15 products into columns 3 to 8 that do not depend on each
 * other, where Montgomery rows would form a chain. Columns 3 and 4 are then cleared by Montgomery
 * rows: m = lo(q mu), mu = -1/p mod 2^51, adds m p so that the column's digit vanishes.
 *
 * In a row, the column's low digit plus lo(m p_0) is taken to be exactly 0, so that the carry need
 * not wait for m. lo(m p_0) = -q mod 2^51 always holds; equality could fail only at q = +-2^50, where
 * rounding to even decides the sign. `mu` is chosen (of the two representatives mod 2^51) so that it
 * holds there as well; `fmaField` checks that when the field is made.
 *
 * **Bounds.** Normalised digits are at most 2^50 in size, the top one as the value demands. Operands
 * may be sums and differences of normalised digits, or of unpacked (unsigned) ones, as long as
 *
 *     |a_i b_j| <= 2^102   (2^101 for a square, which doubles a digit),
 *
 * or hi would leave [2^103, 2^104], where its bits are an integer plus a bias. Values: |a| <= alpha p,
 * |b| <= beta p gives |a b / R| <= 0.38 alpha beta p + 0.5 p (0.38 = p / 2^255), plus the folds' share
 * below p / 2^45; alpha beta may be 5.5, because the top digit must stay within 2^51, 2.6 p. Columns
 * have no bound to mind: they add up some 30 numbers of at most 2^51.
 */
import { invert } from "../field.ts";
import type { FunctionWriter } from "./emitter.ts";
import {
  BASE,
  BITS,
  C1,
  C2,
  FmaProduct,
  FOLDED,
  HALF_BASE,
  LIMBS,
  LOW_BIAS,
  Room,
  type RoundingConstants,
  W,
} from "./fma-product.ts";
import {
  bitsOf,
  type Expr,
  f64,
  f64x2,
  i32,
  i64,
  i64x2,
  type Local,
  v128,
} from "./instructions.ts";
import {
  type Arithmetic,
  type ConstantPool,
  type Element,
  HALF_BYTES,
  type Half,
  interleaved,
  type KernelWriter,
  LIMB_STRIDE,
  type Product,
  signedLimbs,
  type Variable,
  type VectorField,
} from "./vector-field.ts";

/** |a_i b_j| */
const MAX_PRODUCT = 2 ** (2 * BITS);
/** Integers up to here are doubles, and so are those a small carry away. */
const EXACT = 2 ** 53 - 2 ** 4;

export interface FmaOptions {
  /** Debug builds trap when an operand of a product is out of bounds. */
  readonly checked?: boolean;
}

interface Constants {
  readonly modulus: bigint;
  readonly digits: readonly bigint[];
  /** -1/p mod 2^51, the representative for which ties come out right. */
  readonly mu: bigint;
  /** inverses[n] = digits of 2^(-51 n) mod p, centred. */
  readonly inverses: readonly (readonly bigint[])[];
  readonly checked: boolean;
}

/** @param modulus  An odd prime of 254 bits. */
export function fmaField(modulus: bigint, { checked = false }: FmaOptions = {}): VectorField {
  const radix = 1n << (W * BigInt(LIMBS));
  const centred = (x: bigint) => (x > modulus / 2n ? x - modulus : x);
  const constants: Constants = {
    modulus,
    digits: digitsOf(modulus),
    mu: tieSafeMu(modulus),
    inverses: Array.from({ length: FOLDED + 1 }, (_, n) =>
      digitsOf(centred(invert(1n << (W * BigInt(n)), modulus))),
    ),
    checked,
  };
  return {
    modulus,
    radix,
    limbs: LIMBS,
    limbBits: BITS,
    limbsOf: (x) => digitsOf(x).map((digit) => bitsOf(Number(digit))),
    valueOf: (limbs) => limbs.reduceRight((sum, bits) => (sum << W) + BigInt(doubleOf(bits)), 0n),
    arithmetic: (f, half, writer) => new FmaArithmetic(f, half, writer, constants),
    // bits(d + bias) - bits(bias) = d for an integer d below 2^51 in size
    loadLimb: (address, offset) =>
      i64.sub(
        i64.reinterpret(f64.add(f64.load(address, offset), f64.const(LOW_BIAS))),
        i64.const(bitsOf(LOW_BIAS)),
      ),
    storeLimb: (address, value, offset) => f64.store(address, f64.convertS(value), offset),
  };
}

function digitsOf(x: bigint): bigint[] {
  return signedLimbs(x, BITS, LIMBS);
}

function doubleOf(bits: bigint): number {
  return new Float64Array(new BigUint64Array([bits]).buffer)[0] as number;
}

/** The low digit of x y as the kernel rounds it: to nearest, ties to an even multiple of 2^51. */
function roundedLow(x: bigint, y: bigint): bigint {
  const product = x * y;
  const high = product >> W;
  const low = product - (high << W);
  return low > HALF_BASE || (low === HALF_BASE && (high & 1n) === 1n) ? low - BASE : low;
}

function tieSafeMu(modulus: bigint): bigint {
  const [p0] = digitsOf(modulus) as [bigint];
  const mu = BigInt.asIntN(BITS, -invert(modulus, BASE));
  // The only tie is q = -2^50 (digits are in [-2^50, 2^50)): lo(m p_0) must be +2^50.
  const isSafe = (candidate: bigint) =>
    roundedLow(roundedLow(-HALF_BASE, candidate), p0) === HALF_BASE;
  const safe = [mu, mu < 0n ? mu + BASE : mu - BASE].find(isSafe);
  if (safe === undefined) throw new Error("no representative of -1/p mod 2^51 is right at ties");
  return safe;
}

class FmaArithmetic implements Arithmetic {
  readonly half: Half;
  readonly #f: FunctionWriter;
  readonly #pool: ConstantPool;
  readonly #constants: Constants;
  readonly #rounding: RoundingConstants;
  readonly #rooms: Room[] = [];
  /** Products side by side; where halves are not packed, those of the other half come on top. */
  readonly #mostAtOnce: number;

  constructor(f: FunctionWriter, half: Half, writer: KernelWriter, constants: Constants) {
    this.half = half;
    this.#f = f;
    this.#pool = writer.constants;
    this.#mostAtOnce = writer.isPaired ? 4 : 2;
    this.#constants = constants;
    const [c1, c2] = f.locals("v128", 2) as [Local<"v128">, Local<"v128">];
    this.#rounding = { c1, c2 };
    f.set(c1, this.#double(C1));
    f.set(c2, this.#double(C2));
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
    return a.map((limb, i) => f64x2.add(limb, at(b, i)));
  }

  sub(a: Element, b: Element): Element {
    return a.map((limb, i) => f64x2.sub(limb, at(b, i)));
  }

  neg(a: Element): Element {
    return a.map((limb) => f64x2.sub(this.#double(0), limb));
  }

  mul(dst: Variable, a: Element, b: Element): void {
    this.together([{ dst, pairs: [[a, b]] }]);
  }

  mulSum(dst: Variable, a: Element, b: Element, c: Element, d: Element): void {
    this.together([
      {
        dst,
        pairs: [
          [a, b],
          [c, d],
        ],
      },
    ]);
  }

  square(dst: Variable, a: Element): void {
    this.together([{ dst, square: a }]);
  }

  /** Columns of all products first, which is work for every unit there is; then their chains. */
  together(products: readonly Product[]): void {
    const f = this.#f;
    if (products.length > this.#mostAtOnce) {
      this.together(products.slice(0, this.#mostAtOnce));
      this.together(products.slice(this.#mostAtOnce));
      return;
    }
    const sums = products.map((product, i) =>
      "square" in product
        ? this.#squareColumns(product.square, this.#room(i))
        : this.#columns(product.pairs, this.#room(i)),
    );
    const reductions = products.map(({ dst }, i) =>
      f.capture(() => this.#reduceProduct(at(sums, i), dst)),
    );
    f.do(...interleaved(reductions));
  }

  /**
   * q = round(top digit / top digit of p), x - q p, then carries from digit to digit: lower digits end
   * at most 2^50 in size, the value at most 0.5 p + p / 2^46. Holds for digits up to 5 * 2^50 and
   * values up to 5.4 p, for which the digits of x - q p are below 2^53 and exact (those of p, but for
   * its top one, are below 0.55 * 2^50). And for x3 in G2, lambda^2 - 2 x1 - D: its digits are from
   * -6 * 2^50 to 2 * 2^50, its value from -4.4 p to 2.4 p. Where q is negative, down to -4, only a
   * negative digit of p adds to their size, and both primes have one, of 0.495 * 2^50:
   * 6 + 4 * 0.495 is less than 8, but not by much.
   */
  reduce(...variables: Variable[]): void {
    const f = this.#f;
    const reductions = variables.map((x, i) =>
      f.capture(() => this.#reduceOne(x, this.#room(i).high)),
    );
    f.do(...interleaved(reductions));
  }

  /** @param spare  holds q, then the carries. */
  #reduceOne(x: Variable, spare: Local<"v128">): void {
    const f = this.#f;
    const { digits } = this.#constants;
    this.#assertAtMost(x, EXACT);
    const inverseTop = this.#double(1 / Number(digits[LIMBS - 1]));
    const top = at(x, LIMBS - 1);
    f.set(
      spare,
      f64x2.sub(
        f64x2.add(f64x2.mul(top, inverseTop), this.#double(LOW_BIAS)),
        this.#double(LOW_BIAS),
      ),
    );
    digits.forEach((digit, i) => {
      f.set(at(x, i), f64x2.relaxedNmadd(spare, this.#double(Number(digit)), at(x, i)));
    });
    this.#assertAtMost(x, EXACT);
    for (let i = 0; i < LIMBS - 1; i++) {
      const [digit, above] = [at(x, i), at(x, i + 1)];
      f.set(spare, f64x2.sub(f64x2.add(digit, this.#double(C1)), this.#double(C1)));
      f.set(digit, f64x2.sub(digit, spare));
      f.set(above, f64x2.relaxedMadd(spare, this.#double(2 ** -BITS), above));
    }
  }

  /** Unsigned digits below 2^51: good as an operand, or of one difference. */
  unpack(dst: Variable, words: readonly Expr<"v128">[]): void {
    const mask = this.#bits(BASE - 1n);
    for (let i = 0; i < LIMBS; i++) {
      const bit = BITS * i;
      const word = bit >> 6;
      const shift = bit & 63;
      let digit = i64x2.shrU(at(words, word), shift);
      if (shift > 64 - BITS && word < 3) {
        digit = v128.or(digit, i64x2.shl(at(words, word + 1), 64 - shift));
      }
      // An integer below 2^52 in the mantissa of 2^52 is the double 2^52 + integer.
      const exponent = this.#double(2 ** 52);
      const masked = i < LIMBS - 1 ? v128.and(digit, mask) : digit;
      this.#f.set(at(dst, i), f64x2.sub(v128.or(masked, exponent), exponent));
    }
  }

  /** Lanes (x0 + x1, x0 - x1). */
  butterfly(x: Element): Element {
    return x.map((limb) =>
      f64x2.add(
        v128.shuffle64(limb, limb, 0, 0),
        v128.xor(v128.shuffle64(limb, limb, 1, 1), v128.const64(0n, 1n << 63n)),
      ),
    );
  }

  /** The sign bit of a double, where bit 0 is set. */
  signs(low: Expr<"i32">, high: Expr<"i32">): Expr<"v128"> {
    const sign = (value: Expr<"i32">) => i64x2.splat(i64.shl(i64.extendU(value), i64.const(63n)));
    return v128.shuffle64(sign(low), sign(high), 0, 2);
  }

  negateBy(mask: Expr<"v128">, a: Element): Element {
    return a.map((limb) => v128.xor(limb, mask));
  }

  #double(value: number): Expr<"v128"> {
    return this.#pool.vector(bitsOf(value), this.half);
  }

  #bits(value: bigint): Expr<"v128"> {
    return this.#pool.vector(value, this.half);
  }

  #room(i: number): Room {
    while (this.#rooms.length <= i) this.#rooms.push(new Room(this.#f));
    return at(this.#rooms, i);
  }

  #product(room: Room): FmaProduct {
    return new FmaProduct(this.#f, room, this.#rounding, (bits) => this.#bits(bits));
  }

  /** The sum of products, row by row: column i is complete after row i, and its digit is taken. */
  #columns(pairs: readonly (readonly [Element, Element])[], room: Room): FmaProduct {
    for (const [a, b] of pairs) this.#assertBounds(a, b);
    const product = this.#product(room);
    for (let i = 0; i < LIMBS; i++) {
      for (const [a, b] of pairs) {
        this.#f.set(room.digit, at(a, i));
        for (let j = 0; j < LIMBS; j++) product.add(room.digit, at(b, j), i + j);
      }
      if (i < FOLDED) product.takeDigit(i, at(room.low, i));
    }
    return product;
  }

  /** Squares on the diagonal, each mixed product once, with the doubled digit. */
  #squareColumns(a: Element, room: Room): FmaProduct {
    this.#assertBounds(a, a, MAX_PRODUCT / 2);
    const f = this.#f;
    const product = this.#product(room);
    for (let i = 0; i < LIMBS; i++) {
      f.set(room.digit, at(a, i));
      product.add(room.digit, room.digit, 2 * i);
      if (i < LIMBS - 1) {
        f.set(room.digit, f64x2.add(room.digit, room.digit));
        for (let j = i + 1; j < LIMBS; j++) product.add(room.digit, at(a, j), i + j);
      }
      // Columns 2 i and 2 i + 1 have all their products now.
      for (const k of [2 * i, 2 * i + 1]) if (k < FOLDED) product.takeDigit(k, at(room.low, k));
    }
    return product;
  }

  #reduceProduct(product: FmaProduct, dst: Variable): void {
    const { digits, inverses } = this.#constants;
    const { low, out } = product.room;
    for (let i = 0; i < FOLDED; i++) {
      (inverses[FOLDED - i] as readonly bigint[]).forEach((digit, j) => {
        product.add(at(low, i), this.#double(Number(digit)), FOLDED + j);
      });
    }
    for (let i = FOLDED; i < LIMBS; i++) {
      const m = at(low, 0);
      product.takeDigit(i, m);
      this.#montgomeryDigit(m, product.room);
      for (let j = 1; j < LIMBS; j++) {
        product.add(m, this.#double(Number(digits[j])), i + j);
      }
      product.addHigh(m, this.#double(Number(digits[0])), i);
    }
    for (let k = LIMBS; k < 2 * LIMBS - 1; k++) product.takeDigit(k, at(out, k - LIMBS));
    const top = at(out, LIMBS - 1);
    product.takeTop(2 * LIMBS - 1, top);
    this.#assertAtMost([top], 2 ** BITS);
    this.set(dst, out);
  }

  /** m = lo(m mu) */
  #montgomeryDigit(m: Local<"v128">, { high }: Room): void {
    const f = this.#f;
    const { c1, c2 } = this.#rounding;
    const mu = this.#double(Number(this.#constants.mu));
    f.set(high, f64x2.relaxedMadd(m, mu, c1));
    f.set(m, f64x2.sub(f64x2.relaxedMadd(m, mu, f64x2.sub(c2, high)), this.#double(LOW_BIAS)));
  }

  /** max |a_i| max |b_j| <= most in a debug build. */
  #assertBounds(a: Element, b: Element, most = MAX_PRODUCT): void {
    if (!this.#constants.checked) return;
    const sizes = [a, b].map((limbs) => this.#sizeOf(limbs)) as [Local<"v128">, Local<"v128">];
    this.#assertSize(f64x2.mul(...sizes), most);
  }

  #assertAtMost(limbs: Element, most: number): void {
    if (this.#constants.checked) this.#assertSize(this.#sizeOf(limbs), most);
  }

  /** The largest |limb| in each lane. */
  #sizeOf(limbs: Element): Local<"v128"> {
    const size = this.#f.local("v128");
    this.#f.set(size, this.#double(0));
    for (const limb of limbs) this.#f.set(size, f64x2.max(size, f64x2.abs(limb)));
    return size;
  }

  /** Not more than `most`, and a number. One statement, as halves are written by statements. */
  #assertSize(size: Expr<"v128">, most: number): void {
    const f = this.#f;
    const isIn = i64x2.allTrue(f64x2.le(size, this.#double(most)));
    f.do(f.capture(() => f.if(i32.eqz(isIn), () => f.unreachable())).flat());
  }
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
