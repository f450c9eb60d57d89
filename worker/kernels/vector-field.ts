/**
 * Arithmetic in a prime field on four numbers at once, while a kernel is being written.
 *
 * **Lanes.** Numbers are handled as *quads*: limb i of four numbers lies in 32 consecutive bytes, as
 * two vectors of two lanes, the *halves*. Kernels are written for one half, and the writer
 * (`KernelWriter.forHalves`) emits both halves statement by statement. V8's revectorizer then finds
 * neighbouring 128-bit operations on neighbouring addresses and makes one 256-bit operation of each
 * pair; an engine without it runs the same bytes as they stand. For that, a kernel keeps four rules:
 * at most one load of a number's limb in a statement, all stores at the end of a straight piece of
 * code and to neighbouring addresses, constants spread over 32 bytes (`ConstantPool`), and vectors
 * that live from one round of a loop to the next in memory.
 *
 * **Limbs.** A number x stands for x / R mod p (Montgomery form) and is kept as signed limbs,
 * x = sum limb_i 2^(i * limbBits), without a canonical form: sums and differences are formed limb by
 * limb, with no carry and no reduction. `mul` brings limbs and value back into bounds; `reduce` does
 * it for sums. Each representation says how much may be added up in between.
 */
import { type FunctionWriter, ModuleWriter } from "./emitter.ts";
import { type Expr, i32, type Local, type Statement, v128 } from "./instructions.ts";

/** A quad's half as expressions, limb 0 first. Each use evaluates again. */
export type Element = readonly Expr<"v128">[];
/** A quad's half in local variables. */
export type Variable = readonly Local<"v128">[];

/** What a representation is, apart from code. */
export interface VectorField {
  /** p */
  readonly modulus: bigint;
  /** R, a power of two: the number x stands for x / R mod p. */
  readonly radix: bigint;
  readonly limbs: number;
  readonly limbBits: number;
  /** The 64 bits of each limb of x, |x| < p; x as it is (bring it into Montgomery form first). */
  limbsOf(x: bigint): bigint[];
  /** The other way round: x, not reduced. */
  valueOf(limbs: readonly bigint[]): bigint;
  /** Ready to write code into one function of a module for one half. Allocates its locals. */
  arithmetic(f: FunctionWriter, half: Half, writer: KernelWriter): Arithmetic;
  /** A limb in memory, at most 2^limbBits in size, as an integer. */
  loadLimb(address: Expr<"i32">, offset: number): Expr<"i64">;
  /** @param value  |value| < 2^limbBits */
  storeLimb(address: Expr<"i32">, value: Expr<"i64">, offset: number): Statement;
}

type Pair = readonly [Element, Element];

/** dst = (the sum of a b over all pairs) / R, of one pair or two; or dst = a^2 / R. */
export type Product =
  | { readonly dst: Variable; readonly pairs: readonly Pair[] }
  | { readonly dst: Variable; readonly square: Element };

/** Code in one half of one function. `dst` may be an operand too. */
export interface Arithmetic {
  readonly half: Half;
  variable(): Variable;
  /** The quad at address + offset, this half. */
  load(address: Expr<"i32">, offset: number): Element;
  /** Stores that belong at the end of a kernel's straight code. */
  store(address: Expr<"i32">, offset: number, value: Element): void;
  set(dst: Variable, value: Element): void;
  add(a: Element, b: Element): Element;
  sub(a: Element, b: Element): Element;
  neg(a: Element): Element;
  /** dst = a b / R, with limbs and value in bounds. Operands: |a_i b_j| <= 2^(2 limbBits). */
  mul(dst: Variable, a: Element, b: Element): void;
  /** dst = (a b + c d) / R. */
  mulSum(dst: Variable, a: Element, b: Element, c: Element, d: Element): void;
  /** dst = a^2 / R. Operand: |a_i a_j| <= 2^(2 limbBits - 1), so no sum, and nothing unpacked. */
  square(dst: Variable, a: Element): void;
  /**
   * Products that do not depend on each other, as `mul`, `mulSum` and `square` make them. A product
   * ends in a long chain of carries: written side by side, one waits while the other computes.
   */
  together(products: readonly Product[]): void;
  /** Brings sums' limbs and values back into bounds, keeping them mod p. */
  reduce(...variables: Variable[]): void;
  /** Limbs of two packed integers, below 2^limbBits without a sign. @param words  4 x 64 bits of each, little-endian. */
  unpack(dst: Variable, words: readonly Expr<"v128">[]): void;
  /** Within this half: the sum of its two lanes, and lane 0 minus lane 1. */
  butterfly(x: Element): Element;
  /** A mask for `negateBy` from two integers whose bit 0 says whether to negate. */
  signs(low: Expr<"i32">, high: Expr<"i32">): Expr<"v128">;
  negateBy(mask: Expr<"v128">, a: Element): Element;
}

/** `together` for a representation that gains nothing by it. */
export function oneByOne(fq: Arithmetic, products: readonly Product[]): void {
  for (const product of products) {
    if ("square" in product) {
      fq.square(product.dst, product.square);
      continue;
    }
    const [first, second] = product.pairs as [Pair, Pair | undefined];
    if (second === undefined) fq.mul(product.dst, ...first);
    else fq.mulSum(product.dst, ...first, ...second);
  }
}

/** Statements of equal lists, one of each in turn. */
export function interleaved(lists: readonly (readonly Statement[])[]): Statement[] {
  const [first = [], ...others] = lists;
  if (others.some(({ length }) => length !== first.length)) {
    throw new Error("pieces of code differ, so that they cannot be interleaved");
  }
  return first.flatMap((statement, i) => [
    statement,
    ...others.map((list) => list[i] as Statement),
  ]);
}

/** x as `count` limbs in [-2^(bits-1), 2^(bits-1)), lowest first; the top one takes what is left. */
export function signedLimbs(x: bigint, bits: number, count: number): bigint[] {
  const limbs: bigint[] = [];
  let rest = x;
  for (let i = 0; i < count - 1; i++) {
    const limb = BigInt.asIntN(bits, rest);
    limbs.push(limb);
    rest = (rest - limb) >> BigInt(bits);
  }
  return [...limbs, rest];
}

/** 0 for lanes 0 and 1, 1 for lanes 2 and 3. */
export type Half = 0 | 1;

/** Bytes of a quad's vector in one half. */
export const HALF_BYTES = 16;
/** Bytes from one limb of a quad to the next. */
export const LIMB_STRIDE = 32;

/**
 * Constants for vector code: each is spread over 32 bytes of memory, because V8 loads a constant
 * from memory cheaper than it makes one, and so that both halves find theirs.
 */
export class ConstantPool {
  readonly #base: number;
  readonly #addresses = new Map<bigint, number>();

  /** @param base  Address, a multiple of 32. */
  constructor(base: number) {
    this.#base = base;
  }

  /** Bytes in use from the base on. */
  get size(): number {
    return LIMB_STRIDE * this.#addresses.size;
  }

  /** The 64 bits in both lanes. */
  vector(bits: bigint, half: Half): Expr<"v128"> {
    const key = BigInt.asUintN(64, bits);
    const address = this.#addresses.get(key) ?? this.#base + this.size;
    this.#addresses.set(key, address);
    return v128.load(i32.const(0), address + HALF_BYTES * half);
  }

  /** Writes the constants to where the code expects them. */
  write(memory: ArrayBufferLike): void {
    for (const [bits, address] of this.#addresses) {
      new BigUint64Array(memory, address, LIMB_STRIDE / 8).fill(bits);
    }
  }
}

/** A module under construction together with its constants. */
export class KernelWriter {
  readonly module = new ModuleWriter();
  readonly constants: ConstantPool;
  /** Whether halves will be packed into 256-bit operations. */
  readonly isPaired: boolean;

  /** @param constantBase  Where the constants will lie. */
  constructor(constantBase: number, isPaired: boolean) {
    this.constants = new ConstantPool(constantBase);
    this.isPaired = isPaired;
  }

  /** Arithmetic for both halves of a function. Make it before the loop, so that locals are shared. */
  halves(f: FunctionWriter, field: VectorField): readonly [Arithmetic, Arithmetic] {
    return [field.arithmetic(f, 0, this), field.arithmetic(f, 1, this)];
  }

  /**
   * Writes the same code for two halves, interleaved statement by statement.
   *
   * Where halves are not packed, interleaving them still hides latencies, but code with very many
   * variables then runs out of registers: one half after the other is faster there (`isLong`).
   */
  forHalves<T>(
    f: FunctionWriter,
    halves: readonly [T, T],
    write: (half: T) => void,
    { isLong = false }: { readonly isLong?: boolean } = {},
  ): void {
    const first = f.capture(() => write(halves[0]));
    const second = f.capture(() => write(halves[1]));
    if (isLong && !this.isPaired) f.do(...first, ...second);
    else f.do(...interleaved([first, second]));
  }
}
