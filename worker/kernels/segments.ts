/**
 * Work lists over sorted entries (`entries.ts`): pairs to add, points to collect.
 *
 * A *segment* is the run of entries of one bucket. Its sum is taken in rounds, each of which adds its
 * entries two by two; segments of one size can be put side by side, so that the pairs of a round lie
 * in rows (ADR 0021).
 */
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32, i64, type Local, select } from "./instructions.ts";
import { type KernelWriter, LIMB_STRIDE } from "./vector-field.ts";

export function writeSegmentKernels({ module }: KernelWriter): void {
  /**
   * pairs(entries, starts, segments, list, nextEntries, nextStarts, lanes, block) -> pairs.
   *
   * Takes the entries of each segment two by two: pairs go to `list`; the lane where the pair's sum
   * will be (lanes are counted from the block at `lanes`), or the entry left over, goes to
   * `nextEntries`, and where segments start there to `nextStarts`. `starts` has segments + 1 values,
   * as has `nextStarts`.
   *
   * firstPairs(..., singles, singleLanes) is the same for packed entries: an entry left over must
   * become a lane, too, so it goes to the list `singles`, and its lane (counted from the block at
   * `singleLanes`) to `nextEntries`. nextStarts' last value minus the pairs is their number.
   */
  const commonParameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  const writePairs = (
    f: FunctionWriter,
    common: readonly Local<"i32">[],
    leaveOver: (entry: Expr<"i32">) => Expr<"i32">,
  ) => {
    const [entries, starts, segments, list, next, nextStarts, lanes, block] = common as Eight;
    const entry = f.local("i32");
    const end = f.local("i32");
    const nextBase = f.local("i32");
    const listBase = f.local("i32");
    f.set(nextBase, next);
    f.set(listBase, list);
    const word = (index: Expr<"i32">) => i32.add(entries, i32.shl(index, i32.const(2)));
    const written = () => i32.shrU(i32.sub(next, nextBase), i32.const(2));
    f.loop(
      () => {
        f.do(i32.store(nextStarts, written()));
        f.set(entry, word(i32.load(starts)));
        f.set(end, word(i32.load(starts, 4)));
        f.while(
          () => i32.ltU(i32.add(entry, i32.const(4)), end),
          () => {
            f.do(i64.store(list, i64.load(entry)), i32.store(next, lanes));
            advanceLane(f, lanes, block);
            f.advance(list, 8);
            f.advance(next, 4);
            f.advance(entry, 8);
          },
        );
        f.if(i32.ltU(entry, end), () => {
          f.do(i32.store(next, leaveOver(i32.load(entry))));
          f.advance(next, 4);
        });
        f.advance(starts, 4);
        f.advance(nextStarts, 4);
        f.advance(segments, -1);
      },
      () => segments,
    );
    f.do(i32.store(nextStarts, written()));
    f.result(i32.shrU(i32.sub(list, listBase), i32.const(3)));
  };
  module.define("pairs", commonParameters, ["i32"], (f, ...common) => {
    writePairs(f, common, (entry) => entry);
  });
  module.define(
    "firstPairs",
    [...commonParameters, "i32", "i32"],
    ["i32"],
    (f, a, b, c, d, e, g, h, block, singles, singleLanes) => {
      const lane = f.local("i32");
      writePairs(f, [a, b, c, d, e, g, h, block], (entry) => {
        f.do(i32.store(singles, entry));
        f.advance(singles, 4);
        f.set(lane, singleLanes);
        advanceLane(f, singleLanes, block);
        return lane;
      });
    },
  );

  /** countSizes(starts, segments, counts, most): counts[min(entries of a segment, most)]++ (u32). */
  module.define(
    "countSizes",
    ["i32", "i32", "i32", "i32"],
    [],
    (f, starts, segments, counts, most) => {
      const size = f.local("i32");
      f.loop(
        () => {
          f.set(size, i32.sub(i32.load(starts, 4), i32.load(starts)));
          f.set(size, select(i32.ltU(size, most), size, most));
          f.set(size, i32.add(counts, i32.shl(size, i32.const(2))));
          f.do(i32.store(size, i32.add(i32.load(size), i32.const(1))));
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
    },
  );

  /** placeSegments(starts, segments, counts, most, order): numbers of segments, sorted by size. */
  module.define(
    "placeSegments",
    ["i32", "i32", "i32", "i32", "i32"],
    [],
    (f, starts, segments, counts, most, order) => {
      const size = f.local("i32");
      const at = f.local("i32");
      const segment = f.local("i32");
      f.loop(
        () => {
          f.set(size, i32.sub(i32.load(starts, 4), i32.load(starts)));
          f.set(size, select(i32.ltU(size, most), size, most));
          f.set(size, i32.add(counts, i32.shl(size, i32.const(2))));
          f.set(at, i32.load(size));
          f.do(i32.store(size, i32.add(at, i32.const(1))));
          f.do(i32.store(i32.add(order, i32.shl(at, i32.const(2))), segment));
          f.advance(segment, 1);
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
    },
  );

  /**
   * rowPairs(order, starts, entries, quads, size, list, singles): for 4 * quads segments of `size`
   * entries each, the pairs of entries 2 j and 2 j + 1 of all segments, then those of j + 1; lane by
   * lane the segments in their order. The last entry of an odd size goes to `singles`.
   */
  module.define(
    "rowPairs",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    [],
    (f, order, starts, entries, quads, size, list, singles) => {
      const left = f.local("i32");
      const entry = f.local("i32");
      const to = f.local("i32");
      const pairs = f.local("i32");
      const stride = f.local("i32");
      f.set(left, i32.shl(quads, i32.const(2)));
      f.set(stride, i32.shl(quads, i32.const(5)));
      f.loop(
        () => {
          const start = i32.load(i32.add(starts, i32.shl(i32.load(order), i32.const(2))));
          f.set(entry, i32.add(entries, i32.shl(start, i32.const(2))));
          f.set(to, list);
          f.set(pairs, i32.shrU(size, i32.const(1)));
          f.while(
            () => pairs,
            () => {
              f.do(i64.store(to, i64.load(entry)));
              f.set(to, i32.add(to, stride));
              f.advance(entry, 8);
              f.advance(pairs, -1);
            },
          );
          f.if(i32.and(size, i32.const(1)), () => {
            f.do(i32.store(singles, i32.load(entry)));
            f.advance(singles, 4);
          });
          f.advance(order, 4);
          f.advance(list, 8);
          f.advance(left, -1);
        },
        () => left,
      );
    },
  );

  /**
   * collect(entries, starts, segments, results, lanes, block, limbs) -> the next free lane. For each
   * segment: results[i] = 0 if it is empty, else the lane to which the point of its only entry was
   * copied. A point is `limbs` x 8 bytes, 32 bytes apart.
   */
  module.define(
    "collect",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    ["i32"],
    (f, entries, starts, segments, results, lanes, block, limbs) => {
      const from = f.local("i32");
      const to = f.local("i32");
      const left = f.local("i32");
      f.loop(
        () => {
          f.set(to, i32.const(0));
          f.if(i32.ltU(i32.load(starts), i32.load(starts, 4)), () => {
            f.set(from, i32.load(i32.add(entries, i32.shl(i32.load(starts), i32.const(2)))));
            f.set(to, lanes);
            f.set(left, limbs);
            f.loop(
              () => {
                f.do(i64.store(to, i64.load(from)));
                f.advance(to, LIMB_STRIDE);
                f.advance(from, LIMB_STRIDE);
                f.advance(left, -1);
              },
              () => left,
            );
            f.set(to, lanes);
            advanceLane(f, lanes, block);
          });
          f.do(i32.store(results, to));
          f.advance(results, 4);
          f.advance(starts, 4);
          f.advance(segments, -1);
        },
        () => segments,
      );
      f.result(lanes);
    },
  );
}

type Eight = readonly [
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
  Local<"i32">,
];

/**
 * The next lane: 8 bytes on, and after four of them in the next block. Blocks are multiples of 64 B
 * and start at multiples of 64, so that bits 3 and 4 of an address are the lane's number.
 */
function advanceLane(f: FunctionWriter, lane: Local<"i32">, block: Local<"i32">): void {
  const isLast = i32.eq(i32.and(lane, i32.const(24)), i32.const(24));
  f.set(lane, i32.add(lane, select(isLast, i32.sub(block, i32.const(24)), i32.const(8))));
}
