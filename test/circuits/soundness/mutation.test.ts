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

/** What both judges think, for a place and a way to change it; undefined if nothing changes. */
function opinions(
  { inputs, batch }: (typeof bases)[number],
  { path, mutation, other }: { path: Path; mutation: string; other: bigint },
  isSettled: boolean,
): { isAccepted: boolean; twin: Opinion } | undefined {
  const mutated = mutatedAt(inputs, path, mutation, other);
  if (mutated === undefined) return undefined;
  const isBinding = path.length === 1 && ["h", "z", "y"].includes(path[0] as string);
  const bound = isSettled && !isBinding ? rebound(mutated) : mutated;
  const { witness: asItIs } = circuit.forced.run(bound);
  const witness = isSettled && path[0] !== "newRoot" ? circuit.withRootOf(asItIs) : asItIs;
  const newRoot = witness[circuit.wire("newRoot")] as bigint;
  return {
    isAccepted: failingConstraints(circuit.r1cs, witness, 1).length === 0,
    twin: opinionOf({ ...bound, newRoot }, batch.before),
  };
}

const REFUSED = "refused by the constraints";
const counts: Record<string, number> = {};

function compare(
  path: Path,
  mutation: string,
  random: (end: number) => number,
  isSettled: boolean,
) {
  const base = bases[random(BASES)] as (typeof bases)[number];
  const signals = signalsOf(base.inputs);
  const [, other] = signals[random(signals.length)] as [Path, bigint];
  const verdict = opinions(base, { path, mutation, other }, isSettled);
  if (verdict === undefined) return;
  const { isAccepted, twin } = verdict;
  const place = `${path.join(".")} ${mutation}, seed ${SEED}`;
  if (isAccepted) expect(twin, `${place}: the circuit accepts`).not.toBe("refused");
  else expect(twin, `${place}: the circuit refuses`).not.toBe("accepted");
  const kind = isAccepted ? twin : REFUSED;
  counts[kind] = (counts[kind] ?? 0) + 1;
}

function compareAll(places: readonly Path[], isSettled: boolean): void {
  const random = randomNumbers(SEED + (isSettled ? 1 : 0));
  for (const path of places) {
    for (const mutation of Object.keys(MUTATIONS)) compare(path, mutation, random, isSettled);
  }
}

const placesOfAll = () => signalsOf((bases[0] as (typeof bases)[number]).inputs).map(([p]) => p);

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
    expect(placesOfAll().length).toBe(circuit.r1cs.nPublic + circuit.r1cs.nPrivateInputs);
    compareAll(placesOfAll(), true);
  });

  it("agrees with the twin on published numbers changed without a new binding", {
    timeout: TIME_MS,
  }, () => {
    const isPublished = ([name]: Path) => PUBLISHED.has(name as string);
    compareAll(placesOfAll().filter(isPublished), false);
  });

  it("has seen 650 refusals, by more draws if need be", { timeout: TIME_MS }, () => {
    const random = randomNumbers(SEED + 2);
    const places = placesOfAll();
    const mutations = Object.keys(MUTATIONS);
    for (let draws = 0; draws < 500 && (counts[REFUSED] ?? 0) < 650; draws++) {
      const path = places[random(places.length)] as Path;
      compare(path, mutations[random(mutations.length)] as string, random, true);
    }
    expect(counts[REFUSED], `seed ${SEED}: ${JSON.stringify(counts)}`).toBeGreaterThanOrEqual(650);
  });
});
