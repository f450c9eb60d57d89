/**
 * Field arithmetic for circom's witness programs, as bodies that replace the program's own.
 *
 * An element of such a program takes 40 bytes: u32 short value, u32 tag, 32 B long value. The tag
 * says which of them counts (LONG) and whether the long value is in Montgomery form x 2^256
 * (MONTGOMERY). The functions here take the address of a long value ("raw") or of an element.
 *
 * storey 1: what         products, sums and differences modulo r, canonical: each result is < r
 * storey 2: why it fits  multiplication in nine limbs of 29 bits: a column collects at most
 *                        18 products below 2^58, which is below 2^63, so no carry inside
 * storey 3: how          rows of the Montgomery product (Koc, Acar, Kaliski 1996, "CIOS"); eight
 *                        rows clear 29 bits each and the ninth 24: 2^256 in all, circom's radix
 *
 * Twin: bigints, in test/worker/witness/field.test.ts.
 */
import { SCALAR_FIELD } from "../field.ts";
import type { FunctionWriter } from "../kernels/emitter.ts";
import { type Expr, i32, i64, type Local } from "../kernels/instructions.ts";

const LIMBS = 9;
const LIMB_BITS = 29;
const MASK = 2n ** 29n - 1n;
/** Bits that the last row clears: 8 x 29 + 24 = 256. */
const LAST_BITS = 24;
const WORDS = 4;
const R = SCALAR_FIELD;

type I32 = Expr<"i32">;
type I64 = Expr<"i64">;

/**
 * r is 2^28 + 1 modulo 2^29, which is its own inverse there: a product with the lowest limb of r or
 * with -1/r modulo 2^29 = 2^28 - 1 is a shift.
 */
const SHIFT = i64.const(28n);

/** raw[z] = raw[x] raw[y] / 2^256. The three may be the same. */
export function multiply(f: FunctionWriter, x: I32, y: I32, z: I32): void {
  const a = loadLimbs(f, x);
  const b = loadLimbs(f, y);
  montgomeryRows(f, z, (row, column) => i64.mul(a[row] as I64, b[column] as I64));
}

/** raw[z] = raw[x]^2 / 2^256: 45 products instead of 81 before the reduction. */
export function square(f: FunctionWriter, x: I32, z: I32): void {
  const a = loadLimbs(f, x);
  const doubled = a.map((limb) => assigned(f, i64.shl(limb, i64.const(1n))));
  montgomeryRows(f, z, (row, column) => {
    if (column < row) return undefined;
    return i64.mul(a[row] as I64, (column === row ? a : doubled)[column] as I64);
  });
}

/** raw[z] = raw[x] / 2^256. */
export function reduce(f: FunctionWriter, x: I32, z: I32): void {
  reduceLimbs(f, loadLimbs(f, x), z);
}

/** raw[z] = the limbs' value, below 2^261, / 2^256. @param a  nine limbs in [0, 2^29). */
export function reduceLimbs(f: FunctionWriter, a: readonly I64[], z: I32): void {
  // Rows that add nothing but the value itself, in the first.
  montgomeryRows(f, z, (row, column) => (row === 0 ? a[column] : undefined));
}

/**
 * The rows of a Montgomery product. In row i the columns i to i + 8 get `product(i, j)` for
 * j = 0 to 8, then a multiple of r that clears column i, whose carry goes on to the next.
 * The value after all rows is below r^2 / 2^256 + r < 1.2 r: one subtraction makes it canonical.
 */
function montgomeryRows(
  f: FunctionWriter,
  z: I32,
  product: (row: number, column: number) => I64 | undefined,
): void {
  let t = f.locals("i64", LIMBS);
  const m = f.local("i64");
  const modulus = limbsOf(R);
  for (let row = 0; row < LIMBS; row++) {
    const isLast = row === LIMBS - 1;
    const columnSum = (column: number): I64 => {
      const parts = [
        // The last column is new in each row, and all are in the first.
        row === 0 || column === LIMBS - 1 ? undefined : (t[column] as I64),
        product(row, column),
      ].filter((part) => part !== undefined);
      return parts.length === 0 ? i64.const(0n) : parts.reduce((a, b) => i64.add(a, b));
    };
    const lowest = t[0] as Local<"i64">;
    f.set(lowest, columnSum(0));
    // m = -t_0 / r modulo 2^29, or 2^24 in the last row; t_0 + m r_0 is then 0 there.
    const clears = isLast ? 2n ** BigInt(LAST_BITS) - 1n : MASK;
    f.set(m, i64.and(i64.sub(i64.shl(lowest, SHIFT), lowest), i64.const(clears)));
    f.set(lowest, i64.add(lowest, i64.add(i64.shl(m, SHIFT), m)));
    for (let column = 1; column < LIMBS; column++) {
      const reduced = i64.mul(m, i64.const(modulus[column] as bigint));
      f.set(t[column] as Local<"i64">, i64.add(columnSum(column), reduced));
    }
    if (isLast) break;
    const next = t[1] as Local<"i64">;
    f.set(next, i64.add(next, i64.shrU(lowest, i64.const(BigInt(LIMB_BITS)))));
    t = [...t.slice(1), lowest];
  }
  for (let k = 0; k + 1 < LIMBS; k++) {
    const [low, high] = [t[k] as Local<"i64">, t[k + 1] as Local<"i64">];
    f.set(high, i64.add(high, i64.shrU(low, i64.const(BigInt(LIMB_BITS)))));
    f.set(low, i64.and(low, i64.const(MASK)));
  }
  const words = packWords(f, t);
  // Nine in ten results are below r at once, and most of those show it in their highest word.
  const isSmall = i64.ltU(words[3] as I64, i64.const(wordsOf(R)[3] as bigint));
  f.if(
    isSmall,
    () => storeWords(f, z, words),
    () => storeWords(f, z, lessModulus(f, words)),
  );
}

/** raw[z] = raw[x] + raw[y] mod r, both below r. */
export function add(f: FunctionWriter, x: I32, y: I32, z: I32): void {
  const a = loadWords(f, x);
  const b = loadWords(f, y);
  const sum: Local<"i64">[] = [];
  let carry: I64 | undefined;
  for (let k = 0; k < WORDS; k++) {
    const [ak, bk] = [a[k] as I64, b[k] as I64];
    const partial = assigned(f, i64.add(ak, bk));
    if (carry === undefined) {
      sum.push(partial);
      carry = assigned(f, i64.extendU(i64.ltU(partial, ak)));
      continue;
    }
    const word = assigned(f, i64.add(partial, carry));
    sum.push(word);
    carry = assigned(f, i64.extendU(i32.or(i64.ltU(partial, ak), i64.ltU(word, partial))));
  }
  storeWords(f, z, lessModulus(f, sum));
}

/** raw[z] = raw[x] - raw[y] mod r, both below r. */
export function subtract(f: FunctionWriter, x: I32, y: I32, z: I32): void {
  const { words, borrow } = difference(f, loadWords(f, x), loadWords(f, y));
  // r where there was a borrow, 0 elsewhere, is added back.
  const mask = assigned(f, i64.sub(i64.const(0n), borrow));
  let carry: I64 = i64.const(0n);
  const sum = words.map((word, k) => {
    const addend = assigned(f, i64.add(i64.and(mask, i64.const(wordsOf(R)[k] as bigint)), carry));
    const result = assigned(f, i64.add(word, addend));
    // The addend cannot wrap: no word of r is all ones.
    carry = i64.extendU(i64.ltU(result, addend));
    return result;
  });
  storeWords(f, z, sum);
}

/**
 * Copies an element, in the words in which elements are written: a vector that is read where two
 * words have just been written has to wait until they are in the cache.
 */
export function copy(f: FunctionWriter, to: I32, from: I32): void {
  const words = Array.from({ length: WORDS + 1 }, (_, k) => assigned(f, i64.load(from, 8 * k)));
  storeWords(f, to, words);
}

/** The value in a local of its own. */
export function assigned<T extends "i32" | "i64">(f: FunctionWriter, value: Expr<T>): Local<T> {
  const local = f.local(value.type);
  f.set(local, value);
  return local;
}

/** words - r if that is not negative, else words. */
function lessModulus(f: FunctionWriter, words: readonly I64[]): readonly I64[] {
  const modulus = wordsOf(R).map((word) => i64.const(word));
  const { words: less, borrow } = difference(f, words, modulus);
  const mask = assigned(f, i64.sub(i64.const(0n), borrow));
  // less ^ ((words ^ less) & mask)
  return words.map((word, k) => {
    const l = less[k] as I64;
    return i64.xor(l, i64.and(i64.xor(word, l), mask));
  });
}

/** a - b modulo 2^256 and whether it borrowed, as 0 or 1. */
function difference(
  f: FunctionWriter,
  a: readonly I64[],
  b: readonly I64[],
): { words: Local<"i64">[]; borrow: Local<"i64"> } {
  let borrow: Local<"i64"> | undefined;
  const words = a.map((ak, k) => {
    const bk = b[k] as I64;
    const partial = assigned(f, i64.sub(ak, bk));
    if (borrow === undefined) {
      borrow = assigned(f, i64.extendU(i64.ltU(ak, bk)));
      return partial;
    }
    const word = assigned(f, i64.sub(partial, borrow));
    borrow = assigned(f, i64.extendU(i32.or(i64.ltU(ak, bk), i64.ltU(partial, borrow))));
    return word;
  });
  return { words, borrow: borrow as Local<"i64"> };
}

function loadWords(f: FunctionWriter, address: I32): Local<"i64">[] {
  return Array.from({ length: WORDS }, (_, k) => assigned(f, i64.load(address, 8 * k)));
}

export function storeWords(f: FunctionWriter, address: I32, words: readonly I64[]): void {
  for (const [k, word] of words.entries()) f.do(i64.store(address, word, 8 * k));
}

/** The 256 bits at `address` in limbs of 29 bits, the highest of which takes what is left. */
export function loadLimbs(f: FunctionWriter, address: I32): Local<"i64">[] {
  const words = loadWords(f, address);
  return Array.from({ length: LIMBS }, (_, k) => {
    const start = LIMB_BITS * k;
    const [index, shift] = [start >> 6, start & 63];
    let limb: I64 = words[index] as I64;
    if (shift > 0) limb = i64.shrU(limb, i64.const(BigInt(shift)));
    const above = words[index + 1];
    if (shift + LIMB_BITS > 64 && above !== undefined) {
      limb = i64.or(limb, i64.shl(above, i64.const(BigInt(64 - shift))));
    }
    return assigned(f, k === LIMBS - 1 ? limb : i64.and(limb, i64.const(MASK)));
  });
}

/** Four words from bit LAST_BITS of the limbs' value on; all limbs but the highest are normalized. */
function packWords(f: FunctionWriter, limbs: readonly I64[]): Local<"i64">[] {
  return Array.from({ length: WORDS }, (_, word) => {
    const parts = limbs.flatMap((limb, k) => {
      const at = LIMB_BITS * k - LAST_BITS - 64 * word;
      const isHighest = k === limbs.length - 1;
      if (at >= 64 || (at <= -LIMB_BITS && !isHighest)) return [];
      if (at < 0) return [i64.shrU(limb, i64.const(BigInt(-at)))];
      return [at === 0 ? limb : i64.shl(limb, i64.const(BigInt(at)))];
    });
    return assigned(
      f,
      parts.reduce((a, b) => i64.or(a, b)),
    );
  });
}

function limbsOf(value: bigint): bigint[] {
  return Array.from({ length: LIMBS }, (_, k) => (value >> BigInt(LIMB_BITS * k)) & MASK);
}

function wordsOf(value: bigint): bigint[] {
  return Array.from({ length: WORDS }, (_, k) => (value >> BigInt(64 * k)) & (2n ** 64n - 1n));
}
