/**
 * The entry of an intake thread: checks what a caller submitted before the job is accepted, off the
 * event loop, because a batch takes about a second of arithmetic and an input may have megabytes.
 *
 * For `worker/task-thread.ts`; nothing is left running when the handler returns. Refusals are
 * results: class identity does not survive a message.
 */
import { executeBatch, type TransferBatch } from "../circuits/batch.ts";
import { BatchError } from "../circuits/errors.ts";
import type { CircuitInputs } from "../circuits/inputs.ts";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { WorkError } from "../worker/errors.ts";
import { ResidentPrograms } from "../worker/resident.ts";
import type { PinnedFile, VerifyResult, VerifyTask } from "../worker/task.ts";
import handleInWorker from "../worker/thread.ts";
import { parseInputs } from "../worker/witness.ts";
import { batchRefusal } from "./batch-decoder.ts";
import { type ErrorCode, fieldError, ProverError } from "./errors.ts";
import type { FieldViolation } from "./field-violation.ts";
import type { JobInput } from "./job.ts";
import { alone, atField, wtnsInput } from "./wtns-input.ts";

export type IntakeTask =
  | {
      readonly kind: "batch";
      readonly parameters: CircuitParameters;
      readonly batch: TransferBatch;
    }
  | {
      readonly kind: "json";
      readonly bytes: Uint8Array;
      /** The circuit's witness program, which knows its input signals. */
      readonly wasm: PinnedFile;
    }
  | {
      readonly kind: "wtns";
      readonly bytes: Uint8Array;
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

export default async function intake(
  task: IntakeTask | VerifyTask,
): Promise<IntakeResult | VerifyResult> {
  if (task.kind === "verify") return handleInWorker(task);
  try {
    return { kind: "accepted", input: await check(task) };
  } catch (caught) {
    const { code, message, violations } = ProverError.from(caught);
    return { kind: "refused", code, message, violations };
  }
}

/** The input moves with its result: it may have megabytes, and copies of secrets are to be few. */
export function transferListOf(result: IntakeResult | VerifyResult): ArrayBuffer[] {
  return result.kind === "accepted" ? [result.input.bytes.buffer as ArrayBuffer] : [];
}

async function check(task: IntakeTask): Promise<JobInput> {
  switch (task.kind) {
    case "batch":
      return checkBatch(task.parameters, task.batch);
    case "json":
      return checkJson(task.bytes, task.wasm);
    case "wtns":
      return wtnsInput(task.bytes, task.wireCount);
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
function encodeInputs(inputs: CircuitInputs): Uint8Array {
  const json = JSON.stringify(inputs, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return new TextEncoder().encode(json);
}

/** Compiled once for each circuit. */
const programs = new ResidentPrograms();

/** The names of all signals, and white space around them. */
const JSON_BASE_BYTES = 64 * 1024;
/** A value has 77 digits; the rest is for quotes and generous indentation. */
const JSON_VALUE_BYTES = 256;

async function checkJson(bytes: Uint8Array, wasm: PinnedFile): Promise<JobInput> {
  const program = await programs.witnessProgram(wasm);
  try {
    const { inputCount } = program;
    // Before parsing: brackets and names are cheap to send and dear to read.
    const mostBytes = JSON_BASE_BYTES + JSON_VALUE_BYTES * inputCount;
    if (bytes.length > mostBytes) {
      throw new WorkError(
        "INPUT_MALFORMED",
        `got ${bytes.length} bytes, expected at most ${mostBytes} for the circuit's ${inputCount} values; leave out white space`,
      );
    }
    program.checkInputs(parseInputs(bytes));
  } catch (error) {
    throw inputRefusal(error);
  }
  return { format: "json", bytes: alone(bytes), commit: undefined };
}

/** The witness program's verdict in the caller's terms. */
function inputRefusal(caught: unknown): ProverError {
  const path = caught instanceof WorkError ? caught.detail.path : undefined;
  if (path === undefined) return atField("input_json", caught);
  const { code, message } = ProverError.from(caught);
  return fieldError(`input_json.${path}`, message.slice(`input ${path}: `.length), code);
}
