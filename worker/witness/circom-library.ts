/**
 * circom's field library inside a witness program, made faster.
 *
 * Every program of circom 2.1 and later carries the same functions, byte for byte (LIBRARY_SHA256;
 * checked before anything is touched). A function is replaced in one of two ways: altogether, where
 * it is plain arithmetic; or by a short cut for the frequent case in front of the original, which
 * stays in the program under a new index for all other cases.
 *
 * An element is { u32 value, u32 tag, 32 B long value }. Tags: SHORT (a signed 32-bit value),
 * SHORT_MONTGOMERY (short, and its Montgomery form is in the long value), LONG, LONG_MONTGOMERY.
 *
 * **The library converts operands in place.** A comparison of a long value with a constant turns
 * the constant into a long one, for good, and with it every loop counter that is set from it. Where
 * an original would do that to a short operand, it is given a copy (`unspoilt`).
 *
 * Twin: the original library; test/worker/witness/circom-library.test.ts compares them.
 */
import { createHash } from "node:crypto";
import { callOf, type FunctionWriter } from "../kernels/emitter.ts";
import { type Expr, i32, i64, type Local, type Statement } from "../kernels/instructions.ts";
import type { ProgramBinary, Signature } from "./binary.ts";
import * as field from "./field.ts";
import { functionAt, functionBody, RETURN } from "./functions.ts";
import { INVERSION_SCRATCH_BYTES, invertModulo } from "./inverse.ts";

/**
 * Over names, indices and bodies of all functions whose names begin with "Fr_", and of
 * `reserveStackFr`: the same from circom 2.1.0 to 2.2.3 for BN254.
 */
const LIBRARY_SHA256 = "9f7f05b90faf07068255baf35c101211bad2f5abf5946230975d73fba51b2d28";
const NAME = /^(Fr_|reserveStackFr$)/;

const SHORT_BIT_31 = 31;
const LONG = -0x8000_0000;
const LONG_MONTGOMERY = -0x4000_0000;
/** Where the library has the modulus. */
const MODULUS_ADDRESS = 608;
const STACK_POINTER_ADDRESS = 0;
/** Bits of a field element. */
const FIELD_BITS = 254;

type I32 = Expr<"i32">;
type I64 = Expr<"i64">;
type Pointer = Local<"i32">;

/** (result, a, b) */
const BINARY: Signature = { parameters: ["i32", "i32", "i32"], results: [] };
/** (result, a), or (a, result) where the library has it so */
const UNARY: Signature = { parameters: ["i32", "i32"], results: [] };
const RELATION: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
const TO_NUMBER: Signature = { parameters: ["i32"], results: ["i32"] };

/** Where the new functions keep what they work on. */
export interface Scratch {
  /** The highest end of the stack so far, 4 B. */
  readonly stackTop: number;
  readonly inversion: number;
  readonly shift: number;
  /** Two elements. */
  readonly operands: number;
}

const OPERAND_BYTES = 48;
const SHIFT_BYTES = 72;

/** @param take  reserves memory and returns its address. */
export function reserveScratch(take: (byteCount: number) => number): Scratch {
  return {
    stackTop: take(4),
    inversion: take(INVERSION_SCRATCH_BYTES),
    shift: take(SHIFT_BYTES),
    operands: take(2 * OPERAND_BYTES),
  };
}

/** Whether the program has the library that this file knows. */
export function hasKnownLibrary(binary: ProgramBinary): boolean {
  const hash = createHash("sha256");
  for (const [name, index] of binary.functionIndex) {
    if (NAME.test(name)) hash.update(`${name} ${index} `).update(binary.body(index));
  }
  return hash.digest("hex") === LIBRARY_SHA256;
}

export function replaceLibrary(binary: ProgramBinary, scratch: Scratch): void {
  const editor = new LibraryEditor(binary);
  replaceRaw(editor, scratch);
  replaceElements(editor);
  replaceComparisons(editor, scratch);
  replaceBits(editor, scratch);
  protectOperands(editor, scratch);
  watchStack(editor, scratch);
}

type Write = (f: FunctionWriter, original: FunctionWriter, ...parameters: Pointer[]) => void;

class LibraryEditor {
  readonly #binary: ProgramBinary;

  constructor(binary: ProgramBinary) {
    this.#binary = binary;
  }

  reference(name: string, signature: Signature): FunctionWriter {
    return functionAt(this.#binary.indexOf(name), signature);
  }

  /** Gives a function a new body, and the old one a new index. */
  replace(name: string, signature: Signature, write: Write): void {
    const index = this.#binary.indexOf(name);
    const original = this.#binary.addFunction(signature, this.#binary.body(index));
    const reference = functionAt(original, signature);
    const body = functionBody(signature, (f, ...parameters: Pointer[]) =>
      write(f, reference, ...parameters),
    );
    this.#binary.replaceBody(index, body);
  }
}

/** Arithmetic on long values, 32 B each. */
function replaceRaw(editor: LibraryEditor, { inversion }: Scratch): void {
  editor.replace("Fr_F1m_mul", BINARY, (f, _, x, y, z) => {
    f.if(i32.eq(x, y), () => {
      field.square(f, x, z);
      f.do(RETURN);
    });
    field.multiply(f, x, y, z);
  });
  editor.replace("Fr_F1m_square", UNARY, (f, _, x, z) => field.square(f, x, z));
  editor.replace("Fr_F1m_add", BINARY, (f, _, x, y, z) => field.add(f, x, y, z));
  editor.replace("Fr_F1m_sub", BINARY, (f, _, x, y, z) => field.subtract(f, x, y, z));
  editor.replace("Fr_F1m_fromMontgomery", UNARY, (f, _, x, z) => field.reduce(f, x, z));
  editor.replace("Fr_int_inverseMod", BINARY, (f, original, x, modulus, z) => {
    f.if(i32.eq(modulus, i32.const(MODULUS_ADDRESS)), () => {
      invertModulo(f, x, z, inversion);
      f.do(RETURN);
    });
    f.call(original, x, modulus, z);
  });
}

/** Copies, and arithmetic on elements: two long ones in Montgomery form, or two short ones. */
function replaceElements(editor: LibraryEditor): void {
  editor.replace("Fr_copy", UNARY, (f, _, to, from) => field.copy(f, to, from));
  for (const [name, raw, short] of [
    ["Fr_mul", "Fr_F1m_mul", i64.mul],
    ["Fr_add", "Fr_F1m_add", i64.add],
    ["Fr_sub", "Fr_F1m_sub", i64.sub],
  ] as const) {
    const rawFunction = editor.reference(raw, BINARY);
    editor.replace(name, BINARY, (f, original, result, a, b) => {
      f.if(i32.eq(i32.and(tagOf(a), tagOf(b)), i32.const(LONG_MONTGOMERY)), () => {
        f.do(storeTag(result, LONG_MONTGOMERY));
        f.call(rawFunction, longOf(a), longOf(b), longOf(result));
        f.do(RETURN);
      });
      f.if(areShort(a, b), () => {
        const value = field.assigned(f, short(i64.load32S(a), i64.load32S(b)));
        f.if(i64.eq(i64.extendS(i32.wrap(value)), value), () => {
          f.do(storeShort(result, i32.wrap(value)), RETURN);
        });
      });
      f.call(original, result, a, b);
    });
  }
  editor.replace("Fr_toInt", TO_NUMBER, (f, original, a) => {
    const value = field.assigned(f, i32.load(a));
    // Bit 31 of the tag is 0 for short values, bit 31 of the value for those that are not negative.
    f.if(isBit31Clear(i32.or(tagOf(a), value)), () => answer(f, value));
    f.result(callOf("i32", original, a));
  });
  editor.replace("Fr_isTrue", TO_NUMBER, (f, original, a) => {
    f.if(isShort(a), () => answer(f, i32.ne(i32.load(a), i32.const(0))));
    f.result(callOf("i32", original, a));
  });
}

/** Short values compare as signed numbers, and equal tags as their long values. */
function replaceComparisons(editor: LibraryEditor, { operands }: Scratch): void {
  const not = (compare: (a: I32, b: I32) => I32) => (a: I32, b: I32) => i32.eqz(compare(a, b));
  const greater = (a: I32, b: I32) => i32.ltS(b, a);
  for (const [name, compare] of [
    ["Fr_eq", i32.eq],
    ["Fr_neq", i32.ne],
    ["Fr_lt", i32.ltS],
    ["Fr_gt", greater],
    ["Fr_leq", not(greater)],
    ["Fr_geq", not(i32.ltS)],
  ] as const) {
    editor.replace(name, BINARY, (f, original, result, a, b) => {
      f.if(areShort(a, b), () => {
        f.do(storeShort(result, compare(i32.load(a), i32.load(b))), RETURN);
      });
      f.call(original, result, a, b);
    });
  }
  for (const [name, compare] of [
    ["Fr_eqR", i32.eq],
    ["Fr_gtR", greater],
  ] as const) {
    editor.replace(name, RELATION, (f, original, a, b) => {
      f.if(areShort(a, b), () => answer(f, compare(i32.load(a), i32.load(b))));
      if (name === "Fr_eqR") f.if(i32.eq(tagOf(a), tagOf(b)), () => answer(f, isSameLong(a, b)));
      const [x, y] = unspoilt(f, operands, a, b);
      f.result(callOf("i32", original, x, y));
    });
  }
}

/** Shifts by a short count below 254, and the low bits of a long value: what Num2Bits does. */
function replaceBits(editor: LibraryEditor, { shift, operands }: Scratch): void {
  for (const [name, inner] of [
    ["Fr_shl", "Fr_rawshl"],
    ["Fr_shr", "Fr_rawshr"],
  ] as const) {
    const shiftBy = editor.reference(inner, BINARY);
    editor.replace(name, BINARY, (f, original, result, a, count) => {
      const isSmall = i32.ltU(i32.load(count), i32.const(FIELD_BITS));
      f.if(i32.and(isShort(count), isSmall), () => {
        f.call(shiftBy, result, a, i32.load(count));
        f.do(RETURN);
      });
      f.call(original, result, a, count);
    });
    // Here a short value is spoilt if it is negative, or where bits would leave it on the left.
    editor.replace(inner, BINARY, (f, original, result, a, count) => {
      const [x] = unspoilt(f, operands, a);
      f.call(original, result, x, count);
    });
  }
  editor.replace("Fr_rawshll", BINARY, (f, _, to, from, count) =>
    shiftWords(f, to, from, count, shift, "left"),
  );
  editor.replace("Fr_rawshrl", BINARY, (f, _, to, from, count) =>
    shiftWords(f, to, from, count, shift, "right"),
  );
  editor.replace("Fr_band", BINARY, (f, original, result, a, b) => {
    const isMask = isBit31Clear(i32.or(tagOf(b), i32.load(b)));
    f.if(i32.and(i32.eq(tagOf(a), i32.const(LONG)), isMask), () => {
      const low = field.assigned(f, i64.and(i64.load(a, 8), i64.extendU(i32.load(b))));
      f.do(storeTag(result, LONG));
      field.storeWords(f, longOf(result), [low, ...[0n, 0n, 0n].map(i64.const)]);
      f.do(RETURN);
    });
    f.if(areShort(a, b), () => {
      f.call(original, result, a, b);
      f.do(RETURN);
    });
    const [x, y] = unspoilt(f, operands, a, b);
    f.call(original, result, x, y);
  });
}

/** The other functions that turn short operands into long ones. */
function protectOperands(editor: LibraryEditor, { operands }: Scratch): void {
  for (const name of ["Fr_bor", "Fr_bxor", "Fr_idiv", "Fr_mod", "Fr_pow"]) {
    editor.replace(name, BINARY, (f, original, result, a, b) => {
      const [x, y] = unspoilt(f, operands, a, b);
      f.call(original, result, x, y);
    });
  }
  for (const name of ["Fr_inv", "Fr_bnot"]) {
    editor.replace(name, UNARY, (f, original, result, a) => {
      const [x] = unspoilt(f, operands, a);
      f.call(original, result, x);
    });
  }
}

/** Keeps the highest end that the stack has had, for whoever wipes it. */
function watchStack(editor: LibraryEditor, { stackTop }: Scratch): void {
  editor.replace("reserveStackFr", TO_NUMBER, (f, original, byteCount) => {
    f.result(callOf("i32", original, byteCount));
    const top = field.assigned(f, i32.load(i32.const(STACK_POINTER_ADDRESS)));
    f.if(i32.gtU(top, i32.load(i32.const(stackTop))), () =>
      f.do(i32.store(i32.const(stackTop), top)),
    );
  });
}

/** The operands, or copies of those that are short. */
function unspoilt<P extends Pointer[]>(f: FunctionWriter, scratch: number, ...operands: P): P {
  const pointers = operands.map((operand, i) => {
    const copy = i32.const(scratch + OPERAND_BYTES * i);
    const pointer = field.assigned(f, operand);
    f.if(isShort(operand), () => {
      field.copy(f, copy, operand);
      f.set(pointer, copy);
    });
    return pointer;
  });
  return pointers as P;
}

/**
 * 32 B at `to` = 32 B at `from` shifted by up to 255 bits, zeros coming in. The words are laid out
 * with zeros around, so that whole words are a matter of the address, and each result has its bits
 * from two neighbours; a shift by 64 that a count of 0 would need is done in two steps.
 */
function shiftWords(
  f: FunctionWriter,
  to: I32,
  from: I32,
  count: I32,
  scratch: number,
  direction: "left" | "right",
): void {
  const words = [0, 1, 2, 3].map((k) => field.assigned(f, i64.load(from, 8 * k)));
  const zeros = Array.from({ length: 5 }, () => i64.const(0n));
  const layout = direction === "right" ? [...words, ...zeros] : [...zeros, ...words];
  for (const [k, word] of layout.entries()) f.do(i64.store(i32.const(scratch + 8 * k), word));
  const wholeWords = i32.shl(i32.shrU(count, i32.const(6)), i32.const(3));
  const at = field.assigned(
    f,
    direction === "right"
      ? i32.add(i32.const(scratch), wholeWords)
      : i32.sub(i32.const(scratch + 32), wholeWords),
  );
  const bits = field.assigned(f, i64.and(i64.extendU(count), i64.const(63n)));
  const others = field.assigned(f, i64.sub(i64.const(63n), bits));
  for (let k = 0; k < 4; k++) {
    const [low, high] = [i64.load(at, 8 * k), i64.load(at, 8 * k + 8)];
    const word: I64 =
      direction === "right"
        ? i64.or(i64.shrU(low, bits), i64.shl(i64.shl(high, others), i64.const(1n)))
        : i64.or(i64.shl(high, bits), i64.shrU(i64.shrU(low, others), i64.const(1n)));
    f.do(i64.store(to, word, 8 * k));
  }
}

/** Returns the value. */
function answer(f: FunctionWriter, value: I32): void {
  f.result(value);
  f.do(RETURN);
}

function storeShort(result: I32, value: I32): Statement {
  return i64.store(result, i64.extendU(value));
}

/**
 * The tag of a long value, and 0 in the place of the short one: the two are copied as one word, and
 * what is read as one word is to be written as one.
 */
function storeTag(result: I32, tag: number): Statement {
  return i64.store(result, i64.const(BigInt(tag) << 32n));
}

function tagOf(element: I32): I32 {
  return i32.load(element, 4);
}

function longOf(element: I32): I32 {
  return i32.add(element, i32.const(8));
}

function isShort(element: I32): I32 {
  return isBit31Clear(tagOf(element));
}

function areShort(a: I32, b: I32): I32 {
  return isBit31Clear(i32.or(tagOf(a), tagOf(b)));
}

function isBit31Clear(word: I32): I32 {
  return i32.eqz(i32.shrU(word, i32.const(SHORT_BIT_31)));
}

function isSameLong(a: I32, b: I32): I32 {
  const differences = [8, 16, 24, 32].map((at) => i64.xor(i64.load(a, at), i64.load(b, at)));
  return i64.eqz(differences.reduce((x, y) => i64.or(x, y)));
}
