/**
 * Between elements and the world's 32 bytes: four 64-bit words, little-endian, canonical outside.
 */
import { BASE_FIELD } from "../../field.ts";
import type { FunctionWriter } from "../emitter.ts";
import { type Expr, i64, type Local, v128 } from "../instructions.ts";
import type { Assembly } from "./assembly.ts";
import { type PrimeField, storeNearest } from "./fq.ts";
import { digitsOf, FQ_BYTES, LIMB_BITS, LIMBS, nearest, RADIX } from "./limbs.ts";

const WORDS = 4;
const WORD_BYTES = 8;
const BITS = Number(LIMB_BITS);
const MASK = (1n << LIMB_BITS) - 1n;

export interface Words {
  /** (d, source): the element with this value, any 256 bits; bound 1, not in Montgomery form. */
  readonly read: FunctionWriter;
  /** (destination, a): the canonical value of an element of bound 1, not in Montgomery form. */
  readonly write: FunctionWriter;
  /** (d, source, count): as `read`, into Montgomery form, for consecutive elements. */
  readonly enter: FunctionWriter;
  /** (destination, a, count): as `write`, out of Montgomery form, of bound 4. */
  readonly leave: FunctionWriter;
}

export function writeWords(assembly: Assembly, fq: PrimeField): Words {
  const { module } = assembly;
  const read = module.define("words.read", ["i32", "i32"], [], (f, d, source) => {
    f.do(v128.store(d, v128.const64(0n), FQ_BYTES - 16)); // the lanes above the digits
    storeNearest(f, d, splitWords(f, source));
  });
  const write = module.define("words.write", ["i32", "i32"], [], (f, destination, a) => {
    const digits = nonNegative(f, a);
    for (let word = 0; word < WORDS; word++) {
      const parts = digits
        .map((digit, i) => shifted(digit, BITS * i - 64 * word))
        .filter((part) => part !== undefined);
      const value = parts.reduce((all, part) => i64.or(all, part));
      f.do(i64.store(destination, value, WORD_BYTES * word));
    }
  });
  const square = assembly.constant(nearest(RADIX * RADIX));
  const one = assembly.constant(1n);
  const each = (
    name: string,
    steps: readonly [destination: number, source: number],
    convert: (f: FunctionWriter, d: Local<"i32">, source: Local<"i32">) => void,
  ) =>
    module.define(name, ["i32", "i32", "i32"], [], (f, d, source, count) => {
      f.while(
        () => count,
        () => {
          convert(f, d, source);
          f.advance(d, steps[0]);
          f.advance(source, steps[1]);
          f.advance(count, -1);
        },
      );
    });
  const product = assembly.place(FQ_BYTES);
  return {
    read,
    write,
    enter: each("words.enter", [FQ_BYTES, WORDS * WORD_BYTES], (f, d, source) => {
      f.call(read, d, source);
      f.call(fq.multiply, d, d, square);
    }),
    leave: each("words.leave", [WORDS * WORD_BYTES, FQ_BYTES], (f, d, source) => {
      f.call(fq.multiply, product, source, one);
      f.call(write, d, product);
    }),
  };
}

/** Digits in [0, 2^29) of 256 bits. */
function splitWords(f: FunctionWriter, source: Expr<"i32">): Expr<"i64">[] {
  const words = Array.from({ length: WORDS }, (_, i) => {
    const word = f.local("i64");
    f.set(word, i64.load(source, WORD_BYTES * i));
    return word;
  });
  return Array.from({ length: LIMBS }, (_, i) => {
    const [word, bit] = [Math.floor((BITS * i) / 64), (BITS * i) % 64];
    const low = i64.shrU(words[word] as Expr<"i64">, i64.const(BigInt(bit)));
    const next = words[word + 1];
    const both =
      bit + BITS > 64 && next ? i64.or(low, i64.shl(next, i64.const(BigInt(64 - bit)))) : low;
    return i64.and(both, i64.const(MASK));
  });
}

/** The part of a digit that falls into a word which begins `-by` bits above the digit's lowest. */
function shifted(digit: Expr<"i64">, by: number): Expr<"i64"> | undefined {
  if (by >= 64 || by <= -BITS) return undefined;
  if (by === 0) return digit;
  return by > 0 ? i64.shl(digit, i64.const(BigInt(by))) : i64.shrU(digit, i64.const(BigInt(-by)));
}

/**
 * Digits in [0, 2^29) of a mod p, from |a| < p: once through with digits made positive, after which
 * the top digit has the value's sign, and once more with p added if it is negative.
 */
function nonNegative(f: FunctionWriter, a: Expr<"i32">): Local<"i64">[] {
  const digits = f.locals("i64", LIMBS);
  const carry = f.local("i64");
  const pass = (term: (i: number) => Expr<"i64">) => {
    f.set(carry, i64.const(0n));
    for (const [i, digit] of digits.entries()) {
      f.set(carry, i64.add(carry, term(i)));
      f.set(digit, i === LIMBS - 1 ? carry : i64.and(carry, i64.const(MASK)));
      f.set(carry, i64.shrS(carry, i64.const(LIMB_BITS)));
    }
  };
  pass((i) => i64.load32S(a, 4 * i));
  const sign = f.local("i64");
  f.set(sign, i64.shrS(digits[LIMBS - 1] as Local<"i64">, i64.const(63n)));
  const prime = digitsOf(BASE_FIELD);
  pass((i) => i64.add(digits[i] as Local<"i64">, i64.and(sign, i64.const(prime[i] as bigint))));
  return digits;
}
