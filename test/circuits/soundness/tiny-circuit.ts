import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compileCircuit } from "../../../circuits/compile.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { circuitParameters } from "../../../circuits/parameters.ts";
import { invert, SCALAR_FIELD } from "../../../worker/field.ts";
import { failingConstraints, parseR1cs, type R1cs } from "../../../worker/r1cs.ts";
import { WitnessProgram } from "../../../worker/witness.ts";
import { Constraints, element } from "./constraints.ts";
import { ForcedProgram } from "./forced-program.ts";

/** `batch-tiny`: 2 transfers, 16 accounts in 4 groups of 4, 1 L1 slot. */
export const tiny = circuitParameters("batch-tiny");

/** What the constraints say to inputs. */
export interface Verdict {
  /** Some rows that are broken; empty if the constraints are satisfied. */
  readonly broken: readonly number[];
  /** Templates whose own checks fail, sorted. */
  readonly complaints: readonly string[];
  readonly witness: readonly bigint[];
}

/** A compiled circuit with all that a forger needs. */
export class TinyCircuit {
  readonly r1cs: R1cs;
  readonly constraints: Constraints;
  /** As a service runs it: stops at the first failing check. */
  readonly program: WitnessProgram;
  readonly forced: ForcedProgram;
  readonly #wires = new Map<string, number>();
  readonly #names: string[] = ["1"];

  private constructor(wasm: Uint8Array<ArrayBuffer>, r1cs: Uint8Array, symbols: string) {
    this.r1cs = parseR1cs(r1cs);
    this.constraints = new Constraints(this.r1cs);
    this.program = new WitnessProgram(wasm);
    this.forced = new ForcedProgram(wasm);
    for (const line of symbols.split("\n")) {
      // label, wire or -1, component, name. Several signals may share a wire: the first gives the name.
      const [, wire, , name] = line.split(",");
      if (name === undefined || Number(wire) < 0) continue;
      this.#wires.set(name, Number(wire));
      this.#names[Number(wire)] ??= name;
    }
  }

  static async load(): Promise<TinyCircuit> {
    // Not build/circuits: the keys there belong to the files there. Template tests compile the same here.
    const folder = join(import.meta.dirname, "../../../build/templates/batch_tiny");
    const paths = await compileCircuit(tiny, folder, { withSymbols: true });
    const [wasm, r1cs, symbols] = await Promise.all([
      readFile(paths.wasmPath),
      readFile(paths.r1csPath),
      readFile(paths.symbolsPath, "utf8"),
    ]);
    return new TinyCircuit(new Uint8Array(wasm), r1cs, symbols);
  }

  /** Wire of a signal, for example `tx[0][3]` or `main.h`. */
  wire(name: string): number {
    const wire = this.#wires.get(`main.${name}`);
    if (wire === undefined) throw new Error(`main.${name} has no wire of its own`);
    return wire;
  }

  /** A signal of the wire. */
  name(wire: number): string {
    return this.#names[wire] ?? `wire ${wire}`;
  }

  /**
   * Runs the program past its checks and asks the constraints.
   *
   * @param limit stop after so many broken rows.
   */
  judge(inputs: CircuitInputs, limit = 1): Verdict {
    const { witness, complaints } = this.forced.run(inputs);
    return { witness, complaints, broken: failingConstraints(this.r1cs, witness, limit) };
  }

  /**
   * The inputs with the new root that the circuit itself computes from them, right or wrong: so that a broken rule is
   * not refused for its consequences alone.
   */
  withOwnRoot(inputs: CircuitInputs): CircuitInputs {
    const settled = this.withRootOf(this.forced.run(inputs).witness);
    return { ...inputs, newRoot: settled[this.wire("newRoot")] as bigint };
  }

  /** The witness with the new root that its other wires lead to. No other wire depends on it: it is only compared. */
  withRootOf(witness: readonly bigint[]): bigint[] {
    const wire = this.wire("newRoot");
    const [row, ...others] = this.constraints.rowsOf(wire);
    if (row === undefined || others.length > 0) throw new Error("newRoot is not in one row");
    const linear = this.constraints.slopes(row, witness).get(wire)?.linear as bigint;
    const delta = -this.constraints.residue(row, witness) * invert(linear, SCALAR_FIELD);
    return witness.with(wire, element((witness[wire] as bigint) + delta));
  }
}
