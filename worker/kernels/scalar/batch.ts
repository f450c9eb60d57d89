/**
 * Inverts many elements for the price of one inversion and three products each: P. L. Montgomery,
 * "Speeding the Pollard and elliptic curve methods of factorization", 1987, section 10.3.1.
 *
 * With c_k = a_1 ... a_k and J_k = factor / c_k: factor / a_k = J_k c_(k-1) and J_(k-1) = J_k a_k.
 * Every product divides by R, and the elements stay out of Montgomery form. Starting from c_0 = R,
 * c_k is a_1 ... a_k / R^(k-1), its inverse has R^(k-1), and J_k c_(k-1) / R is again
 * factor / a_k without any power of R. Only the factor's own product needs to be mended by R^2.
 */
import { callOf, type FunctionWriter } from "../emitter.ts";
import { i32, type Local } from "../instructions.ts";
import type { Assembly } from "./assembly.ts";
import type { PrimeField } from "./fq.ts";
import { FQ_BYTES, nearest, RADIX } from "./limbs.ts";
import type { Words } from "./words.ts";

const WORDS_BYTES = 32;

/**
 * Writes (destination, source, count, factor) -> zeros: factor / source_i mod p for each of `count`
 * canonical integers, 0 for 0; tells how many were 0. The destination may be the source.
 *
 * @param capacity  the largest count.
 */
export function writeInvertBatch(
  assembly: Assembly,
  { fq, words, invert }: { fq: PrimeField; words: Words; invert: FunctionWriter },
  capacity: number,
): FunctionWriter {
  const one = assembly.constant(nearest(RADIX));
  const square = assembly.constant(nearest(RADIX * RADIX));
  const running = assembly.place(FQ_BYTES);
  const result = assembly.place(FQ_BYTES);
  // Per element: a_k, then c_(k-1).
  const RECORD = 2 * FQ_BYTES;
  const records = assembly.place(RECORD * capacity);
  return assembly.module.define(
    "invertBatch",
    ["i32", "i32", "i32", "i32"],
    ["i32"],
    (f, destination, source, count, factor) => {
      const word = () => f.local("i32");
      const [record, before, left, zeros] = [word(), word(), word(), word()];
      const { multiply } = fq;
      f.set(record, records);
      f.set(left, count);
      f.call(fq.reduce, running, one);
      f.while(
        () => left,
        () => {
          f.set(before, i32.add(record, i32.const(FQ_BYTES)));
          f.call(words.read, record, source);
          f.if(
            isZero(fq, record),
            () => f.advance(zeros, 1),
            () => {
              f.call(fq.reduce, before, running);
              f.call(multiply, running, running, record);
            },
          );
          f.advance(record, RECORD);
          f.advance(source, WORDS_BYTES);
          f.advance(left, -1);
        },
      );
      // Without an element that is not 0, the product is still R, and its inverse is not used.
      f.call(invert, running, running);
      f.call(words.read, result, factor);
      f.call(multiply, running, running, result);
      f.call(multiply, running, running, square);
      f.set(destination, i32.add(destination, i32.mul(count, i32.const(WORDS_BYTES))));
      f.while(
        () => count,
        () => {
          f.advance(record, -RECORD);
          f.advance(destination, -WORDS_BYTES);
          f.advance(count, -1);
          f.set(before, i32.add(record, i32.const(FQ_BYTES)));
          f.if(
            isZero(fq, record),
            () => f.call(words.write, destination, record),
            () => {
              f.call(multiply, result, running, before);
              f.call(words.write, destination, result);
              f.call(multiply, running, running, record);
            },
          );
        },
      );
      f.result(zeros);
    },
  );
}

function isZero(fq: PrimeField, element: Local<"i32">) {
  return callOf("i32", fq.isZero, element);
}
