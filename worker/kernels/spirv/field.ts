/**
 * Arithmetic modulo a prime p below 2^254, for one invocation.
 *
 * An element is 8 limbs of 32 bits, the lowest first, and canonical: below p, on entry and on exit.
 * Products are Montgomery's with R = 2^256, which is the form that a zkey's points and coefficients
 * have; a buffer holds 32 bytes for each, little-endian. The twin is `worker/field.ts`.
 *
 * Peter L. Montgomery, "Modular multiplication without trial division", Mathematics of Computation 44
 * (1985); word by word, with product and reduction interleaved: Koç, Acar, Kaliski, "Analyzing and
 * comparing Montgomery multiplication algorithms", IEEE Micro 16 (1996), CIOS. As the top word of p is
 * below 2^30, the column above the eighth word stays empty and is left out.
 */
import type { Code } from "./code.ts";
import type { KernelWriter } from "./module.ts";
import type { Bool, Buffer, Callee, U32, U64, Variable } from "./values.ts";

export const LIMBS = 8;
/** Montgomery's R. */
export const MONTGOMERY_RADIX = 1n << 256n;

/** The limbs of an element of a prime field; of one of its extensions, those of each coordinate. */
export type Element = readonly U32[];
export type ElementVariable = readonly Variable<"u32">[];

const WORD = 1n << 32n;

/** What curves and transforms need of a field. */
export interface FieldCode {
  /** 32-bit words of an element, a multiple of 8. */
  readonly words: number;
  zero(f: Code): Element;
  /** In Montgomery form. */
  one(f: Code): Element;
  add(f: Code, a: Element, b: Element): Element;
  sub(f: Code, a: Element, b: Element): Element;
  mul(f: Code, a: Element, b: Element): Element;
  sqr(f: Code, a: Element): Element;
}

export class PrimeField implements FieldCode {
  readonly words = LIMBS;
  readonly modulus: bigint;
  readonly #kernel: KernelWriter;
  readonly #limbs: readonly bigint[];
  /** -1/p modulo 2^32. */
  readonly #inverse: bigint;
  #product: Callee | undefined;

  constructor(kernel: KernelWriter, modulus: bigint) {
    if (modulus >= 1n << 254n || modulus % 2n === 0n) {
      throw new RangeError(`got modulus ${modulus}, expected an odd one below 2^254`);
    }
    this.#kernel = kernel;
    this.modulus = modulus;
    this.#limbs = limbsOf(modulus);
    this.#inverse = negatedInverse(modulus);
  }

  zero = (f: Code): Element => this.constant(f, 0n);
  one = (f: Code): Element => this.constant(f, MONTGOMERY_RADIX % this.modulus);

  /** The number itself, not its Montgomery form. */
  constant(f: Code, value: bigint): Element {
    return limbsOf(value).map((limb) => f.u32(limb));
  }

  add(f: Code, a: Element, b: Element): Element {
    // Below 2p, which 256 bits hold.
    return this.#reduced(f, plus(f, a, b));
  }

  sub(f: Code, a: Element, b: Element): Element {
    const { difference, borrow } = minus(f, a, b);
    // p where the difference is negative, else 0.
    const mask = f.sub(f.u32(0), borrow);
    return plus(
      f,
      difference,
      this.constant(f, this.modulus).map((limb) => f.and(limb, mask)),
    );
  }

  neg(f: Code, a: Element): Element {
    return this.sub(f, this.zero(f), a);
  }

  /** a b / R. One factor may be any number of 256 bits, if the other one is canonical. */
  mul(f: Code, a: Element, b: Element): Element {
    this.#product ??= this.#kernel.define(
      new Array<"u32">(2 * LIMBS).fill("u32"),
      (inner, ...factors) =>
        this.#multiply(inner, factors.slice(0, LIMBS), factors.slice(LIMBS) as U32[]),
    );
    return f.call(this.#product, ...a, ...b) as U32[];
  }

  sqr(f: Code, a: Element): Element {
    return this.mul(f, a, a);
  }

  /** a R, of any number of 256 bits. */
  toMontgomery(f: Code, a: Element): Element {
    return this.mul(f, a, this.constant(f, MONTGOMERY_RADIX ** 2n % this.modulus));
  }

  /** a / R, of any number of 256 bits. */
  fromMontgomery(f: Code, a: Element): Element {
    return this.mul(f, a, this.constant(f, 1n));
  }

  /**
   * t = 0; for each limb x of a: t = (t + x b + q p) / 2^32, with the q that makes it divisible.
   * t < 2p after each step, so that its top limb holds the two carries' sum.
   */
  #multiply(f: Code, a: Element, b: Element): Element {
    const p = this.#limbs.map((limb) => f.u64(limb));
    const wideB = b.map((limb) => f.widen(limb));
    const inverse = f.u32(this.#inverse);
    let t: U32[] = [];
    for (const limb of a) {
      const x = f.widen(limb);
      const next: U32[] = [];
      let carry: U64 | undefined;
      let reduction: U64 | undefined;
      let q: U64 | undefined;
      for (let j = 0; j < LIMBS; j++) {
        // Each is at most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
        let v = f.mul(x, wideB[j] as U64);
        const above = t[j];
        if (above !== undefined) v = f.add(v, f.widen(above));
        if (carry !== undefined) v = f.add(v, carry);
        carry = f.shr(v, 32);
        const low = f.low(v);
        q ??= f.widen(f.mul(low, inverse));
        let w = f.add(f.mul(q, p[j] as U64), f.widen(low));
        if (reduction !== undefined) w = f.add(w, reduction);
        reduction = f.shr(w, 32);
        if (j > 0) next.push(f.low(w));
      }
      next.push(f.low(f.add(carry as U64, reduction as U64)));
      t = next;
    }
    return this.#reduced(f, t);
  }

  /** a or a - p: canonical, if a < 2p. */
  #reduced(f: Code, a: Element): Element {
    const { difference, borrow } = minus(f, a, this.constant(f, this.modulus));
    const isCanonical = f.ne(borrow, f.u32(0));
    return a.map((limb, i) => f.select(isCanonical, limb, difference[i] as U32));
  }
}

/** Modulo 2^256. */
function plus(f: Code, a: Element, b: Element): Element {
  let carry: U64 | undefined;
  return a.map((limb, i) => {
    let sum = f.add(f.widen(limb), f.widen(b[i] as U32));
    if (carry !== undefined) sum = f.add(sum, carry);
    carry = f.shr(sum, 32);
    return f.low(sum);
  });
}

/** Modulo 2^256, and whether it was negative: 1 or 0. */
function minus(f: Code, a: Element, b: Element): { difference: Element; borrow: U32 } {
  let borrow: U64 | undefined;
  const difference = a.map((limb, i) => {
    let rest = f.sub(f.widen(limb), f.widen(b[i] as U32));
    if (borrow !== undefined) rest = f.sub(rest, borrow);
    borrow = f.shr(rest, 63);
    return f.low(rest);
  });
  return { difference, borrow: f.low(borrow as U64) };
}

export function isZero(f: Code, a: Element): Bool {
  return f.eq(
    a.reduce((all, limb) => f.or(all, limb)),
    f.u32(0),
  );
}

/** The element at `index`, with `words` 32-bit words for each. */
export function load(f: Code, buffer: Buffer<"u32x4">, index: U32, words = LIMBS): Element {
  const first = f.mul(index, f.u32(words / 4));
  return Array.from({ length: words / 4 }, (_, i) =>
    f.loadFour(buffer, f.add(first, f.u32(i))),
  ).flat();
}

export function store(f: Code, buffer: Buffer<"u32x4">, index: U32, value: Element): void {
  const first = f.mul(index, f.u32(value.length / 4));
  for (let i = 0; i < value.length; i += 4) {
    const four = value.slice(i, i + 4) as [U32, U32, U32, U32];
    f.storeFour(buffer, f.add(first, f.u32(i / 4)), four);
  }
}

export function variable(f: Code, initial: Element): ElementVariable {
  return initial.map((limb) => f.variable("u32", limb));
}

export function get(f: Code, from: ElementVariable): Element {
  return from.map((limb) => f.get(limb));
}

export function set(f: Code, to: ElementVariable, value: Element): void {
  to.forEach((limb, i) => {
    f.set(limb, value[i] as U32);
  });
}

function limbsOf(value: bigint): bigint[] {
  return Array.from({ length: LIMBS }, (_, i) => (value >> BigInt(32 * i)) % WORD);
}

/** -1/p modulo 2^32: each step of Newton's doubles the bits that are right, of which 3 are at first. */
function negatedInverse(p: bigint): bigint {
  let x = p;
  for (let bits = 3; bits < 32; bits *= 2) x = BigInt.asUintN(32, x * (2n - p * x));
  return BigInt.asUintN(32, -x);
}
