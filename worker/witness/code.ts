/**
 * The code of one function as instructions, patterns in it, and replacements.
 *
 * Knows the instructions that circom writes (core 1.0 without floats); another one throws
 * RangeError, and the program is then run as it is.
 */
import { ByteReader } from "./bytes.ts";

/** The opcodes that patterns name. */
export const OP = {
  block: 0x02,
  loop: 0x03,
  brIf: 0x0d,
  br: 0x0c,
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  i32Load: 0x28,
  i32Const: 0x41,
  i32Eqz: 0x45,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
} as const;
const BR_TABLE = 0x0e;
const CALL_INDIRECT = 0x11;
const I64_CONST = 0x42;

/** What follows an opcode. */
const IMMEDIATE = {
  none: 1,
  block: 2,
  index: 3,
  memory: 4,
  i32: 5,
  i64: 6,
  table: 7,
  two: 8,
} as const;
/** The kind of immediate of each opcode; 0 for those that circom does not write. */
const KIND = new Uint8Array(256);
/** unreachable, nop, else, end, return, drop, select; then all comparisons and arithmetic. */
for (const opcode of [0x00, 0x01, 0x05, OP.end, 0x0f, 0x1a, 0x1b]) KIND[opcode] = IMMEDIATE.none;
KIND.fill(IMMEDIATE.none, OP.i32Eqz, 0xc5);
KIND.fill(IMMEDIATE.block, OP.block, 0x05);
for (const opcode of [OP.br, OP.brIf, OP.call, 0x20, 0x21, 0x22]) KIND[opcode] = IMMEDIATE.index;
KIND.fill(IMMEDIATE.memory, OP.i32Load, 0x3f);
KIND[0x3f] = IMMEDIATE.index; // memory.size
KIND[0x40] = IMMEDIATE.index; // memory.grow
KIND[OP.i32Const] = IMMEDIATE.i32;
KIND[I64_CONST] = IMMEDIATE.i64;
KIND[BR_TABLE] = IMMEDIATE.table;
KIND[CALL_INDIRECT] = IMMEDIATE.two;

/** An instruction of a pattern: its opcode, and its immediate as a number or under a name. */
export type Step = readonly [opcode: number, immediate?: number | string];

/** What the names of a pattern stand for, or undefined where it does not match. */
export type Match = Readonly<Record<string, number>> | undefined;

/**
 * The instructions of one body in parallel arrays: a circuit has millions, and an object for each
 * would take seconds. `immediate` holds a constant, an index, a label's depth, a block's type or an
 * address's offset.
 */
export class Code {
  readonly bytes: Uint8Array;
  /** How many instructions there are. */
  readonly length: number;
  readonly opcode: Uint8Array;
  readonly immediate: Int32Array;
  /** Where each instruction begins in `bytes`, and then where the last one ends. */
  readonly start: Uint32Array;

  /** @param body  locals and code, as in the binary. */
  constructor(body: Uint8Array) {
    this.bytes = body;
    this.opcode = new Uint8Array(body.length);
    this.immediate = new Int32Array(body.length);
    this.start = new Uint32Array(body.length + 1);
    const reader = new ByteReader(body);
    for (let groups = reader.u32(); groups > 0; groups--) {
      reader.u32();
      reader.byte();
    }
    let count = 0;
    for (; !reader.isAtEnd; count++) {
      this.start[count] = reader.at;
      const opcode = reader.byte();
      this.opcode[count] = opcode;
      this.immediate[count] = readImmediate(reader, opcode);
    }
    this.start[count] = reader.at;
    this.length = count;
  }

  is(at: number, opcode: number, immediate: number): boolean {
    return this.opcode[at] === opcode && this.immediate[at] === immediate;
  }

  /** Whether the instructions from `at` on are those of the pattern, the same name always the same. */
  match(at: number, pattern: readonly Step[]): Match {
    if (at + pattern.length > this.length) return undefined;
    // The opcodes first: most instructions fail there, and nothing is made for them.
    for (let i = 0; i < pattern.length; i++) {
      if (this.opcode[at + i] !== pattern[i]?.[0]) return undefined;
    }
    const names: Record<string, number> = {};
    for (const [i, [, wanted]] of pattern.entries()) {
      if (wanted === undefined) continue;
      const immediate = this.immediate[at + i] as number;
      if (typeof wanted === "string") names[wanted] ??= immediate;
      if ((typeof wanted === "string" ? names[wanted] : wanted) !== immediate) return undefined;
    }
    return names;
  }
}

/** Puts other bytes in the place of instructions, from the front to the back. */
export class CodeEditor {
  readonly #code: Code;
  readonly #pieces: Uint8Array[] = [];
  #done = 0;

  constructor(code: Code) {
    this.#code = code;
  }

  /** Replaces `count` instructions from `at` on; with a count of 0 something is put in before it. */
  replace(at: number, count: number, bytes: readonly number[]): void {
    const { bytes: body, start } = this.#code;
    this.#pieces.push(body.subarray(this.#done, start[at]), Uint8Array.from(bytes));
    this.#done = start[at + count] as number;
  }

  /** The whole body, or undefined if nothing was replaced. */
  finish(): Uint8Array | undefined {
    if (this.#pieces.length === 0) return undefined;
    return new Uint8Array(Buffer.concat([...this.#pieces, this.#code.bytes.subarray(this.#done)]));
  }
}

function readImmediate(reader: ByteReader, opcode: number): number {
  switch (KIND[opcode]) {
    case IMMEDIATE.none:
      return 0;
    case IMMEDIATE.block:
      return reader.byte();
    case IMMEDIATE.index:
      return reader.u32();
    case IMMEDIATE.memory:
      reader.u32();
      return reader.u32();
    case IMMEDIATE.i32:
      return reader.s32();
    case IMMEDIATE.i64:
      reader.skipNumber();
      return 0;
    case IMMEDIATE.two:
      reader.u32();
      reader.u32();
      return 0;
    case IMMEDIATE.table:
      for (let labels = reader.u32() + 1; labels > 0; labels--) reader.u32();
      return 0;
    default:
      throw new RangeError(`opcode ${opcode} is not one that circom writes`);
  }
}
