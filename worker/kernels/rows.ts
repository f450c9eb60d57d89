/**
 * Sparse matrix times vector over Fr, by its entries in any order: products are added limb by limb
 * into one accumulator of 64-bit integers for each row, and made into limbs in bounds at the end.
 */
import { f64, i32, i64, select } from "./instructions.ts";
import { type KernelWriter, LIMB_STRIDE, type VectorField } from "./vector-field.ts";

/**
 * Products that one accumulator takes. Limbs are at most 2^(b-1), b <= 51: 2^11 of them stay below
 * 2^61, and the multiple of r that `finishRows` subtracts below 2^62. Longer rows are split in
 * several (`resident-key.ts`).
 */
export const MAX_ROW_ENTRIES = 1 << 11;

export function writeRowKernels({ module }: KernelWriter, field: VectorField): void {
  const { limbs, limbBits } = field;
  const row = 8 * limbs;
  const quad = LIMB_STRIDE * limbs;

  /** addToRows(products, rowIndices, rows, quads): rows[rowIndices[i]] += product i (u32 indices). */
  module.define(
    "addToRows",
    ["i32", "i32", "i32", "i32"],
    [],
    (f, products, indices, rows, quads) => {
      const r = f.local("i32");
      f.loop(
        () => {
          for (let lane = 0; lane < 4; lane++) {
            f.set(r, i32.add(rows, i32.mul(i32.load(indices, 4 * lane), i32.const(row))));
            for (let i = 0; i < limbs; i++) {
              const limb = field.loadLimb(products, LIMB_STRIDE * i + 8 * lane);
              f.do(i64.store(r, i64.add(i64.load(r, 8 * i), limb), 8 * i));
            }
          }
          f.advance(products, quad);
          f.advance(indices, 16);
          f.advance(quads, -1);
        },
        () => quads,
      );
    },
  );

  /** finishRows(rows, dst, n): accumulators to consecutive lanes, within bounds. */
  module.define("finishRows", ["i32", "i32", "i32"], [], (f, rows, dst, n) => {
    const sum = f.local("i64");
    const carry = f.local("i64");
    const q = f.local("i64");
    const modulus = field.limbsOf(field.modulus).map((_, i) => signedLimb(field, i));
    const bits = i64.const(BigInt(limbBits));
    const half = i64.const(1n << BigInt(limbBits - 1));
    const mask = i64.const((1n << BigInt(limbBits)) - 1n);
    const top = 8 * (limbs - 1);
    f.loop(
      () => {
        const estimate = f64.mul(
          f64.convertS(i64.load(rows, top)),
          f64.const(1 / Number(modulus[limbs - 1])),
        );
        f.set(q, i64.truncate(f64.nearest(estimate)));
        f.set(carry, i64.const(0n));
        for (let i = 0; i < limbs; i++) {
          const multiple = i64.mul(q, i64.const(modulus[i] as bigint));
          f.set(sum, i64.add(carry, i64.sub(i64.load(rows, 8 * i), multiple)));
          if (i === limbs - 1) {
            f.do(field.storeLimb(dst, sum, LIMB_STRIDE * i));
          } else {
            f.set(sum, i64.add(sum, half));
            f.set(carry, i64.shrS(sum, bits));
            f.do(field.storeLimb(dst, i64.sub(i64.and(sum, mask), half), LIMB_STRIDE * i));
          }
        }
        f.advance(rows, row);
        const isLast = i32.eq(i32.and(dst, i32.const(24)), i32.const(24));
        f.set(dst, i32.add(dst, select(isLast, i32.const(quad - 24), i32.const(8))));
        f.advance(n, -1);
      },
      () => n,
    );
  });
}

/** Limb i of the modulus as an integer. */
function signedLimb(field: VectorField, i: number): bigint {
  const limbs = field.limbsOf(field.modulus).map((bits, j) => (j === i ? bits : 0n));
  return field.valueOf(limbs) >> BigInt(i * field.limbBits);
}
