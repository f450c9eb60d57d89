import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { buildBatch, executeBatch } from "../../../circuits/batch.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { failingConstraints } from "../../../worker/r1cs.ts";
import type { Path } from "../places.ts";
import { type RandomBatch, randomBatch } from "../random-batch.ts";
import { rebound } from "./forgery.ts";
import { MUTATIONS, mutatedAt, randomNumbers, signalsOf } from "./mutation.ts";
import { type Opinion, opinionOf } from "./oracle.ts";
import { TinyCircuit, tiny } from "./tiny-circuit.ts";

// Every number that the circuit takes in is changed in every way of MUTATIONS, each time in another random batch. After the
// change the published data is bound again and the new root is the one that the circuit itself computes, so that
// nothing but a rule can refuse; a third of the numbers is published, and these are changed without a new binding too.

const SEED = Number(process.env.SOUNDNESS_SEED ?? Date.now() % 2 ** 31);
const TIME_MS = 20 * 60_000; // minutes of work on a busy machine
const BASES = 16;

let circuit: TinyCircuit;
let bases: { inputs: CircuitInputs; batch: RandomBatch }[];
beforeAll(async () => {
  circuit = await TinyCircuit.load();
  bases = fc.sample(randomBatch(tiny), { seed: SEED, numRuns: BASES }).map((batch) => {
    const { inputs } = executeBatch(tiny, buildBatch(tiny, batch.before, batch.request));
    return { inputs, batch };
  });
});

/** Asks the constraints about the inputs with the root that the circuit computes from them. */
function accepts(inputs: CircuitInputs, isOwnRoot: boolean): boolean {
  const { witness } = circuit.forced.run(inputs);
  const values = isOwnRoot ? circuit.withRootOf(witness) : witness;
  return failingConstraints(circuit.r1cs, values, 1).length === 0;
}

/** What both judges think, for a place and a way to change it; undefined if nothing changes. */
function opinions(
  { inputs, batch }: (typeof bases)[number],
  { path, mutation, other }: { path: Path; mutation: string; other: bigint },
  isRebound: boolean,
): { circuit: boolean; twin: Opinion } | undefined {
  const mutated = mutatedAt(inputs, path, mutation, other);
  if (mutated === undefined) return undefined;
  const isOwnRoot = isRebound && path[0] !== "newRoot";
  const isBinding = path.length === 1 && ["h", "z", "y"].includes(path[0] as string);
  const bound = isRebound && !isBinding ? rebound(mutated) : mutated;
  if (!isOwnRoot) return { circuit: accepts(bound, false), twin: opinionOf(bound, batch.before) };
  const { witness } = circuit.forced.run(bound);
  const settled = circuit.withRootOf(witness);
  const newRoot = settled[circuit.wire("newRoot")] as bigint;
  return {
    circuit: failingConstraints(circuit.r1cs, settled, 1).length === 0,
    twin: opinionOf({ ...bound, newRoot }, batch.before),
  };
}

const counts: Record<string, number> = {};

function compareAll(places: readonly Path[], isRebound: boolean): void {
  const random = randomNumbers(SEED + (isRebound ? 1 : 0));
  for (const path of places) {
    for (const mutation of Object.keys(MUTATIONS)) {
      const base = bases[random(BASES)] as (typeof bases)[number];
      const signals = signalsOf(base.inputs);
      const [, other] = signals[random(signals.length)] as [Path, bigint];
      const verdict = opinions(base, { path, mutation, other }, isRebound);
      if (verdict === undefined) continue;
      const { circuit: isAccepted, twin } = verdict;
      const place = `${path.join(".")} ${mutation}, seed ${SEED}`;
      if (isAccepted) expect(twin, `${place}: the circuit accepts`).not.toBe("refused");
      else expect(twin, `${place}: the circuit refuses`).not.toBe("accepted");
      const kind = isAccepted ? twin : "refused by the constraints";
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  }
}

const PUBLISHED = new Set(["domain", "blockNumber", "feeIndex", "l1", "tx"]);

describe("soundness / mutation", () => {
  it("accepts random batches that the twin accepts", { timeout: TIME_MS }, () => {
    for (const { inputs } of bases) {
      const { broken, complaints } = circuit.judge(inputs);
      expect({ broken, complaints }, `seed ${SEED}`).toEqual({ broken: [], complaints: [] });
    }
  });

  it("agrees with the twin on every number changed alone, the rest following", {
    timeout: TIME_MS,
  }, () => {
    const places = signalsOf((bases[0] as (typeof bases)[number]).inputs).map(([path]) => path);
    expect(places.length).toBe(circuit.r1cs.nPublic + circuit.r1cs.nPrivateInputs);
    compareAll(places, true);
  });

  it("agrees with the twin on published numbers changed without a new binding", {
    timeout: TIME_MS,
  }, () => {
    const places = signalsOf((bases[0] as (typeof bases)[number]).inputs).map(([path]) => path);
    compareAll(
      places.filter(([name]) => PUBLISHED.has(name as string)),
      false,
    );
  });

  it("has seen many refusals, and few acceptances of each kind", () => {
    console.log(`soundness / mutation, seed ${SEED}:`, counts);
    expect(counts["refused by the constraints"]).toBeGreaterThan(600);
  });
});
