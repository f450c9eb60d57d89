/** Inversion in Fq. What is inverted becomes public, or is blinded by what it is multiplied with. */
import { BASE_FIELD } from "../../field.ts";
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32, v128 } from "../instructions.ts";
import type { Assembly } from "./assembly.ts";
import { type DivisionNumbers, writeDivisionSteps } from "./division-steps.ts";
import type { PrimeField } from "./fq.ts";
import { FQ_BYTES, nearest, RADIX } from "./limbs.ts";

/**
 * Writes (d, a): d = 1/a mod p for the value as it stands, and 0 for 0; both of bound 1. Twin:
 * `invert` of worker/field.ts.
 */
export function writeInverse(assembly: Assembly, fq: PrimeField): FunctionWriter {
  const [prime, one] = [assembly.constant(BASE_FIELD), assembly.constant(1n)];
  const place = () => assembly.place(FQ_BYTES);
  const numbers: DivisionNumbers = { f: place(), g: place(), d: place(), e: place() };
  return assembly.module.define("fq.invert", ["i32", "i32"], [], (w, to, a) => {
    const copy = (target: Expr<"i32">, source: Expr<"i32">) => {
      for (let i = 0; i < FQ_BYTES; i += 16) w.do(v128.store(target, v128.load(source, i), i));
    };
    const { f, g, d, e } = numbers;
    copy(f, prime);
    copy(g, a);
    for (let i = 0; i < FQ_BYTES; i += 16) w.do(v128.store(d, v128.const64(0n), i));
    copy(e, one);
    writeDivisionSteps(w, BASE_FIELD, numbers);
    w.if(
      i32.ltS(i32.load(f), i32.const(0)),
      () => w.call(fq.negate, to, d),
      () => w.call(fq.reduce, to, d),
    );
  });
}

/**
 * Writes (d, a): d = 1/a in Montgomery form, and 0 for 0. a is in memory as a R, its inverse as it stands is
 * 1 / (a R), and the product with R^3, divided by R as products are, is R / a.
 */
export function writeMontgomeryInverse(
  assembly: Assembly,
  fq: PrimeField,
  invert: FunctionWriter,
): FunctionWriter {
  const cube = assembly.constant(nearest(RADIX ** 3n));
  return assembly.module.define("fq.invertMontgomery", ["i32", "i32"], [], (f, d, a) => {
    f.call(invert, d, a);
    f.call(fq.multiply, d, d, cube);
  });
}
