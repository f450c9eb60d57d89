/**
 * One section of a key's points on its way into memory, piece by piece: infinity is left out, the
 * rest comes into Montgomery form, and the curve's equation is looked at.
 */
import { randomBytes } from "node:crypto";
import { readLE } from "../../field.ts";
import { type Degree, pointSizes } from "../../kernels/curve.ts";
import { curveStateBytes } from "../../kernels/key-points.ts";
import type { KeyMemory } from "./key-memory.ts";

/** Packed points without those at infinity. */
export interface Section {
  readonly points: number;
  /** Address of `count` indices into the section's scalars (u32). */
  readonly map: number;
  readonly count: number;
}

/** Points that go through all steps together, so that they stay in the first two caches. */
const STRETCH_POINTS = 1024;
const LANES = 4;

/** Whether points lie on their curve: all of a call at once (`kernels/key-points.ts`). */
export class CurveEquation {
  readonly #key: KeyMemory;
  readonly #degree: Degree;
  readonly #blocks: number;
  readonly #state: number;
  readonly #integers: number;

  /** Draws the challenge: a number that nobody knew when the key was made. */
  constructor(key: KeyMemory, degree: Degree) {
    const { fq } = key.fields;
    this.#key = key;
    this.#degree = degree;
    this.#blocks = key.take((pointSizes(fq, degree).block * STRETCH_POINTS) / LANES);
    this.#state = key.take(curveStateBytes(fq, degree));
    this.#integers = key.take(32 * LANES);
    const challenge = readLE(randomBytes(32)) % fq.modulus;
    key.fillQuad(this.#state + 32 * fq.limbs * degree, fq, challenge);
  }

  /**
   * @param points  address of packed points; up to three points behind them are overwritten.
   * @param count   1 to STRETCH_POINTS
   */
  holds(points: number, count: number): boolean {
    const { memory, kernels, fields } = this.#key;
    const { packed } = pointSizes(fields.fq, this.#degree);
    const componentBytes = 32 * fields.fq.limbs;
    const bytes = new Uint8Array(memory.buffer);
    for (let i = count; i % LANES !== 0; i++) {
      bytes.copyWithin(points + packed * i, points, points + packed);
    }
    const quads = Math.ceil(count / LANES);
    bytes.fill(0, this.#state, this.#state + componentBytes * this.#degree);
    kernels[`lanes${this.#degree}`](this.#blocks, points, quads);
    kernels[`onCurve${this.#degree}`](this.#blocks, quads, this.#state);
    for (let c = 0; c < this.#degree; c++) {
      kernels.packQ(this.#integers, this.#state + componentBytes * c, LANES);
      const sums = bytes.subarray(this.#integers, this.#integers + 32 * LANES);
      if (sums.some((byte) => byte !== 0)) return false;
    }
    return true;
  }
}

/** Writes one section at the end of a key's region; nothing else may be put there meanwhile. */
export class SectionWriter {
  readonly #key: KeyMemory;
  readonly #degree: Degree;
  readonly #equation: CurveEquation;
  readonly #bytesPerPoint: number;
  readonly #map: number;
  readonly #points: number;
  /** Points so far, without those at infinity. */
  #kept = 0;
  #seen = 0;

  /** @param count  points in the file, infinity included */
  constructor(key: KeyMemory, degree: Degree, count: number, equation: CurveEquation) {
    this.#key = key;
    this.#degree = degree;
    this.#equation = equation;
    this.#bytesPerPoint = pointSizes(key.fields.fq, degree).packed;
    this.#map = key.take(4 * count);
    this.#points = key.region.take(0);
  }

  /**
   * @param bytes  whole points in the file's form
   * @returns false if one of them is not canonical or not on the curve. Then nothing may be added
   *   any more.
   */
  add(bytes: Uint8Array): boolean {
    const stretch = STRETCH_POINTS * this.#bytesPerPoint;
    for (let start = 0; start < bytes.length; start += stretch) {
      if (!this.#addStretch(bytes.subarray(start, start + stretch))) return false;
    }
    return true;
  }

  #addStretch(bytes: Uint8Array): boolean {
    const { memory, kernels } = this.#key;
    const count = bytes.length / this.#bytesPerPoint;
    const at = this.#points + this.#bytesPerPoint * this.#kept;
    this.#key.reach(at + this.#bytesPerPoint * (count + LANES - 1));
    new Uint8Array(memory.buffer).set(bytes, at);
    const map = this.#map + 4 * this.#kept;
    const kept = kernels[`admit${this.#degree}`](at, count, at, map, this.#seen);
    if (kept < 0) return false;
    this.#kept += kept;
    this.#seen += count;
    return kept === 0 || this.#equation.holds(at, kept);
  }

  /** Once all points are there. */
  finish(): Section {
    this.#key.take(this.#bytesPerPoint * this.#kept);
    return { points: this.#points, map: this.#map, count: this.#kept };
  }
}
