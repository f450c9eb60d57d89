import { SUBGROUP_ORDER } from "../../../circuits/babyjubjub.ts";
import { toElement } from "../../../circuits/field.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { changedAt, type Path, placesIn } from "../places.ts";

/** How one number becomes another. `other` is a number from elsewhere in the same batch. */
export const MUTATIONS: Readonly<Record<string, (value: bigint, other: bigint) => bigint>> = {
  "+ 1": (value) => value + 1n,
  "- 1": (value) => value - 1n,
  "+ 4^levels": (value) => value + 16n,
  "+ 2^32": (value) => value + 2n ** 32n,
  "+ 2^64": (value) => value + 2n ** 64n,
  "+ subgroup order": (value) => value + SUBGROUP_ORDER,
  negated: (value) => -value,
  zero: () => 0n,
  "a number from elsewhere": (_, other) => other,
};

/** Every number among the inputs, public signals included. */
export const signalsOf = (inputs: CircuitInputs): [Path, bigint][] =>
  [...placesIn(inputs)].filter((place): place is [Path, bigint] => typeof place[1] === "bigint");

/** The inputs with one signal mutated modulo r, or undefined if that changes nothing. */
export function mutatedAt(
  inputs: CircuitInputs,
  path: Path,
  mutation: string,
  other: bigint,
): CircuitInputs | undefined {
  const [, value] = signalsOf(inputs).find(([place]) => place.join() === path.join()) ?? [];
  if (value === undefined) throw new Error(`no signal at ${path.join(".")}`);
  const change = MUTATIONS[mutation];
  if (change === undefined) throw new Error(`no mutation "${mutation}"`);
  const changed = toElement(change(value, other));
  return changed === value ? undefined : changedAt(inputs, path, changed);
}

/** Numbers in [0, end) that look random, the same for the same seed: mulberry32, by Tommy Ettinger, public domain. */
export function randomNumbers(seed: number): (end: number) => number {
  let state = seed >>> 0;
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}
