/**
 * Kernels over Fq6 = Fq2[v] / (v^3 - xi), xi = 9 + i: the coefficients of 1, v, v^2, one after the
 * other. "Bound n" means each of the six parts. Formulas: Devegili, O hEigeartaigh, Scott, Dahab,
 * "Multiplication and squaring on pairing-friendly fields", eprint.iacr.org/2006/471, section 4.
 */
import type { FunctionWriter } from "../emitter.ts";
import type { Expr } from "../instructions.ts";
import { type Assembly, calls, component } from "./assembly.ts";
import { FQ2_BYTES, minus, type QuadraticField, writeCombination, XI } from "./fq2.ts";

export const FQ6_BYTES = 3 * FQ2_BYTES;

export interface CubicField {
  /** (d, a, b): d = a b. Operands of bound 2, bound 1. */
  readonly multiply: FunctionWriter;
  /** (d, a, s, t): d = a (s + t v). Operands of bound 2, and so is d. Not in place. */
  readonly multiplySparse: FunctionWriter;
  /** (d, a, s): d = a s with s in Fq2. Operands of bound 4, bound 1. */
  readonly scale: FunctionWriter;
  readonly add: FunctionWriter;
  readonly subtract: FunctionWriter;
  /** (d, a): of bound 1. */
  readonly negate: FunctionWriter;
  /** (d, a): d = 1 / a, of bound 1. */
  readonly invert: FunctionWriter;
}

/** The coefficient of v^index. */
export function coefficient(a: Expr<"i32">, index: number): Expr<"i32"> {
  return component(a, index, FQ2_BYTES);
}

export function writeCubicField(assembly: Assembly, fq2: QuadraticField): CubicField {
  const { module } = assembly;
  const place = () => assembly.place(FQ2_BYTES);
  const operations = {
    ...fq2,
    // x + xi (s - y - z)
    lowest: writeCombination(assembly, "fq6.lowest", [1n, 0n], XI, minus(XI), minus(XI)),
    // s - x - y + xi z
    middle: writeCombination(assembly, "fq6.middle", [1n, 0n], [-1n, 0n], [-1n, 0n], XI),
    // s - x - y + z
    highest: writeCombination(assembly, "fq6.highest", [1n, 0n], [-1n, 0n], [-1n, 0n], [1n, 0n]),
    // s - x - y
    cross: writeCombination(assembly, "fq6.cross", [1n, 0n], [-1n, 0n], [-1n, 0n]),
    plusXi: writeCombination(assembly, "fq6.plusXi", [1n, 0n], XI),
    minusXi: writeCombination(assembly, "fq6.minusXi", [1n, 0n], minus(XI)),
    xiMinus: writeCombination(assembly, "fq6.xiMinus", XI, [-1n, 0n]),
    minus: writeCombination(assembly, "fq6.minus", [1n, 0n], [-1n, 0n]),
  };
  const each = (name: string, callee: FunctionWriter) =>
    module.define(`fq6.${name}`, ["i32", "i32", "i32"], [], (f, d, a, b) => {
      for (let i = 0; i < 3; i++) {
        f.call(callee, coefficient(d, i), coefficient(a, i), coefficient(b, i));
      }
    });

  // (x0 y1 + x1 y0) by Karatsuba: (x0 + x1)(y0 + y1) less x0 y0 and x1 y1, which are there anyway.
  const [v0, v1, v2, s, t, sum] = [place(), place(), place(), place(), place(), place()];
  const pair = (f: FunctionWriter, to: Expr<"i32">, x: Expr<"i32">[], y: Expr<"i32">[]) => {
    f.call(fq2.add, sum, x[0] as Expr<"i32">, x[1] as Expr<"i32">);
    f.call(fq2.add, to, y[0] as Expr<"i32">, y[1] as Expr<"i32">);
    f.call(fq2.multiply, to, sum, to);
  };
  const parts = (a: Expr<"i32">) => [0, 1, 2].map((i) => coefficient(a, i)) as Triple;
  const multiply = module.define("fq6.multiply", ["i32", "i32", "i32"], [], (f, d, a, b) => {
    const call = calls(f, operations);
    const [a0, a1, a2] = parts(a);
    const [b0, b1, b2] = parts(b);
    const [d0, d1, d2] = parts(d);
    call.multiply(v0, a0, b0);
    call.multiply(v1, a1, b1);
    call.multiply(v2, a2, b2);
    pair(f, s, [a0, a1], [b0, b1]);
    pair(f, t, [a0, a2], [b0, b2]);
    pair(f, d0, [a1, a2], [b1, b2]);
    call.lowest(d0, v0, d0, v1, v2);
    call.middle(d1, s, v0, v1, v2);
    call.highest(d2, t, v0, v2, v1);
  });

  // (a0 + a1 v + a2 v^2)(x + y v) = a0 x + xi a2 y + (a0 y + a1 x) v + (a1 y + a2 x) v^2
  const multiplySparse = module.define(
    "fq6.multiplySparse",
    ["i32", "i32", "i32", "i32"],
    [],
    (f, d, a, x, y) => {
      const call = calls(f, operations);
      const [a0, a1, a2] = parts(a);
      const [d0, d1, d2] = parts(d);
      call.multiply(v0, a0, x);
      call.multiply(v1, a1, y);
      call.multiply(v2, a2, y);
      call.multiply(t, a2, x);
      call.plusXi(d0, v0, v2);
      pair(f, s, [a0, a1], [x, y]);
      call.cross(d1, s, v0, v1);
      call.add(d2, v1, t);
    },
  );

  /**
   * With c0 = a0^2 - xi a1 a2, c1 = xi a2^2 - a0 a1, c2 = a1^2 - a0 a2:
   * a (c0 + c1 v + c2 v^2) = n = a0 c0 + xi (a2 c1 + a1 c2), in Fq2.
   */
  const [c0, c1, c2] = [place(), place(), place()];
  const scale = module.define("fq6.scale", ["i32", "i32", "i32"], [], (f, d, a, by) => {
    for (let i = 0; i < 3; i++) f.call(fq2.multiply, coefficient(d, i), coefficient(a, i), by);
  });
  const invert = module.define("fq6.invert", ["i32", "i32"], [], (f, d, a) => {
    const call = calls(f, operations);
    const [a0, a1, a2] = parts(a);
    const [d0, d1, d2] = parts(d);
    call.square(s, a0);
    call.multiply(t, a1, a2);
    call.minusXi(c0, s, t);
    call.square(s, a2);
    call.multiply(t, a0, a1);
    call.xiMinus(c1, s, t);
    call.square(s, a1);
    call.multiply(t, a0, a2);
    call.minus(c2, s, t);
    call.multiply(s, a2, c1);
    call.multiply(t, a1, c2);
    call.add(s, s, t);
    call.multiply(t, a0, c0);
    call.plusXi(t, t, s);
    call.invert(t, t);
    call.multiply(d0, c0, t);
    call.multiply(d1, c1, t);
    call.multiply(d2, c2, t);
  });

  const negate = module.define("fq6.negate", ["i32", "i32"], [], (f, d, a) => {
    for (let i = 0; i < 3; i++) f.call(fq2.negate, coefficient(d, i), coefficient(a, i));
  });
  return {
    multiply,
    multiplySparse,
    scale,
    invert,
    negate,
    add: each("add", fq2.add),
    subtract: each("subtract", fq2.subtract),
  };
}

type Triple = [Expr<"i32">, Expr<"i32">, Expr<"i32">];
