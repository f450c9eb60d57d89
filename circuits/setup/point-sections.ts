import { MAX_POINTS } from "../../worker/engines/wasm/fixed-base.ts";
import { ELEMENT_BYTES } from "../../worker/field.ts";
import type { Degree } from "../../worker/kernels/curve.ts";
import type { R1cs } from "../../worker/r1cs.ts";
import { G1_BYTES, ZKEY_SECTION } from "../../worker/zkey.ts";
import { domainLog2, type KeyScalars } from "./evaluation.ts";
import type { PointTask } from "./memory.ts";
import type { SectionWriter } from "./section-file.ts";

/** One of a key's long lists of points: multiples of a generator by consecutive scalars. */
export interface PointSection {
  readonly name: "h" | "a" | "b2" | "b1" | "c" | "ic";
  readonly needs: keyof KeyScalars;
  readonly degree: Degree;
  /** Address of the first folded scalar. */
  readonly scalars: number;
  readonly count: number;
}

/** The sections of a circuit's key, in the order in which their scalars come. */
export function pointSections(r1cs: R1cs, scalars: KeyScalars): readonly PointSection[] {
  const { nWires, nPublic } = r1cs;
  const { h, a, b, c, publicInputs } = scalars;
  const count = nWires;
  return [
    { name: "h", needs: "h", degree: 1, scalars: h, count: 2 ** domainLog2(r1cs) },
    { name: "a", needs: "a", degree: 1, scalars: a, count },
    { name: "b2", needs: "b", degree: 2, scalars: b, count },
    { name: "b1", needs: "b", degree: 1, scalars: b, count },
    {
      name: "c",
      needs: "c",
      degree: 1,
      scalars: c + ELEMENT_BYTES * (nPublic + 1),
      count: nWires - nPublic - 1,
    },
    { name: "ic", needs: "publicInputs", degree: 1, scalars: publicInputs, count: nPublic + 1 },
  ];
}

/** A section's points in tasks of about 10 ms in G1: progress moves, and threads end together. */
export function pointTasks(section: PointSection, file: SectionWriter): PointTask[] {
  const { name, degree, scalars, count } = section;
  const position = file.offsetOf(ZKEY_SECTION[name]);
  const tasks: PointTask[] = [];
  for (let first = 0; first < count; first += MAX_POINTS) {
    tasks.push({
      degree,
      scalars: scalars + ELEMENT_BYTES * first,
      count: Math.min(MAX_POINTS, count - first),
      position: position + G1_BYTES * degree * first,
    });
  }
  return tasks;
}
