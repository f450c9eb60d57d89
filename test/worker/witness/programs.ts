import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { compileCircuit } from "../../../circuits/compile.ts";
import type { CircuitParameters } from "../../../circuits/parameters.ts";
import type { CircuitInputs, InputValue } from "../../../worker/witness.ts";
import { compile } from "../../circuits/small-circuit.ts";

/** The witness program of a circuit, as circom writes it. */
export async function compiled(source: string): Promise<Uint8Array<ArrayBuffer>> {
  const circuit = await compile(source);
  try {
    return new Uint8Array(await readFile(circuit.wasmPath));
  } finally {
    await rm(circuit.folder, { recursive: true });
  }
}

/** The witness program of a batch circuit, from the build folder or compiled. */
export async function batchProgram(
  parameters: CircuitParameters,
): Promise<Uint8Array<ArrayBuffer>> {
  const folder = join(import.meta.dirname, "../../../build/templates", `witness-${parameters.id}`);
  const { wasmPath } = await compileCircuit(parameters, folder);
  return new Uint8Array(await readFile(wasmPath));
}

/** The memory of each instance that is made of any module from now on. */
export function watchMemories(spyOn: typeof import("vitest").vi.spyOn): WebAssembly.Memory[] {
  const memories: WebAssembly.Memory[] = [];
  const { Instance } = WebAssembly;
  // A function that can be called with `new`.
  spyOn(WebAssembly, "Instance").mockImplementation(function (
    this: unknown,
    ...args: ConstructorParameters<typeof Instance>
  ) {
    const instance = new Instance(...args);
    memories.push(instance.exports.memory as WebAssembly.Memory);
    return instance;
  } as never);
  return memories;
}

/** What a program calls, doing nothing. */
export const SILENT = {
  exceptionHandler: () => {},
  printErrorMessage: () => {},
  writeBufferMessage: () => {},
  showSharedRWMemory: () => {},
} as const;

interface Program {
  init(sanityCheck: number): void;
  writeSharedRWMemory(word: number, value: number): void;
  readSharedRWMemory(word: number): number;
  setInputSignal(hashHigh: number, hashLow: number, position: number): void;
  getWitnessSize(): number;
  getWitness(wire: number): void;
  getMessageChar(): number;
}

/**
 * What circom's program says, untouched and in an instance of its own: all wires as 32 bytes each,
 * or the number of the exception that it raised. Inputs are not checked.
 */
export function untouched(
  module: WebAssembly.Module,
  inputs: CircuitInputs,
): Uint8Array | { exception: number } {
  let program: Program;
  const raised = { exception: 0 };
  const runtime = {
    ...SILENT,
    exceptionHandler: (exception: number) => {
      raised.exception = exception;
      throw raised;
    },
    writeBufferMessage: () => {
      while (program.getMessageChar() !== 0);
    },
  };
  const { exports } = new WebAssembly.Instance(module, { runtime });
  program = exports as unknown as Program;
  try {
    program.init(1);
    for (const [name, value] of Object.entries(inputs)) setSignal(program, name, value);
  } catch (error) {
    if (error === raised) return raised;
    throw error;
  }
  const words = new Uint32Array(8 * program.getWitnessSize());
  for (let wire = 0; wire < words.length / 8; wire++) {
    program.getWitness(wire);
    for (let k = 0; k < 8; k++) words[8 * wire + k] = program.readSharedRWMemory(k);
  }
  return new Uint8Array(words.buffer);
}

function setSignal(program: Program, name: string, value: InputValue): void {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  const elements = [value].flat(9) as (string | number | bigint)[];
  for (const [position, element] of elements.entries()) {
    for (let k = 0; k < 8; k++) {
      program.writeSharedRWMemory(k, Number((BigInt(element) >> BigInt(32 * k)) & 0xffff_ffffn));
    }
    program.setInputSignal(Number(hash >> 32n), Number(hash & 0xffff_ffffn), position);
  }
}
