/** A request of sums, apart into what needs the key and what does not. */
import type { G1Point, G2Point } from "../curve.ts";
import type { G1Term, G2Term, SumRequest, Sums } from "../engine.ts";
import type { Tower } from "../kernels/tower.ts";

/** A point that is given, or the one of this number among the sums of sections; and its factor. */
interface Part<Point> {
  readonly point: Point | number;
  readonly factor: bigint;
}

/** For each sum of the request its parts. */
export interface Parts {
  readonly g1: readonly (readonly Part<G1Point>[])[];
  readonly g2: readonly (readonly Part<G2Point>[])[];
}

/**
 * Sums of sections without factors, as few as possible: the sections of one sum that have no factor
 * stay together.
 */
export function split(request: SumRequest): {
  readonly sections: SumRequest;
  readonly parts: Parts;
} {
  const inG1: G1Term[][] = [];
  const inG2: G2Term[][] = [];
  const g1 = request.g1.map((terms) => partsOf<G1Term, G1Point>(terms, inG1));
  const g2 = request.g2.map((terms) => partsOf<G2Term, G2Point>(terms, inG2));
  return { sections: { g1: inG1, g2: inG2 }, parts: { g1, g2 } };
}

/** The sums that were asked for. */
export function joined(tower: Tower, { g1, g2 }: Parts, sections: Sums): Sums {
  return {
    g1: g1.map((parts) => tower.sumOfMultiplesG1(withPoints(parts, sections.g1))),
    g2: g2.map((parts) => tower.sumOfMultiplesG2(withPoints(parts, sections.g2))),
  };
}

function partsOf<Term extends G1Term | G2Term, Point>(
  terms: readonly Term[],
  lists: Term[][],
): Part<Point>[] {
  const parts: Part<Point>[] = [];
  const plain: Term[] = [];
  for (const term of terms) {
    const { factor = 1n } = term;
    if ("point" in term) {
      parts.push({ point: term.point as unknown as Point, factor });
    } else if (factor === 1n) {
      plain.push(term);
    } else {
      parts.push({ point: lists.length, factor });
      const { factor: _, ...bare } = term;
      lists.push([bare as Term]);
    }
  }
  if (plain.length > 0) {
    parts.push({ point: lists.length, factor: 1n });
    lists.push(plain);
  }
  return parts;
}

function withPoints<Point>(
  parts: readonly Part<Point>[],
  sums: readonly Point[],
): { point: Point; factor: bigint }[] {
  return parts.map(({ point, factor }) => ({
    point: typeof point === "number" ? (sums[point] as Point) : (point as Point),
    factor,
  }));
}
