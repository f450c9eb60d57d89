/**
 * Sums of points by bucket, out of a list that is sorted by bucket: `accumulateEntries` over affine
 * points, then `accumulatePartials`, level by level, over what that left open.
 *
 * A list has places 0 .. total - 1, each with a bucket and a value; a place may also belong to NOBODY.
 * A run is a stretch of places of one bucket, as long as it can be. A list is in order if each bucket
 * has at most one run. An invocation takes a chunk, `chunk` consecutive places, so that all have the
 * same work however the scalars are; in the chunk it adds up the part of each run that is there:
 *
 *     the run is all in the chunk                  buckets[b] = sum
 *     it begins before the chunk, ends in it       first slot = (b, sum),   the second stays as it is
 *     it begins in the chunk, goes on after it     second slot = (b, sum),  the first stays as it is
 *     it begins before it and goes on after it     first slot = (b, sum), second slot = (b, infinity)
 *
 * The two slots are the chunk's places in the next level's list, and NOBODY's where they stay as they
 * are. Whether a run goes on to the left or right is told by the one place beside the chunk.
 *
 * The next list is in order: a run over chunks t to u > t, and only such a one, leaves the second slot
 * of t (place 2t + 1), both of each chunk in between, and the first of u (place 2u): a stretch without
 * a gap, with the run's sum; the infinity above is there to leave no gap. A bucket therefore has a run
 * in one level after the other until that run lies in one chunk, which is the case at the latest where
 * one chunk has the whole list; there its sum is stored, once, and then there is no run of it any more.
 * A bucket without entries is not stored: buckets begin as infinity (zeros).
 *
 * No races: a bucket's sum is stored by one invocation of one level, a slot by the one invocation that
 * has the chunk, and a level reads one list and writes another. Between levels there is a barrier.
 */
import type { KernelCode } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import type { CurveCode, Sum } from "./curve.ts";
import { ENTRY_WORDS, SIGN_BIT } from "./digits.ts";
import { curveOf, type GroupName } from "./group.ts";
import { KernelWriter } from "./module.ts";
import type { Buffer, U32, Variable } from "./values.ts";

/** Invocations in a workgroup of both kernels: their registers are many, so one that is small. Untuned. */
export const ACCUMULATE_GROUP = 64;
/** The bucket of a place that belongs to none. */
export const NOBODY = 0xffff_ffff;

/**
 * The first level: the places are the entries of `scatterDigits`, and their values points or their
 * opposites. Workgroups: `chunks` invocations along x, proofs along y.
 *
 * Buffers: points (affine, as in a zkey), entries, ends (u32: where each bucket's entries end), then
 * the outputs: buckets (XYZZ), slots' buckets (u32), slots' values (XYZZ).
 *
 * Push constants: chunk, chunks; shortest, wanted (below); buckets: of a proof, so that the last one's
 * end is the list's; words of `ends`, entries, buckets and slots from one proof to the next.
 *
 * Scalars that are mostly 0 give few entries. Chunks are then shorter, so that more invocations share
 * them: as long as `shortest` times the power of two that makes `wanted` chunks suffice, and at most
 * `chunk`. A proof's invocations find the same length, because it follows from the list's total.
 * `chunk` is one of those lengths, and `wanted` is at most `chunks`, so that there are enough chunks.
 */
export function accumulateEntries(group: GroupName): KernelCode {
  const k = new KernelWriter(`accumulate entries in ${group}`, {
    workgroupSize: [ACCUMULATE_GROUP, 1, 1],
    push: [
      ...["chunk", "chunks", "shortest", "wanted"],
      ...["buckets", "endsStride", "entriesStride", ...STRIDES],
    ],
  });
  const curve = curveOf(k, group);
  const { field } = curve;
  const points = k.buffer("u32x4", "read");
  const [entries, ends] = [k.buffer("u32", "read"), k.buffer("u32", "read")];
  const outputs = outputsOf(k);
  return k.main((f) => {
    const proof = f.globalId(1);
    const first = f.mul(proof, f.push("entriesStride"));
    const wordOf = (place: U32, word: number) =>
      f.load(entries, f.add(f.mul(f.add(first, place), f.u32(ENTRY_WORDS)), f.u32(word)));
    const last = f.sub(f.push("buckets"), f.u32(1));
    const total = f.load(ends, f.add(f.mul(proof, f.push("endsStride")), last));
    const chunk = f.variable("u32", f.push("shortest"));
    f.while(
      () => {
        const isLonger = f.lt(f.get(chunk), f.push("chunk"));
        return f.both(isLonger, f.lt(f.mul(f.get(chunk), f.push("wanted")), total));
      },
      () => f.set(chunk, f.shl(f.get(chunk), 1)),
    );
    writeAccumulation(f, curve, outputs, {
      total,
      chunk: f.get(chunk),
      bucketAt: (place) => wordOf(place, 0),
      addTo: (sum, place) => {
        const word = wordOf(place, 1);
        const sign = f.shr(word, SIGN_BIT);
        const { x, y } = curve.loadAffine(f, points, f.xor(word, f.shl(sign, SIGN_BIT)));
        const opposite = field.sub(f, field.zero(f), y);
        const isNegative = f.ne(sign, f.u32(0));
        const signed = y.map((limb, i) => f.select(isNegative, opposite[i] as U32, limb));
        curve.addAffine(f, sum, { x, y: signed });
      },
    });
  });
}

/**
 * A later level: the places are the slots of the one before. Workgroups: `chunks` invocations along x,
 * proofs along y.
 *
 * Buffers: slots' buckets, slots' values, then the outputs as in `accumulateEntries`. Push constants:
 * chunk, chunks; total: places of a proof; places, buckets and slots from one proof to the next.
 */
export function accumulatePartials(group: GroupName): KernelCode {
  const k = new KernelWriter(`accumulate partials in ${group}`, {
    workgroupSize: [ACCUMULATE_GROUP, 1, 1],
    push: ["chunk", "chunks", "total", "placesStride", ...STRIDES],
  });
  const curve = curveOf(k, group);
  const [buckets, values] = [k.buffer("u32", "read"), k.buffer("u32x4", "read")];
  const outputs = outputsOf(k);
  return k.main((f) => {
    const total = f.push("total");
    const first = f.mul(f.globalId(1), f.push("placesStride"));
    writeAccumulation(f, curve, outputs, {
      total,
      chunk: f.push("chunk"),
      bucketAt: (place) => f.load(buckets, f.add(first, place)),
      addTo: (sum, place) => curve.add(f, sum, curve.load(f, values, f.add(first, place))),
    });
  });
}

/** Push constants of both kernels, of what they write. */
const STRIDES = ["bucketsStride", "slotsStride"] as const;

interface List {
  readonly total: U32;
  /** Places of a chunk. */
  readonly chunk: U32;
  /** Of a place below `total`. */
  bucketAt(place: U32): U32;
  /** Adds the value of a place that is not NOBODY's. Called once: the code of an addition is long. */
  addTo(sum: Sum, place: U32): void;
}

interface Outputs {
  readonly sums: Buffer<"u32x4">;
  readonly slotBuckets: Buffer<"u32">;
  readonly slotValues: Buffer<"u32x4">;
}

const outputsOf = (k: KernelWriter): Outputs => ({
  sums: k.buffer("u32x4"),
  slotBuckets: k.buffer("u32"),
  slotValues: k.buffer("u32x4"),
});

/** One chunk of the list, as at the head of this file. */
function writeAccumulation(f: Code, curve: CurveCode, outputs: Outputs, list: List): void {
  const { total } = list;
  const { sums, slotBuckets, slotValues } = outputs;
  const [one, nobody] = [f.u32(1), f.u32(NOBODY)];
  const [chunk, chunks, proof] = [f.globalId(0), f.push("chunks"), f.globalId(1)];
  /** The bucket of a place, also before and behind the list; "before" is -1, the largest u32. */
  const bucketAt = (to: Variable<"u32">, place: U32) => {
    f.set(to, nobody);
    f.if(f.lt(place, total), () => f.set(to, list.bucketAt(place)));
  };
  f.if(f.lt(chunk, chunks), () => {
    const begin = f.mul(chunk, list.chunk);
    const behind = f.add(begin, list.chunk);
    const end = f.select(f.lt(behind, total), behind, total);
    const firstSlot = f.add(f.mul(proof, f.push("slotsStride")), f.shl(chunk, 1));
    const secondSlot = f.add(firstSlot, one);
    const [before, current, next] = [f.variable("u32"), f.variable("u32"), f.variable("u32")];
    bucketAt(before, f.sub(begin, one));
    bucketAt(current, begin);
    const slots = [f.variable("u32", nobody), f.variable("u32", nobody)] as const;
    const sum = curve.sum(f);
    f.for(
      begin,
      end,
      one,
      (place) => {
        const bucket = f.get(current);
        const isSomebody = f.ne(bucket, nobody);
        f.if(isSomebody, () => list.addTo(sum, place));
        bucketAt(next, f.add(place, one));
        const isLast = f.eq(f.add(place, one), end);
        const goesOn = f.eq(f.get(next), bucket);
        f.if(f.both(isSomebody, f.either(isLast, f.not(goesOn))), () => {
          const point = curve.get(f, sum);
          // The run goes on, so that this is the chunk's last place.
          const isOpen = goesOn;
          const wasOpen = f.eq(f.get(before), bucket);
          f.if(
            f.either(isOpen, wasOpen),
            () => {
              const slot = f.select(wasOpen, firstSlot, secondSlot);
              curve.store(f, slotValues, slot, point);
              f.if(wasOpen, () => f.set(slots[0], bucket));
              f.if(isOpen, () => f.set(slots[1], bucket));
              f.if(f.both(isOpen, wasOpen), () => {
                curve.store(f, slotValues, secondSlot, curve.infinity(f));
              });
            },
            () => curve.store(f, sums, f.add(f.mul(proof, f.push("bucketsStride")), bucket), point),
          );
          curve.clear(f, sum);
        });
        f.set(current, f.get(next));
      },
      false,
    );
    f.store(slotBuckets, firstSlot, f.get(slots[0]));
    f.store(slotBuckets, secondSlot, f.get(slots[1]));
  });
}
