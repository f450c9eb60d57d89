import { describe, expect, it } from "vitest";
import { G1, G2 } from "../../../../worker/curve.ts";
import { planMsm, resultBytes } from "../../../../worker/engines/gpu/msm-plan.ts";
import {
  type PartResults,
  type SectionResults,
  tailG1,
  tailG2,
} from "../../../../worker/engines/gpu/msm-tail.ts";
import { BASE_FIELD, SCALAR_FIELD } from "../../../../worker/field.ts";
import { SEGMENT_BITS } from "../../../../worker/kernels/spirv/reduce.ts";
import { Tower } from "../../../../worker/kernels/tower.ts";
import { bytesOf } from "../../gpu/device-fixture.ts";
import { IN_G1, IN_G2, type PointCodec } from "../../kernels/spirv/point-codec.ts";
import { randomsBelow } from "../../kernels/spirv/random.ts";

const tower = Tower.open();
const LIMITS = { bindingBytes: 2 ** 27, workgroupCount: [65_535, 65_535, 65_535] as const };
const PROOFS = 2;

/** Results of plans of some sizes, and what they come to for each proof. */
function sampleOf<T>(codec: PointCodec<T>, counts: readonly number[]) {
  const { name, group, element, xyzz, encoded } = codec;
  const expected = new Array<bigint>(PROOFS).fill(0n);
  const known = randomsBelow(SCALAR_FIELD, 12, "tail").map((log, i) => {
    const least = i === 3 ? 0n : log;
    return { log: least, point: group.multiply(group.generator, least) };
  });
  const [z] = randomsBelow(BASE_FIELD, 1, "depth") as [bigint];
  const parts: PartResults[] = [];
  const bytes: Uint8Array[] = [];
  let offset = 0;
  for (const count of counts) {
    const plan = planMsm({ group: name, count }, 1, LIMITS);
    const { bits, windows, reductions } = plan;
    const rows = reductions.length;
    const stride = resultBytes(plan);
    parts.push({ bits, windows, rows, offset, stride });
    for (let proof = 0; proof < PROOFS; proof++) {
      const choice = Array.from(
        { length: (rows + 1) * windows },
        (_, i) => known[(5 * i + proof + count) % 12] as (typeof known)[number],
      );
      const own = new Uint8Array(stride);
      own.set(bytesOf(encoded(choice.flatMap(({ point }) => xyzz(point, element(z, 7n))))));
      bytes.push(own);
      choice.forEach(({ log }, i) => {
        const [row, window] = [Math.floor(i / windows), i % windows];
        // The first row has the factor 0.
        if (row === 0) return;
        const power = BigInt(bits * window + SEGMENT_BITS * (row - 1));
        expected[proof] = (expected[proof] as bigint) + (log << power);
      });
    }
    offset += PROOFS * stride;
  }
  const section: SectionResults = { group: name, parts };
  return {
    section,
    results: new Uint8Array(Buffer.concat(bytes)),
    points: expected.map((log) => group.multiply(group.generator, log % SCALAR_FIELD)),
  };
}

describe("worker / engines / gpu / msm-tail", () => {
  it("adds up the results of a section's parts for each proof", () => {
    for (const counts of [[1], [5], [1000], [3, 1 << 14, 1]]) {
      const inG1 = sampleOf(IN_G1, counts);
      const inG2 = sampleOf(IN_G2, counts);
      for (let proof = 0; proof < PROOFS; proof++) {
        const name = `parts of ${counts}, proof ${proof}`;
        expect(tailG1(tower, inG1.section, inG1.results, proof), name).toEqual(inG1.points[proof]);
        expect(tailG2(tower, inG2.section, inG2.results, proof), name).toEqual(inG2.points[proof]);
      }
    }
  });

  it("gives infinity for a section without points", () => {
    const none = new Uint8Array(0);
    expect(tailG1(tower, { group: "g1", parts: [] }, none, 0)).toEqual(G1.infinity);
    expect(tailG2(tower, { group: "g2", parts: [] }, none, 0)).toEqual(G2.infinity);
  });

  it("refuses the other group's section", () => {
    const none = new Uint8Array(0);
    expect(() => tailG1(tower, { group: "g2", parts: [] }, none, 0)).toThrow(RangeError);
    expect(() => tailG2(tower, { group: "g1", parts: [] }, none, 0)).toThrow(RangeError);
  });
});
