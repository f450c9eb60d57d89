// The states along a range of steps: what both sides of a dispute hold against each other.

import type { Hex } from "viem";
import { executeInstruction, type Outcome } from "./executor.ts";
import type { Instruction } from "./instruction.ts";
import type { LedgerDomain } from "./signature.ts";
import { type LedgerState, stateRoot } from "./state.ts";
import { encodeWitness } from "./witness.ts";

/** Everything that the contract needs to execute one step. */
export interface StepWitness extends Instruction {
  readonly preState: Hex;
}

export class Trace {
  readonly domain: LedgerDomain;
  private readonly states: LedgerState[];
  private readonly roots: (Hex | undefined)[] = [];
  private readonly instructions: Instruction[] = [];
  private readonly ends: Outcome[] = [];

  /** @param start the state before the first step. */
  constructor(domain: LedgerDomain, start: LedgerState) {
    this.domain = domain;
    this.states = [start];
  }

  static async of(
    domain: LedgerDomain,
    start: LedgerState,
    instructions: Iterable<Instruction>,
  ): Promise<Trace> {
    const trace = new Trace(domain, start);
    for (const instruction of instructions) await trace.push(instruction);
    return trace;
  }

  /** Steps so far. */
  get length(): number {
    return this.instructions.length;
  }

  async push(instruction: Instruction): Promise<Outcome> {
    const { state, outcome } = await executeInstruction(
      this.domain,
      this.state(this.length),
      instruction,
    );
    this.states.push(state);
    this.instructions.push(instruction);
    this.ends.push(outcome);
    return outcome;
  }

  /** The state before step `step`, which is that after step `step - 1`; 0 to `length`. */
  state(step: number): LedgerState {
    const state = this.states[step];
    if (state === undefined)
      throw new RangeError(`step: got ${step}, expected 0 to ${this.length}`);
    return state;
  }

  /** Root of the state before step `step`. */
  root(step: number): Hex {
    const known = this.roots[step];
    if (known !== undefined) return known;
    const root = stateRoot(this.state(step));
    this.roots[step] = root;
    return root;
  }

  /** How step `step` ended; 0 to `length - 1`. */
  outcome(step: number): Outcome {
    this.instruction(step);
    return this.ends[step] as Outcome;
  }

  instruction(step: number): Instruction {
    const instruction = this.instructions[step];
    if (instruction === undefined) {
      throw new RangeError(`step: got ${step}, expected 0 to ${this.length - 1}`);
    }
    return instruction;
  }

  /** The witness of step `step`; it is executed once more to see what it reads. */
  async witness(step: number): Promise<StepWitness> {
    const instruction = this.instruction(step);
    const state = this.state(step);
    const { reads } = await executeInstruction(this.domain, state, instruction);
    return { ...instruction, preState: encodeWitness(state, reads) };
  }
}
