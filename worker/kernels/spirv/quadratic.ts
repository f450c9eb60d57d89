/**
 * Fq2 = Fq[i]/(i^2 + 1), for one invocation: real part first, 16 limbs. A product takes three in Fq
 * (Karatsuba), a square two. The twin is `FQ2` of `worker/curve.ts`.
 *
 * The products of one call are the turns of a loop over one body. Written out, an addition in G2 is
 * some 60 products of code: more than a GPU's instruction cache holds, and half a minute of compiling
 * for the software driver.
 */
import type { Code } from "./code.ts";
import {
  type Element,
  type FieldCode,
  get,
  LIMBS,
  type PrimeField,
  set,
  variable,
} from "./field.ts";
import type { KernelWriter } from "./module.ts";
import type { Callee, U32 } from "./values.ts";

export class QuadraticField implements FieldCode {
  readonly words = 2 * LIMBS;
  readonly #kernel: KernelWriter;
  readonly #base: PrimeField;
  #product: Callee | undefined;
  #square: Callee | undefined;

  constructor(kernel: KernelWriter, base: PrimeField) {
    this.#kernel = kernel;
    this.#base = base;
  }

  zero = (f: Code): Element => [...this.#base.zero(f), ...this.#base.zero(f)];
  one = (f: Code): Element => [...this.#base.one(f), ...this.#base.zero(f)];

  add(f: Code, a: Element, b: Element): Element {
    const [[a0, a1], [b0, b1]] = [halves(a), halves(b)];
    return [...this.#base.add(f, a0, b0), ...this.#base.add(f, a1, b1)];
  }

  sub(f: Code, a: Element, b: Element): Element {
    const [[a0, a1], [b0, b1]] = [halves(a), halves(b)];
    return [...this.#base.sub(f, a0, b0), ...this.#base.sub(f, a1, b1)];
  }

  /** a0 b0 - a1 b1, and (a0 + a1)(b0 + b1) - a0 b0 - a1 b1 */
  mul(f: Code, a: Element, b: Element): Element {
    const base = this.#base;
    this.#product ??= this.#kernel.define(words(4), (inner, ...limbs) => {
      const [[a0, a1], [b0, b1]] = [halves(limbs.slice(0, 16)), halves(limbs.slice(16))];
      const lefts = [a0, a1, base.add(inner, a0, a1)];
      const rights = [b0, b1, base.add(inner, b0, b1)];
      const [low, high, cross] = this.#products(inner, lefts, rights) as [
        Element,
        Element,
        Element,
      ];
      const imaginary = base.sub(inner, base.sub(inner, cross, low), high);
      return [...base.sub(inner, low, high), ...imaginary];
    });
    return f.call(this.#product, ...a, ...b) as U32[];
  }

  /** (a0 + a1)(a0 - a1), and 2 a0 a1 */
  sqr(f: Code, a: Element): Element {
    const base = this.#base;
    this.#square ??= this.#kernel.define(words(2), (inner, ...limbs) => {
      const [a0, a1] = halves(limbs);
      const lefts = [base.add(inner, a0, a1), a0];
      const rights = [base.sub(inner, a0, a1), a1];
      const [real, half] = this.#products(inner, lefts, rights) as [Element, Element];
      return [...real, ...base.add(inner, half, half)];
    });
    return f.call(this.#square, ...a) as U32[];
  }

  /** Products of pairs: each turn takes the first pair, and all move up by one. */
  #products(f: Code, lefts: readonly Element[], rights: readonly Element[]): Element[] {
    const pairs = lefts.map((left, i) => ({
      left: variable(f, left),
      right: variable(f, rights[i] as Element),
      product: variable(f, this.#base.zero(f)),
    }));
    const [first] = pairs;
    if (first === undefined) return [];
    const turn = () => {
      const product = this.#base.mul(f, get(f, first.left), get(f, first.right));
      pairs.forEach((to, i) => {
        const from = pairs[i + 1];
        if (from !== undefined) {
          set(f, to.left, get(f, from.left));
          set(f, to.right, get(f, from.right));
        }
        set(f, to.product, from === undefined ? product : get(f, from.product));
      });
    };
    f.for(f.u32(0), f.u32(pairs.length), f.u32(1), turn, false);
    return pairs.map((pair) => get(f, pair.product));
  }
}

function halves(a: Element): [Element, Element] {
  return [a.slice(0, LIMBS), a.slice(LIMBS)];
}

const words = (elements: number) => new Array<"u32">(elements * LIMBS).fill("u32");
