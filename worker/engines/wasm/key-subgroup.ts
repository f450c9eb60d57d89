/**
 * Whether the points of section B2 are in G2, all of them at once.
 *
 * The curve over Fq2 has r h points, h = 2 q - r, and gcd(r, h) = 1: each point is the sum of one in
 * G2, whose order divides r, and one whose order divides h, its *stray part*. A point is in G2 if its
 * stray part is 0. To look at each point takes 63 doublings (`kernels/scalar/membership.ts`). Instead,
 * sums with random digits are looked at:
 *
 *     T_w = sum_i d_(w,i) Q_i,   w = 0 .. W - 1.
 *
 * If all Q_i are in G2, so are the T_w. Now let the stray part S of some Q_j not be 0. Digits are
 * Booth's digits of c bits (`kernels/entries.ts`) of uniform random bits: digit w is made from the c
 * bits of window w and the highest bit of window w - 1. Fix all bits of all other points, those of
 * windows 0 .. w - 1 of point j, and its sign. Then d_(w,j) is one of 2^c different numbers, neighbours
 * of each other and all equally likely, because the c bits of window w are still free. S has an order
 * that divides h, so at least h's smallest prime factor, 10069 > 2^13 >= 2^c: the 2^c multiples
 * d_(w,j) S are all different, and at most one of them cancels the stray parts of the other terms of
 * T_w. So T_w is in G2 with probability at most 2^-c, whatever the windows below turned out to be, and
 * all W of them with probability at most 2^(-c W).
 *
 * The bits are drawn here and now, so nobody can try beforehand whether a key passes: each trial is one
 * loading of a key, and W is chosen for 2^-64. If a stray point did pass, a proof with it would not
 * verify, and so would not leave this program.
 *
 * h is odd, so no point has order 2: the additions of `point-sums.ts` are right on all of the curve.
 */
import { randomFillSync } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Checkpoint } from "../../engine.ts";
import { SCALAR_BYTES } from "../../kernels/entries.ts";
import type { Tower } from "../../kernels/tower.ts";
import { Inversion } from "./inversion.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { Section } from "./key-points.ts";
import { Msm, planOf } from "./msm.ts";
import { clear, Region } from "./region.ts";

/** 2^13 is the last power of two below the smallest prime factor of h. */
const MAX_DIGIT_BITS = 13;
/** A stray point is missed with a probability of at most 2^-SECURITY_BITS. */
const SECURITY_BITS = 64;
/** Random bytes drawn at once; Node draws at most 64 KiB without a thread, and needs own memory. */
const RANDOM_BYTES = 65536;
const G2_BYTES = 128;

/**
 * Uses memory from `start` on and leaves it zero.
 *
 * @param section  points on the curve
 * @param start    a free address
 */
export async function isInSubgroup(
  key: KeyMemory,
  section: Section,
  start: number,
  tower: Tower,
  checkpoint: Checkpoint,
): Promise<boolean> {
  const { points, count } = section;
  if (count === 0) return true;
  const { memory, kernels, fields } = key;
  const plan = planOf(count);
  const bits = Math.min(MAX_DIGIT_BITS, plan.bits);
  const windows = Math.ceil(SECURITY_BITS / bits);

  const region = new Region(start);
  const scalars = region.take(SCALAR_BYTES * (count + 1));
  const map = region.take(4 * count);
  const positions = region.take(G2_BYTES * bits * windows);
  const inversion = new Inversion(kernels, memory, fields.fq, tower, 2, region);
  const msm = new Msm(kernels, memory, fields.fq, inversion, 2, count, region);
  key.reach(region.end);
  inversion.prepare();
  msm.prepare();
  const bytes = new Uint8Array(memory.buffer);
  try {
    fillRandom(bytes.subarray(scalars, scalars + SCALAR_BYTES * count));
    const indices = new Uint32Array(memory.buffer, map, count);
    for (let i = 0; i < count; i++) indices[i] = i;
    const terms = [{ points, map, count, scalars }];
    for (let from = 0; from < windows; from += plan.together) {
      const to = Math.min(from + plan.together, windows);
      msm.windows(terms, bits, from, to, positions, (done) =>
        checkpoint((from + (to - from) * done) / windows),
      );
      for (let w = from; w < to; w++) {
        const start = positions + G2_BYTES * bits * w;
        // A window's value is the sum of its bit positions' points, times powers of two.
        const sum = tower.hornerG2(bytes.subarray(start, start + G2_BYTES * bits), 1);
        if (!tower.isInSubgroupG2(sum)) return false;
      }
      await setImmediate();
    }
    return true;
  } finally {
    clear(memory, start, region.end);
  }
}

function fillRandom(target: Uint8Array): void {
  const random = new Uint8Array(RANDOM_BYTES);
  for (let at = 0; at < target.length; at += RANDOM_BYTES) {
    randomFillSync(random);
    target.set(random.subarray(0, Math.min(RANDOM_BYTES, target.length - at)), at);
  }
}
