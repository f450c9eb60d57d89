/**
 * The values of a circuit's input signals: their JSON, and the checks that can be made before a
 * circuit is run. What passes here fails later only by breaking a rule of the circuit.
 */
import { WorkError } from "../errors.ts";
import { SCALAR_FIELD } from "../field.ts";

/** One signal's value: a number in [0, r), or nested arrays of them for an array of signals. */
export type InputValue = string | number | bigint | readonly InputValue[];

/** Values by signal name. */
export type CircuitInputs = Readonly<Record<string, InputValue>>;

/** A circom signal with more dimensions has not been seen; the bound stops hostile nesting. */
const MAX_DEPTH = 16;

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
export interface Signal {
  readonly high: number;
  readonly low: number;
  readonly values: readonly bigint[];
}

/** What a program knows of its input signals. */
export interface SignalSizes {
  /** How many values all input signals have together. */
  getInputSize(): number;
  /** How many values the signal with this hash has; 0 for a hash that no signal has. */
  getInputSignalSize(hashHigh: number, hashLow: number): number;
}

/**
 * Checks names, counts and ranges.
 *
 * @throws WorkError INPUT_MALFORMED, with `detail.path` (`amount[3]`) if one signal or value is at
 *   fault.
 */
export function readSignals(program: SignalSizes, inputs: CircuitInputs): readonly Signal[] {
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

/** A caller's name is shown up to a length, and as JSON unless it is one that circom has. */
function signalPath(name: string): string {
  const signal = name.length > 64 ? `${name.slice(0, 64)}...` : name;
  return /^[A-Za-z_$][\w$]*$/.test(signal) ? signal : JSON.stringify(signal);
}

function badInput({ signal, path }: Place, problem: string): WorkError {
  const detail = { signal: signal.slice(0, 64), path };
  return new WorkError("INPUT_MALFORMED", `input ${path}: ${problem}`, detail);
}
