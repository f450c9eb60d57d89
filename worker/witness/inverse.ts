/**
 * Inversion modulo r for circom's witness programs, whose own (Euclid with a division of bytes at a
 * time) takes five times as long as a hundred multiplications.
 *
 * storey 1: what         z = 1/x mod r, and 0 for 0
 * storey 2: why it fits  as in `kernels/scalar/division-steps.ts`; what comes out is above -14 r and
 *                        below 14 r, which 14 r more makes positive and below 2^260
 * storey 3: how          division steps divide e by x: from e = 2^256 mod r they come to 2^256/x
 *                        modulo r, not canonical; the rows of a Montgomery product divide that by
 *                        2^256, and what they leave needs one subtraction at most
 *
 * Twin: `invert` of worker/field.ts.
 */
import { SCALAR_FIELD } from "../field.ts";
import type { FunctionWriter } from "../kernels/emitter.ts";
import { type Expr, i32, i64, type Local } from "../kernels/instructions.ts";
import { type DivisionNumbers, writeDivisionSteps } from "../kernels/scalar/division-steps.ts";
import { digitsOf, LIMB_BITS, LIMBS } from "../kernels/scalar/limbs.ts";
import { assigned, loadLimbs, reduceLimbs } from "./field.ts";

const NUMBER_BYTES = 4 * LIMBS;
/** f, g, d and e. */
export const INVERSION_SCRATCH_BYTES = 4 * NUMBER_BYTES;

const MODULUS = digitsOf(SCALAR_FIELD);
const RADIX = digitsOf(2n ** 256n % SCALAR_FIELD);
const OFFSET = digitsOf(14n * SCALAR_FIELD);

/**
 * 32 B at z = 1/(32 B at x) modulo r, or 0 for 0.
 *
 * @param x        address of a value below r.
 * @param scratch  address of INVERSION_SCRATCH_BYTES; what lies there afterwards is as secret as x.
 */
export function invertModulo(
  writer: FunctionWriter,
  x: Expr<"i32">,
  z: Expr<"i32">,
  scratch: number,
): void {
  const number = (index: number) => i32.const(scratch + NUMBER_BYTES * index);
  const numbers: DivisionNumbers = { f: number(0), g: number(1), d: number(2), e: number(3) };
  const { f, g, d, e } = numbers;
  for (const [k, limb] of loadLimbs(writer, x).entries()) {
    writer.do(
      i64.store32(f, i64.const(MODULUS[k] as bigint), 4 * k),
      i64.store32(g, limb, 4 * k),
      i64.store32(d, i64.const(0n), 4 * k),
      i64.store32(e, i64.const(RADIX[k] as bigint), 4 * k),
    );
  }
  writeDivisionSteps(writer, SCALAR_FIELD, numbers);
  reduceLimbs(writer, positiveLimbs(writer, f, d), z);
}

/** d with the sign of f, plus 14 r, in limbs in [0, 2^29). */
function positiveLimbs(writer: FunctionWriter, f: Expr<"i32">, d: Expr<"i32">): Local<"i64">[] {
  const sign = assigned(writer, i64.shrS(i64.load32S(f), i64.const(63n)));
  let carry: Expr<"i64"> = i64.const(0n);
  return OFFSET.map((digit, k) => {
    const signed = i64.sub(i64.xor(i64.load32S(d, 4 * k), sign), sign);
    const sum = assigned(writer, i64.add(i64.add(signed, i64.const(digit)), carry));
    if (k === LIMBS - 1) return sum;
    carry = i64.shrS(sum, i64.const(LIMB_BITS));
    return assigned(writer, i64.and(sum, i64.const((1n << LIMB_BITS) - 1n)));
  });
}
