/**
 * From what a device leaves of a sum of scalar * point to the point: some 64 additions and 254
 * doublings, on the processor, for each chunk of a section and each proof. Plain data in, so that any
 * thread may do it.
 */
import type { G1Point, G2Point } from "../../curve.ts";
import type { GroupName } from "../../kernels/spirv/group.ts";
import { SEGMENT_BITS } from "../../kernels/spirv/reduce.ts";
import type { Tower } from "../../kernels/tower.ts";
import { xyzzBytes } from "./msm-plan.ts";

/** Where the results of one section are: the sum is that of its parts, and infinity without any. */
export interface SectionResults {
  readonly group: GroupName;
  readonly parts: readonly PartResults[];
}

/**
 * For each proof, from `offset` on and `stride` bytes apart, 1 + rows times `windows` points in XYZZ
 * coordinates. The points after the first `windows` ones count: the one of row r = 0, 1, ... and
 * window w counts 2^(bits w + SEGMENT_BITS r) times.
 */
export interface PartResults {
  readonly bits: number;
  readonly windows: number;
  readonly rows: number;
  readonly offset: number;
  readonly stride: number;
}

export function tailG1(
  tower: Tower,
  section: SectionResults,
  results: Uint8Array,
  proof: number,
): G1Point {
  return withLists("g1", section, results, proof, (lists) => tower.hornerXyzzG1(lists, 1));
}

export function tailG2(
  tower: Tower,
  section: SectionResults,
  results: Uint8Array,
  proof: number,
): G2Point {
  return withLists("g2", section, results, proof, (lists) => tower.hornerXyzzG2(lists, 1));
}

/** Lists with a point for each power of two; wiped afterwards. @throws RangeError for the other group. */
function withLists<T>(
  expected: GroupName,
  { group, parts }: SectionResults,
  results: Uint8Array,
  proof: number,
  use: (lists: readonly Uint8Array[]) => T,
): T {
  if (group !== expected) throw new RangeError(`got a section in ${group}, expected ${expected}`);
  const size = xyzzBytes(group);
  const lists = parts.map(({ bits, windows, rows, offset, stride }) => {
    const powers = bits * (windows - 1) + SEGMENT_BITS * (rows - 1) + 1;
    const list = new Uint8Array(size * powers);
    for (let row = 0; row < rows; row++) {
      for (let window = 0; window < windows; window++) {
        const from = offset + stride * proof + size * (windows * (row + 1) + window);
        // No two come to the same place: rows have less than a window's bits in all.
        const to = size * (bits * window + SEGMENT_BITS * row);
        list.set(results.subarray(from, from + size), to);
      }
    }
    return list;
  });
  try {
    return use(lists);
  } finally {
    for (const list of lists) list.fill(0);
  }
}
