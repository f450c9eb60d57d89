/** One proof's work on a device: sections' sums from there, factors and single points here. */
import type { G1Point, G2Point } from "../../curve.ts";
import type { Checkpoint, G1Term, G2Term, ProofRun, SumRequest, Sums } from "../../engine.ts";
import type { Tower } from "../../kernels/tower.ts";
import { type DeviceSums, pointsOf, SECTIONS, type SectionName, wipeSums } from "./device-key.ts";

/** How often a run looks whether to stop while it waits for the device, in milliseconds. */
const LOOK_MS = 50;

type Points = ReturnType<typeof pointsOf>;

/** Sums of sections, when their turn has come. */
export type Device = (
  witness: Uint8Array,
  sections: readonly SectionName[],
  signal: AbortSignal,
  onProgress: (done: number) => void,
) => { readonly result: Promise<DeviceSums>; readonly left: Promise<void> };

export class GpuRun implements ProofRun {
  readonly #witness: Uint8Array;
  readonly #device: Device;
  readonly #tower: Tower;
  readonly #onEnd: () => void;
  /** Fulfilled when the device does not use the witness any more. */
  #left: Promise<void> = Promise.resolve();
  #isOpen = true;

  constructor(witness: Uint8Array, device: Device, tower: Tower, onEnd: () => void) {
    this.#witness = witness;
    this.#device = device;
    this.#tower = tower;
    this.#onEnd = onEnd;
  }

  async sums({ g1, g2 }: SumRequest, checkpoint: Checkpoint): Promise<Sums> {
    const sections = SECTIONS.filter((name) =>
      [...g1, ...g2].some((terms: readonly (G1Term | G2Term)[]) =>
        terms.some((term) => "section" in term && term.section === name),
      ),
    );
    checkpoint(0);
    const sums = sections.length === 0 ? {} : await this.#ask(sections, checkpoint);
    checkpoint(1);
    const tower = this.#tower;
    return {
      g1: g1.map((terms) => tower.sumOfMultiplesG1(termsOf<G1Point>(terms, sums))),
      g2: g2.map((terms) => tower.sumOfMultiplesG2(termsOf<G2Point>(terms, sums))),
    };
  }

  async end(): Promise<void> {
    await this.#left;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onEnd();
  }

  /** Looks at the checkpoint while it waits, and lets its error through. */
  async #ask(sections: readonly SectionName[], checkpoint: Checkpoint): Promise<Points> {
    const stop = new AbortController();
    let done = 0;
    const timer = setInterval(() => {
      try {
        checkpoint(done);
      } catch (error) {
        clearInterval(timer);
        stop.abort(error);
      }
    }, LOOK_MS);
    try {
      const { result, left } = this.#device(this.#witness, sections, stop.signal, (part) => {
        done = part;
      });
      this.#left = left;
      const sums = await result;
      try {
        return pointsOf(sums, this.#tower);
      } finally {
        wipeSums(sums);
      }
    } finally {
      clearInterval(timer);
    }
  }
}

function termsOf<Point>(
  terms: readonly (G1Term | G2Term)[],
  sums: Points,
): { point: Point; factor: bigint }[] {
  return terms.map((term) => {
    const point = "point" in term ? term.point : sums[term.section];
    return { point: point as Point, factor: term.factor ?? 1n };
  });
}
