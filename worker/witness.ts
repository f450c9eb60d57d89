/**
 * Runs circom's witness program: a WebAssembly module that takes the values of a circuit's input
 * signals and computes all its wires.
 *
 * The program is rewritten when it is loaded (`witness/tuning.ts`): what circom writes takes half as
 * long as a proof, and cannot be stopped. One instance then serves all calculations, with its memory
 * brought back to its beginning after each; a program that is not understood well enough for that
 * gets a fresh instance each time.
 */

import { type CircuitInputs, readSignals } from "./witness/inputs.ts";
import {
  foreignProgram,
  type LookIn,
  PROGRAM_EXPORTS,
  ProgramInstance,
} from "./witness/instance.ts";
import { type ProgramKind, type ProgramMemory, prepareProgram } from "./witness/tuning.ts";

export { type CircuitInputs, type InputValue, parseInputs } from "./witness/inputs.ts";

export class WitnessProgram {
  /** "tuned" programs are fast, and "plain" ones cannot be interrupted. */
  readonly kind: ProgramKind;
  /** Of a tuned program. */
  readonly #layout: ProgramMemory | undefined;
  readonly #module: WebAssembly.Module;
  /** Of a tuned program: for everything. Of another one: for sizes, and it never sees a value. */
  #instance: ProgramInstance | undefined;

  /**
   * Compiles a program; do this once for each circuit.
   *
   * @param wasm  circom's `.wasm` file; not kept.
   * @throws WorkError ARTEFACT_MISMATCH if the bytes are not a circom 2 witness program.
   */
  constructor(wasm: Uint8Array<ArrayBuffer>) {
    const prepared = prepareProgram(wasm);
    this.kind = prepared.kind;
    this.#layout = prepared.memory;
    try {
      this.#module = new WebAssembly.Module(prepared.wasm);
    } catch {
      throw foreignProgram("is not WebAssembly that this Node can compile");
    }
    const names = new Set(WebAssembly.Module.exports(this.#module).map(({ name }) => name));
    for (const name of PROGRAM_EXPORTS) {
      if (!names.has(name)) throw foreignProgram(`has no export "${name}"`);
    }
  }

  /**
   * How many values the input signals have together.
   *
   * @throws WorkError ARTEFACT_MISMATCH, ENGINE_UNAVAILABLE
   */
  get inputCount(): number {
    return this.#resident().sizes.getInputSize();
  }

  /**
   * Checks names, counts and ranges of inputs without computing anything: what passes fails in
   * `calculate` only by breaking a rule of the circuit.
   *
   * @throws WorkError INPUT_MALFORMED, with `detail.path` (`amount[3]`) if one signal or value is at
   *   fault.
   */
  checkInputs(inputs: CircuitInputs): void {
    readSignals(this.#resident().sizes, inputs);
  }

  /**
   * Computes the witness. Synchronous: milliseconds for 2^14 constraints, a second for 2^20.
   *
   * @param lookIn  called some hundred times a second or more often; what it throws ends the
   *   calculation and comes out here. A "plain" program does not call it.
   * @returns nVars x 32 B, little-endian, canonical; the caller wipes it.
   * @throws WorkError INPUT_MALFORMED for a wrong name, count or range; WITNESS_UNSATISFIABLE, with
   *   the template and line whose assertion failed, if the inputs break a rule of the circuit.
   */
  calculate(inputs: CircuitInputs, lookIn: LookIn = () => {}): Uint8Array {
    const signals = readSignals(this.#resident().sizes, inputs);
    const instance = this.kind === "tuned" ? this.#resident() : new ProgramInstance(this.#module);
    return instance.run(signals, lookIn);
  }

  /** Gives back the instance's memory, some 300 B a wire. The next use takes it again. */
  rest(): void {
    this.#instance = undefined;
  }

  #resident(): ProgramInstance {
    this.#instance ??= new ProgramInstance(this.#module, this.#layout);
    return this.#instance;
  }
}
