/**
 * Inversion modulo a prime of 254 bits by division steps: Bernstein and Yang, "Fast constant-time gcd
 * computation and modular inversion", eprint.iacr.org/2019/266, sections 8 and 11, in the
 * variable-time form in which runs of zeros are taken at once (not constant time: ADR 0007).
 *
 * One division step maps (delta, f, g), f odd, to
 *
 *     (1 - delta, g, (g - f) / 2)    if delta > 0 and g is odd
 *     (1 + delta, f, g / 2)          if g is even
 *     (1 + delta, f, (g + f) / 2)    otherwise
 *
 * From (1, p, a) it reaches g = 0 and f = +-gcd(p, a) after at most 741 steps (theorem 11.2 for 254
 * bits), typically 530. The next 29 steps depend only on delta and the low 29 bits of f and g: they
 * are done on one word each, collected as a matrix [u v; q r] / 2^29 with |u| + |v| <= 2^29 and
 * |q| + |r| <= 2^29, and applied to the long numbers once:
 *
 *     f, g := (u f + v g) / 2^29, (q f + r g) / 2^29         exactly, and
 *     d, e := (u d + v e) / 2^29, (q d + r e) / 2^29 mod p   as Montgomery divides,
 *
 * where d a = f and e a = g mod p throughout, times what e was in the beginning.
 *
 * Why it fits. 29 bits are one digit, so each division moves everything down by one digit. |f| and
 * |g| stay below p. d and e grow by p/2 each time, because the multiple of p that is added is below
 * 2^28: after 26 times they are below 14 p, well within nine digits. Columns are below
 * 2^29 * 2^29 * 2, even with a first g whose digits have no sign.
 */
import { invert } from "../../field.ts";
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32, i64, type Local } from "../instructions.ts";
import { digitsOf, LIMB_BITS, LIMBS } from "./limbs.ts";

type Word = Local<"i64">;
const c = (value: bigint) => i64.const(value);

const STEPS = LIMB_BITS;
const HALF = c(1n << (LIMB_BITS - 1n));
const ABOVE = c(64n - LIMB_BITS);

/** Addresses of numbers of nine digits to the base 2^29, as i32, lowest first. */
export interface DivisionNumbers {
  readonly f: Expr<"i32">;
  readonly g: Expr<"i32">;
  readonly d: Expr<"i32">;
  readonly e: Expr<"i32">;
}

/**
 * Takes division steps until g = 0.
 *
 * Before: f = p; g is in (-p, p), its digits below 2^29 in absolute value; d = 0; |e| < p.
 * After: f is 1 or -1, as the sign of its lowest digit says; d f = e/g mod p for the e and g of
 * before, and |d| < 14 p. If g was 0, then d = 0 and f = p.
 *
 * @param p  a prime, 2^253 < p < 2^254.
 */
export function writeDivisionSteps(
  w: FunctionWriter,
  p: bigint,
  { f, g, d, e }: DivisionNumbers,
): void {
  const word = () => w.local("i64");
  const matrix: Matrix = [word(), word(), word(), word()];
  const eta = w.local("i64");
  w.set(eta, c(-1n));
  w.while(
    () => isNonZero(g),
    () => {
      writeSteps(w, eta, matrix, f, g);
      applyExactly(w, matrix, f, g);
      applyModularly(w, p, matrix, d, e);
    },
  );
}

type Matrix = readonly [u: Word, v: Word, q: Word, r: Word];

function isNonZero(a: Expr<"i32">): Expr<"i32"> {
  return Array.from({ length: LIMBS }, (_, i) => i32.load(a, 4 * i)).reduce((x, y) => i32.or(x, y));
}

/**
 * 29 division steps on the low words of f and g. eta is -delta. g's trailing zeros are that many
 * steps at once; then one step that adds +-f to g makes g even, and a multiple of f that makes six
 * of its bits zero stands for that step and those after it, as long as delta stays where no swap
 * can come and steps are left.
 */
function writeSteps(
  w: FunctionWriter,
  eta: Word,
  [u, v, q, r]: Matrix,
  longF: Expr<"i32">,
  longG: Expr<"i32">,
): void {
  const word = () => w.local("i64");
  const [f, g, left, zeros] = [word(), word(), word(), word()];
  const [limit, multiple, swapped] = [word(), word(), word()];
  // Two digits, so that the bits which shifts move in are true ones as long as it matters.
  const low = (long: Expr<"i32">) =>
    i64.add(i64.load32S(long), i64.shl(i64.load32S(long, 4), c(LIMB_BITS)));
  w.set(f, low(longF));
  w.set(g, low(longG));
  w.set(u, c(1n));
  w.set(v, c(0n));
  w.set(q, c(0n));
  w.set(r, c(1n));
  w.set(left, c(STEPS));
  const skipZeros = () => {
    // The bit at `left` stops the count there.
    w.set(zeros, i64.ctz(i64.or(g, i64.shl(c(-1n), left))));
    w.set(g, i64.shrS(g, zeros));
    w.set(u, i64.shl(u, zeros));
    w.set(v, i64.shl(v, zeros));
    w.set(eta, i64.sub(eta, zeros));
    w.set(left, i64.sub(left, zeros));
  };
  const exchange = (a: Word, b: Word) => {
    w.set(swapped, a);
    w.set(a, b);
    w.set(b, i64.sub(c(0n), swapped));
  };
  skipZeros();
  w.while(
    () => i64.ne(left, c(0n)),
    () => {
      w.if(i64.ltS(eta, c(0n)), () => {
        w.set(eta, i64.sub(c(0n), eta));
        exchange(f, g);
        exchange(u, q);
        exchange(v, r);
      });
      // At most eta + 1 steps until the next swap, and `left` at all; six bits are at hand.
      w.set(limit, i64.add(eta, c(1n)));
      w.if(i64.ltS(left, limit), () => w.set(limit, left));
      // -1/f = f (f f - 2) mod 2^6 for odd f.
      w.set(multiple, i64.mul(i64.mul(g, f), i64.sub(i64.mul(f, f), c(2n))));
      w.if(
        i64.ltS(limit, c(6n)),
        () => w.set(multiple, i64.and(multiple, i64.sub(i64.shl(c(1n), limit), c(1n)))),
        () => w.set(multiple, i64.and(multiple, c(63n))),
      );
      w.set(g, i64.add(g, i64.mul(multiple, f)));
      w.set(q, i64.add(q, i64.mul(multiple, u)));
      w.set(r, i64.add(r, i64.mul(multiple, v)));
      skipZeros();
    },
  );
}

/** f, g := (u f + v g) / 2^29, (q f + r g) / 2^29; both are exact. */
function applyExactly(
  w: FunctionWriter,
  [u, v, q, r]: Matrix,
  f: Expr<"i32">,
  g: Expr<"i32">,
): void {
  const word = () => w.local("i64");
  const [x, y, first, second] = [word(), word(), word(), word()];
  for (let i = 0; i < LIMBS; i++) {
    w.set(x, i64.load32S(f, 4 * i));
    w.set(y, i64.load32S(g, 4 * i));
    for (const [sum, a, b, to] of [
      [first, u, v, f],
      [second, q, r, g],
    ] as const) {
      const term = i64.add(i64.mul(a, x), i64.mul(b, y));
      w.set(sum, i === 0 ? term : i64.add(sum, term));
      moveDown(w, sum, to, i);
    }
  }
}

/** d, e := (u d + v e + m p) / 2^29, (q d + r e + n p) / 2^29 with m, n that make them exact. */
function applyModularly(
  w: FunctionWriter,
  p: bigint,
  [u, v, q, r]: Matrix,
  d: Expr<"i32">,
  e: Expr<"i32">,
): void {
  const word = () => w.local("i64");
  const [x, y, first, second, m, n] = [word(), word(), word(), word(), word(), word()];
  const modulus = digitsOf(p);
  /** -1/p mod 2^29. */
  const mu = (1n << LIMB_BITS) - invert(p, 1n << LIMB_BITS);
  for (let i = 0; i < LIMBS; i++) {
    w.set(x, i64.load32S(d, 4 * i));
    w.set(y, i64.load32S(e, 4 * i));
    for (const [sum, a, b, multiple, to] of [
      [first, u, v, m, d],
      [second, q, r, n, e],
    ] as const) {
      const term = i64.add(i64.mul(a, x), i64.mul(b, y));
      w.set(sum, i === 0 ? term : i64.add(sum, term));
      if (i === 0) {
        w.set(multiple, i64.shrS(i64.shl(i64.mul(sum, c(mu)), ABOVE), ABOVE));
      }
      w.set(sum, i64.add(sum, i64.mul(multiple, c(modulus[i] as bigint))));
      moveDown(w, sum, to, i);
    }
  }
}

/** The i-th column becomes digit i - 1; the carry stays in `sum`, and is the top digit in the end. */
function moveDown(w: FunctionWriter, sum: Word, to: Expr<"i32">, i: number): void {
  if (i > 0) w.do(i64.store32(to, i64.shrS(i64.shl(sum, ABOVE), ABOVE), 4 * (i - 1)));
  w.set(sum, i64.shrS(i64.add(sum, HALF), c(LIMB_BITS)));
  if (i === LIMBS - 1) w.do(i64.store32(to, sum, 4 * i));
}
