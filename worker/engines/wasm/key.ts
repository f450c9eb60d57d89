/**
 * A proving key as the kernels want it, in one shared memory for all threads.
 *
 *     constants of the kernels | sections of points, each with its indices | coefficients | tables | slots
 *
 * Points at infinity are left out; what is kept has an index into the scalars. Everything here is
 * plain data, to be posted to other threads together with the memory.
 */
import { COEFFICIENT_BYTES, type Zkey, type ZkeyCounts } from "../../zkey.ts";
import type { CompiledKernels } from "./kernels.ts";
import { KeyContent, type KeyPlaces, SECTION_NAMES } from "./key-content.ts";

/** A key's memory, and where its parts are; behind them slots begin (`arena.ts`). */
export interface SharedKey extends KeyPlaces {
  readonly memory: WebAssembly.Memory;
  readonly kernels: CompiledKernels;
  readonly nVars: number;
  readonly nPublic: number;
  readonly domain: number;
  /** Bytes of one slot, a multiple of 64. */
  readonly slotBytes: number;
}

export type KeyWithoutSlots = Omit<SharedKey, "slotBytes">;

/** What content has become a key. */
export function keyOf(
  compiled: CompiledKernels,
  { nVars, nPublic, domainSize }: ZkeyCounts,
  content: KeyContent,
): KeyWithoutSlots {
  const { memory } = content.memory;
  return { memory, kernels: compiled, nVars, nPublic, domain: domainSize, ...content.finish() };
}

/** A checked key that is in memory as a whole. */
export function writeKey(compiled: CompiledKernels, zkey: Zkey): KeyWithoutSlots {
  const content = new KeyContent(compiled, zkey);
  for (const name of SECTION_NAMES) {
    if (zkey[name].length > 0) content.takePoints(name, zkey[name], 0);
  }
  // A copy of their own: at a multiple of 4, and nobody else's to change.
  const entries = new Uint8Array(zkey.coefficients);
  content.takeCoefficients(entries, 0, entries.length / COEFFICIENT_BYTES);
  return keyOf(compiled, zkey, content);
}
