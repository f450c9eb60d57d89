import { bindData, type DataBinding } from "../../../circuits/data.ts";
import { toElement } from "../../../circuits/field.ts";
import { assembleInputs, type BatchContent, type CircuitInputs } from "../../../circuits/inputs.ts";
import type { StateTree } from "../../../circuits/tree.ts";
import { BLOCK_NUMBER, DOMAIN, smallTree } from "../small-rollup.ts";
import { tiny } from "./tiny-circuit.ts";

// Batches as a dishonest operator builds them: nothing here judges.

/** Inputs for a batch that is applied without asking whether it may. Account 5 takes the fees. */
export function inputsOf(content: Partial<BatchContent>, tree: StateTree = smallTree(2)) {
  const base = {
    domain: DOMAIN,
    blockNumber: BLOCK_NUMBER,
    feeIndex: 5,
    l1Items: [],
    transfers: [],
  };
  return assembleInputs(tiny, tree, { ...base, ...content }).inputs;
}

/** d as the circuit sees it: from the very signals, modulo r. */
export function dataOf(inputs: CircuitInputs): bigint[] {
  const items = inputs.l1.flatMap(([kind, index, amount, ...key]) => [
    (kind as bigint) * 2n ** 96n + (index as bigint) * 2n ** 64n + (amount as bigint),
    ...key,
  ]);
  const records = inputs.tx.map(([type, from, to, amount, fee]) =>
    recordOf({ type, from, to, amount, fee } as Record<keyof typeof WEIGHTS, bigint>),
  );
  return [inputs.domain, inputs.blockNumber, inputs.feeIndex, ...items, ...records].map(toElement);
}

const WEIGHTS = { type: 2n ** 160n, from: 2n ** 128n, to: 2n ** 96n, amount: 2n ** 32n, fee: 1n };

const recordOf = (fields: Readonly<Record<keyof typeof WEIGHTS, bigint>>): bigint =>
  Object.entries(WEIGHTS).reduce(
    (sum, [name, weight]) => sum + weight * fields[name as keyof typeof WEIGHTS],
    0n,
  );

/** The binding of d to a proof: h, z, y. */
export const bindingOf = (d: readonly bigint[]): DataBinding => bindData(tiny, d);

/** The inputs with h, z and y of the data that they hold, so that the binding has nothing to object to. */
export function rebound(inputs: CircuitInputs): CircuitInputs {
  const { h, z, y } = bindingOf(dataOf(inputs));
  return { ...inputs, h, z, y };
}

/** Siblings as the inputs hold them. */
export const siblingsOf = (tree: StateTree, index: number): bigint[][] =>
  tree.siblings(index, tiny.levels - tiny.top).map((three) => [...three]);
