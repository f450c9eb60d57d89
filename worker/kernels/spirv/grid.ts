/**
 * How kernels over many items number their workgroups: along x first, then along z, because a device
 * need not take more than 65,535 in one direction. y is left for what is done several times side by
 * side, such as the proofs of a batch.
 */
import type { Size3 } from "../../gpu/device.ts";
import type { Code } from "./code.ts";
import type { U32 } from "./values.ts";

/** Workgroups in a row along x, log2, if there is more than one row. */
const ROW_LOG2 = 15;

/**
 * The workgroups of a dispatch. The last row may have some with nothing to do: a kernel compares its
 * item with their count.
 *
 * @param groups  at least 1, below 2^30.
 * @param sides  how many times side by side, at most 65,535.
 */
export function gridOf(groups: number, sides = 1): Size3 {
  const row = 2 ** ROW_LOG2;
  return groups <= row ? [groups, sides, 1] : [row, sides, Math.ceil(groups / row)];
}

/** The workgroup's number in a grid of `gridOf`. */
export function groupNumber(f: Code): U32 {
  return f.add(f.shl(f.groupId(2), ROW_LOG2), f.groupId(0));
}

/** The number of an invocation, where a workgroup has `size` of them along x only. */
export function itemNumber(f: Code, size: number): U32 {
  return f.add(f.mul(groupNumber(f), f.u32(size)), f.localId(0));
}
