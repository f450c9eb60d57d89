import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { BatchRequest } from "../../../circuits/batch.ts";
import { toElement } from "../../../circuits/field.ts";
import { assembleInputs } from "../../../circuits/inputs.ts";
import type { SignedTransfer } from "../../../circuits/transfer.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { failingConstraints } from "../../../worker/r1cs.ts";
import { changedAt, type Path, placesIn } from "../places.ts";
import { type RandomBatch, randomBatch } from "../random-batch.ts";
import { resident } from "../small-rollup.ts";
import { MUTATIONS, randomNumbers } from "./mutation.ts";
import { opinionOfRequest } from "./oracle.ts";
import { TinyCircuit, tiny } from "./tiny-circuit.ts";
import { messageOf } from "./villain.ts";

// Here the batch is changed and not the circuit's inputs: paths, leaves, data and root are all those of the changed batch, so
// that the changed field alone can be at fault. Once as it is, once signed anew by the sender, once over a state of
// which one account is changed.

const SEED = Number(process.env.SOUNDNESS_SEED ?? Date.now() % 2 ** 31);
const TIME_MS = 20 * 60_000; // minutes of work on a busy machine

interface Base {
  readonly request: BatchRequest;
  readonly state: StateTree;
}

let circuit: TinyCircuit;
let bases: readonly Base[];
beforeAll(async () => {
  circuit = await TinyCircuit.load();
  // Batches in which every slot is used have every field.
  const isFull = ({ request }: RandomBatch) =>
    request.l1Items.length === tiny.nDeposits && request.transfers.length === tiny.nTx;
  bases = fc
    .sample(randomBatch(tiny).filter(isFull), { seed: SEED, numRuns: 12 })
    .map(({ request, before }) => ({ request, state: before }));
});

const REFUSED = "refused by the constraints";
const counts: Record<string, number> = {};

function compare({ request, state }: Base, what: string): void {
  const { inputs } = assembleInputs(tiny, state, request);
  const { witness } = circuit.forced.run(inputs);
  const isAccepted = failingConstraints(circuit.r1cs, circuit.withRootOf(witness), 1).length === 0;
  const twin = opinionOfRequest(request, state);
  const message = `${what}, seed ${SEED}`;
  if (isAccepted) expect(twin, `${message}: the circuit accepts`).not.toBe("refused");
  else expect(twin, `${message}: the circuit refuses`).not.toBe("accepted");
  const kind = isAccepted ? twin : REFUSED;
  counts[kind] = (counts[kind] ?? 0) + 1;
}

type Random = (end: number) => number;
type Mutation = (value: bigint, other: bigint) => bigint;
type Change = (base: Base, path: Path, value: bigint) => Base;

/** Where a test changes numbers, and what it makes of a base with one number changed. */
interface Study {
  readonly placesOf: (base: Base) => [Path, unknown][];
  readonly change: Change;
}

/** Changes one number in a random base. */
function compareAt({ placesOf, change }: Study, place: number, mutation: string, random: Random) {
  const base = bases[random(bases.length)] as Base;
  const numbers = numbersOf(placesOf(base));
  const [path, value] = numbers[place % numbers.length] as [Path, number | bigint];
  const [, other] = numbers[random(numbers.length)] as [Path, number | bigint];
  const mutated = (MUTATIONS[mutation] as Mutation)(BigInt(value), BigInt(other));
  // A tree has no index below 0; the circuit's signals are changed in that direction by the other test.
  const isIndex = ["index", "from", "to", "feeIndex"].includes(String(path.at(-1)));
  if (mutated === BigInt(value) || (isIndex && mutated < 0n)) return;
  const changed = change(base, path, typeof value === "number" ? mutated : toElement(mutated));
  compare(changed, `${path.join(".")} ${mutation}`);
}

function compareAll(study: Study): void {
  const random = randomNumbers(SEED);
  const count = numbersOf(study.placesOf(bases[0] as Base)).length;
  for (let place = 0; place < count; place++) {
    for (const mutation of Object.keys(MUTATIONS)) compareAt(study, place, mutation, random);
  }
}

const numbersOf = (places: [Path, unknown][]): [Path, number | bigint][] =>
  places.filter(
    (place): place is [Path, number | bigint] =>
      typeof place[1] === "bigint" || typeof place[1] === "number",
  );

function put(request: BatchRequest, path: Path, value: bigint): BatchRequest {
  const old = [...placesIn(request)].find(([place]) => place.join() === path.join())?.[1];
  return changedAt(request, path, typeof old === "number" ? Number(value) : value);
}

/** Fields that the twin takes from the caller and the circuit from the state: no signal carries them. */
const isOfState = (path: Path) => ["nonce", "recipient"].includes(String(path.at(-1)));
const isSigned = (path: Path) => path[0] === "transfers" && path.length === 3;

const PLAIN: Study = {
  placesOf: ({ request }) => [...placesIn(request)].filter(([path]) => !isOfState(path)),
  change: ({ request, state }, path, value) => ({ request: put(request, path, value), state }),
};

const SIGNED_ANEW: Study = {
  placesOf: ({ request }) => [...placesIn(request)].filter(([path]) => isSigned(path)),
  change: ({ request, state }, path, value) => {
    const slot = Number(path[1]);
    const changed = put(request, path, value);
    const transfer = changed.transfers[slot] as SignedTransfer;
    const { wallet } = resident((request.transfers[slot] as SignedTransfer).from);
    const message = messageOf(request.domain, transfer, transfer.recipient, transfer.nonce);
    const resigned = { ...transfer, signature: wallet.sign(message) };
    return { request: { ...changed, transfers: changed.transfers.with(slot, resigned) }, state };
  },
};

const OTHER_STATE: Study = {
  placesOf: ({ state }) => [...placesIn(Object.fromEntries(state.accounts()))],
  change: ({ request, state }, [index, field], value) => {
    const changed = state.fork();
    changed.set(Number(index), { ...state.get(Number(index)), [field as string]: value });
    return { request, state: changed };
  },
};

describe("soundness / mutation of a batch", () => {
  it("agrees with the twin on each field changed alone", { timeout: TIME_MS }, () => {
    compareAll(PLAIN);
  });

  it("agrees with the twin on each field changed and signed anew", { timeout: TIME_MS }, () => {
    compareAll(SIGNED_ANEW);
  });

  it("agrees with the twin on the batch over another state", { timeout: TIME_MS }, () => {
    compareAll(OTHER_STATE);
  });

  it("has seen 350 refusals, by more draws if need be", { timeout: TIME_MS }, () => {
    const random = randomNumbers(SEED + 1);
    const mutations = Object.keys(MUTATIONS);
    for (let draws = 0; draws < 500 && (counts[REFUSED] ?? 0) < 350; draws++) {
      compareAt(PLAIN, random(100), mutations[random(mutations.length)] as string, random);
    }
    expect(counts[REFUSED], `seed ${SEED}: ${JSON.stringify(counts)}`).toBeGreaterThanOrEqual(350);
  });
});
