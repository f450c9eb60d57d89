import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { ELEMENT_BYTES, readViewLE } from "../../../worker/field.ts";

/**
 * circom's witness program stops at the first check that fails, and its checks are no evidence: a prover does not run
 * them. Here the program is made to go on, so that inputs that break a rule give a witness of full length all the
 * same, which the constraints can then be asked about.
 *
 * A failed check is compiled to
 *
 *     call $printErrorMessage   0x10 <function index>
 *     i32.const 4               0x41 0x04     "assert failed"
 *     return                    0x0f
 *
 * and the last two instructions become no-ops (0x01). Everything above returns an error only if something below did,
 * so nothing else needs a change.
 */
const OPCODE = { nop: 0x01, return: 0x0f, call: 0x10, i32Const: 0x41 } as const;
const ASSERT_FAILED = 4;
const CODE_SECTION = 10;
const HEADER_BYTES = 8;

export interface ForcedWasm {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** How many checks of the program go on now. */
  readonly sites: number;
}

/** @throws Error if the program does not import `printErrorMessage`: then it is not circom 2's. */
export function withoutReturns(wasm: Uint8Array<ArrayBuffer>): ForcedWasm {
  const forced = wasm.slice();
  const pattern = [
    OPCODE.call,
    functionIndex(wasm, "printErrorMessage"),
    OPCODE.i32Const,
    ASSERT_FAILED,
    OPCODE.return,
  ];
  const [start, end] = codeSection(wasm);
  let sites = 0;
  for (let at = start; at + pattern.length <= end; at++) {
    if (!pattern.every((byte, i) => wasm[at + i] === byte)) continue;
    forced.fill(OPCODE.nop, at + 2, at + pattern.length);
    sites++;
  }
  return { wasm: forced, sites };
}

/** What the types of the worker's WebAssembly leave out. */
const { imports: importsOf } = WebAssembly.Module as unknown as {
  imports(module: WebAssembly.Module): { kind: string; name: string }[];
};

function functionIndex(wasm: Uint8Array<ArrayBuffer>, name: string): number {
  const functions = importsOf(new WebAssembly.Module(wasm)).filter((i) => i.kind === "function");
  const index = functions.findIndex((imported) => imported.name === name);
  // One byte of LEB128 holds it; a longer index would need a longer pattern.
  if (index < 0 || index > 0x7f) throw new Error(`the program does not import ${name} in front`);
  return index;
}

/** Offsets of the code section's content. */
function codeSection(wasm: Uint8Array): [start: number, end: number] {
  let at = HEADER_BYTES;
  while (at < wasm.length) {
    const id = wasm[at++];
    let length = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = wasm[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      more = byte >= 0x80;
    }
    if (id === CODE_SECTION) return [at, at + length];
    at += length;
  }
  throw new Error("the program has no code section");
}

interface Exports {
  init(sanityCheck: number): void;
  writeSharedRWMemory(word: number, value: number): void;
  readSharedRWMemory(word: number): number;
  setInputSignal(hashHigh: number, hashLow: number, position: number): void;
  getInputSize(): number;
  getWitnessSize(): number;
  getWitness(wire: number): void;
  getMessageChar(): number;
}

export interface ForcedRun {
  /** Every wire, canonical, whatever the inputs. */
  readonly witness: bigint[];
  /** The templates whose checks failed, each once, sorted. Empty for inputs that satisfy the circuit. */
  readonly complaints: string[];
}

const WORDS = ELEMENT_BYTES / 4;

/** A witness program that never stops. One instance serves all runs: nothing of a run outlives `init`. */
export class ForcedProgram {
  readonly sites: number;
  readonly #program: Exports;
  #complaints = new Set<string>();

  constructor(wasm: Uint8Array<ArrayBuffer>) {
    const forced = withoutReturns(wasm);
    this.sites = forced.sites;
    const runtime = {
      exceptionHandler: (exception: number) => {
        throw new Error(`the forced program raised exception ${exception}`);
      },
      printErrorMessage: () => this.#note(this.#readMessage()),
      writeBufferMessage: () => this.#readMessage(),
      showSharedRWMemory: () => {},
    };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(forced.wasm), { runtime });
    this.#program = exports as unknown as Exports;
  }

  /** @throws Error if a signal is missing. Values must be canonical. */
  run(inputs: CircuitInputs): ForcedRun {
    const program = this.#program;
    this.#complaints = new Set();
    program.init(0);
    let given = 0;
    for (const [name, value] of Object.entries(inputs)) {
      const [high, low] = fnv1a64(name);
      const values = [value].flat(3) as bigint[];
      given += values.length;
      for (const [position, element] of values.entries()) {
        for (let word = 0; word < WORDS; word++) {
          const bits = Number((element >> BigInt(32 * word)) & 0xffff_ffffn);
          program.writeSharedRWMemory(word, bits);
        }
        program.setInputSignal(high, low, position);
      }
    }
    const expected = program.getInputSize();
    if (given !== expected) throw new Error(`got ${given} input values, expected ${expected}`);
    return { witness: this.#readWitness(), complaints: [...this.#complaints].sort() };
  }

  #readWitness(): bigint[] {
    const program = this.#program;
    const view = new DataView(new ArrayBuffer(ELEMENT_BYTES));
    return Array.from({ length: program.getWitnessSize() }, (_, wire) => {
      program.getWitness(wire);
      for (let word = 0; word < WORDS; word++) {
        view.setUint32(4 * word, program.readSharedRWMemory(word), true);
      }
      return readViewLE(view, 0);
    });
  }

  #readMessage(): string {
    let text = "";
    for (let c = this.#program.getMessageChar(); c; c = this.#program.getMessageChar()) {
      text += String.fromCharCode(c);
    }
    return text;
  }

  /** circom writes "Error in template Num2Bits_78 line: 38", with a number for each set of parameters. */
  #note(message: string): void {
    this.#complaints.add(/template (\w+?)(?:_\d+)? line/.exec(message)?.[1] ?? message);
  }
}

/** FNV-1a, 64 bits, in two halves: how the program knows its input signals. */
function fnv1a64(name: string): [high: number, low: number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return [Number(hash >> 32n), Number(hash & 0xffff_ffffn)];
}
