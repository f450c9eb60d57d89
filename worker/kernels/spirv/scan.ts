/**
 * Exclusive prefix sums of u32 words, in place, for several vectors side by side: three kernels with
 * a barrier between them.
 *
 *     1 scanSums     the sum of each block of SCAN_BLOCK words
 *     2 scanBlocks   the prefix sums of those, by one workgroup for each vector
 *     3 scanWords    the prefix sums within each block, plus the block's own
 *
 * Sums wrap at 2^32. The prefix sums of a workgroup are those of W. D. Hillis, G. L. Steele, "Data
 * parallel algorithms", CACM 29 (1986); the whole is G. E. Blelloch, "Prefix sums and their
 * applications" (1990).
 */
import type { KernelCode } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import { KernelWriter } from "./module.ts";
import type { Buffer, Shared, U32 } from "./values.ts";

/** Invocations in a workgroup of every kernel here: within what every device has. Untuned. */
export const SCAN_GROUP = 256;
/** Words that an invocation adds up on its own; neighbours of one cache line. Untuned. */
const WORDS_EACH = 8;
/** Words of one workgroup. */
export const SCAN_BLOCK = SCAN_GROUP * WORDS_EACH;

/**
 * Buffers: words, sums. Push constants: `count`, words of a vector that are summed; `words` and
 * `sums`, words of each buffer from one vector to the next. Workgroups: blocks along x, vectors along y.
 */
export function scanSums(): KernelCode {
  const k = new KernelWriter("scan: sums", {
    workgroupSize: [SCAN_GROUP, 1, 1],
    push: ["count", "words", "sums"],
  });
  const [words, sums] = [k.buffer("u32", "read"), k.buffer("u32")];
  const shared = k.shared(SCAN_GROUP);
  return k.main((f) => {
    const total = f.variable("u32", f.u32(0));
    for (let i = 0; i < WORDS_EACH; i++) f.set(total, f.add(f.get(total), wordOf(f, words, i)));
    inclusive(f, shared, f.get(total));
    f.if(f.eq(f.localId(0), f.u32(0)), () => {
      const at = f.add(f.mul(f.groupId(1), f.push("sums")), f.groupId(0));
      f.store(sums, at, f.loadShared(shared, f.u32(SCAN_GROUP - 1)));
    });
  });
}

/**
 * Buffer: sums. Push constants: `count`, sums of a vector; `sums`, words from one vector to the next.
 * Workgroups: vectors along y.
 */
export function scanBlocks(): KernelCode {
  const k = new KernelWriter("scan: blocks", {
    workgroupSize: [SCAN_GROUP, 1, 1],
    push: ["count", "sums"],
  });
  const sums = k.buffer("u32");
  const shared = k.shared(SCAN_GROUP);
  return k.main((f) => {
    const before = f.variable("u32", f.u32(0));
    const count = f.push("count");
    // The bounds are the same for the whole workgroup, which meets at barriers inside.
    f.for(f.u32(0), count, f.u32(SCAN_GROUP), (first) => {
      const i = f.add(first, f.localId(0));
      const at = f.add(f.mul(f.groupId(1), f.push("sums")), i);
      const own = f.variable("u32", f.u32(0));
      f.if(f.lt(i, count), () => f.set(own, f.load(sums, at)));
      const up = inclusive(f, shared, f.get(own));
      f.if(f.lt(i, count), () => {
        f.store(sums, at, f.add(f.get(before), f.sub(up, f.get(own))));
      });
      f.set(before, f.add(f.get(before), f.loadShared(shared, f.u32(SCAN_GROUP - 1))));
      // Nobody writes the next turn's numbers before all have read this one's.
      f.barrier();
    });
  });
}

/** Buffers, push constants and workgroups as `scanSums`. Each invocation changes only words it read. */
export function scanWords(): KernelCode {
  const k = new KernelWriter("scan: words", {
    workgroupSize: [SCAN_GROUP, 1, 1],
    push: ["count", "words", "sums"],
  });
  const [words, sums] = [k.buffer("u32"), k.buffer("u32", "read")];
  const shared = k.shared(SCAN_GROUP);
  return k.main((f) => {
    const own = Array.from({ length: WORDS_EACH }, (_, i) => wordOf(f, words, i));
    const total = own.reduce((sum, word) => f.add(sum, word));
    const up = inclusive(f, shared, total);
    const block = f.load(sums, f.add(f.mul(f.groupId(1), f.push("sums")), f.groupId(0)));
    const next = f.variable("u32", f.add(block, f.sub(up, total)));
    own.forEach((word, i) => {
      f.if(f.lt(placeOf(f, i), f.push("count")), () => {
        f.store(words, f.add(f.mul(f.groupId(1), f.push("words")), placeOf(f, i)), f.get(next));
      });
      f.set(next, f.add(f.get(next), word));
    });
  });
}

/** Where the invocation's i-th word is in its vector. */
function placeOf(f: Code, i: number): U32 {
  return f.add(f.mul(f.globalId(0), f.u32(WORDS_EACH)), f.u32(i));
}

/** The invocation's i-th word; 0 behind the vector's end. */
function wordOf(f: Code, words: Buffer<"u32">, i: number): U32 {
  const word = f.variable("u32", f.u32(0));
  f.if(f.lt(placeOf(f, i), f.push("count")), () => {
    f.set(word, f.load(words, f.add(f.mul(f.groupId(1), f.push("words")), placeOf(f, i))));
  });
  return f.get(word);
}

/**
 * The sum of the values of this invocation and those before it in its workgroup. Then each one's is
 * in `shared`, and all have written. Reads and writes of a step are apart by barriers.
 */
function inclusive(f: Code, shared: Shared, value: U32): U32 {
  const local = f.localId(0);
  f.storeShared(shared, local, value);
  f.barrier();
  for (let distance = 1; distance < SCAN_GROUP; distance *= 2) {
    const below = f.variable("u32", f.u32(0));
    f.if(f.le(f.u32(distance), local), () => {
      f.set(below, f.loadShared(shared, f.sub(local, f.u32(distance))));
    });
    f.barrier();
    f.storeShared(shared, local, f.add(f.loadShared(shared, local), f.get(below)));
    f.barrier();
  }
  return f.loadShared(shared, local);
}
