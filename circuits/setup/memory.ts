/**
 * The memory of one set-up, shared by all its threads:
 *
 *     constants of the kernels | tables | an arena for each thread | scalars and what makes them
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
  /** Address of the words in `CONTROL`, 0 at the start. */
  readonly control: number;
  /** Where the first arena begins, and the bytes of each: multiples of 64. */
  readonly arenas: number;
  readonly arenaBytes: number;
}

/** Words (i32) at `SharedSetup.control`: by them threads share work without asking anybody. */
export const CONTROL = {
  /** Arenas that threads have. */
  arenas: 0,
  /** Tables that threads have begun, and those that are filled. */
  begunTables: 1,
  filledTables: 2,
  /** Tasks that threads have begun, and how many may begin: the first ones' scalars are there. */
  begunTasks: 3,
  readyTasks: 4,
} as const;

/** Points of consecutive scalars, and where they go. */
export interface PointTask {
  readonly degree: Degree;
  /** Address of folded scalars. */
  readonly scalars: number;
  /** 1 to `MAX_POINTS`. */
  readonly count: number;
  /** Of the first point in the key's file. */
  readonly position: number;
}

/** What a thread is started with. */
export interface ThreadData {
  readonly shared: SharedSetup;
  /** Number of the open file. */
  readonly descriptor: number;
  readonly tasks: readonly PointTask[];
}

/** The memory as the thread has it that evaluates. */
export interface SetupMemory {
  readonly shared: SharedSetup;
  readonly evaluation: Evaluation;
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
): SetupMemory {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  const region = new Region(FIRST_FREE);
  const control = region.take(64);
  const { nWires } = r1cs;
  const tables = [
    takeTable(region, 1, tableBits(3 * nWires + 2 ** domainLog2(r1cs))),
    takeTable(region, 2, tableBits(nWires)),
  ] as const;
  const arena = new Region(0);
  planArena(arena, kernels, memory, tower);
  const arenaBytes = arena.take(0);
  const arenas = region.take(threads * arenaBytes);
  const { fr } = fieldsOf(kernels.options);
  const arrays = new ScalarArrays(instantiate(kernels, memory, true), memory, fr, region);
  const evaluation = new Evaluation(arrays, r1cs, trapdoor, region);
  grow(memory, region.end);
  evaluation.prepare();
  const { program } = tower.machine;
  const shared = { memory, kernels, program, tables, control, arenas, arenaBytes };
  return { shared, evaluation };
}

/** What one thread computes points with. */
export class PointArena {
  readonly #shared: SharedSetup;
  readonly #plan: ReturnType<typeof planArena>;

  /** @param number  of the arena: each thread has one to itself. */
  constructor(shared: SharedSetup, number: number) {
    const { memory, kernels, program, arenas, arenaBytes } = shared;
    const region = new Region(arenas + number * arenaBytes);
    this.#shared = shared;
    this.#plan = planArena(region, kernels, memory, Tower.open(program));
    for (const base of this.#plan.bases) base.prepare();
  }

  /** Fills the table of a group's generator. */
  writeTable(degree: Degree): void {
    const coordinates =
      degree === 1 ? [G1.generator.x, G1.generator.y] : [...G2.generator.x, ...G2.generator.y];
    this.#base(degree).writeTable(this.#table(degree), coordinates);
  }

  /**
   * Multiples of a group's generator.
   *
   * @param scalars  address of folded scalars.
   * @param count    1 to `MAX_POINTS`.
   * @returns        points as in a `.zkey`, until the next call.
   */
  multiply(degree: Degree, scalars: number, count: number): Uint8Array {
    const { points } = this.#plan;
    this.#base(degree).multiply(this.#table(degree), scalars, count, points);
    return new Uint8Array(this.#shared.memory.buffer, points, 64 * degree * count);
  }

  #base(degree: Degree): FixedBase {
    return this.#plan.bases[degree - 1] as FixedBase;
  }

  #table(degree: Degree): FixedBaseTable {
    return this.#shared.tables[degree - 1] as FixedBaseTable;
  }
}

function planArena(
  region: Region,
  kernels: CompiledKernels,
  memory: WebAssembly.Memory,
  tower: Tower,
) {
  const { fq } = fieldsOf(kernels.options);
  const common = [instantiate(kernels, memory, false), memory, fq, tower] as const;
  return {
    bases: [new FixedBase(...common, 1, region), new FixedBase(...common, 2, region)] as const,
    points: region.take(128 * MAX_POINTS),
  };
}
