/**
 * A running copy of a witness program, with the interface of circom 2: `init`, then
 * `setInputSignal(hash of the name, position)` with the value in a small shared buffer; the last one
 * runs the circuit; then the witness is read. On the way the program calls back with error texts and
 * with what the circuit logs. Logs may hold secrets and are dropped.
 *
 * Specification: docs.circom.io, "Computing the witness", and the JavaScript that circom writes
 * beside the program.
 */
import { WorkError } from "../errors.ts";
import { ELEMENT_BYTES, SCALAR_FIELD } from "../field.ts";
import type { Signal, SignalSizes } from "./inputs.ts";
import { COPY_WITNESS, type ProgramMemory } from "./tuning.ts";

/** Called while a circuit is computed, some hundred times a second at least; throws to stop it. */
export type LookIn = () => void;

/** 32-bit words of one element in the program's buffer. */
const ELEMENT_WORDS = ELEMENT_BYTES / 4;
const PAGE_BYTES = 2 ** 16;
/** Characters of a text that the program passes: circom's are a line. */
const MAX_TEXT = 2 ** 16;
/** Error texts that are kept: one for each template around the assertion that failed. */
const MAX_MESSAGES = 256;
/** Numbers that the program passes to `exceptionHandler`. */
const EXCEPTION = { assertFailed: 4, notEnoughMemory: 5 } as const;

interface Exports extends SignalSizes {
  readonly memory: WebAssembly.Memory;
  getVersion(): number;
  getFieldNumLen32(): number;
  getRawPrime(): void;
  getSharedRWMemoryStart(): number;
  getWitnessSize(): number;
  getMessageChar(): number;
  init(sanityCheck: number): void;
  readSharedRWMemory(word: number): number;
  writeSharedRWMemory(word: number, value: number): void;
  setInputSignal(hashHigh: number, hashLow: number, position: number): void;
  getWitness(wire: number): void;
  /** Of tuned programs only. */
  readonly [COPY_WITNESS]?: (to: number, shared: number) => void;
}

/** What a program must have; that of errors' texts is not needed where nothing fails. */
export const PROGRAM_EXPORTS = [
  ...["memory", "getVersion", "getFieldNumLen32", "getRawPrime", "getSharedRWMemoryStart"],
  ...["getWitnessSize", "init", "readSharedRWMemory", "writeSharedRWMemory"],
  ...["setInputSignal", "getWitness", "getInputSize", "getInputSignalSize"],
] as const;

/** Thrown through the program by its own callback. */
class ProgramException extends Error {
  readonly exception: number;

  constructor(exception: number) {
    super(`the witness program raised exception ${exception}`);
    this.exception = exception;
  }
}

export class ProgramInstance {
  readonly #program: Exports;
  readonly #layout: ProgramMemory | undefined;
  readonly #messages: string[] = [];
  #lookIn: LookIn | undefined;
  /** What the look threw through the program, where an error could be anything's. */
  #stop: { readonly error: unknown } | undefined;

  /**
   * @param layout  of a tuned program. Without it the instance is good for one run only, because it
   *   keeps old error texts and half-set inputs.
   * @throws WorkError ARTEFACT_MISMATCH, ENGINE_UNAVAILABLE
   */
  constructor(module: WebAssembly.Module, layout?: ProgramMemory) {
    this.#layout = layout;
    this.#program = this.#instantiate(module);
    try {
      checkField(this.#program);
    } catch (error) {
      throw error instanceof WorkError ? error : foreignProgram("does not say its field");
    }
  }

  get sizes(): SignalSizes {
    return this.#program;
  }

  /**
   * Computes the witness, and wipes what that leaves in the program's memory.
   *
   * @param signals  checked by `readSignals`.
   * @returns  nVars x 32 B, little-endian, canonical; the caller wipes it.
   * @throws WorkError WITNESS_UNSATISFIABLE, with the template and line whose assertion failed; or
   *   whatever `lookIn` throws.
   */
  run(signals: readonly Signal[], lookIn: LookIn): Uint8Array {
    // The program's memory holds one run; a look that starts another would mix them.
    if (this.#lookIn !== undefined) throw new TypeError("the witness program is running already");
    const program = this.#program;
    this.#lookIn = lookIn;
    this.#messages.length = 0;
    try {
      program.init(1);
      setInputs(program, signals);
      return this.#layout === undefined ? readWires(program) : copyWires(program, this.#layout);
    } catch (error) {
      if (this.#stop !== undefined) throw this.#stop.error;
      throw explain(error, this.#messages);
    } finally {
      this.#lookIn = undefined;
      this.#stop = undefined;
      if (this.#layout === undefined) wipe(program.memory);
      else restore(program, this.#layout);
    }
  }

  #look(): void {
    try {
      this.#lookIn?.();
    } catch (error) {
      this.#stop = { error };
      throw error;
    }
  }

  #instantiate(module: WebAssembly.Module): Exports {
    let program: Exports | undefined;
    const readMessage = () => {
      let text = "";
      for (let c = program?.getMessageChar(); c; c = program?.getMessageChar()) {
        // A damaged program's may have no end.
        if (text.length === MAX_TEXT) throw new RangeError("the text has no end");
        text += String.fromCharCode(c);
      }
      return text;
    };
    const runtime = {
      exceptionHandler: (exception: number) => {
        throw new ProgramException(exception);
      },
      printErrorMessage: () => {
        const message = readMessage();
        if (this.#messages.length < MAX_MESSAGES) this.#messages.push(message);
      },
      writeBufferMessage: () => {
        readMessage();
      },
      // A value that the circuit logs, which is dropped, or a loop that looks in.
      showSharedRWMemory: () => this.#look(),
    };
    try {
      const { exports } = new WebAssembly.Instance(module, { runtime });
      program = exports as unknown as Exports;
    } catch (cause) {
      throw new WorkError(
        cause instanceof WebAssembly.LinkError ? "ARTEFACT_MISMATCH" : "ENGINE_UNAVAILABLE",
        "witness program: it could not be started; was it made by circom 2, is there memory left?",
        {},
        { cause },
      );
    }
    return program;
  }
}

function setInputs(program: Exports, signals: readonly Signal[]): void {
  for (const { high, low, values } of signals) {
    for (const [position, value] of values.entries()) {
      for (let word = 0; word < ELEMENT_WORDS; word++) {
        program.writeSharedRWMemory(word, Number((value >> BigInt(32 * word)) & 0xffff_ffffn));
      }
      program.setInputSignal(high, low, position);
    }
  }
}

/** All wires, one after the other through the shared buffer. */
function readWires(program: Exports): Uint8Array {
  const count = program.getWitnessSize();
  const witness = new Uint8Array(count * ELEMENT_BYTES);
  const view = new DataView(witness.buffer);
  for (let wire = 0; wire < count; wire++) {
    program.getWitness(wire);
    for (let word = 0; word < ELEMENT_WORDS; word++) {
      view.setUint32(wire * ELEMENT_BYTES + 4 * word, program.readSharedRWMemory(word), true);
    }
  }
  return witness;
}

/** All wires in one call, written where the stack was: what was there is not needed any more. */
function copyWires(program: Exports, { stackStart }: ProgramMemory): Uint8Array {
  const { memory } = program;
  const byteCount = program.getWitnessSize() * ELEMENT_BYTES;
  const missing = stackStart + byteCount - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  program[COPY_WITNESS]?.(stackStart, program.getSharedRWMemoryStart());
  return new Uint8Array(memory.buffer, stackStart, byteCount).slice();
}

/** Brings a tuned program's memory back to what it was before the first run. */
function restore(program: Exports, layout: ProgramMemory): void {
  const { data, scratchEnd, stackStart, stackTopAddress } = layout;
  const bytes = new Uint8Array(program.memory.buffer);
  const stackTop = new DataView(bytes.buffer).getUint32(stackTopAddress, true);
  const witnessEnd = stackStart + program.getWitnessSize() * ELEMENT_BYTES;
  bytes.fill(0, stackStart, Math.max(stackTop, witnessEnd));
  bytes.fill(0, 0, scratchEnd);
  for (const { offset, bytes: content } of data) bytes.set(content, offset);
}

/**
 * Overwrites what a run left in its memory. Only pages that hold something: a program may reserve
 * 128 MB or more and touch little of it.
 */
function wipe(memory: WebAssembly.Memory): void {
  const bytes = Buffer.from(memory.buffer);
  const zeros = Buffer.alloc(PAGE_BYTES);
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const page = bytes.subarray(at, at + PAGE_BYTES);
    if (!page.equals(zeros)) page.fill(0);
  }
}

function checkField(program: Exports): void {
  const version = program.getVersion();
  if (version !== 2) throw foreignProgram(`is of circom ${version}, expected circom 2`);
  if (program.getFieldNumLen32() !== ELEMENT_WORDS) throw foreignProgram("is over another field");
  program.getRawPrime();
  let prime = 0n;
  for (let word = ELEMENT_WORDS - 1; word >= 0; word--) {
    prime = (prime << 32n) | BigInt(program.readSharedRWMemory(word) >>> 0);
  }
  if (prime !== SCALAR_FIELD) throw foreignProgram("is over another field");
}

/** What a failure inside the program means. Of its texts only template and line are let through. */
function explain(error: unknown, messages: readonly string[]): WorkError {
  const exception = error instanceof ProgramException ? error.exception : undefined;
  if (exception === EXCEPTION.assertFailed) {
    // circom numbers the instances of a template: "Bits_0".
    const place = /Error in template (\w+?)(?:_\d+)? line: (\d+)/.exec(messages.join("\n"));
    const [, template = "unknown", line = "0"] = place ?? [];
    return new WorkError(
      "WITNESS_UNSATISFIABLE",
      `the inputs break a rule of the circuit: template ${template}, line ${line}`,
      { template, line: Number(line) },
    );
  }
  if (exception === EXCEPTION.notEnoughMemory) {
    return new WorkError("ENGINE_UNAVAILABLE", "witness program: out of memory");
  }
  const what = exception === undefined ? "trapped" : `raised exception ${exception}`;
  return new WorkError(
    "BUG",
    `witness program: it ${what}; its circuit is at fault, or its driver`,
  );
}

export function foreignProgram(problem: string): WorkError {
  return new WorkError(
    "ARTEFACT_MISMATCH",
    `witness program: it ${problem}; expected circom 2's output for BN254 (circom --wasm)`,
  );
}
