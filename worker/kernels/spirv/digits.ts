/**
 * Signed windows of a scalar, as kernels of a bucket sort: how many points fall into each bucket, and
 * which. The twin is `signedDigits` of `test/worker/kernels/spirv/digits.test.ts`.
 *
 *     s = sum of d_w 2^(c w),   -2^(c-1) < d_w <= 2^(c-1),   w = 0 .. W-1,   c W >= 255
 *
 * As s < r < 2^254, the top window has at most c - 1 bits, and with the carry at most 2^(c-1): nothing
 * is carried out of it. The point belongs into bucket |d_w| - 1 of window w with the digit's sign, and
 * nowhere for d_w = 0. Any other 256 bits give digits in the same range (and another sum), so that no
 * input makes a kernel write beside its buckets.
 *
 * Both kernels work the digits out, rather than one storing them for the other: a scalar has 32 bytes,
 * and so have its digits.
 */
import { SCALAR_FIELD } from "../../field.ts";
import type { KernelCode } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { type Element, get, load, PrimeField, set, variable } from "./field.ts";
import { KernelWriter } from "./module.ts";
import type { Buffer, U32 } from "./values.ts";

/** Invocations in a workgroup of both kernels. Untuned. */
export const DIGITS_GROUP = 128;
/** 32-bit words of an entry: its bucket; its point, with the digit's sign in the top bit. */
export const ENTRY_WORDS = 2;
/** The sign's bit of an entry's second word: points have 31 bits for their number. */
export const SIGN_BIT = 31;

/**
 * Both kernels: `points` invocations along x, proofs along y.
 *
 *   points       how many points the section has
 *   first        added to a point's scalar number
 *   stride       scalars from one proof to the next
 *   montgomery   1: the scalars are in Montgomery form; 0: canonical
 *   bits         c
 *   windows      W
 *   buckets      words of `counts` from one proof to the next; window w begins at w 2^(c-1)
 *   entries      (scatter only) entries from one proof to the next
 */
const PUSH = ["points", "first", "stride", "montgomery", "bits", "windows", "buckets"] as const;

/**
 * counts[bucket] += 1 for each digit that is not 0.
 *
 * Buffers: scalars (32 B each), the scalar's number of each point (u32), counts (u32, zeros before).
 * Push constants: as above, without `entries`.
 *
 * Several invocations add to one count: the additions are atomic, and no order of them matters.
 */
export function countDigits(): KernelCode {
  const k = new KernelWriter("count digits", {
    workgroupSize: [DIGITS_GROUP, 1, 1],
    push: PUSH,
  });
  const field = new PrimeField(k, SCALAR_FIELD);
  const [scalars, map] = [k.buffer("u32x4", "read"), k.buffer("u32", "read")];
  const counts = k.buffer("u32");
  return k.main((f) => {
    forEachDigit(f, field, scalars, map, (_point, bucket) => {
      f.atomicAdd(counts, f.add(f.mul(f.globalId(1), f.push("buckets")), bucket), f.u32(1));
    });
  });
}

/**
 * entries[cursor[bucket]++] = (bucket, point and sign) for each digit that is not 0.
 *
 * Buffers: scalars and map as for `countDigits`; cursors (u32): where each bucket's entries begin,
 * and after this kernel where they end; entries. Push constants: as above.
 *
 * The place is what an atomic addition returns, so that no two entries get the same one. Where a
 * bucket's entries come to lie among themselves is not the same each time; their sum is. The digits
 * are the ones that were counted, so that each bucket ends where the next one began.
 */
export function scatterDigits(): KernelCode {
  const k = new KernelWriter("scatter digits", {
    workgroupSize: [DIGITS_GROUP, 1, 1],
    push: [...PUSH, "entries"],
  });
  const field = new PrimeField(k, SCALAR_FIELD);
  const [scalars, map] = [k.buffer("u32x4", "read"), k.buffer("u32", "read")];
  const [cursors, entries] = [k.buffer("u32"), k.buffer("u32")];
  return k.main((f) => {
    forEachDigit(f, field, scalars, map, (point, bucket, isNegative) => {
      const proof = f.globalId(1);
      const cursor = f.add(f.mul(proof, f.push("buckets")), bucket);
      const place = f.atomicAdd(cursors, cursor, f.u32(1));
      const at = f.shl(f.add(f.mul(proof, f.push("entries")), place), 1);
      f.store(entries, at, bucket);
      f.store(entries, f.add(at, f.u32(1)), f.or(point, f.shl(isNegative, SIGN_BIT)));
    });
  });
}

/** Calls `write` once, for the body of a loop over the windows; `isNegative` is 1 or 0. */
function forEachDigit(
  f: Code,
  field: PrimeField,
  scalars: Buffer<"u32x4">,
  map: Buffer<"u32">,
  write: (point: U32, bucket: U32, isNegative: U32) => void,
): void {
  const point = f.globalId(0);
  const [zero, one] = [f.u32(0), f.u32(1)];
  f.if(f.lt(point, f.push("points")), () => {
    const place = f.add(
      f.add(f.load(map, point), f.push("first")),
      f.mul(f.globalId(1), f.push("stride")),
    );
    const rest = variable(f, load(f, scalars, place));
    f.if(f.ne(f.push("montgomery"), zero), () => {
      set(f, rest, field.fromMontgomery(f, get(f, rest)));
    });
    const bits = f.push("bits");
    const half = f.shl(one, f.sub(bits, one));
    const mask = f.sub(f.shl(half, 1), one);
    const carry = f.variable("u32", zero);
    f.for(
      zero,
      f.push("windows"),
      one,
      (window) => {
        const words = get(f, rest);
        const value = f.add(f.and(words[0] as U32, mask), f.get(carry));
        const isNegative = f.select(f.lt(half, value), one, zero);
        f.set(carry, isNegative);
        const magnitude = f.select(f.lt(half, value), f.sub(f.add(mask, one), value), value);
        f.if(f.ne(magnitude, zero), () => {
          const bucket = f.add(f.mul(window, half), f.sub(magnitude, one));
          write(point, bucket, isNegative);
        });
        set(f, rest, shiftedDown(f, words, bits));
      },
      false,
    );
  });
}

/** By 1 to 31 bits. */
function shiftedDown(f: Code, words: Element, bits: U32): Element {
  const above = f.sub(f.u32(32), bits);
  return words.map((word, i) => {
    const next = words[i + 1];
    const low = f.shr(word, bits);
    return next === undefined ? low : f.or(low, f.shl(next, above));
  });
}
