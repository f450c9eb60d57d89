/**
 * A proving key as the kernels want it, in one shared memory for all threads.
 *
 *     constants of the kernels | sections of points, each with its indices | coefficients | tables | slots
 *
 * Points at infinity are left out; what is kept has an index into the scalars. Everything here is
 * plain data, to be posted to other threads together with the memory.
 */
import { COEFFICIENT_BYTES, G1_BYTES, G2_BYTES, type Zkey, type ZkeyCounts } from "../../zkey.ts";
import type { CompiledKernels } from "./kernels.ts";
import { CoefficientWriter } from "./key-coefficients.ts";
import { KeyMemory } from "./key-memory.ts";
import { type Section, SectionWriter } from "./key-points.ts";
import { MIN_DOMAIN, type QuotientKey, TableWriter, takeTables } from "./quotient.ts";

/** Sections of points, as the engine names them. */
export const SECTION_NAMES = ["a", "b1", "c", "h", "b2"] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

export interface SharedKey {
  readonly memory: WebAssembly.Memory;
  readonly kernels: CompiledKernels;
  readonly nVars: number;
  readonly nPublic: number;
  readonly domain: number;
  readonly sections: Readonly<Record<SectionName, Section>>;
  /** Undefined for domains too small for the transforms. */
  readonly quotient: QuotientKey | undefined;
  /** For those domains: the coefficients as in a key's file. */
  readonly tinyCoefficients: Uint8Array | undefined;
  /** The first address behind the key, a multiple of 64: slots begin here (`arena.ts`). */
  readonly end: number;
  /** Bytes of one slot, a multiple of 64. */
  readonly slotBytes: number;
}

export type KeyWithoutSlots = Omit<SharedKey, "slotBytes">;

/** A key whose domain is too small for the kernels keeps its coefficients as they are. */
export function isTiny({ domainSize }: ZkeyCounts): boolean {
  return domainSize < MIN_DOMAIN;
}

/** What remains once sections and coefficients are in memory: the transforms' tables. */
export function finishKey(
  key: KeyMemory,
  compiled: CompiledKernels,
  counts: ZkeyCounts,
  sections: SharedKey["sections"],
  coefficients: Pick<QuotientKey, "coefficients" | "matrices"> | Uint8Array,
): KeyWithoutSlots {
  const { nVars, nPublic, domainSize: domain } = counts;
  const isRaw = coefficients instanceof Uint8Array;
  let quotient: QuotientKey | undefined;
  if (!isRaw) {
    const { fr } = key.fields;
    const tables = takeTables(key.region, fr, domain);
    key.reach(key.region.end);
    new TableWriter(key.kernels, key.memory, fr, key.factor).write(tables, domain);
    quotient = { domain, tables, ...coefficients };
  }
  return {
    memory: key.memory,
    kernels: compiled,
    nVars,
    nPublic,
    domain,
    sections,
    quotient,
    tinyCoefficients: isRaw ? coefficients : undefined,
    end: key.region.take(0),
  };
}

/** A checked key that is in memory as a whole: points are taken to be what they should. */
export function writeKey(compiled: CompiledKernels, zkey: Zkey): KeyWithoutSlots {
  const key = new KeyMemory(compiled);
  const section = (name: SectionName): Section => {
    const points = zkey[name];
    const [degree, size] = name === "b2" ? ([2, G2_BYTES] as const) : ([1, G1_BYTES] as const);
    const writer = new SectionWriter(key, degree, points.length / size);
    if (!writer.add(points)) throw new RangeError(`section ${name} was not checked`);
    return writer.finish();
  };
  const sections = {
    a: section("a"),
    b1: section("b1"),
    c: section("c"),
    h: section("h"),
    b2: section("b2"),
  };
  // A copy of their own: at a multiple of 4, and nobody else's to change.
  const entries = zkey.coefficients.slice();
  if (isTiny(zkey)) return finishKey(key, compiled, zkey, sections, entries);
  const writer = new CoefficientWriter(key, zkey, entries.length / COEFFICIENT_BYTES);
  if (!writer.add(entries)) throw new RangeError("coefficients were not checked");
  return finishKey(key, compiled, zkey, sections, writer.finish());
}
