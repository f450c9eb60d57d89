/**
 * Inversion modulo r for circom's witness programs, whose own (Euclid with a division of bytes at a
 * time) takes five times as long as a hundred multiplications.
 *
 * storey 1: what         z = 1/x mod r, and 0 for 0
 * storey 2: why it fits  limbs of 30 bits with the sign in the ninth; a row of the update sums two
 *                        products below 2^61 and one of 2^60 with a carry: below 2^63
 * storey 3: how          Bernstein, Yang, "Fast constant-time gcd computation and modular
 *                        inversion", eprint.iacr.org/2019/266, "divsteps": only the low bits of f
 *                        and g decide a step, so 30 steps make a 2 x 2 matrix in registers, which
 *                        is then applied to f, g (exactly) and to d, e (modulo r, where a
 *                        multiple of r makes the division by 2^30 exact). Not constant time.
 *
 * Invariants: d x = f 2^0 and e x = g modulo r (up to the sign of f at the end); f is odd and ends
 * as 1 or -1; -2 r < d, e < r. Twin: `invert` of worker/field.ts.
 */
import { invert, SCALAR_FIELD } from "../field.ts";
import {
  type Expr,
  type FunctionWriter,
  i32,
  i64,
  type Local,
  select,
} from "../kernels/emitter.ts";
import { assigned, loadLimbs, packWords, storeWords } from "./field.ts";

const LIMBS = 9;
const LIMB_BITS = 30;
const MASK = 2n ** 30n - 1n;
/** 1/r modulo 2^30. */
const R_INVERSE = invert(SCALAR_FIELD & MASK, 2n ** 30n);
const R_LIMBS = Array.from({ length: LIMBS }, (_, k) => (SCALAR_FIELD >> BigInt(30 * k)) & MASK);

const NUMBER_BYTES = 4 * LIMBS;
/** f, g, d and e. */
export const INVERSION_SCRATCH_BYTES = 4 * NUMBER_BYTES;

type I32 = Expr<"i32">;
type I64 = Expr<"i64">;
type Var = Local<"i64">;

/** A number of nine limbs in memory; all but the highest are in [0, 2^30). */
interface Limbs {
  load(limb: number): I64;
  store(limb: number, value: I64): void;
}
interface Matrix {
  readonly u: Var;
  readonly v: Var;
  readonly q: Var;
  readonly r: Var;
}

/**
 * 32 B at z = 1/(32 B at x) modulo r, or 0 for 0.
 *
 * @param x        address of a value below r.
 * @param scratch  address of INVERSION_SCRATCH_BYTES; what lies there afterwards is as secret as x.
 */
export function invertModulo(writer: FunctionWriter, x: I32, z: I32, scratch: number): void {
  const number = (index: number): Limbs => {
    const at = (limb: number) => scratch + NUMBER_BYTES * index + 4 * limb;
    return {
      load: (limb) => i64.load32S(i32.const(0), at(limb)),
      store: (limb, value) => writer.do(i64.store32(i32.const(0), value, at(limb))),
    };
  };
  const [f, g, d, e] = [number(0), number(1), number(2), number(3)];
  for (const [k, limb] of loadLimbs(writer, x, LIMB_BITS).entries()) {
    f.store(k, i64.const(R_LIMBS[k] as bigint));
    g.store(k, limb);
    d.store(k, i64.const(0n));
    e.store(k, i64.const(k === 0 ? 1n : 0n));
  }
  const [eta, u, v, q, r] = writer.locals("i64", 5) as [Var, Var, Var, Var, Var];
  const matrix = { u, v, q, r };
  writer.set(eta, i64.const(-1n));
  writer.loop(
    () => {
      divsteps(writer, f.load(0), g.load(0), eta, matrix);
      updateModulo(writer, matrix, d, e);
      updateExactly(writer, matrix, f, g);
    },
    () =>
      i64.ne(
        everyLimb(g).reduce((a, b) => i64.or(a, b)),
        i64.const(0n),
      ),
  );
  storeWords(writer, z, packWords(writer, canonical(writer, d, f), LIMB_BITS, 0));
}

/**
 * 30 steps on the low bits of f and g. The matrix says what they did: afterwards
 * 2^30 (f, g) = (u f + v g, q f + r g), with |u| + |v| and |q| + |r| at most 2^30.
 *
 * `eta` decides when f and g change places. Zeros of g are shifted out all at once, and up to six
 * of its bits are cleared with one multiple of f.
 */
function divsteps(writer: FunctionWriter, f0: I64, g0: I64, eta: Var, matrix: Matrix): void {
  const { u, v, q, r } = matrix;
  const [f, g, left, zeros, spare, w] = writer.locals("i64", 6) as [Var, Var, Var, Var, Var, Var];
  writer.set(f, f0);
  writer.set(g, g0);
  writer.set(u, i64.const(1n));
  writer.set(v, i64.const(0n));
  writer.set(q, i64.const(0n));
  writer.set(r, i64.const(1n));
  writer.set(left, i64.const(BigInt(LIMB_BITS)));
  const shiftOutZeros = () => {
    // The bit at `left` bounds the count.
    writer.set(zeros, i64.ctz(i64.or(g, i64.shl(i64.const(-1n), left))));
    writer.set(g, i64.shrS(g, zeros));
    writer.set(u, i64.shl(u, zeros));
    writer.set(v, i64.shl(v, zeros));
    writer.set(eta, i64.sub(eta, zeros));
    writer.set(left, i64.sub(left, zeros));
  };
  const exchange = (a: Var, b: Var) => {
    writer.set(spare, a);
    writer.set(a, b);
    writer.set(b, i64.sub(i64.const(0n), spare));
  };
  const atMost = (value: I64, limit: I64) => select(i64.ltS(value, limit), value, limit);
  shiftOutZeros();
  writer.while(
    () => i64.ne(left, i64.const(0n)),
    () => {
      writer.if(i64.ltS(eta, i64.const(0n)), () => {
        writer.set(eta, i64.sub(i64.const(0n), eta));
        exchange(f, g);
        exchange(u, q);
        exchange(v, r);
      });
      // w = -g/f modulo 2^k with k = min(eta + 1, left, 6); -1/f = f (f^2 - 2) modulo 64.
      writer.set(w, i64.mul(i64.mul(f, g), i64.sub(i64.mul(f, f), i64.const(2n))));
      writer.set(spare, i64.add(eta, i64.const(1n)));
      writer.set(spare, atMost(spare, left));
      writer.set(spare, atMost(spare, i64.const(6n)));
      writer.set(w, i64.and(w, i64.sub(i64.shl(i64.const(1n), spare), i64.const(1n))));
      writer.set(g, i64.add(g, i64.mul(f, w)));
      writer.set(q, i64.add(q, i64.mul(u, w)));
      writer.set(r, i64.add(r, i64.mul(v, w)));
      shiftOutZeros();
    },
  );
}

/** (f, g) = matrix (f, g) / 2^30, exactly. */
function updateExactly(writer: FunctionWriter, matrix: Matrix, f: Limbs, g: Limbs): void {
  const { u, v, q, r } = matrix;
  const [fk, gk, carryF, carryG] = writer.locals("i64", 4) as [Var, Var, Var, Var];
  for (let k = 0; k < LIMBS; k++) {
    writer.set(fk, f.load(k));
    writer.set(gk, g.load(k));
    const [rowF, rowG] = [dot(u, fk, v, gk), dot(q, fk, r, gk)];
    writer.set(carryF, k === 0 ? rowF : i64.add(carryF, rowF));
    writer.set(carryG, k === 0 ? rowG : i64.add(carryG, rowG));
    if (k > 0) {
      f.store(k - 1, i64.and(carryF, i64.const(MASK)));
      g.store(k - 1, i64.and(carryG, i64.const(MASK)));
    }
    writer.set(carryF, i64.shrS(carryF, i64.const(BigInt(LIMB_BITS))));
    writer.set(carryG, i64.shrS(carryG, i64.const(BigInt(LIMB_BITS))));
  }
  f.store(LIMBS - 1, carryF);
  g.store(LIMBS - 1, carryG);
}

/**
 * (d, e) = matrix (d, e) / 2^30 modulo r. Both stay in (-2 r, r): r is added to whichever is
 * negative, and then the multiple of r that makes the division exact is taken from (-2^30, 0].
 */
function updateModulo(writer: FunctionWriter, matrix: Matrix, d: Limbs, e: Limbs): void {
  const { u, v, q, r } = matrix;
  const [dk, ek, carryD, carryE, signD, signE, md, me] = writer.locals("i64", 8) as [
    Var,
    Var,
    Var,
    Var,
    Var,
    Var,
    Var,
    Var,
  ];
  writer.set(signD, i64.shrS(d.load(LIMBS - 1), i64.const(63n)));
  writer.set(signE, i64.shrS(e.load(LIMBS - 1), i64.const(63n)));
  writer.set(md, i64.add(i64.and(u, signD), i64.and(v, signE)));
  writer.set(me, i64.add(i64.and(q, signD), i64.and(r, signE)));
  for (let k = 0; k < LIMBS; k++) {
    writer.set(dk, d.load(k));
    writer.set(ek, e.load(k));
    const [rowD, rowE] = [dot(u, dk, v, ek), dot(q, dk, r, ek)];
    writer.set(carryD, k === 0 ? rowD : i64.add(carryD, rowD));
    writer.set(carryE, k === 0 ? rowE : i64.add(carryE, rowE));
    if (k === 0) {
      // m -= (carry / r + m) modulo 2^30: then carry + m r is 0 modulo 2^30.
      for (const [m, carry] of [
        [md, carryD],
        [me, carryE],
      ] as const) {
        const quotient = i64.add(i64.mul(carry, i64.const(R_INVERSE)), m);
        writer.set(m, i64.sub(m, i64.and(quotient, i64.const(MASK))));
      }
    }
    const modulus = i64.const(R_LIMBS[k] as bigint);
    writer.set(carryD, i64.add(carryD, i64.mul(md, modulus)));
    writer.set(carryE, i64.add(carryE, i64.mul(me, modulus)));
    if (k > 0) {
      d.store(k - 1, i64.and(carryD, i64.const(MASK)));
      e.store(k - 1, i64.and(carryE, i64.const(MASK)));
    }
    writer.set(carryD, i64.shrS(carryD, i64.const(BigInt(LIMB_BITS))));
    writer.set(carryE, i64.shrS(carryE, i64.const(BigInt(LIMB_BITS))));
  }
  d.store(LIMBS - 1, carryD);
  e.store(LIMBS - 1, carryE);
}

/** d with the sign of f, brought from (-2 r, r) to [0, r). f is 1 or -1 (or r, and d is 0). */
function canonical(writer: FunctionWriter, d: Limbs, f: Limbs): Var[] {
  const sign = assigned(writer, i64.shrS(f.load(LIMBS - 1), i64.const(63n)));
  const limbs = everyLimb(d).map((limb) => assigned(writer, limb));
  const highest = limbs[LIMBS - 1] as Var;
  const addModulusIfNegative = () => {
    const mask = assigned(writer, i64.shrS(highest, i64.const(63n)));
    for (const [k, limb] of limbs.entries()) {
      writer.set(limb, i64.add(limb, i64.and(mask, i64.const(R_LIMBS[k] as bigint))));
    }
  };
  const propagate = () => {
    for (let k = 0; k + 1 < LIMBS; k++) {
      const [low, high] = [limbs[k] as Var, limbs[k + 1] as Var];
      writer.set(high, i64.add(high, i64.shrS(low, i64.const(BigInt(LIMB_BITS)))));
      writer.set(low, i64.and(low, i64.const(MASK)));
    }
  };
  addModulusIfNegative();
  for (const limb of limbs) writer.set(limb, i64.sub(i64.xor(limb, sign), sign));
  propagate();
  addModulusIfNegative();
  propagate();
  return limbs;
}

function dot(a: I64, x: I64, b: I64, y: I64): I64 {
  return i64.add(i64.mul(a, x), i64.mul(b, y));
}

function everyLimb(number: Limbs): I64[] {
  return Array.from({ length: LIMBS }, (_, k) => number.load(k));
}
