/**
 * Results of a circuit's functions that are called with constants, computed once.
 *
 * A circom function has no state: its result depends on its arguments only. Tables are functions
 * (Poseidon's constants, powers of a generator), and circom calls them again in every template that
 * uses them, each time. Such a call becomes a call of a function that keeps the result in memory
 * behind the program's own, where it outlives the run: it is derived from the circuit alone.
 *
 * A call as circom writes it puts the arguments where the callee's frame will be:
 *
 *     frame = *0                                    the top of the stack
 *     frame + offset = constant                     for each argument
 *     function(slot * 40 + variables, size)         where to put the result, and its count
 *
 * so between the first argument and its call there can be no other one. A call without arguments
 * has only the last line; that the same function is never called with some is checked.
 */
import { callOf } from "../kernels/emitter.ts";
import { i32, type Local } from "../kernels/instructions.ts";
import { unsigned } from "../kernels/leb128.ts";
import type { ProgramBinary, Signature } from "./binary.ts";
import { type Code, type CodeEditor, OP, type Step } from "./code.ts";
import { type Constants, ELEMENT_STRIDE, memoryCopy } from "./copies.ts";
import { functionAt, functionBody, RETURN } from "./functions.ts";

/** Where to put the result and how many elements it has; 0 or an error. */
export const FUNCTION: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
/** The result follows the word that says whether it is there, aligned for vectors. */
const RESULT_OFFSET = 16;
/** Results larger than this in all are computed as before. Not tuned; Poseidon's take 300 KB. */
const MAX_KEPT_BYTES = 2 ** 24;

export class ConstantCalls {
  readonly #binary: ProgramBinary;
  readonly #constants: Constants;
  readonly #isFunction: (index: number) => boolean;
  readonly #take: (byteCount: number) => number;
  readonly #argument: readonly Step[];
  /** Index of the function that keeps a result, by callee, size and arguments. */
  readonly #keepers = new Map<string, number>();
  readonly #withArguments = new Set<number>();
  readonly #withoutArguments = new Set<number>();
  #keptBytes = 0;
  /** An argument has been seen whose call has not. */
  #isOpen = false;

  /**
   * @param isFunction  whether an index is that of a function of the circuit.
   * @param take        reserves memory, zero at first, and returns its address.
   */
  constructor(
    binary: ProgramBinary,
    copyFunction: number,
    constants: Constants,
    isFunction: (index: number) => boolean,
    take: (byteCount: number) => number,
  ) {
    this.#binary = binary;
    this.#constants = constants;
    this.#isFunction = isFunction;
    this.#take = take;
    this.#argument = [
      [OP.localGet, "frame"],
      [OP.i32Const, "offset"],
      [OP.i32Add],
      [OP.i32Const, "constant"],
      [OP.call, copyFunction],
    ];
  }

  /**
   * Replaces the call that begins at this instruction, if it is one with constants. To be asked for
   * each instruction of a body that nobody else has dealt with, in turn.
   *
   * @returns how many instructions that was, or 0.
   * @throws RangeError if calls are not as described above.
   */
  rewrite(code: Code, at: number, editor: CodeEditor): number {
    // A body begins with the same three instructions, for its own frame.
    const start = at > 0 ? code.match(at, FRAME) : undefined;
    if (start !== undefined) return this.#rewriteCall(code, at, start.frame as number, editor);
    const callee = code.immediate[at] as number;
    if (code.opcode[at] === OP.call && this.#isFunction(callee)) this.#see(callee);
    if (this.#isOpen || !this.#isCall(code, at)) return 0;
    return this.#keep(code, at, [], editor) ? CALL.length : 0;
  }

  /** To be called in the end. @throws RangeError */
  end(): void {
    if (this.#isOpen) throw new RangeError("an argument without its call");
    for (const callee of this.#withoutArguments) {
      if (this.#withArguments.has(callee)) throw new RangeError("a function of two arities");
    }
  }

  #rewriteCall(code: Code, at: number, frame: number, editor: CodeEditor): number {
    if (this.#isOpen) throw new RangeError("a call between an argument and its call");
    this.#isOpen = true;
    const places: number[] = [];
    let next = at + FRAME.length;
    for (;;) {
      const match = code.match(next, this.#argument);
      if (match?.frame !== frame || !this.#constants.has(match.constant as number)) break;
      places.push(match.offset as number, match.constant as number);
      next += this.#argument.length;
    }
    if (places.length === 0 || !this.#isCall(code, next)) return 0;
    this.#see(code.immediate[next + CALL.length - 1] as number);
    return this.#keep(code, next, places, editor) ? next + CALL.length - at : 0;
  }

  #isCall(code: Code, at: number): boolean {
    const last = at + CALL.length - 1;
    if (code.opcode[last] !== OP.call || !this.#isFunction(code.immediate[last] as number)) {
      return false;
    }
    return code.match(at, CALL) !== undefined;
  }

  /** Notes whether a function is called with arguments. */
  #see(callee: number): void {
    (this.#isOpen ? this.#withArguments : this.#withoutArguments).add(callee);
    this.#isOpen = false;
  }

  /** @param at  where CALL begins. @returns false if there is no room for the result. */
  #keep(code: Code, at: number, places: readonly number[], editor: CodeEditor): boolean {
    const { size, callee } = code.match(at, CALL) as { size: number; callee: number };
    if (places.length === 0) this.#see(callee);
    const key = [callee, size, ...places].join();
    let keeper = this.#keepers.get(key);
    if (keeper === undefined) {
      const byteCount = size * ELEMENT_STRIDE;
      if (this.#keptBytes + byteCount > MAX_KEPT_BYTES) return false;
      this.#keptBytes += byteCount;
      const kept = this.#take(RESULT_OFFSET + byteCount);
      keeper = this.#binary.addFunction(FUNCTION, keeperBody(callee, kept, byteCount));
      this.#keepers.set(key, keeper);
    }
    editor.replace(at + CALL.length - 1, 1, [OP.call, ...unsigned(keeper)]);
    return true;
  }
}

/** The top of the stack into a local: where the next frame begins. */
const FRAME: readonly Step[] = [
  [OP.i32Const, 0],
  [OP.i32Load, 0],
  [OP.localSet, "frame"],
];

const CALL: readonly Step[] = [
  [OP.i32Const],
  [OP.i32Const, ELEMENT_STRIDE],
  [OP.i32Mul],
  [OP.localGet],
  [OP.i32Add],
  [OP.i32Const, "size"],
  [OP.call, "callee"],
];

/** Copies the result if it is kept, else computes and keeps it. An error is passed on. */
function keeperBody(callee: number, kept: number, byteCount: number): Uint8Array {
  return functionBody(FUNCTION, (f, to: Local<"i32">, size: Local<"i32">) => {
    const result = i32.const(kept + RESULT_OFFSET);
    f.if(i32.load(i32.const(kept)), () => {
      f.do(memoryCopy(to, result, i32.const(byteCount)));
      f.result(i32.const(0));
      f.do(RETURN);
    });
    const error = f.local("i32");
    f.set(error, callOf("i32", functionAt(callee, FUNCTION), to, size));
    f.if(error, () => {
      f.result(error);
      f.do(RETURN);
    });
    f.do(memoryCopy(result, to, i32.const(byteCount)), i32.store(i32.const(kept), i32.const(1)));
    f.result(i32.const(0));
  });
}
