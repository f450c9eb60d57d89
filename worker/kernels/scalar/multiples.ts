/**
 * Sums of a few multiples of points: E. G. Straus, "Addition chains of vectors" (1964), with signed
 * odd digits of width 5: one row of doublings for all terms, and for each term about one addition in
 * six bits of an entry of its table, +-1, 3, 5 ... 15 times the point.
 *
 * Tables are affine, so that they can be kept for points that come again (a verification key's).
 */
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i32, i64, type Local, v128 } from "../instructions.ts";
import { type Assembly, component } from "./assembly.ts";
import type { CoordinateField, GroupKernels } from "./group.ts";
import { FQ_BYTES } from "./limbs.ts";
import type { Words } from "./words.ts";

const WIDTH = 5;
const ENTRIES = 2 ** (WIDTH - 2);
const WORDS_BYTES = 32;
/** Digits of a 256-bit number, one byte each: 257 at most, as the last carry may become one. */
const POSITIONS = 257;
export const DIGITS_BYTES = 272;
/** What must be there for a factor: 32 B and 8 zero bytes, which the last window reads. */
export const FACTOR_BYTES = WORDS_BYTES + 16;

export interface Multiples {
  readonly tableBytes: number;
  /** (destination, point): the odd multiples of an affine point, given as canonical integers. */
  readonly tabulate: FunctionWriter;
  /** (p, tables, digits, count, length): p = the sum of digits_k * point_k, k < count. */
  readonly sum: FunctionWriter;
}

export function writeMultiples(
  assembly: Assembly,
  name: string,
  group: GroupKernels,
  field: CoordinateField,
  words: Words,
): Multiples {
  const { module } = assembly;
  const { coordinateBytes } = group;
  const affineBytes = 2 * coordinateBytes;
  const jacobianBytes = 3 * coordinateBytes;
  const tableBytes = ENTRIES * affineBytes;
  const [multiple, twice] = [assembly.place(jacobianBytes), assembly.place(jacobianBytes)];
  const tabulate = module.define(`${name}.tabulate`, ["i32", "i32"], [], (f, table, point) => {
    f.call(words.enter, table, point, i32.const(affineBytes / FQ_BYTES));
    for (const p of [multiple, twice]) {
      f.call(group.clear, p);
      f.call(group.addAffine, p, table);
    }
    f.call(group.double, twice);
    for (let i = 1; i < ENTRIES; i++) {
      f.call(group.add, multiple, twice);
      f.call(group.normalize, component(table, i, affineBytes), multiple);
    }
  });

  const negative = assembly.place(affineBytes);
  const sum = module.define(
    `${name}.sum`,
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, p, tables, digits, count, length) => {
      const word = () => f.local("i32");
      const [table, digit, left, entry] = [word(), word(), word(), word()];
      f.call(group.clear, p);
      f.set(digits, i32.add(digits, length));
      f.while(
        () => length,
        () => {
          f.advance(length, -1);
          f.advance(digits, -1);
          f.call(group.double, p);
          f.set(table, tables);
          f.set(left, i32.const(0));
          f.while(
            () => i32.ltU(left, count),
            () => {
              const at = i32.add(digits, i32.mul(left, i32.const(DIGITS_BYTES)));
              f.set(digit, signedByte(i32.load8U(at)));
              f.if(digit, () => {
                const isNegative = i32.ltS(digit, i32.const(0));
                f.set(entry, i32.add(table, entryOffset(digit, affineBytes)));
                f.if(isNegative, () => {
                  f.call(field.reduce, negative, entry);
                  f.call(
                    field.negate,
                    component(negative, 1, coordinateBytes),
                    component(entry, 1, coordinateBytes),
                  );
                  f.set(entry, negative);
                });
                f.call(group.addAffine, p, entry);
              });
              f.advance(left, 1);
              f.advance(table, tableBytes);
            },
          );
        },
      );
    },
  );
  return { tableBytes, tabulate, sum };
}

function signedByte(value: Expr<"i32">): Expr<"i32"> {
  return i32.shrS(i32.shl(value, i32.const(24)), i32.const(24));
}

/** Of (|digit| - 1) / 2, which is |digit| >> 1 for an odd digit. */
function entryOffset(digit: Local<"i32">, affineBytes: number): Expr<"i32"> {
  const sign = i32.shrS(digit, i32.const(31));
  const magnitude = i32.sub(i32.xor(digit, sign), sign);
  return i32.mul(i32.shrS(magnitude, i32.const(1)), i32.const(affineBytes));
}

/**
 * Writes (digits, factor) -> length: the factor's signed odd digits, a byte for each bit's place,
 * and how many places there are up to the last digit that is not 0.
 *
 * A window whose lowest bit (with the carry) is 0 has the digit 0 and moves on by one place, the
 * carry as it was. An odd window is a digit, less 2^5 and with a carry if it is above 2^4, and moves
 * on by five places.
 */
export function writeRecode({ module }: Assembly): FunctionWriter {
  return module.define("recode", ["i32", "i32"], ["i32"], (f, digits, factor) => {
    const word = () => f.local("i32");
    const [place, carry, window, length] = [word(), word(), word(), word()];
    for (let at = 0; at < DIGITS_BYTES; at += 16) {
      f.do(v128.store(digits, v128.const64(0n), at));
    }
    f.while(
      () => i32.ltU(place, i32.const(POSITIONS)),
      () => {
        const byte = i32.add(factor, i32.shrU(place, i32.const(3)));
        const bits = i64.shrU(i64.load(byte), i64.extendU(i32.and(place, i32.const(7))));
        f.set(window, i32.and(i32.wrap(bits), i32.const(2 ** WIDTH - 1)));
        f.set(window, i32.add(window, carry));
        f.if(
          i32.and(window, i32.const(1)),
          () => {
            f.set(carry, i32.shrU(window, i32.const(WIDTH - 1)));
            f.set(window, i32.sub(window, i32.shl(carry, i32.const(WIDTH))));
            f.do(i32.store8(i32.add(digits, place), window));
            f.set(length, i32.add(place, i32.const(1)));
            f.advance(place, WIDTH);
          },
          () => f.advance(place, 1),
        );
      },
    );
    f.result(length);
  });
}
