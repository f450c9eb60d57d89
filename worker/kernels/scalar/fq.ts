/**
 * Kernels over BN254's base field, on elements in memory as `limbs.ts` describes them. The twin of
 * each is the same operation on bigints (`worker/curve.ts`, FQ).
 */
import { BASE_FIELD, invert } from "../../field.ts";
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32, i32x4, i64, type Local, v128 } from "../instructions.ts";
import type { Assembly } from "./assembly.ts";
import { digitsOf, FQ_BYTES, LIMB_BITS, LIMBS, nearest } from "./limbs.ts";

type Pointer = Expr<"i32">;
type Digit = Expr<"i64">;

const BITS = i64.const(LIMB_BITS);
const HALF = i64.const(1n << (LIMB_BITS - 1n));
/** Moves a digit's sign bit to the top and back. */
const ABOVE = i64.const(64n - LIMB_BITS);

const PRIME = digitsOf(BASE_FIELD);
/** 1/2^29 mod p: what the lowest digit is worth one digit further up. */
const FOLD = digitsOf(nearest(invert(1n << LIMB_BITS, BASE_FIELD)));
/** -1/p mod 2^29. */
const MU = (1n << LIMB_BITS) - invert(BASE_FIELD, 1n << LIMB_BITS);

export interface PrimeField {
  /** (d, a, b): d = a b / R. Operands of bound 4; bound 1. */
  readonly multiply: FunctionWriter;
  /** (d, a): d = a a / R. */
  readonly square: FunctionWriter;
  /** (d, a, b): d = a + b, carried; bounds add. */
  readonly add: FunctionWriter;
  /** (d, a, b): d = a - b, carried; bounds add. */
  readonly subtract: FunctionWriter;
  /** (d, a): d = a with bound 1, from bound 100. */
  readonly reduce: FunctionWriter;
  /** (d, a): d = -a. */
  readonly negate: FunctionWriter;
  /** (a) -> whether all digits are 0: a = 0 mod p, if a has bound 1. */
  readonly isZero: FunctionWriter;
  /** (a, n): traps if a is not carried or not of bound n, as far as the top digit tells. */
  readonly check: FunctionWriter;
}

export function writePrimeField(assembly: Assembly): PrimeField {
  const { module } = assembly;
  const check = module.define("fq.check", ["i32", "i32"], [], writeCheck);
  const guard = (f: FunctionWriter, ...operands: Pointer[]) => {
    if (assembly.isChecked) for (const operand of operands) f.call(check, operand, i32.const(4));
  };
  const multiply = module.define("fq.multiply", ["i32", "i32", "i32"], [], (f, d, a, b) => {
    guard(f, a, b);
    const [x, y] = [loadDigits(f, a), loadDigits(f, b)];
    storeReduced(f, [{ to: d, column: (k) => productColumn(x, y, k) }]);
  });
  const square = module.define("fq.square", ["i32", "i32"], [], (f, d, a) => {
    guard(f, a);
    const x = loadDigits(f, a);
    const twice = doubled(f, x);
    storeReduced(f, [{ to: d, column: (k) => squareColumn(x, twice, k) }]);
  });
  return {
    check,
    multiply,
    square,
    add: writeSum(assembly, "fq.add", 1, i32x4.add),
    subtract: writeSum(assembly, "fq.subtract", 1, i32x4.sub),
    reduce: writeLinear(assembly, "fq.reduce", 1, [1n]),
    negate: writeLinear(assembly, "fq.negate", 1, [-1n]),
    isZero: writeIsZero(assembly, "fq.isZero", 1),
  };
}

export function loadDigits(f: FunctionWriter, pointer: Pointer): Local<"i64">[] {
  return Array.from({ length: LIMBS }, (_, i) => {
    const digit = f.local("i64");
    f.set(digit, i64.load32S(pointer, 4 * i));
    return digit;
  });
}

export function doubled(f: FunctionWriter, digits: readonly Digit[]): Local<"i64">[] {
  return digits.map((digit) => {
    const twice = f.local("i64");
    f.set(twice, i64.add(digit, digit));
    return twice;
  });
}

/** The sum of x_i y_(k-i). */
export function productColumn(x: readonly Digit[], y: readonly Digit[], k: number): Digit {
  return total(pairsOf(k).map(([i, j]) => i64.mul(x[i] as Digit, y[j] as Digit)));
}

/** As `productColumn` for x = y: unequal pairs once, with one side doubled. */
export function squareColumn(x: readonly Digit[], twice: readonly Digit[], k: number): Digit {
  return total(
    pairsOf(k)
      .filter(([i, j]) => i <= j)
      .map(([i, j]) => i64.mul((i === j ? x : twice)[i] as Digit, x[j] as Digit)),
  );
}

function pairsOf(k: number): [number, number][] {
  return Array.from({ length: LIMBS }, (_, i): [number, number] => [i, k - i]).filter(
    ([, j]) => j >= 0 && j < LIMBS,
  );
}

function total(terms: readonly Digit[]): Digit {
  return terms.reduce((sum, term) => i64.add(sum, term));
}

export interface Reduction {
  readonly to: Pointer;
  /** The k-th of the 17 columns of what is to be divided by R. */
  readonly column: (k: number) => Digit;
}

/**
 * to = (sum of column_k 2^29k) / R mod p, for one or more elements, interleaved.
 *
 * What: nine times the lowest digit is made to vanish and the rest moves down one digit.
 *
 * Why it fits. Let t be the value and |t| <= ab p^2. The first eight times the digit q_k is taken
 * off and comes back as q_k (1/2^29 mod p): one multiplication less than Montgomery's, which has to
 * find a multiple of p first, and q_k needs no product. Both |q_k| <= 2^28 and the constant <= p/2,
 * so that what the folds leave is at most 2^27 p (1 + 2^-28). The ninth time is Montgomery's:
 * adding q p, |q| <= 2^28, and dividing by 2^29. Altogether
 *
 *     |result| <= ab p^2 / R + p/4 + p/2 = (ab / 169 + 0.751) p < p    for ab <= 42.
 *
 * Columns: at most 9 * 2^56 for each product of elements, and as much again for the folds.
 *
 * How: by columns, so that one accumulator is alive. Digits are balanced: the carry is the column
 * rounded to a multiple of 2^29, and the digit is what the low 29 bits are as a signed number.
 */
export function storeReduced(f: FunctionWriter, reductions: readonly Reduction[]): void {
  const states = reductions.map(({ to, column }) => ({
    to,
    column,
    sum: f.local("i64"),
    folded: f.locals("i64", LIMBS),
  }));
  const last = LIMBS - 1;
  for (let k = 0; k < 2 * LIMBS; k++) {
    for (const { to, column, sum, folded } of states) {
      // The latest come last, so that what is known early need not wait for them.
      const terms: Digit[] = k < 2 * LIMBS - 1 ? [column(k)] : [];
      for (let i = 0; i < Math.min(k, last); i++) {
        const digit = FOLD[k - 1 - i];
        if (digit !== undefined) terms.push(i64.mul(folded[i] as Digit, i64.const(digit)));
      }
      if (k > last && k - last < LIMBS) {
        terms.push(i64.mul(folded[last] as Digit, i64.const(PRIME[k - last] as bigint)));
      }
      if (k > 0) terms.push(sum);
      f.set(sum, total(terms));
      if (k < last) {
        f.set(folded[k] as Local<"i64">, lowDigit(sum));
        f.set(sum, carryOf(sum));
      } else if (k === last) {
        f.set(folded[k] as Local<"i64">, lowDigit(i64.mul(sum, i64.const(MU))));
        const whole = i64.mul(folded[k] as Digit, i64.const(PRIME[0] as bigint));
        f.set(sum, i64.shrS(i64.add(sum, whole), BITS));
      } else if (k < 2 * LIMBS - 1) {
        f.do(i64.store32(to, lowDigit(sum), 4 * (k - LIMBS)));
        f.set(sum, carryOf(sum));
      } else {
        f.do(i64.store32(to, sum, 4 * (k - LIMBS)));
      }
    }
  }
}

function lowDigit(sum: Digit): Digit {
  return i64.shrS(i64.shl(sum, ABOVE), ABOVE);
}

function carryOf(sum: Digit): Digit {
  return i64.shrS(i64.add(sum, HALF), BITS);
}

/** 2^40 over the prime's worth of the top digit: quotients by p from the top digit alone. */
const QUOTIENT_BITS = 40n;
const TOP_WEIGHT = LIMB_BITS * BigInt(LIMBS - 1);
const PER_PRIME = ((1n << (QUOTIENT_BITS + TOP_WEIGHT)) + BASE_FIELD / 2n) / BASE_FIELD;

/**
 * Stores digits (of any size below 2^60) with bound 1 and unique: subtracts the multiple of p that
 * is nearest, judged by the top digit, and carries from the lowest digit up.
 *
 * For |value| <= 100 p the quotient is off by at most 100 * 2^-19 (its constant) and 100 * 2^-22 (the
 * digits below the top one), so |result| <= 0.501 p.
 */
export function storeNearest(
  f: FunctionWriter,
  to: Pointer,
  digits: readonly Digit[],
  offset = 0,
): void {
  const [quotient, sum] = [f.local("i64"), f.local("i64")];
  const scaled = i64.mul(digits[LIMBS - 1] as Digit, i64.const(PER_PRIME));
  const half = i64.const(1n << (QUOTIENT_BITS - 1n));
  f.set(quotient, i64.shrS(i64.add(scaled, half), i64.const(QUOTIENT_BITS)));
  for (const [i, digit] of digits.entries()) {
    const rest = i64.sub(digit, i64.mul(quotient, i64.const(PRIME[i] as bigint)));
    f.set(sum, i === 0 ? rest : i64.add(sum, rest));
    f.do(i64.store32(to, i === LIMBS - 1 ? sum : lowDigit(sum), offset + 4 * i));
    if (i < LIMBS - 1) f.set(sum, carryOf(sum));
  }
}

/** (d, x...): d = sum of coefficient * x, of bound 1, in each component. */
export function writeLinear(
  { module }: Assembly,
  name: string,
  components: number,
  coefficients: readonly bigint[],
): FunctionWriter {
  const parameters = Array.from({ length: 1 + coefficients.length }, () => "i32" as const);
  return module.define(name, parameters, [], (f, d, ...operands) => {
    for (let c = 0; c < components; c++) {
      const digits = Array.from({ length: LIMBS }, (_, i) => {
        const digit = f.local("i64");
        f.set(
          digit,
          total(
            operands.map((operand, o) =>
              scaled(i64.load32S(operand, FQ_BYTES * c + 4 * i), coefficients[o] as bigint),
            ),
          ),
        );
        return digit;
      });
      storeNearest(f, d as Pointer, digits, FQ_BYTES * c);
    }
  });
}

export function scaled(digit: Digit, coefficient: bigint): Digit {
  return coefficient === 1n ? digit : i64.mul(digit, i64.const(coefficient));
}

/**
 * (d, a, b): d = a + b or a - b in each component, all digits at once. One carry for each digit,
 * from what the digit below was before its own carry: with |sums| <= 2^29 + 2 a carry is at most
 * 1, which leaves |digit| <= 2^28 + 1.
 */
export function writeSum(
  { module }: Assembly,
  name: string,
  components: number,
  combine: typeof i32x4.add,
): FunctionWriter {
  return module.define(name, ["i32", "i32", "i32"], [], (f, d, a, b) => {
    const sums = f.locals("v128", 3);
    const carries = f.locals("v128", 2);
    const bits = Number(LIMB_BITS);
    const half = v128.const64((1n << 60n) | (1n << 28n));
    const zero = v128.const64(0n);
    for (let c = 0; c < components; c++) {
      const at = (i: number) => FQ_BYTES * c + 16 * i;
      for (const [i, sum] of sums.entries()) {
        f.set(sum, combine(v128.load(a, at(i)), v128.load(b, at(i))));
      }
      const [low, middle, high] = sums as [Local<"v128">, Local<"v128">, Local<"v128">];
      const [first, second] = carries as [Local<"v128">, Local<"v128">];
      f.set(first, i32x4.shrS(i32x4.add(low, half), bits));
      f.set(second, i32x4.shrS(i32x4.add(middle, half), bits));
      const less = (sum: Expr<"v128">, carry: Expr<"v128">) =>
        i32x4.sub(sum, i32x4.shl(carry, bits));
      const above = (below: Expr<"v128">, carry: Expr<"v128">) =>
        i32x4.shuffle(below, carry, [3, 4, 5, 6]);
      f.do(
        v128.store(d, i32x4.add(less(low, first), above(zero, first)), at(0)),
        v128.store(d, i32x4.add(less(middle, second), above(first, second)), at(1)),
        v128.store(d, i32x4.add(high, above(second, zero)), at(2)),
      );
    }
  });
}

/** (a) -> whether all digits of all components are 0. */
export function writeIsZero(
  { module }: Assembly,
  name: string,
  components: number,
): FunctionWriter {
  return module.define(name, ["i32"], ["i32"], (f, a) => {
    const vectors = Array.from({ length: 3 * components }, (_, i) => v128.load(a, 16 * i));
    f.result(i32.eqz(v128.anyTrue(vectors.reduce((all, vector) => v128.or(all, vector)))));
  });
}

/** See `PrimeField.check`. */
function writeCheck(f: FunctionWriter, a: Pointer, bound: Pointer): void {
  const demand = (digit: Pointer, limit: Pointer) => {
    // -limit <= digit <= limit, as one unsigned comparison.
    const fromZero = i32.add(digit, limit);
    f.if(i32.gtU(fromZero, i32.add(limit, limit)), () => f.unreachable());
  };
  const carried = i32.const(2 ** (Number(LIMB_BITS) - 1) + 1);
  for (let i = 0; i < LIMBS - 1; i++) demand(i32.load(a, 4 * i), carried);
  const prime = i32.const(Number(PRIME[LIMBS - 1]) + 1);
  demand(i32.load(a, 4 * (LIMBS - 1)), i32.mul(bound, prime));
}
