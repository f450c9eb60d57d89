/**
 * Fq2 = Fq[i]/(i^2 + 1), for one invocation: real part first, 16 limbs. A product takes three in Fq
 * (Karatsuba), a square two. The twin is `FQ2` of `worker/curve.ts`.
 */
import type { Code } from "./code.ts";
import { type Element, type FieldCode, LIMBS, type PrimeField } from "./field.ts";

export class QuadraticField implements FieldCode {
  readonly words = 2 * LIMBS;
  readonly #base: PrimeField;

  constructor(base: PrimeField) {
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
    const [[a0, a1], [b0, b1]] = [halves(a), halves(b)];
    const [low, high] = [base.mul(f, a0, b0), base.mul(f, a1, b1)];
    const cross = base.mul(f, base.add(f, a0, a1), base.add(f, b0, b1));
    return [...base.sub(f, low, high), ...base.sub(f, base.sub(f, cross, low), high)];
  }

  /** (a0 + a1)(a0 - a1), and 2 a0 a1 */
  sqr(f: Code, a: Element): Element {
    const base = this.#base;
    const [a0, a1] = halves(a);
    const product = base.mul(f, a0, a1);
    const real = base.mul(f, base.add(f, a0, a1), base.sub(f, a0, a1));
    return [...real, ...base.add(f, product, product)];
  }
}

function halves(a: Element): [Element, Element] {
  return [a.slice(0, LIMBS), a.slice(LIMBS)];
}
