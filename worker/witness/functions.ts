/** Bodies and references of functions that are put into a program somebody else wrote. */
import { FunctionWriter } from "../kernels/emitter.ts";
import { Local, type Statement, type ValueType } from "../kernels/instructions.ts";
import type { Signature } from "./binary.ts";

/** Ends the function; its results are on the stack. */
export const RETURN: Statement = [0x0f];

type Locals = Local<ValueType>[];

/** Locals and code of a function, as `ProgramBinary` takes them. */
export function functionBody<P extends Locals>(
  { parameters, results }: Signature,
  write: (f: FunctionWriter, ...parameters: P) => void,
): Uint8Array {
  const f = new FunctionWriter("", 0, parameters, results);
  write(f, ...(parameters.map((type, i) => new Local(type, i)) as P));
  const [, locals, code] = f.body();
  const bytes = new Uint8Array(locals.length + code.length);
  bytes.set(locals);
  bytes.set(code, locals.length);
  return bytes;
}

/** A function of the program, to be called. */
export function functionAt(index: number, { parameters, results }: Signature): FunctionWriter {
  return new FunctionWriter("", index, parameters, results);
}
