/**
 * What a proof costs in field multiplications, by stage: a number that is the same on every machine,
 * for the snapshot that shows when a change makes proofs more expensive.
 *
 * Unit: one multiplication (or squaring) in Fq or Fr. In G1 an addition is five multiplications and
 * a squaring (`worker/kernels/curve.ts`); in Fq2 a multiplication is four of Fq's, a squaring two.
 * Additions are counted while they are made; the quotient's multiplications follow from the key.
 *
 * Inversions are counted apart: one for each batch of additions, done without multiplications. The
 * representation of numbers decides how many additions a batch has, and nothing else here.
 *
 * Not counted: the last 254 doublings of each sum and the few points added after it, taking numbers
 * into and out of Montgomery form there, differences of equal points that are multiplied again, the
 * proof's verification.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SumRequest } from "../worker/engine.ts";
import type { Slot } from "../worker/engines/wasm/arena.ts";
import type { KernelOptions } from "../worker/engines/wasm/choice.ts";
import type { QuotientKey } from "../worker/engines/wasm/quotient.ts";
import { openWasm, type WasmKey } from "../worker/engines/wasm.ts";
import { prove, residentKey } from "../worker/groth16.ts";
import { parseWtns } from "../worker/wtns.ts";
import { parseZkey, type Zkey } from "../worker/zkey.ts";
import { batchFixture } from "./fixtures/batch-fixture.ts";
import { generatedFixture } from "./fixtures/fixture.ts";

const KERNELS = ["fma", "extmul"] as const;
type Kernels = (typeof KERNELS)[number];

export interface ProofCosts {
  /** Multiplications in Fr. */
  readonly quotient: {
    /** One for each coefficient of the matrices A and B. */
    readonly sparseProducts: number;
    /** The product of the rows' values, and a b - c out of Montgomery form. */
    readonly pointwise: number;
    /** Three times to the coset: an inverse transform, a shift, a transform. */
    readonly transforms: number;
  };
  readonly a: SumCosts;
  readonly b2: SumCosts;
  /** C + H + r B1. */
  readonly c: SumCosts & {
    /** Multiplications in Fr: r times each value of the witness; 0 where r B1 is a sum of its own. */
    readonly scaling: number;
  };
  /** Of the whole proof. */
  readonly multiplications: number;
  /** Batches of additions in the whole proof, by the kernels' representation of numbers. */
  readonly inversions: Partial<Record<Kernels, number>>;
}

export interface SumCosts {
  /** Additions of points. */
  readonly additions: number;
  /** What they are in Fq. */
  readonly multiplications: number;
}

/** Any fixed ones: full-width, so that r w is dense. */
const RANDOMNESS = [3n ** 150n, 5n ** 105n] as const;

/** Multiplications in Fq of one addition: 5 M + S, by the degree of the group's field. */
const PER_ADDITION = { g1: 5 + 1, g2: 5 * 4 + 2 } as const;

const nothing = () => undefined;

/**
 * The costs of the snapshot's fixtures: a dense witness of 2^10, and a full batch of the smallest
 * circuit, which must be built. Their files are kept under `build/costs`.
 *
 * @param root  the checkout's folder.
 */
export async function snapshotCosts(root: string): Promise<Record<string, ProofCosts>> {
  const folders = {
    benchDir: join(root, "build/costs"),
    circuitsDir: join(root, "build/circuits"),
  };
  const costs: Record<string, ProofCosts> = {};
  for (const { id, zkeyPath, wtnsPath } of [
    await generatedFixture("dense", 10, folders, nothing),
    await batchFixture("batch-tiny", folders, nothing),
  ]) {
    const zkey = parseZkey(new Uint8Array(await readFile(zkeyPath)));
    const witness = parseWtns(new Uint8Array(await readFile(wtnsPath)), zkey.nVars);
    const all: ProofCosts[] = [];
    for (const kernels of KERNELS) all.push(await proofCosts(zkey, witness, kernels));
    costs[id] = merged(all);
  }
  return costs;
}

/**
 * @param witness  as in `worker/groth16.ts`; it is not changed.
 * @throws WorkError if these kernels do not work here, or the witness is of another circuit
 */
async function proofCosts(zkey: Zkey, witness: Uint8Array, kernels: Kernels): Promise<ProofCosts> {
  const options: KernelOptions = { kernels, revectorize: false };
  const engine = await openWasm(options);
  const key = await residentKey(engine, zkey);
  const { shared, slot } = key.resident as WasmKey;
  const counter = new Counter(slot);

  const sum = async (request: SumRequest): Promise<{ counts: Counts; isScaled: boolean }> => {
    const run = key.resident.begin(witness);
    try {
      const counts = await counter.during(() => run.sums(request, nothing));
      return { counts, isScaled: hasScaled(slot) };
    } finally {
      await run.end();
    }
  };
  const [factor] = RANDOMNESS;
  const last = [{ section: "c" }, { section: "h" }, { section: "b1", factor }] as const;
  const a = await sum({ g1: [[{ section: "a" }]], g2: [] });
  const b2 = await sum({ g1: [], g2: [[{ section: "b2" }]] });
  const c = await sum({ g1: [last], g2: [] });
  const whole = await counter.during(() =>
    prove(engine, key, witness.slice(), { randomness: RANDOMNESS }),
  );
  const stages = [a, b2, c].map(({ counts }) => counts);
  if (whole.g1 !== total(stages, "g1") || whole.g2 !== total(stages, "g2")) {
    throw new Error(`a proof takes ${JSON.stringify(whole)}, its stages ${JSON.stringify(stages)}`);
  }

  const quotient = quotientCosts(shared.quotient as QuotientKey);
  const scaling = c.isScaled ? shared.nVars : 0;
  const inQuotient = quotient.sparseProducts + quotient.pointwise + quotient.transforms;
  const inSums = PER_ADDITION.g1 * whole.g1 + PER_ADDITION.g2 * whole.g2;
  return {
    quotient,
    a: costsOf(a.counts),
    b2: costsOf(b2.counts),
    c: { ...costsOf(c.counts), scaling },
    multiplications: inQuotient + scaling + inSums,
    inversions: { [kernels]: whole.inversions },
  };
}

/** The same costs from several kernels in one; they differ in the inversions only. */
function merged(all: readonly ProofCosts[]): ProofCosts {
  const inversions = Object.assign({}, ...all.map((costs) => costs.inversions));
  const [first, ...rest] = all.map((costs): ProofCosts => ({ ...costs, inversions }));
  for (const other of rest) {
    if (JSON.stringify(other) === JSON.stringify(first)) continue;
    throw new Error(`kernels do not agree: ${JSON.stringify(first)}, ${JSON.stringify(other)}`);
  }
  return first as ProofCosts;
}

interface Counts {
  readonly g1: number;
  readonly g2: number;
  readonly inversions: number;
}

/** Reads a thread's counters before and after. */
class Counter {
  readonly #slot: Slot;
  #inversions = 0;

  constructor(slot: Slot) {
    this.#slot = slot;
    const { tower } = slot.thread;
    const invertBatch = tower.invertBatch.bind(tower);
    tower.invertBatch = (...args) => {
      this.#inversions++;
      return invertBatch(...args);
    };
  }

  async during(work: () => Promise<unknown>): Promise<Counts> {
    const before = this.#read();
    await work();
    const after = this.#read();
    return {
      g1: after.g1 - before.g1,
      g2: after.g2 - before.g2,
      inversions: after.inversions - before.inversions,
    };
  }

  #read(): Counts {
    const [g1, g2] = this.#slot.thread.additions;
    return { g1, g2, inversions: this.#inversions };
  }
}

/** Whether the run that is open has multiplied the witness by r. */
function hasScaled({ key, proof }: Slot): boolean {
  return new Uint8Array(key.memory.buffer, proof.scaled, 32 * key.nVars).some((byte) => byte !== 0);
}

/**
 * n values, log n layers. A transform multiplies once in each butterfly, n/2 in a layer; the two
 * layers inside a quad multiply half as often, n/2 in both together; the shift multiplies n. In both
 * directions that is 2 (n/2 (log n - 2) + n/2) + n = n log n.
 */
function quotientCosts({ domain, matrices }: QuotientKey): ProofCosts["quotient"] {
  return {
    sparseProducts: matrices[0].count + matrices[1].count,
    pointwise: 3 * domain,
    transforms: 3 * domain * Math.log2(domain),
  };
}

function costsOf({ g1, g2 }: Counts): SumCosts {
  return {
    additions: g1 + g2,
    multiplications: PER_ADDITION.g1 * g1 + PER_ADDITION.g2 * g2,
  };
}

function total(counts: readonly Counts[], group: "g1" | "g2"): number {
  return counts.reduce((sum, one) => sum + one[group], 0);
}
