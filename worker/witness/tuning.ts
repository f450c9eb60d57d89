/**
 * A witness program rewritten to be fast and to be interruptible. It computes the same witness.
 *
 * Three kinds, by what is known of a program:
 *
 * - "tuned": the field library is circom's own, byte for byte (`circom-library.ts`). It is replaced,
 *   unrolled copies become single ones (`copies.ts`), tables are computed once
 *   (`calls.ts`), and the memory's layout is known, so that one instance serves many runs.
 * - "interruptible": each loop looks in from time to time whether to stop, and nothing else changes.
 * - "plain": the binary is not understood and stays as it is.
 *
 * Memory of a tuned program, from 0 up; it is circom's but for the two parts in the middle:
 *
 *     0           the library's numbers, inputs, signals, messages, constants      data, then secrets
 *     scratchStart  what the new functions work on                                 secrets
 *     tablesStart   copies of constants, kept results                              of the circuit
 *     stackStart    variables; after the run, the witness                          secrets
 */
import { i32, i64, type Local } from "../kernels/instructions.ts";
import { unsigned } from "../kernels/leb128.ts";
import { type DataSegment, ProgramBinary, type Signature } from "./binary.ts";
import { signed32 } from "./bytes.ts";
import { ConstantCalls, FUNCTION } from "./calls.ts";
import { hasKnownLibrary, replaceLibrary, reserveScratch } from "./circom-library.ts";
import { Code, CodeEditor, OP } from "./code.ts";
import { BulkCopies, Constants } from "./copies.ts";
import { functionAt, functionBody } from "./functions.ts";

export type ProgramKind = "tuned" | "interruptible" | "plain";

/** What a run leaves behind, and what was there before it. Addresses and lengths in bytes. */
export interface ProgramMemory {
  readonly data: readonly DataSegment[];
  /** From 0 to here there is the program's data, which a run changes. */
  readonly staticEnd: number;
  /** From `staticEnd` to here there is what functions work on. */
  readonly scratchEnd: number;
  /** Everything from here on is 0 before a run. */
  readonly stackStart: number;
  /** Where the program keeps the highest end of its stack, a u32. */
  readonly stackTopAddress: number;
}

export interface PreparedProgram {
  readonly kind: ProgramKind;
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Of tuned programs. */
  readonly memory?: ProgramMemory;
}

/** Of a tuned program: (to, shared) writes the whole witness, 32 B a wire, canonical. */
export const COPY_WITNESS = "copyWitness";

/** The import that circom's programs call to show a logged value, and loops when it is time. */
const LOOK_IN = "showSharedRWMemory";
/** The last function of circom's runtime; those of the circuit follow. */
const LAST_OF_RUNTIME = "buildLogMessage";
/**
 * Turns of loops between two looks. A turn takes some microseconds at most unless it calls what has
 * loops of its own; a look takes 50 ns.
 */
const TURNS = 256;
const PAGE_BYTES = 2 ** 16;
const ALIGNMENT = 16;

/** @param wasm  not changed. */
export function prepareProgram(wasm: Uint8Array<ArrayBuffer>): PreparedProgram {
  const tuned = attempt(() => {
    const binary = new ProgramBinary(wasm);
    return hasKnownLibrary(binary) ? tune(binary) : undefined;
  });
  const interruptible = () =>
    attempt<PreparedProgram>(() => {
      const binary = new ProgramBinary(wasm);
      const look = new LoopLook(binary);
      const edit = (code: Code, at: number, editor: CodeEditor) => look.rewrite(code, at, editor);
      rewriteBodies(binary, binary.importedCount, binary.functionCount, edit);
      return { kind: "interruptible", wasm: binary.encode() };
    });
  return tuned ?? interruptible() ?? { kind: "plain", wasm };
}

/** undefined if the program turns out not to be as expected. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function tune(binary: ProgramBinary): PreparedProgram {
  const [firstOfCircuit, functionCount] = [
    binary.indexOf(LAST_OF_RUNTIME) + 1,
    binary.functionCount,
  ];
  const stack = findStack(binary);
  let next = stack.start;
  const take = (byteCount: number): number => {
    const address = Math.ceil(next / ALIGNMENT) * ALIGNMENT;
    next = address + byteCount;
    return address;
  };
  const scratch = reserveScratch(take);
  const scratchEnd = next;
  replaceLibrary(binary, scratch);

  const functions = new Set<number>();
  for (let index = firstOfCircuit; index < functionCount; index++) {
    if (binary.hasSignature(index, FUNCTION)) functions.add(index);
  }
  const constants = new Constants(binary.data);
  const copyFunction = binary.indexOf("Fr_copy");
  const isFunction = (index: number) => functions.has(index);
  const copies = new BulkCopies(copyFunction, constants, take);
  const calls = new ConstantCalls(binary, copyFunction, constants, isFunction, take);
  const look = new LoopLook(binary);
  rewriteBodies(
    binary,
    firstOfCircuit,
    functionCount,
    (code, at, editor) =>
      copies.rewrite(code, at, editor) ||
      calls.rewrite(code, at, editor) ||
      look.rewrite(code, at, editor),
  );
  calls.end();
  addCopyWitness(binary);
  binary.data.push(...copies.data());

  const stackStart = take(0);
  binary.data[stack.segment] = { offset: 0, bytes: wordBytes(stackStart) };
  binary.memoryPages += Math.ceil((stackStart - stack.start) / PAGE_BYTES);
  return {
    kind: "tuned",
    wasm: binary.encode(),
    memory: {
      // Copies: views would keep the whole file in memory.
      data: binary.data
        .filter(({ offset }) => offset < stack.start)
        .map(({ offset, bytes }) => ({ offset, bytes: new Uint8Array(bytes) })),
      staticEnd: stack.start,
      scratchEnd,
      stackStart,
      stackTopAddress: scratch.stackTop,
    },
  };
}

/**
 * Asks for each instruction of the bodies from `first` to before `end`, in order, whether it is to
 * be replaced, and goes on behind what was.
 */
function rewriteBodies(
  binary: ProgramBinary,
  first: number,
  end: number,
  rewrite: (code: Code, at: number, editor: CodeEditor) => number,
): void {
  for (let index = first; index < end; index++) {
    const code = new Code(binary.body(index));
    const editor = new CodeEditor(code);
    for (let at = 0; at < code.length; ) at += rewrite(code, at, editor) || 1;
    const body = editor.finish();
    if (body !== undefined) binary.replaceBody(index, body);
  }
}

/** Counts the turns of all loops and calls LOOK_IN after every TURNS of them. */
class LoopLook {
  readonly #code: readonly number[];

  constructor(binary: ProgramBinary) {
    const counter = unsigned(binary.addGlobal(TURNS));
    const [get, set] = [
      [0x23, ...counter],
      [0x24, ...counter],
    ];
    const start = [OP.i32Const, ...signed32(TURNS), ...set];
    this.#code = [
      ...[...get, OP.i32Const, 1, OP.i32Sub, ...set],
      // The counter first: the call may not return.
      ...[...get, OP.i32Eqz, 0x04, 0x40, ...start],
      ...[OP.call, ...unsigned(binary.indexOf(LOOK_IN)), OP.end],
    ];
  }

  rewrite(code: Code, at: number, editor: CodeEditor): number {
    if (code.opcode[at] === OP.loop) editor.replace(at + 1, 0, this.#code);
    return 0;
  }
}

/** Where the stack starts, and which segment says so: four bytes at address 0. */
function findStack({ data }: ProgramBinary): { start: number; segment: number } {
  const segment = data.findIndex(({ offset, bytes }) => offset === 0 && bytes.length === 4);
  const { bytes } = data[segment] ?? { bytes: new Uint8Array(0) };
  if (bytes.length === 0) throw new RangeError("there is no stack");
  const start = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const isBehind = data.every(({ offset, bytes }) => offset + bytes.length <= start);
  const isAlone = data.every(({ offset }, i) => i === segment || offset >= 4);
  if (!isBehind || !isAlone) throw new RangeError("the stack is not behind the data");
  return { start, segment };
}

function addCopyWitness(binary: ProgramBinary): void {
  const getWitness = functionAt(binary.indexOf("getWitness"), { parameters: ["i32"], results: [] });
  const size: Signature = { parameters: [], results: ["i32"] };
  const getWitnessSize = functionAt(binary.indexOf("getWitnessSize"), size);
  const signature: Signature = { parameters: ["i32", "i32"], results: [] };
  const body = functionBody(signature, (f, to: Local<"i32">, shared: Local<"i32">) => {
    const [wire, count] = [f.local("i32"), f.local("i32")];
    f.call(getWitnessSize);
    f.do([OP.localSet, count.index]);
    f.while(
      () => i32.ltU(wire, count),
      () => {
        f.call(getWitness, wire);
        for (let k = 0; k < 32; k += 8) f.do(i64.store(to, i64.load(shared, k), k));
        f.advance(to, 32);
        f.advance(wire, 1);
      },
    );
  });
  binary.addExport(COPY_WITNESS, binary.addFunction(signature, body));
}

function wordBytes(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
