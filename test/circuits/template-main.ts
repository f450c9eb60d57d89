import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compileSource } from "../../circuits/compile.ts";
import { templateSource } from "../../circuits/costs.ts";
import type { CircuitInputs as BatchInputs } from "../../circuits/inputs.ts";
import { ELEMENT_BYTES, invert, mod, readLE, SCALAR_FIELD } from "../../worker/field.ts";
import { failingConstraints, parseR1cs, type R1cs, type SparseMatrix } from "../../worker/r1cs.ts";
import { type CircuitInputs, type InputValue, WitnessProgram } from "../../worker/witness.ts";
import { ForcedProgram } from "./soundness/forced-program.ts";

/** One template as a main component: its witness program, its constraints and the names of its wires. */
export class TemplateMain {
  readonly r1cs: R1cs;
  readonly #program: WitnessProgram;
  readonly #wires: ReadonlyMap<string, number>;

  readonly #wasm: Uint8Array<ArrayBuffer>;
  #forced: ForcedProgram | undefined;

  private constructor(wasm: Uint8Array<ArrayBuffer>, r1cs: R1cs, symbols: string) {
    this.#wasm = wasm;
    this.#program = new WitnessProgram(wasm);
    this.r1cs = r1cs;
    this.#wires = wiresByName(symbols);
  }

  /**
   * Compiles `component main = call` into build/templates, or takes what lies there if nothing changed.
   *
   * @param publicInputs  inputs to be declared public. The compiler may remove the wire of a private input that a
   *   linear constraint determines; the one of a public input stays.
   */
  static of(file: string, call: string, publicInputs: string[] = []): Promise<TemplateMain> {
    return TemplateMain.ofSource(call, templateSource({ file, call, publicInputs }));
  }

  /** The same for a main component that a test writes itself. */
  static async ofSource(name: string, source: string): Promise<TemplateMain> {
    const folder = join(import.meta.dirname, "../../build/templates", name.replaceAll(/\W+/g, "_"));
    const paths = await compileSource(source, folder, { withSymbols: true });
    const [wasm, r1cs, symbols] = await Promise.all([
      readFile(paths.wasmPath),
      readFile(paths.r1csPath),
      readFile(paths.symbolsPath, "utf8"),
    ]);
    return new TemplateMain(new Uint8Array(wasm), parseR1cs(r1cs), symbols);
  }

  /** What a cheater would start from: every signal assigned as the template says, for inputs that it refuses. */
  force(inputs: Readonly<Record<string, InputValue>>): bigint[] {
    this.#forced ??= new ForcedProgram(this.#wasm);
    return this.#forced.run(inputs as unknown as BatchInputs).witness;
  }

  /** The honest witness. Throws WorkError if the witness program refuses the inputs. */
  witness(inputs: CircuitInputs): bigint[] {
    return elementsOf(this.#program.calculate(inputs));
  }

  /** Rows that the witness breaks: the judge, where the program's own assertions are no evidence. */
  failing(witness: readonly bigint[]): number[] {
    return failingConstraints(this.r1cs, witness, this.r1cs.nConstraints);
  }

  /** Wire of a signal, for example `out[1]` or `differenceBits[3]`. Throws if the compiler removed it. */
  wire(name: string): number {
    const wire = this.#wires.get(`main.${name}`);
    if (wire === undefined) throw new Error(`main.${name} is no wire of this circuit`);
    return wire;
  }

  /** The first signal that has this wire. */
  nameOf(wire: number): string {
    const found = [...this.#wires].find(([, other]) => other === wire);
    if (found === undefined) throw new Error(`wire ${wire} has no name`);
    return found[0].slice("main.".length);
  }

  /** Names of all signals with a wire, without `main.`; anonymous components have names of the compiler's. */
  get names(): string[] {
    return [...this.#wires.keys()].map((name) => name.slice("main.".length));
  }

  /** True if the signal exists and the compiler left it a wire of its own. */
  hasWire(name: string): boolean {
    return this.#wires.has(`main.${name}`);
  }

  /** The values of one signal: `out` gives out[0], out[1], … or the single `out`. */
  read(witness: readonly bigint[], name: string): bigint[] {
    if (this.hasWire(name)) return [witness[this.wire(name)] as bigint];
    const values: bigint[] = [];
    for (let i = 0; this.hasWire(`${name}[${i}]`); i++) {
      values.push(witness[this.wire(`${name}[${i}]`)] as bigint);
    }
    return values;
  }

  /** The outputs for these inputs, after the constraints have agreed to the witness. */
  outputs(inputs: CircuitInputs, name = "out"): bigint[] {
    const witness = this.witness(inputs);
    const failing = this.failing(witness);
    if (failing.length > 0) throw new Error(`the honest witness breaks constraints ${failing}`);
    return this.read(witness, name);
  }

  /**
   * Wires that can change alone: with 1 or with another element added, every row that contains them still holds.
   * Inputs are left out.
   */
  looseWires(witness: readonly bigint[]): number[] {
    const firstInternal = 1 + this.r1cs.nPublic + this.r1cs.nPrivateInputs;
    const isOutput = (wire: number) => wire <= this.r1cs.nOutputs;
    const rowsOf = rowsByWire(this.r1cs);
    const changed = [...witness];
    const loose = new Set<number>();
    for (let wire = 1; wire < witness.length; wire++) {
      if (!isOutput(wire) && wire < firstInternal) continue;
      const rows = rowsOf.get(wire) ?? [];
      for (const delta of [1n, element(wire)]) {
        changed[wire] = modulo((witness[wire] as bigint) + delta);
        if (rows.every((row) => isSatisfied(this.r1cs, row, changed))) loose.add(wire);
      }
      changed[wire] = witness[wire] as bigint;
    }
    return [...loose];
  }

  /**
   * Wires that can change if others follow: each in turn is changed and forged, and every row still holds. Bits
   * are left out: `looseWires` is for them.
   */
  freeWires(witness: readonly bigint[]): string[] {
    const firstInternal = 1 + this.r1cs.nPublic + this.r1cs.nPrivateInputs;
    const isFree = (name: string) => {
      const value = witness[this.wire(name)] as bigint;
      if (this.wire(name) < firstInternal || value === 0n || value === 1n) return false;
      return this.failing(this.forge(witness, { [name]: value + 1n })).length === 0;
    };
    return this.names.filter(isFree);
  }

  /**
   * A forged witness: some wires are set, and every other wire that the constraints then determine follows.
   *
   * Starting from the inputs, the bits and the changed wires, each constraint with one unknown wire that enters
   * linearly gives this wire. Wires that no constraint gives keep their honest value. So only what contradicts
   * the change is left broken. Not for templates with Poseidon in them, whose rounds the compiler merges into
   * constraints with several unknown wires: use `force` there.
   *
   * @param changes  by signal name.
   */
  forge(honest: readonly bigint[], changes: Readonly<Record<string, bigint>>): bigint[] {
    const witness = [...honest];
    const isKnown = new Uint8Array(witness.length);
    const inputs = 1 + this.r1cs.nPublic + this.r1cs.nPrivateInputs;
    isKnown.fill(1, 0, 1);
    isKnown.fill(1, 1 + this.r1cs.nOutputs, inputs);
    for (const [name, value] of Object.entries(changes)) {
      witness[this.wire(name)] = modulo(value);
      isKnown[this.wire(name)] = 1;
    }
    followChanges(this.r1cs, witness, isKnown);
    return witness;
  }
}

function wiresByName(symbols: string): Map<string, number> {
  const wires = new Map<string, number>();
  for (const line of symbols.split("\n")) {
    // label, wire or -1 if the compiler removed it, component, name
    const [, wire, , name] = line.split(",");
    if (name !== undefined && Number(wire) >= 0) wires.set(name, Number(wire));
  }
  return wires;
}

function followChanges(r1cs: R1cs, witness: bigint[], isKnown: Uint8Array): void {
  const rows = Array.from({ length: r1cs.nConstraints }, (_, row) => wiresOfRow(r1cs, row));
  const rowsOf = rowsByWire(r1cs);
  const unknownsOf = (row: number) => (rows[row] as number[]).filter((wire) => isKnown[wire] === 0);
  const pending: number[] = [];
  const settle = (wire: number) => {
    if (isKnown[wire] === 1) return;
    isKnown[wire] = 1;
    pending.push(...(rowsOf.get(wire) ?? []));
  };
  // bit (bit - 1) = 0: a choice of the prover's, which nothing computes
  for (const [wire, ...others] of rows) if (wire !== undefined && others.length === 0) settle(wire);
  pending.push(...rows.keys());
  // outputs last: they should follow
  const inOrder = Array.from(
    { length: witness.length },
    (_, i) => (i + 1 + r1cs.nOutputs) % witness.length,
  );
  for (const wire of inOrder) {
    while (pending.length > 0) {
      const row = pending.pop() as number;
      const [unknown, ...others] = unknownsOf(row);
      if (unknown === undefined || others.length > 0) continue;
      const value = solveFor(r1cs, row, unknown, witness);
      if (value === undefined) continue;
      witness[unknown] = value;
      settle(unknown);
    }
    settle(wire);
  }
}

function rowsByWire(r1cs: R1cs): Map<number, number[]> {
  const rowsOf = new Map<number, number[]>();
  for (let row = 0; row < r1cs.nConstraints; row++) {
    for (const wire of wiresOfRow(r1cs, row)) {
      const rows = rowsOf.get(wire);
      if (rows === undefined) rowsOf.set(wire, [row]);
      else rows.push(row);
    }
  }
  return rowsOf;
}

function isSatisfied(r1cs: R1cs, row: number, witness: readonly bigint[]): boolean {
  const [a, b, c] = [r1cs.a, r1cs.b, r1cs.c].map((matrix) => {
    let sum = 0n;
    for (const [wire, value] of entries(r1cs, matrix, row))
      sum += value * (witness[wire] as bigint);
    return sum;
  }) as [bigint, bigint, bigint];
  return modulo(a * b - c) === 0n;
}

function wiresOfRow(r1cs: R1cs, row: number): number[] {
  const wires = new Set<number>();
  for (const matrix of [r1cs.a, r1cs.b, r1cs.c]) {
    for (const [wire] of entries(r1cs, matrix, row)) wires.add(wire);
  }
  wires.delete(0);
  return [...wires];
}

/** The value of `wire` that satisfies the row, if exactly one does and the wire enters linearly. */
function solveFor(
  r1cs: R1cs,
  row: number,
  wire: number,
  witness: readonly bigint[],
): bigint | undefined {
  const split = (matrix: SparseMatrix): [factor: bigint, rest: bigint] => {
    let factor = 0n;
    let rest = 0n;
    for (const [column, value] of entries(r1cs, matrix, row)) {
      if (column === wire) factor += value;
      else rest += value * (witness[column] as bigint);
    }
    return [modulo(factor), modulo(rest)];
  };
  // (a1 x + a0) (b1 x + b0) = c1 x + c0
  const [a1, a0] = split(r1cs.a);
  const [b1, b0] = split(r1cs.b);
  const [c1, c0] = split(r1cs.c);
  if (modulo(a1 * b1) !== 0n) return undefined;
  const factor = modulo(a1 * b0 + a0 * b1 - c1);
  return factor === 0n ? undefined : modulo((c0 - a0 * b0) * invert(factor, SCALAR_FIELD));
}

function* entries(r1cs: R1cs, matrix: SparseMatrix, row: number): Generator<[number, bigint]> {
  const end = matrix.rowStart[row + 1] as number;
  for (let e = matrix.rowStart[row] as number; e < end; e++) {
    const value = r1cs.coefficients[matrix.coefficient[e] as number] as bigint;
    yield [matrix.wire[e] as number, value];
  }
}

const modulo = (value: bigint): bigint => mod(value, SCALAR_FIELD);

function elementsOf(bytes: Uint8Array): bigint[] {
  return Array.from({ length: bytes.length / ELEMENT_BYTES }, (_, i) =>
    readLE(bytes.subarray(i * ELEMENT_BYTES, (i + 1) * ELEMENT_BYTES)),
  );
}

/** An element that looks random and is the same in every run. */
export const element = (label: string | number): bigint =>
  BigInt(`0x${createHash("sha256").update(`template ${label}`).digest("hex")}`) % SCALAR_FIELD;

/** The bits of a number, low bit first. */
export const bitsOf = (value: bigint, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => (value >> BigInt(i)) & 1n);

/** The same with names, for `forge`: { "bits[0]": …, "bits[1]": …, … }. */
export function named(name: string, values: readonly bigint[]): Record<string, bigint> {
  return Object.fromEntries(values.map((value, i) => [`${name}[${i}]`, value]));
}
