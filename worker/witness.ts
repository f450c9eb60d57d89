/**
 * Runs circom's witness program: a WebAssembly module that takes the values of a circuit's input
 * signals and computes all its wires.
 *
 * The interface of circom 2: `init`, then `setInputSignal(hash of the name, position)` with the value
 * in a small shared buffer; the last one runs the circuit; then `getWitness(wire)`. On the way the
 * program calls back with error texts and with what the circuit logs. Logs may hold secrets and are
 * dropped. Each calculation has a fresh instance, because an instance that failed keeps its old error
 * text and its half-set inputs. Specification: docs.circom.io, "Computing the witness", and the
 * JavaScript that circom writes beside the program.
 */
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES, SCALAR_FIELD } from "./field.ts";

/** One signal's value: a number in [0, r), or nested arrays of them for an array of signals. */
export type InputValue = string | number | bigint | readonly InputValue[];

/** Values by signal name. */
export type CircuitInputs = Readonly<Record<string, InputValue>>;

/** 32-bit words of one element in the program's buffer. */
const ELEMENT_WORDS = ELEMENT_BYTES / 4;
/** A circom signal with more dimensions has not been seen; the bound stops hostile nesting. */
const MAX_DEPTH = 16;
const PAGE_BYTES = 2 ** 16;

/** Numbers that the program passes to `exceptionHandler`. */
const EXCEPTION = { assertFailed: 4, notEnoughMemory: 5 } as const;

interface Exports {
  readonly memory: WebAssembly.Memory;
  getVersion(): number;
  getFieldNumLen32(): number;
  getRawPrime(): void;
  getInputSize(): number;
  getInputSignalSize(hashHigh: number, hashLow: number): number;
  getWitnessSize(): number;
  getMessageChar(): number;
  init(sanityCheck: number): void;
  readSharedRWMemory(word: number): number;
  writeSharedRWMemory(word: number, value: number): void;
  setInputSignal(hashHigh: number, hashLow: number, position: number): void;
  getWitness(wire: number): void;
}

/** Thrown through the program by its own callback. */
class ProgramException extends Error {
  readonly exception: number;

  constructor(exception: number) {
    super(`the witness program raised exception ${exception}`);
    this.exception = exception;
  }
}

export class WitnessProgram {
  readonly #module: WebAssembly.Module;
  /** An instance that is asked for sizes only and never sees a value. */
  #sizes: Exports | undefined;

  /**
   * Compiles a program; do this once for each circuit.
   *
   * @throws WorkError ARTEFACT_MISMATCH if the bytes are not a circom 2 witness program.
   */
  constructor(wasm: Uint8Array<ArrayBuffer>) {
    try {
      this.#module = new WebAssembly.Module(wasm);
    } catch {
      throw foreign("is not WebAssembly that this Node can compile");
    }
    const names = new Set(WebAssembly.Module.exports(this.#module).map(({ name }) => name));
    for (const name of ["memory", "getVersion", "init", "setInputSignal", "getInputSignalSize"]) {
      if (!names.has(name)) throw foreign(`has no export "${name}"`);
    }
  }

  /**
   * How many values the input signals have together.
   *
   * @throws WorkError ARTEFACT_MISMATCH, ENGINE_UNAVAILABLE
   */
  get inputCount(): number {
    return this.#sizeProgram().getInputSize();
  }

  /**
   * Checks names, counts and ranges of inputs without computing anything: what passes fails in
   * `calculate` only by breaking a rule of the circuit.
   *
   * @throws WorkError INPUT_MALFORMED, with `detail.path` (`amount[3]`) if one signal or value is at
   *   fault.
   */
  checkInputs(inputs: CircuitInputs): void {
    readSignals(this.#sizeProgram(), inputs);
  }

  /**
   * Computes the witness. Synchronous, and cannot be interrupted: seconds for large circuits.
   *
   * @returns nVars x 32 B, little-endian, canonical; the caller wipes it.
   * @throws WorkError INPUT_MALFORMED for a wrong name, count or range; WITNESS_UNSATISFIABLE, with
   *   the template and line whose assertion failed, if the inputs break a rule of the circuit.
   */
  calculate(inputs: CircuitInputs): Uint8Array {
    const messages: string[] = [];
    const program = this.#instantiate(messages);
    try {
      checkField(program);
      program.init(1);
      setInputs(program, inputs);
      return readWitness(program);
    } catch (error) {
      if (error instanceof WorkError) throw error;
      throw explain(error, messages);
    } finally {
      wipe(program.memory);
    }
  }

  #sizeProgram(): Exports {
    if (this.#sizes === undefined) {
      const program = this.#instantiate([]);
      checkField(program);
      this.#sizes = program;
    }
    return this.#sizes;
  }

  #instantiate(messages: string[]): Exports {
    let program: Exports | undefined;
    const readMessage = () => {
      let text = "";
      for (let c = program?.getMessageChar(); c; c = program?.getMessageChar()) {
        text += String.fromCharCode(c);
      }
      return text;
    };
    const runtime = {
      exceptionHandler: (exception: number) => {
        throw new ProgramException(exception);
      },
      printErrorMessage: () => messages.push(readMessage()),
      writeBufferMessage: () => {
        readMessage();
      },
      showSharedRWMemory: () => undefined,
    };
    try {
      const { exports } = new WebAssembly.Instance(this.#module, { runtime });
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

/**
 * Reads circom's input JSON.
 *
 * @param json  UTF-8.
 * @throws WorkError INPUT_MALFORMED. The parser's own message would quote the text, so it is lost.
 */
export function parseInputs(json: Uint8Array): CircuitInputs {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw new WorkError(
      "INPUT_MALFORMED",
      `inputs: the ${json.length} bytes are not JSON in UTF-8, expected an object with a value for each input signal`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WorkError(
      "INPUT_MALFORMED",
      "inputs: expected a JSON object with a value for each input signal",
    );
  }
  return value as CircuitInputs;
}

/** The values of one input signal, as the program knows it. */
interface Signal {
  readonly high: number;
  readonly low: number;
  readonly values: readonly bigint[];
}

/** @throws WorkError INPUT_MALFORMED */
function readSignals(program: Exports, inputs: CircuitInputs): readonly Signal[] {
  const hashes = new Set<string>();
  const signals = Object.entries(inputs).map(([name, value]) => {
    const place = { signal: name, path: signalPath(name) };
    const [high, low] = fnv1a64(name);
    const expected = program.getInputSignalSize(high, low);
    // 0 for a name that the program does not know, which no signal with a value can have.
    if (expected <= 0 && !(Array.isArray(value) && value.length === 0)) {
      throw badInput(place, "the circuit has no input signal of this name");
    }
    // The program cannot tell two names with one hash apart, and would trap at the second.
    if (hashes.size === hashes.add(`${high},${low}`).size) {
      throw badInput(place, "the circuit has no input signal of this name");
    }
    const values: bigint[] = [];
    flattenInto(values, value, place);
    if (values.length !== expected) {
      throw badInput(place, `got ${values.length} values, expected ${expected}`);
    }
    return { high, low, values };
  });
  const given = signals.reduce((count, { values }) => count + values.length, 0);
  const expected = program.getInputSize();
  if (given !== expected) {
    throw new WorkError(
      "INPUT_MALFORMED",
      `inputs: got ${given} values in ${signals.length} signals, the circuit has ${expected}; a signal is missing`,
    );
  }
  return signals;
}

function setInputs(program: Exports, inputs: CircuitInputs): void {
  for (const { high, low, values } of readSignals(program, inputs)) {
    for (const [position, value] of values.entries()) {
      for (let word = 0; word < ELEMENT_WORDS; word++) {
        program.writeSharedRWMemory(word, Number((value >> BigInt(32 * word)) & 0xffff_ffffn));
      }
      program.setInputSignal(high, low, position);
    }
  }
}

function readWitness(program: Exports): Uint8Array {
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

function checkField(program: Exports): void {
  const version = program.getVersion();
  if (version !== 2) throw foreign(`is of circom ${version}, expected circom 2`);
  if (program.getFieldNumLen32() !== ELEMENT_WORDS) throw foreign("is over another field");
  program.getRawPrime();
  let prime = 0n;
  for (let word = ELEMENT_WORDS - 1; word >= 0; word--) {
    prime = (prime << 32n) | BigInt(program.readSharedRWMemory(word) >>> 0);
  }
  if (prime !== SCALAR_FIELD) throw foreign("is over another field");
}

/** A signal, or one value of it, for errors. */
interface Place {
  readonly signal: string;
  /** Such as `amount[3]`, indices counted from 0 as in the caller's arrays. */
  readonly path: string;
}

function flattenInto(values: bigint[], value: InputValue, place: Place, depth = 0): void {
  if (depth > MAX_DEPTH) {
    throw badInput(
      place,
      `got arrays nested deeper than ${MAX_DEPTH}, expected as many as the signal has dimensions`,
    );
  }
  if (!Array.isArray(value)) {
    values.push(elementOf(value, place));
    return;
  }
  for (const [i, item] of value.entries()) {
    const path = `${place.path}[${i}]`;
    flattenInto(values, item, { signal: place.signal, path }, depth + 1);
  }
}

/** Digits are bounded before BigInt sees them: a megabyte of them would cost seconds. */
const DECIMAL = /^[0-9]{1,78}$/;
const HEXADECIMAL = /^0x[0-9a-fA-F]{1,64}$/;

function elementOf(value: unknown, place: Place): bigint {
  const isText = typeof value === "string" && (DECIMAL.test(value) || HEXADECIMAL.test(value));
  if (!isText && typeof value !== "bigint" && !Number.isSafeInteger(value)) {
    throw badInput(
      place,
      "got something else, expected decimal strings (numbers only up to 2^53 - 1) or arrays of them",
    );
  }
  const element = BigInt(value as string | number | bigint);
  if (element < 0n || element >= SCALAR_FIELD) {
    throw badInput(
      place,
      "got a value outside [0, r), expected one within; add or subtract r first",
    );
  }
  return element;
}

/**
 * FNV-1a, 64 bits, of a signal's name, as two 32-bit halves: how the program knows its inputs.
 * Reference: isthe.com/chongo/tech/comp/fnv.
 */
function fnv1a64(name: string): [high: number, low: number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return [Number(hash >> 32n), Number(hash & 0xffff_ffffn)];
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

/**
 * Overwrites what a calculation left in its memory. Only pages that hold something: the program
 * reserves 128 MB or more and touches little of it.
 */
function wipe(memory: WebAssembly.Memory): void {
  const bytes = Buffer.from(memory.buffer);
  const zeros = Buffer.alloc(PAGE_BYTES);
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const page = bytes.subarray(at, at + PAGE_BYTES);
    if (!page.equals(zeros)) page.fill(0);
  }
}

/** A caller's name is shown up to a length, and as JSON unless it is one that circom has. */
function signalPath(name: string): string {
  const signal = name.length > 64 ? `${name.slice(0, 64)}...` : name;
  return /^[A-Za-z_$][\w$]*$/.test(signal) ? signal : JSON.stringify(signal);
}

function badInput({ signal, path }: Place, problem: string): WorkError {
  const detail = { signal: signal.slice(0, 64), path };
  return new WorkError("INPUT_MALFORMED", `input ${path}: ${problem}`, detail);
}

function foreign(problem: string): WorkError {
  return new WorkError(
    "ARTEFACT_MISMATCH",
    `witness program: it ${problem}; expected circom 2's output for BN254 (circom --wasm)`,
  );
}
