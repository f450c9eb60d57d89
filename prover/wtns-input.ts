import { parseWtns } from "../worker/wtns.ts";
import { fieldError, ProverError } from "./errors.ts";
import type { JobInput } from "./job.ts";

/**
 * A `.wtns` file as a job's input: 0.1 ms for each megabyte.
 *
 * @param wireCount  values that the circuit's witness has.
 * @throws ProverError WITNESS_MALFORMED at `wtns`
 */
export function wtnsInput(bytes: Uint8Array, wireCount: number): JobInput {
  try {
    parseWtns(bytes, wireCount);
  } catch (error) {
    throw atField("wtns", error);
  }
  return { format: "wtns", bytes: alone(bytes), commit: undefined };
}

/** Without the message that it came in, where that is much larger: only the input counts against limits of what waits. */
export function alone(input: Uint8Array): Uint8Array {
  if (2 * input.length > input.buffer.byteLength) return input;
  const own = new Uint8Array(input);
  input.fill(0);
  return own;
}

export function atField(field: string, caught: unknown): ProverError {
  const { code, message } = ProverError.from(caught);
  return fieldError(field, message, code);
}
