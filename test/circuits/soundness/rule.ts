import { beforeAll, describe, expect, it } from "vitest";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { rebound } from "./forgery.ts";
import { TinyCircuit } from "./tiny-circuit.ts";

let circuit: TinyCircuit;

/** The circuit of the running test file. */
export const theCircuit = (): TinyCircuit => circuit;

/** The inputs with binding and new root as the circuit computes them: what is wrong in them is wrong alone. */
export const settled = (inputs: CircuitInputs): CircuitInputs =>
  circuit.withOwnRoot(rebound(inputs));

/** One rule of the circuit, broken and kept. */
export interface Rule {
  /** Breaks this rule and no other. */
  readonly broken: () => CircuitInputs;
  /** Templates whose checks object, and no others do: the proof that nothing else is wrong. Sorted. */
  readonly at: readonly string[];
  /** The same batch, or its nearest neighbour, with the rule kept. */
  readonly kept: () => CircuitInputs;
}

/** Rules by section and sentence; a sentence completes "refuses …". */
export class RuleBook {
  readonly sections = new Map<string, Readonly<Record<string, Rule>>>();

  section(name: string, rules: Readonly<Record<string, Rule>>): void {
    this.sections.set(name, rules);
  }
}

/** Loads the circuit for a test file, once. */
export async function loadCircuit(): Promise<void> {
  circuit ??= await TinyCircuit.load();
}

/** A test for each rule: the batch that keeps it is accepted, the one that breaks it alone is refused. */
export function describeRules(book: RuleBook): void {
  beforeAll(loadCircuit);
  for (const [name, rules] of book.sections) {
    describe(`soundness / ${name}`, () => {
      for (const [sentence, rule] of Object.entries(rules)) {
        it(`refuses ${sentence}`, () => {
          expectAccepted(rule.kept());
          expectRefused(rule.broken(), rule.at);
        });
      }
    });
  }
}

const accepted = new Set<string>();

/** The constraints agree to the inputs, and no check of the program objects. Neighbours recur: each is asked once. */
export function expectAccepted(inputs: CircuitInputs): void {
  const key = JSON.stringify(inputs, (_, value) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  if (accepted.has(key)) return;
  const { broken, complaints } = circuit.judge(inputs);
  expect({ broken, complaints }).toEqual({ broken: [], complaints: [] });
  accepted.add(key);
}

/** With a witness that ignores every check of the program, the constraints still refuse, and for this reason only. */
export function expectRefused(inputs: CircuitInputs, at: readonly string[]): void {
  const { broken, complaints } = circuit.judge(inputs);
  expect(complaints).toEqual(at);
  expect(broken, "the constraints accept what the witness program refuses").not.toEqual([]);
}
