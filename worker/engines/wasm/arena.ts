/**
 * Working memory behind a key: one *slot* for each thread that may prove with it. A slot has what
 * belongs to a proof (scalars, polynomials, results, the list of pieces) and what belongs to a
 * thread (sorting, batches of additions). Addresses follow from the key and the slot's number alone.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { Degree } from "../../kernels/curve.ts";
import type { Tower } from "../../kernels/tower.ts";
import { Inversion } from "./inversion.ts";
import {
  type Fields,
  fieldsOf,
  instantiate,
  type Kernels,
  MAX_PAGES,
  PAGE_BYTES,
} from "./kernels.ts";
import type { SharedKey } from "./key.ts";
import { Msm } from "./msm.ts";
import {
  type GatherBuffers,
  type QuotientBuffers,
  takeGatherBuffers,
  takeQuotientBuffers,
} from "./quotient.ts";
import { clear, grow, Region } from "./region.ts";

/** Positions that a sum of windows ends with: 254 bits, rounded up to whole windows. */
export const MAX_POSITIONS = 272;
/** Numbers that are scaled at once. */
export const SCALE_ELEMENTS = 4096;

/** Addresses of what a proof needs. */
export interface ProofArena {
  /** Words that threads coordinate with (`pieces.ts`). */
  readonly control: number;
  /** The witness as it came, canonical. */
  readonly witness: number;
  /** The same, folded. */
  readonly folded: number;
  /** The witness times a factor, folded. */
  readonly scaled: number;
  /** The quotient's values, folded. */
  readonly quotient: number;
  /** Results of up to `MAX_SUMS` sums, `MAX_POSITIONS` points each. */
  readonly positions: readonly number[];
  readonly buffers: QuotientBuffers | undefined;
  /** The first address behind all that. */
  readonly end: number;
}

export const CONTROL_BYTES = 64 * 1024;
/** Sums that one request may have. */
export const MAX_SUMS = 8;
const POSITION_BYTES = 128;

function takeProofArena(region: Region, key: SharedKey, { fr }: Fields): ProofArena {
  const { nVars, domain } = key;
  // 8 bytes are read from the last word of a scalar on, and whole quads are written.
  const scalars = (count: number) => region.take(ELEMENT_BYTES * (count + 4));
  const control = region.take(CONTROL_BYTES);
  const witness = scalars(nVars);
  const folded = scalars(nVars);
  const scaled = scalars(nVars);
  const buffers = key.quotient && takeQuotientBuffers(region, fr, key.quotient);
  // The accumulators are free by then, and larger.
  const quotient = buffers?.accumulators[1] ?? scalars(domain);
  const positions = Array.from({ length: MAX_SUMS }, () =>
    region.take(POSITION_BYTES * MAX_POSITIONS),
  );
  return { control, witness, folded, scaled, buffers, quotient, positions, end: region.end };
}

/** What a thread computes with. */
export class ThreadArena {
  readonly kernels: Kernels;
  readonly tower: Tower;
  /** Limbs of `SCALE_ELEMENTS` numbers, and a quad for a factor. */
  readonly stage: number;
  readonly factor: number;
  readonly gather: GatherBuffers;
  readonly #memory: WebAssembly.Memory;
  /**
   * By degree - 1. Both have the same memory: a thread computes one sum after the other, and what a sum
   * ends with is elsewhere by then.
   */
  readonly #sums: readonly [Msm, Msm];
  #prepared: Msm | undefined;
  /** Addresses from the first to behind the last one of numbers made of the witness. */
  readonly #scalars: readonly [from: number, to: number];
  readonly #inversions: readonly [Inversion, Inversion];

  constructor(region: Region, key: SharedKey, fields: Fields, tower: Tower) {
    const { memory, sections } = key;
    const { fq, fr } = fields;
    this.kernels = instantiate(key.kernels, memory, false);
    this.tower = tower;
    this.stage = region.take(8 * fr.limbs * SCALE_ELEMENTS);
    this.factor = region.take(32 * fr.limbs);
    this.gather = takeGatherBuffers(region, fr);
    this.#memory = memory;
    this.#scalars = [this.stage, region.end];
    const { a, b1, c, h, b2 } = sections;
    const common = [this.kernels, memory, fq] as const;
    this.#inversions = [
      new Inversion(...common, tower, 1, region),
      new Inversion(...common, tower, 2, region),
    ];
    const mostTerms = a.count + b1.count + c.count + h.count;
    const [inG1, inG2] = [new Region(region.end), new Region(region.end)];
    this.#sums = [
      new Msm(...common, this.#inversions[0], 1, mostTerms, inG1),
      new Msm(...common, this.#inversions[1], 2, b2.count, inG2),
    ];
    region.skipTo(Math.max(inG1.end, inG2.end));
  }

  /** Call once the memory reaches the slot's end. */
  prepare(): void {
    for (const inversion of this.#inversions) inversion.prepare();
    for (const msm of this.#sums) msm.prepare();
    this.#prepared = undefined;
  }

  /** Additions done in G1 and in G2, for the snapshot of costs. */
  get additions(): readonly [g1: number, g2: number] {
    const [inG1, inG2] = this.#sums;
    return [inG1.sums.additions, inG2.sums.additions];
  }

  /** For sums of one degree, until the next call. */
  msm(degree: Degree): Msm {
    const msm = this.#sums[degree === 1 ? 0 : 1];
    if (this.#prepared !== msm) msm.prepare();
    this.#prepared = msm;
    return msm;
  }

  /** Wipes what a proof has left here. */
  wipe(): void {
    new Uint8Array(this.#memory.buffer).fill(0, ...this.#scalars);
    for (const inversion of this.#inversions) inversion.wipe();
    for (const msm of this.#sums) msm.wipe();
    this.#prepared = undefined;
    this.tower.wipe();
  }
}

/** One thread's view of a slot. */
export class Slot {
  readonly key: SharedKey;
  readonly index: number;
  readonly fields: Fields;
  readonly proof: ProofArena;
  readonly thread: ThreadArena;

  /** Grows the memory if it does not reach that far. */
  constructor(key: SharedKey, index: number, tower: Tower) {
    this.key = key;
    this.index = index;
    this.fields = fieldsOf(key.kernels.options);
    const region = new Region(slotAddress(key, index));
    this.proof = takeProofArena(region, key, this.fields);
    this.thread = new ThreadArena(region, key, this.fields, tower);
    grow(key.memory, region.end);
    this.thread.prepare();
  }

  /** Wipes what the proof that this thread led has left. Nobody else may work on it any more. */
  wipe(): void {
    const { witness, end } = this.proof;
    new Uint8Array(this.key.memory.buffer).fill(0, witness, end);
    this.thread.wipe();
  }
}

/**
 * Makes room for several slots, so that no thread grows the memory while others compute.
 *
 * @returns how many there is room for, at least 1 and at most `wanted`.
 * @throws WorkError KEY_REFUSED if there is no room for one.
 */
export function reserveSlots(key: SharedKey, wanted: number): number {
  const most = Math.floor((MAX_PAGES * PAGE_BYTES - key.end) / key.slotBytes);
  const count = Math.max(Math.min(wanted, most), 1);
  grow(key.memory, slotAddress(key, count));
  return count;
}

/** The same key in a memory of its own, for more threads than one memory has room for. */
export function copyOf(key: SharedKey): SharedKey {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  grow(memory, key.end);
  new Uint8Array(memory.buffer).set(new Uint8Array(key.memory.buffer, 0, key.end));
  return { ...key, memory };
}

/** Wipes all of a slot whose thread is gone. */
export function wipeSlot(key: SharedKey, index: number): void {
  const from = slotAddress(key, index);
  clear(key.memory, from, Math.min(from + key.slotBytes, key.memory.buffer.byteLength));
}

/** Addresses of any slot's proof, for a thread that assists. */
export function proofArenaOf(key: SharedKey, index: number): ProofArena {
  return takeProofArena(new Region(slotAddress(key, index)), key, fieldsOf(key.kernels.options));
}

function slotAddress({ end, slotBytes }: SharedKey, index: number): number {
  return end + slotBytes * index;
}

/** Bytes of one slot, a multiple of 64. */
export function slotBytesOf(key: Omit<SharedKey, "slotBytes">, tower: Tower): number {
  const region = new Region(0);
  const whole = { ...key, slotBytes: 0 };
  const fields = fieldsOf(key.kernels.options);
  takeProofArena(region, whole, fields);
  new ThreadArena(region, whole, fields, tower);
  return region.take(0);
}
