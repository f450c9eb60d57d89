/**
 * The memory of one set-up, shared by all its threads:
 *
 *     constants of the kernels | tables | scalars and what they are made with | one arena a thread
 *
 * `SharedSetup` is plain data and posted to the threads. Points are not kept: a thread writes what it
 * has computed to the file.
 */
import { G1, G2 } from "../../worker/curve.ts";
import {
  FixedBase,
  type FixedBaseTable,
  MAX_POINTS,
  tableBits,
  takeTable,
} from "../../worker/engines/wasm/fixed-base.ts";
import { Inversion } from "../../worker/engines/wasm/inversion.ts";
import {
  type CompiledKernels,
  FIRST_FREE,
  fieldsOf,
  instantiate,
  MAX_PAGES,
} from "../../worker/engines/wasm/kernels.ts";
import { grow, Region } from "../../worker/engines/wasm/region.ts";
import type { Degree } from "../../worker/kernels/curve.ts";
import type { Program } from "../../worker/kernels/scalar/program.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import type { R1cs } from "../../worker/r1cs.ts";
import { domainLog2, Evaluation, type Trapdoor } from "./evaluation.ts";
import { ScalarArrays } from "./scalar-arrays.ts";

export interface SharedSetup {
  readonly memory: WebAssembly.Memory;
  readonly kernels: CompiledKernels;
  readonly program: Program;
  /** Of the generators of G1 and G2, by degree - 1. */
  readonly tables: readonly [FixedBaseTable, FixedBaseTable];
  /** Address of a number (u32) that each thread increments to get an arena of its own. */
  readonly nextArena: number;
  /** Where the first arena begins, and the bytes of each: multiples of 64. */
  readonly arenas: number;
  readonly arenaBytes: number;
}

/**
 * Plans and reserves everything.
 *
 * @throws WorkError KEY_REFUSED if the circuit needs more memory than 4 GiB, or than there is.
 */
export function setupMemory(
  kernels: CompiledKernels,
  r1cs: R1cs,
  trapdoor: Trapdoor,
  threads: number,
  tower: Tower,
): { readonly shared: SharedSetup; readonly evaluation: Evaluation } {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  const region = new Region(FIRST_FREE);
  const nextArena = region.take(4);
  const { nWires } = r1cs;
  const tables = [
    takeTable(region, 1, tableBits(3 * nWires + 2 ** domainLog2(r1cs))),
    takeTable(region, 2, tableBits(nWires)),
  ] as const;
  const { fr } = fieldsOf(kernels.options);
  const arrays = new ScalarArrays(instantiate(kernels, memory, true), memory, fr, region);
  const evaluation = new Evaluation(arrays, r1cs, trapdoor, region);
  const arenas = region.take(0);
  const { program } = tower.machine;
  const shared = { memory, kernels, program, tables, nextArena, arenas, arenaBytes: 0 };
  const arenaBytes = PointArena.bytes(shared);
  grow(memory, arenas + threads * arenaBytes);
  evaluation.prepare();
  return { shared: { ...shared, arenaBytes }, evaluation };
}

/** What one thread computes points with. */
export class PointArena {
  readonly #shared: SharedSetup;
  readonly #bases: readonly [FixedBase, FixedBase];
  readonly #inversions: readonly [Inversion, Inversion];
  readonly #points: number;

  private constructor(shared: SharedSetup, region: Region) {
    const { memory, kernels, program } = shared;
    this.#shared = shared;
    const { fq } = fieldsOf(kernels.options);
    const common = [instantiate(kernels, memory, false), memory, fq] as const;
    const tower = Tower.open(program);
    this.#inversions = [
      new Inversion(...common, tower, 1, region),
      new Inversion(...common, tower, 2, region),
    ];
    this.#bases = [
      new FixedBase(...common, this.#inversions[0], 1, region),
      new FixedBase(...common, this.#inversions[1], 2, region),
    ];
    this.#points = region.take(128 * MAX_POINTS);
  }

  /** Bytes of an arena, a multiple of 64. */
  static bytes(shared: SharedSetup): number {
    const region = new Region(0);
    new PointArena(shared, region);
    return region.take(0);
  }

  /** The next arena that no thread has. */
  static claim(shared: SharedSetup): PointArena {
    const { memory, nextArena, arenas, arenaBytes } = shared;
    const number = Atomics.add(new Uint32Array(memory.buffer), nextArena / 4, 1);
    const arena = new PointArena(shared, new Region(arenas + number * arenaBytes));
    for (const part of [...arena.#inversions, ...arena.#bases]) part.prepare();
    return arena;
  }

  /** Fills the table of a group's generator. */
  writeTable(degree: Degree): void {
    const coordinates =
      degree === 1 ? [G1.generator.x, G1.generator.y] : [...G2.generator.x, ...G2.generator.y];
    this.#bases[degree - 1]?.writeTable(
      this.#shared.tables[degree - 1] as FixedBaseTable,
      coordinates,
    );
  }

  /**
   * Multiples of a group's generator.
   *
   * @param scalars  address of folded scalars.
   * @param count    1 to `MAX_POINTS`.
   * @returns        points as in a `.zkey`, until the next call.
   */
  multiply(degree: Degree, scalars: number, count: number): Uint8Array {
    const table = this.#shared.tables[degree - 1] as FixedBaseTable;
    this.#bases[degree - 1]?.multiply(table, scalars, count, this.#points);
    return new Uint8Array(this.#shared.memory.buffer, this.#points, 64 * degree * count);
  }
}
