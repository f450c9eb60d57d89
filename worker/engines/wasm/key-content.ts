/** The long sections of a key on their way from its file into memory. */
import { WorkError } from "../../errors.ts";
import {
  COEFFICIENT_BYTES,
  checkCoefficients,
  checkPoints,
  G1_BYTES,
  G2_BYTES,
  type ZkeyCounts,
} from "../../zkey.ts";
import type { CompiledKernels } from "./kernels.ts";
import { CoefficientWriter } from "./key-coefficients.ts";
import { KeyMemory } from "./key-memory.ts";
import { CurveEquation, type Section, SectionWriter } from "./key-points.ts";
import { MIN_DOMAIN, type QuotientKey, TableWriter, takeTables } from "./quotient.ts";
import { checkAddressable } from "./region.ts";

/** Sections of points. */
export const SECTION_NAMES = ["a", "b1", "c", "h", "b2"] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

/** Where everything of a key is in its memory. */
export interface KeyPlaces {
  readonly sections: Readonly<Record<SectionName, Section>>;
  /** Undefined for domains too small for the transforms. */
  readonly quotient: QuotientKey | undefined;
  /** For those domains: the coefficients as in a key's file. */
  readonly tinyCoefficients: Uint8Array | undefined;
  /** The first address behind the key, a multiple of 64. */
  readonly end: number;
}

/** Bytes of a point in the file. */
export function pointBytes(name: SectionName): number {
  return name === "b2" ? G2_BYTES : G1_BYTES;
}

/**
 * Takes the sections one after the other, in any order, each in pieces from its beginning to its end.
 * What does not throw is checked: indices, ranges, and points on their curves.
 */
export class KeyContent {
  readonly memory: KeyMemory;
  readonly #counts: ZkeyCounts;
  readonly #equations: readonly [CurveEquation, CurveEquation];
  readonly #sections: Partial<Record<SectionName, Section>> = {};
  #points: SectionWriter | undefined;
  #coefficients: CoefficientWriter | undefined;
  #quotient: Pick<QuotientKey, "coefficients" | "matrices"> | undefined;
  readonly #tiny: Uint8Array[] = [];

  /** @throws WorkError KEY_REFUSED if even the shortest sections would not fit. */
  constructor(compiled: CompiledKernels, counts: ZkeyCounts) {
    this.memory = new KeyMemory(compiled);
    this.#counts = counts;
    // Three tables and three polynomials; a proof's scalars.
    const { limbs } = this.memory.fields.fr;
    checkAddressable(6 * 8 * limbs * counts.domainSize + 32 * 3 * counts.nVars);
    this.#equations = [new CurveEquation(this.memory, 1), new CurveEquation(this.memory, 2)];
  }

  /**
   * @param bytes  whole points in the file's form
   * @param first  number of the first one
   * @throws WorkError KEY_MALFORMED, KEY_REFUSED
   */
  takePoints(name: SectionName, bytes: Uint8Array, first: number): void {
    const degree = name === "b2" ? 2 : 1;
    const count = this.#pointCount(name);
    const equation = this.#equations[degree - 1] as CurveEquation;
    if (first === 0) this.#points = new SectionWriter(this.memory, degree, count, equation);
    const writer = this.#points as SectionWriter;
    if (!writer.add(bytes)) {
      checkPoints(bytes, degree === 2 ? "G2" : "G1", `section ${name.toUpperCase()}`, first);
      throw disagreement("points");
    }
    if (first + bytes.length / pointBytes(name) === count) this.#sections[name] = writer.finish();
  }

  /**
   * @param bytes  whole entries, at an address that is a multiple of 4
   * @param first  number of the first one
   * @param count  how many there are in all
   * @throws WorkError KEY_MALFORMED, KEY_REFUSED
   */
  takeCoefficients(bytes: Uint8Array, first: number, count: number): void {
    if (this.#counts.domainSize < MIN_DOMAIN) {
      checkCoefficients(bytes, this.#counts, first);
      this.#tiny.push(bytes.slice());
      return;
    }
    if (first === 0) this.#coefficients = new CoefficientWriter(this.memory, this.#counts, count);
    const writer = this.#coefficients as CoefficientWriter;
    if (!writer.add(bytes)) {
      checkCoefficients(bytes, this.#counts, first);
      throw disagreement("coefficients");
    }
    if (first + bytes.length / COEFFICIENT_BYTES === count) {
      this.#quotient = writer.finish();
      this.#coefficients = undefined;
    }
  }

  /** Once all sections are there: writes the transforms' tables. @throws WorkError KEY_REFUSED */
  finish(): KeyPlaces {
    const { a, b1, c, h, b2 } = this.#sections;
    // A section without points has no piece.
    const empty = { points: this.memory.region.take(0), map: this.memory.region.take(0), count: 0 };
    const sections = {
      a: a ?? empty,
      b1: b1 ?? empty,
      c: c ?? empty,
      h: h ?? empty,
      b2: b2 ?? empty,
    };
    const isTiny = this.#counts.domainSize < MIN_DOMAIN;
    const quotient = isTiny ? undefined : this.#finishQuotient();
    const tinyCoefficients = isTiny ? new Uint8Array(Buffer.concat(this.#tiny)) : undefined;
    return { sections, quotient, tinyCoefficients, end: this.memory.take(0) };
  }

  #finishQuotient(): QuotientKey {
    const { memory, region, kernels, fields, factor } = this.memory;
    const { domainSize: domain } = this.#counts;
    const lists = this.#quotient ?? new CoefficientWriter(this.memory, this.#counts, 0).finish();
    const tables = takeTables(region, fields.fr, domain);
    this.memory.reach(region.end);
    new TableWriter(kernels, memory, fields.fr, factor).write(tables, domain);
    return { domain, tables, ...lists };
  }

  #pointCount(name: SectionName): number {
    const { nVars, nPublic, domainSize } = this.#counts;
    if (name === "c") return nVars - nPublic - 1;
    return name === "h" ? domainSize : nVars;
  }
}

function disagreement(what: string): WorkError {
  return new WorkError(
    "ENGINE_UNAVAILABLE",
    `the kernels refuse a key's ${what} that are as they should be: use other kernels, and report this`,
  );
}
