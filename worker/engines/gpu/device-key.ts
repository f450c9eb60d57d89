/**
 * A proving key on a device: its sections, its rows and the tables of its domain, once; and what the
 * device does with a batch of witnesses.
 */
import type { G1Point, G2Point } from "../../curve.ts";
import { ELEMENT_BYTES } from "../../field.ts";
import { type GpuDevice, type GpuSlice, watchdogOf } from "../../gpu/device.ts";
import { gpuError } from "../../gpu/failure.ts";
import type { GroupName } from "../../kernels/spirv/group.ts";
import type { Tower } from "../../kernels/tower.ts";
import type { Zkey } from "../../zkey.ts";
import type { Kernels } from "./kernels.ts";
import { type SectionScalars, SectionSums } from "./msm.ts";
import { mostMultiplications } from "./msm-cost.ts";
import { planSections } from "./msm-jobs.ts";
import { scratchBytes } from "./msm-plan.ts";
import { type SectionResults, tailG1, tailG2 } from "./msm-tail.ts";
import { QuotientKey, quotientKeyBytes } from "./quotient.ts";
import { planRows } from "./row-plan.ts";
import { rounded, type Scratch } from "./scratch.ts";
import { loadSection, type Section } from "./section.ts";

export const SECTIONS = ["a", "b1", "c", "h", "b2"] as const;
export type SectionName = (typeof SECTIONS)[number];

const GROUPS: Readonly<Record<SectionName, GroupName>> = {
  a: "g1",
  b1: "g1",
  c: "g1",
  h: "g1",
  b2: "g2",
};

/** What a device leaves of one proof's sums; to be wiped. */
export interface DeviceSums {
  readonly layout: Readonly<Partial<Record<SectionName, SectionResults>>>;
  readonly results: Uint8Array;
  /** Its number in the batch. */
  readonly proof: number;
}

/** Proofs in one batch, whatever memory there is. Untuned. */
const BATCH_MAX = 16;
/**
 * Digits of scalars that fill a large device a few times over: 132 multiprocessors hold some 2^18
 * invocations, with up to 2^6 digits each. More at a time makes no proof sooner. Untuned.
 */
const BATCH_DIGITS = 2 ** 26;
/** Of a device's memory; the rest is the driver's and other programs'. */
const USABLE_SHARE = 0.9;
/** Multiplications in a millisecond at least: a tenth of what a software device does on two cores. */
const SLOWEST_PER_MS = 10_000;
/** Of a batch's multiplications, those of sums; the rest are the quotient's. For progress. */
const SUMS_SHARE = 0.9;

/** What the key's parts share. */
interface Home {
  readonly device: GpuDevice;
  readonly kernels: Kernels;
  /** The device's, for whichever key has its turn. */
  readonly scratch: Scratch;
}

export class DeviceKey {
  /** On the device, without the memory of a batch. */
  readonly bytes: number;
  readonly #home: Home;
  readonly #counts: Pick<Zkey, "nVars" | "nPublic" | "domainSize">;
  readonly #sections: Readonly<Record<SectionName, Section>>;
  readonly #quotient: QuotientKey;

  private constructor(
    home: Home,
    { nVars, nPublic, domainSize }: Zkey,
    sections: Readonly<Record<SectionName, Section>>,
    quotient: QuotientKey,
    bytes: number,
  ) {
    this.#home = home;
    this.#counts = { nVars, nPublic, domainSize };
    this.#sections = sections;
    this.#quotient = quotient;
    this.bytes = bytes;
  }

  /** @throws WorkError ENGINE_UNAVAILABLE; nothing is held then. */
  static async load(home: Home, zkey: Zkey): Promise<DeviceKey> {
    const { device, kernels } = home;
    const rows = planRows(zkey, device.limits);
    const sections: Partial<Record<SectionName, Section>> = {};
    let quotient: QuotientKey | undefined;
    try {
      let bytes = quotientKeyBytes(rows, device.limits);
      expectRoom(home, bytes);
      quotient = await QuotientKey.load(device, kernels.quotient, rows);
      for (const name of SECTIONS) {
        expectRoom(home, zkey[name].length);
        const section = await loadSection(device, GROUPS[name], zkey[name]);
        sections[name] = section;
        bytes += section.bytes;
      }
      const whole = sections as Record<SectionName, Section>;
      const key = new DeviceKey(home, zkey, whole, quotient, bytes);
      // A key that no proof fits beside is of no use.
      expectRoom(home, key.#batchBytes(SECTIONS, 1) - home.scratch.bytes);
      return key;
    } catch (error) {
      quotient?.free();
      for (const section of Object.values(sections)) section.free();
      throw error;
    }
  }

  /** How many proofs a batch of such sums may have in the memory that is left, at least 1. */
  batchMax(sections: readonly SectionName[]): number {
    const plans = planSections(this.#of(sections), 1, this.#home.device.limits).flat();
    const digits = plans.reduce((sum, { entries }) => sum + entries, 0);
    let proofs = Math.max(1, Math.min(BATCH_MAX, Math.floor(BATCH_DIGITS / Math.max(1, digits))));
    const room = roomOf(this.#home) + this.#home.scratch.bytes;
    while (proofs > 1 && this.#batchBytes(sections, proofs) > room) proofs--;
    return proofs;
  }

  /**
   * What the device computes of the sums over `sections` for each witness. One call at a time on one
   * device. Its memory holds nothing of the witnesses afterwards, unless the device is lost or there is no
   * memory left to tell it so: then the next call clears it.
   *
   * @throws WorkError ENGINE_UNAVAILABLE
   */
  async sums(
    witnesses: readonly Uint8Array[],
    sections: readonly SectionName[],
    onProgress: (done: number) => void,
  ): Promise<DeviceSums[]> {
    const { scratch } = this.#home;
    // What the last batch could not clear.
    await scratch.clear();
    scratch.begin(this.#batchBytes(sections, witnesses.length));
    let sums: DeviceSums[] = [];
    try {
      const [results, layout] = await this.#compute(witnesses, sections, onProgress);
      sums = witnesses.map((_, proof) => ({ layout, results, proof }));
    } finally {
      await scratch.clear().catch((error) => {
        sums.forEach(wipeSums);
        throw error;
      });
    }
    return sums;
  }

  /** Nothing that was submitted may still use the key. Idempotent. */
  free(): void {
    this.#quotient.free();
    for (const section of Object.values(this.#sections)) section.free();
  }

  async #compute(
    witnesses: readonly Uint8Array[],
    names: readonly SectionName[],
    onProgress: (done: number) => void,
  ): Promise<[results: Uint8Array, layout: DeviceSums["layout"]]> {
    const { device, kernels, scratch } = this.#home;
    const { nVars, nPublic, domainSize } = this.#counts;
    const proofs = witnesses.length;
    const [witnessBytes, quotientBytes] = [nVars * ELEMENT_BYTES, domainSize * ELEMENT_BYTES];
    const witness = scratch.take(proofs * witnessBytes);
    for (const [i, bytes] of witnesses.entries()) {
      const { buffer, offset = 0 } = witness;
      await device.upload(bytes, { buffer, offset: offset + i * witnessBytes });
    }
    let quotient: GpuSlice | undefined;
    if (names.includes("h")) {
      const output = scratch.take(proofs * quotientBytes);
      const work = this.#quotient.scratchBytes(proofs).map((bytes) => scratch.take(bytes));
      const run = { proofs, witness, scratch: work, output };
      const products = proofs * this.#quotient.multiplications;
      await device.submit(
        (commands) => this.#quotient.record(commands, run),
        deadline(device, products),
      );
      onProgress(1 - SUMS_SHARE);
      quotient = output;
    }
    const scalarsOf = (name: SectionName): SectionScalars => {
      if (name === "h") {
        return {
          slice: quotient as GpuSlice,
          strideBytes: quotientBytes,
          isMontgomery: false,
        };
      }
      const first = name === "c" ? nPublic + 1 : 0;
      return { slice: witness, strideBytes: witnessBytes, first, isMontgomery: false };
    };
    const sums = new SectionSums(kernels.msm, device.limits, this.#of(names), proofs, (bytes) =>
      scratch.take(bytes),
    );
    const plans = planSections(this.#of(names), proofs, device.limits).flat();
    const products = plans.reduce((sum, plan) => sum + mostMultiplications(plan).total, 0);
    await device.submit(
      (commands) => sums.record(commands, names.map(scalarsOf)),
      deadline(device, proofs * products),
    );
    const results = await sums.download(device);
    onProgress(1);
    return [results, Object.fromEntries(names.map((name, i) => [name, sums.layout[i]]))];
  }

  /** Memory of a batch. */
  #batchBytes(names: readonly SectionName[], proofs: number): number {
    const { limits } = this.#home.device;
    const { nVars, domainSize } = this.#counts;
    const plans = planSections(this.#of(names), proofs, limits).flat();
    const vectors = [proofs * nVars * ELEMENT_BYTES];
    if (names.includes("h")) {
      vectors.push(proofs * domainSize * ELEMENT_BYTES, ...this.#quotient.scratchBytes(proofs));
    }
    return vectors.reduce((sum, bytes) => sum + rounded(bytes), scratchBytes(plans, proofs));
  }

  #of(names: readonly SectionName[]): Section[] {
    return names.map((name) => this.#sections[name]);
  }
}

/** The sums' points, computed by the calling thread: a millisecond or two for each section. */
export function pointsOf(
  { layout, results, proof }: DeviceSums,
  tower: Tower,
): Partial<Record<SectionName, G1Point | G2Point>> {
  const points: Partial<Record<SectionName, G1Point | G2Point>> = {};
  for (const name of SECTIONS) {
    const section = layout[name];
    if (section === undefined) continue;
    const tail = section.group === "g1" ? tailG1 : tailG2;
    points[name] = tail(tower, section, results, proof);
  }
  return points;
}

/** Zeros over one proof's part of the results. */
export function wipeSums({ layout, results, proof }: DeviceSums): void {
  for (const { parts } of Object.values(layout)) {
    for (const { offset, stride } of parts) {
      results.fill(0, offset + proof * stride, offset + (proof + 1) * stride);
    }
  }
}

/** Bytes of the device that may still be allocated, by its largest heap. */
function roomOf({ device }: Home): number {
  const local = device.heaps.filter(({ isLocal }) => isLocal);
  const heaps = local.length > 0 ? local : device.heaps;
  const most = Math.max(0, ...heaps.map(({ bytes }) => bytes));
  return Math.floor(most * USABLE_SHARE) - device.allocatedBytes;
}

function expectRoom(home: Home, bytes: number): void {
  const room = roomOf(home);
  if (bytes <= room) return;
  throw gpuError(
    "memory",
    `${home.device.name}: got a key that needs ${bytes} bytes more, expected at most ${Math.max(0, room)}; load fewer or smaller keys, or use a device with more memory`,
    { neededBytes: bytes, freeBytes: Math.max(0, room) },
  );
}

/** How long a submission may take, in milliseconds. */
const deadline = ({ kind }: GpuDevice, multiplications: number): number =>
  watchdogOf(kind) + Math.ceil(multiplications / SLOWEST_PER_MS);
