/**
 * Products of optimal ate pairings over several pairs (P, Q): one loop with common squarings, one
 * final exponentiation. Pairs come in two kinds: those whose Q is new (lines of three parts), and
 * those whose Q was prepared (lines divided by their first part: 10 products a line, not 13).
 *
 * Twin: engines/reference-pairing.ts.
 */
import { callOf, type FunctionWriter } from "../emitter.ts";
import { type Expr, i32 } from "../instructions.ts";
import { type Assembly, calls, component } from "./assembly.ts";
import type { PrimeField } from "./fq.ts";
import { FQ2_BYTES, type QuadraticField } from "./fq2.ts";
import { FQ12_BYTES, type Tower12 } from "./fq12.ts";
import { FQ_BYTES } from "./limbs.ts";
import {
  CURVE_PARAMETER,
  LINE_BYTES,
  LINE_COUNT,
  LOOP_DIGITS,
  MONIC_LINE_BYTES,
  signedDigits,
} from "./lines.ts";

/** Pairs of each kind in one loop. */
export const PAIR_CAPACITY = 4;

/** Addresses; the k-th slot of a kind is `k` strides after the first. */
export interface PairSlots {
  /** Lines of three parts, LINE_COUNT in each slot, and points (x, y). */
  readonly lines: number;
  readonly linesBytes: number;
  readonly points: number;
  /** Monic lines, and points (x / y, 1 / y). */
  readonly monicLines: number;
  readonly monicLinesBytes: number;
  readonly monicPoints: number;
  readonly pointBytes: number;
  /** Where the loop leaves its value, and the exponentiation finds and leaves its own. */
  readonly value: number;
}

/**
 * Writes
 *
 *     pairing.miller (count, monicCount)    value = the product of all lines' values at the points of
 *                                           the first slots of each kind; 1 for no slots
 *     pairing.multiplyBy (a)                value *= a
 *     pairing.exponentiate ()               value = value^(m (q^12 - 1) / r) for some m prime to r
 *     pairing.isOne () -> i32               whether value = 1
 *     pairing.monicPoint (d, p)             d = (x / y, 1 / y) of an affine p; (0, 0), at which
 *                                           monic lines are 1, for infinity
 */
export function writePairing(
  assembly: Assembly,
  {
    fq,
    fq2,
    fq12,
    invert,
  }: {
    fq: PrimeField;
    fq2: QuadraticField;
    fq12: Tower12;
    /** Of elements of Fq in Montgomery form. */
    invert: FunctionWriter;
  },
): PairSlots {
  const { module } = assembly;
  const valueAddress = assembly.take(FQ12_BYTES);
  const value = i32.const(valueAddress);
  const [l0, l1, l3] = [0, 1, 2].map(() => assembly.place(FQ2_BYTES)) as Triple;

  /** (cursor, count): value *= the k-th pair's line at `cursor`, for all k. */
  const slots = (lineBytes: number) => ({
    areaBytes: LINE_COUNT * lineBytes,
    lines: assembly.take(PAIR_CAPACITY * LINE_COUNT * lineBytes),
    points: assembly.take(PAIR_CAPACITY * POINT_BYTES),
  });
  const full = slots(LINE_BYTES);
  const monic = slots(MONIC_LINE_BYTES);
  const writeApply = (
    name: string,
    { areaBytes, lines, points }: ReturnType<typeof slots>,
    apply: (f: FunctionWriter, line: Expr<"i32">, x: Expr<"i32">, y: Expr<"i32">) => void,
  ) =>
    module.define(name, ["i32", "i32"], [], (f, cursor, count) => {
      const point = f.local("i32");
      f.set(cursor, i32.add(cursor, i32.const(lines)));
      f.set(point, i32.const(points));
      f.while(
        () => count,
        () => {
          apply(f, cursor, point, component(point, 1));
          f.advance(cursor, areaBytes);
          f.advance(point, POINT_BYTES);
          f.advance(count, -1);
        },
      );
    });
  const applyFull = writeApply("pairing.apply", full, (f, line, x, y) => {
    f.call(fq2.scale, l0, line, y);
    f.call(fq2.scale, l1, component(line, 1, FQ2_BYTES), x);
    f.call(fq12.multiplyLine, value, l0, l1, component(line, 2, FQ2_BYTES));
  });
  const applyMonic = writeApply("pairing.applyMonic", monic, (f, line, x, y) => {
    f.call(fq2.scale, l1, line, x);
    f.call(fq2.scale, l3, component(line, 1, FQ2_BYTES), y);
    f.call(fq12.multiplyMonicLine, value, l1, l3);
  });

  module.define("pairing.miller", ["i32", "i32"], [], (f, count, monicCount) => {
    let line = 0;
    const applyAll = () => {
      f.call(applyFull, i32.const(LINE_BYTES * line), count);
      f.call(applyMonic, i32.const(MONIC_LINE_BYTES * line), monicCount);
      line++;
    };
    f.call(fq12.setOne, value);
    for (const [i, digit] of LOOP_DIGITS.slice(1).entries()) {
      if (i > 0) f.call(fq12.square, value, value);
      applyAll();
      if (digit !== 0) applyAll();
    }
    applyAll();
    applyAll();
  });

  module.define("pairing.multiplyBy", ["i32"], [], (f, a) => {
    f.call(fq12.multiply, value, value, a);
  });
  writeExponentiation(assembly, fq12, value);
  module.define("pairing.isOne", [], ["i32"], (f) => {
    f.result(callOf("i32", fq12.isOne, value));
  });
  module.define("pairing.monicPoint", ["i32", "i32"], [], (f, d, p) => {
    f.call(invert, component(d, 1), component(p, 1));
    f.call(fq.multiply, d, p, component(d, 1));
  });
  return {
    lines: full.lines,
    linesBytes: full.areaBytes,
    points: full.points,
    monicLines: monic.lines,
    monicLinesBytes: monic.areaBytes,
    monicPoints: monic.points,
    pointBytes: POINT_BYTES,
    value: valueAddress,
  };
}

const POINT_BYTES = 2 * FQ_BYTES;
type Triple = [Expr<"i32">, Expr<"i32">, Expr<"i32">];

/**
 * The final exponentiation, (q^12 - 1) / r = (q^6 - 1) (q^2 + 1) (q^4 - q^2 + 1) / r.
 *
 * The first two factors are powers of q, which are cheap, and one inversion; what comes out is
 * cyclotomic, so that its inverse is its conjugate and squares are cheap. The third is a polynomial in
 * u. Its multiple by m = 2 u (6 u^2 + 3 u + 1) has the digits
 *
 *     1 + 6 u + 12 u^2 + 12 u^3,  4 u + 6 u^2 + 12 u^3,  6 u + 6 u^2 + 12 u^3,  -1 + 4 u + 6 u^2 + 12 u^3
 *
 * to the base q: Fuentes-Castaneda, Knapp, Rodriguez-Henriquez, "Faster hashing to G2" (2011), section
 * 5.3; Duquesne and Ghammam, eprint.iacr.org/2015/192, algorithm 6. m is prime to r, so the power by
 * it is 1 exactly where the exact one is. With x = f^(6 u), y = f^(6 u^2), z = f^(12 u^3), the third
 * digit's power is a = x y z, the second's is b = a / f^(2 u), the first's a y f and the last's b / f.
 */
function writeExponentiation(assembly: Assembly, fq12: Tower12, value: Expr<"i32">): void {
  const place = () => assembly.place(FQ12_BYTES);
  const power = writePowerOfU(assembly, fq12);
  const [f0, f2u, a, b, y, z] = [place(), place(), place(), place(), place(), place()];
  assembly.module.define("pairing.exponentiate", [], [], (f) => {
    const { multiply, conjugate, invert, squareCyclotomic } = calls(f, fq12);
    const { frobenius, frobenius2, frobenius3 } = calls(f, fq12);
    // value^(q^6 - 1), then that to the power of q^2 + 1.
    conjugate(a, value);
    invert(b, value);
    multiply(a, a, b);
    frobenius2(b, a);
    multiply(f0, a, b);
    f.call(power, a, f0);
    squareCyclotomic(f2u, a);
    squareCyclotomic(a, f2u);
    multiply(a, a, f2u); // x
    f.call(power, y, a);
    squareCyclotomic(b, y);
    f.call(power, z, b);
    multiply(a, a, y);
    multiply(a, a, z);
    conjugate(b, f2u);
    multiply(b, a, b);
    multiply(y, a, y);
    multiply(value, y, f0);
    frobenius(z, b);
    multiply(value, value, z);
    frobenius2(z, a);
    multiply(value, value, z);
    conjugate(f0, f0);
    multiply(b, b, f0);
    frobenius3(z, b);
    multiply(value, value, z);
  });
}

/** (d, a): d = a^u for a cyclotomic a, by odd powers up to 7 and their inverses. */
function writePowerOfU(assembly: Assembly, fq12: Tower12): FunctionWriter {
  const width = 4;
  const digits = signedDigits(CURVE_PARAMETER, width).reverse();
  const powers = Array.from({ length: 2 ** (width - 2) }, () => assembly.place(FQ12_BYTES));
  const [square, inverse] = [assembly.place(FQ12_BYTES), assembly.place(FQ12_BYTES)];
  const power = (digit: number) => powers[(Math.abs(digit) - 1) / 2] as Expr<"i32">;
  return assembly.module.define("pairing.powerOfU", ["i32", "i32"], [], (f, d, a) => {
    const { multiply, copy, conjugate, squareCyclotomic } = calls(f, fq12);
    copy(power(1), a);
    squareCyclotomic(square, a);
    for (let k = 3; k < 2 ** (width - 1); k += 2) multiply(power(k), power(k - 2), square);
    copy(d, power(digits[0] as number));
    for (const digit of digits.slice(1)) {
      squareCyclotomic(d, d);
      if (digit > 0) multiply(d, d, power(digit));
      if (digit < 0) {
        conjugate(inverse, power(digit));
        multiply(d, d, inverse);
      }
    }
  });
}
