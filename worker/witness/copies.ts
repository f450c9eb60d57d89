/**
 * Copies of many elements at once, in the place of circom's one call for each element.
 *
 * circom unrolls constant arrays: a Poseidon template assigns some hundred constants to variables,
 * one call each, every time it runs. That is most of what a program's code is, and much of its time.
 * Two patterns become `memory.copy`:
 *
 *     slot, slot + 1, ...  = constants            from a table of those constants, added as data
 *     while (count) { *to++ = *from++; count-- }  circom's loop for assigning an array
 */
import { type Expr, i32, Local, type Statement } from "../kernels/instructions.ts";
import type { DataSegment } from "./binary.ts";
import { type Code, type CodeEditor, OP, type Step } from "./code.ts";

/** Bytes of one element: short value, tag, long value. */
export const ELEMENT_STRIDE = 40;
/** Fewer elements are not worth the call. Not tuned. */
const MIN_RUN = 4;
/** Tags of the elements that the compiler writes: short or long, each with its Montgomery form. */
const CONSTANT_TAGS = [0x4000_0000, 0xc000_0000];

export function memoryCopy(to: Expr<"i32">, from: Expr<"i32">, byteCount: Expr<"i32">): Statement {
  return [...to.code, ...from.code, ...byteCount.code, 0xfc, 0x0a, 0x00, 0x00];
}

/** The constants of a circuit: the last segment of the program's data, if it is that. */
export class Constants {
  readonly #segment: DataSegment;

  constructor(data: readonly DataSegment[]) {
    const last = data.at(-1) ?? { offset: 0, bytes: new Uint8Array(0) };
    const view = new DataView(last.bytes.buffer, last.bytes.byteOffset, last.bytes.length);
    let isTable = last.bytes.length % ELEMENT_STRIDE === 0;
    for (let at = 4; isTable && at < last.bytes.length; at += ELEMENT_STRIDE) {
      isTable = CONSTANT_TAGS.includes(view.getUint32(at, true));
    }
    // A circuit without constants has something else there.
    this.#segment = isTable ? last : { offset: 0, bytes: new Uint8Array(0) };
  }

  has(address: number): boolean {
    const at = address - this.#segment.offset;
    return at >= 0 && at < this.#segment.bytes.length && at % ELEMENT_STRIDE === 0;
  }

  /** An element as the program begins with it. */
  bytes(address: number): Uint8Array {
    const at = address - this.#segment.offset;
    return this.#segment.bytes.subarray(at, at + ELEMENT_STRIDE);
  }
}

/** Constants that some run of copies needs one after the other. */
interface Table {
  readonly address: number;
  readonly constants: readonly number[];
}

export class BulkCopies {
  readonly #copyFunction: number;
  readonly #constants: Constants;
  readonly #take: (byteCount: number) => number;
  readonly #run: readonly Step[];
  readonly #loop: readonly Step[];
  /** By the first MIN_RUN constants. */
  readonly #tables = new Map<string, Table[]>();

  /**
   * @param copyFunction  index of the program's function that copies one element.
   * @param take          reserves memory and returns its address.
   */
  constructor(copyFunction: number, constants: Constants, take: (byteCount: number) => number) {
    this.#copyFunction = copyFunction;
    this.#constants = constants;
    this.#take = take;
    this.#run = [
      [OP.i32Const, "slot"],
      [OP.i32Const, ELEMENT_STRIDE],
      [OP.i32Mul],
      [OP.localGet, "frame"],
      [OP.i32Add],
      [OP.i32Const, "constant"],
      [OP.call, copyFunction],
    ];
    this.#loop = loopPattern(copyFunction);
  }

  /** Replaces what begins at this instruction, if it is one of the patterns. @returns how many instructions that was, or 0. */
  rewrite(code: Code, at: number, editor: CodeEditor): number {
    if (code.opcode[at] === OP.block) return this.#rewriteLoop(code, at, editor);
    if (code.opcode[at] === OP.i32Const) return this.#rewriteRun(code, at, editor);
    return 0;
  }

  /** The tables, for the program's data. */
  data(): DataSegment[] {
    return [...this.#tables.values()].flat().map(({ address, constants }) => ({
      offset: address,
      bytes: Buffer.concat(constants.map((constant) => this.#constants.bytes(constant))),
    }));
  }

  #rewriteRun(code: Code, at: number, editor: CodeEditor): number {
    // The cheap look first: this is asked millions of times.
    if (!code.is(at + 6, OP.call, this.#copyFunction)) return 0;
    const first = code.match(at, this.#run);
    if (first === undefined) return 0;
    const { slot, frame } = first as { slot: number; frame: number };
    const width = this.#run.length;
    const constants: number[] = [];
    for (let next = code.match(at, this.#run); next; ) {
      const isNext = next.slot === slot + constants.length && next.frame === frame;
      if (!isNext || !this.#constants.has(next.constant as number)) break;
      constants.push(next.constant as number);
      next = code.match(at + constants.length * width, this.#run);
    }
    const bytes: number[] = [];
    let done = 0;
    while (constants.length - done >= MIN_RUN) {
      const { address, count } = this.#find(constants.slice(done));
      const to = i32.add(new Local("i32", frame), i32.const(ELEMENT_STRIDE * (slot + done)));
      bytes.push(...memoryCopy(to, i32.const(address), i32.const(ELEMENT_STRIDE * count)));
      done += count;
    }
    if (done > 0) editor.replace(at, done * width, bytes);
    return done * width;
  }

  /**
   * Where constants that begin as these do lie one after the other, and how many of them. Many runs
   * differ only in their last elements, so one that has most of them in front is good enough.
   */
  #find(wanted: readonly number[]): { address: number; count: number } {
    const key = wanted.slice(0, MIN_RUN).join();
    const known = this.#tables.get(key) ?? [];
    for (const { address, constants } of known) {
      let count = 0;
      while (count < wanted.length && constants[count] === wanted[count]) count++;
      if (4 * count >= 3 * wanted.length) return { address, count };
    }
    const address = this.#take(ELEMENT_STRIDE * wanted.length);
    this.#tables.set(key, [...known, { address, constants: wanted }]);
    return { address, count: wanted.length };
  }

  #rewriteLoop(code: Code, at: number, editor: CodeEditor): number {
    const match = code.match(at, this.#loop);
    if (match === undefined) return 0;
    const local = (name: string) => new Local("i32", match[name] as number);
    const [to, from, count] = [local("to"), local("from"), local("count")];
    const byteCount = i32.mul(count, i32.const(ELEMENT_STRIDE));
    const set = ({ index }: Local<"i32">, { code: value }: Expr<"i32">) => [
      ...value,
      OP.localSet,
      index,
    ];
    editor.replace(at, this.#loop.length, [
      ...memoryCopy(to, from, byteCount),
      // The locals are left as the loop leaves them.
      ...set(to, i32.add(to, byteCount)),
      ...set(from, i32.add(from, byteCount)),
      ...set(count, i32.const(0)),
    ]);
    return this.#loop.length;
  }
}

function loopPattern(copyFunction: number): readonly Step[] {
  const advance = (name: string): Step[] => [
    [OP.localGet, name],
    [OP.i32Const, ELEMENT_STRIDE],
    [OP.i32Add],
    [OP.localSet, name],
  ];
  return [
    [OP.block],
    [OP.loop],
    [OP.localGet, "count"],
    [OP.i32Eqz],
    [OP.brIf, 1],
    [OP.localGet, "to"],
    [OP.localGet, "from"],
    [OP.call, copyFunction],
    [OP.localGet, "count"],
    [OP.i32Const, 1],
    [OP.i32Sub],
    [OP.localSet, "count"],
    ...advance("to"),
    ...advance("from"),
    [OP.br, 0],
    [OP.end],
    [OP.end],
  ];
}
