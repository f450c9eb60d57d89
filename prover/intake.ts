/**
 * The entry of an intake thread: checks what a caller submitted before the job is accepted, off the
 * event loop, because a batch takes about a second of arithmetic and an input may have megabytes.
 *
 * For piscina; nothing is left running when the handler returns. Refusals are results: class
 * identity does not survive a message.
 */
import { move, transferableSymbol, valueSymbol } from "piscina";
import { executeBatch, type TransferBatch } from "../circuits/batch.ts";
import { BatchError } from "../circuits/errors.ts";
import type { CircuitInputs } from "../circuits/inputs.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { SCALAR_FIELD } from "../worker/field.ts";
import { type InputValue, parseInputs } from "../worker/witness.ts";
import { parseWtns } from "../worker/wtns.ts";
import { batchRefusal } from "./batch-decoder.ts";
import { type ErrorCode, type FieldViolation, fieldError, ProverError } from "./errors.ts";
import type { JobInput } from "./job.ts";

export type IntakeTask =
  | {
      readonly kind: "batch";
      readonly parameters: CircuitParameters;
      readonly batch: TransferBatch;
    }
  | { readonly kind: "json"; readonly bytes: Uint8Array<ArrayBuffer> }
  | {
      readonly kind: "wtns";
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Values that the circuit's witness has. */
      readonly wireCount: number;
    };

export type IntakeResult =
  | { readonly kind: "accepted"; readonly input: JobInput }
  | {
      readonly kind: "refused";
      readonly code: ErrorCode;
      readonly message: string;
      readonly violations: readonly FieldViolation[];
    };

export default function intake(task: IntakeTask): IntakeResult {
  try {
    const input = check(task);
    return moved({ kind: "accepted", input }, input.bytes.buffer as ArrayBuffer);
  } catch (caught) {
    const { code, message, violations } = ProverError.from(caught);
    return { kind: "refused", code, message, violations };
  }
}

/** Hands the buffer over with the result: it may have megabytes, and copies of secrets are to be few. */
function moved(result: IntakeResult, buffer: ArrayBuffer): IntakeResult {
  const transferable = { [transferableSymbol]: [buffer], [valueSymbol]: result };
  return move(transferable as never) as unknown as IntakeResult;
}

function check(task: IntakeTask): JobInput {
  switch (task.kind) {
    case "batch":
      return checkBatch(task.parameters, task.batch);
    case "json":
      return checkJson(task.bytes);
    case "wtns":
      return checkWtns(task.bytes, task.wireCount);
  }
}

function checkBatch(parameters: CircuitParameters, batch: TransferBatch): JobInput {
  try {
    const { inputs, newRoot, txData } = executeBatch(parameters, batch);
    return { format: "json", bytes: encodeInputs(inputs), commit: { newRoot, txData } };
  } catch (error) {
    throw error instanceof BatchError ? batchRefusal(error) : error;
  }
}

/** As circom takes them: decimal strings. */
function encodeInputs(inputs: CircuitInputs): Uint8Array<ArrayBuffer> {
  const json = JSON.stringify(inputs, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return new TextEncoder().encode(json);
}

function checkWtns(bytes: Uint8Array<ArrayBuffer>, wireCount: number): JobInput {
  try {
    parseWtns(bytes, wireCount);
  } catch (error) {
    throw atField("wtns", error);
  }
  return { format: "wtns", bytes, commit: undefined };
}

/** Names and counts are the witness program's to judge, which runs in the worker. */
function checkJson(bytes: Uint8Array<ArrayBuffer>): JobInput {
  try {
    for (const [name, value] of Object.entries(parseInputs(bytes))) checkValue(name, value, 0);
  } catch (error) {
    throw atField("input_json", error);
  }
  return { format: "json", bytes, commit: undefined };
}

const NESTING_MAX = 16;
/** Digits are bounded before BigInt sees them: a megabyte of them would cost seconds. */
const NUMBER = /^(?:[0-9]{1,78}|0x[0-9a-fA-F]{1,64})$/;

function checkValue(name: string, value: InputValue, depth: number): void {
  if (Array.isArray(value)) {
    if (depth === NESTING_MAX) throw badValue(name, `arrays nested deeper than ${NESTING_MAX}`);
    for (const item of value) checkValue(name, item, depth + 1);
    return;
  }
  const isNumber = Number.isSafeInteger(value) || (typeof value === "string" && NUMBER.test(value));
  if (!isNumber) throw badValue(name, "something else");
  const element = BigInt(value as string | number);
  if (element < 0n || element >= SCALAR_FIELD) throw badValue(name, "a number outside [0, r)");
}

function badValue(name: string, got: string): ProverError {
  // The name is the caller's text; the value may be secret.
  const signal = JSON.stringify(name.slice(0, 64));
  return new ProverError(
    "INPUT_MALFORMED",
    `signal ${signal}: got ${got}, expected decimal strings below r, numbers up to 2^53 - 1, or arrays of them`,
  );
}

function atField(field: string, caught: unknown): ProverError {
  const { code, message } = ProverError.from(caught);
  return fieldError(field, message, code);
}
