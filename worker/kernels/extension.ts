/**
 * Coordinates of points while a kernel is being written: Fq, or Fq2 = Fq[u]/(u^2 + 1) on top of it, for
 * one half.
 */
import type { Expr } from "./emitter.ts";
import type { Arithmetic, Element, Variable } from "./vector-field.ts";

/** A coordinate: one element in G1, two in G2. */
export type Coordinate = readonly Element[];
export type CoordinateVariable = readonly Variable[];

export class Extension {
  readonly fq: Arithmetic;
  readonly #degree: 1 | 2;
  readonly #quadBytes: number;
  readonly #negated: Variable;
  readonly #real: Variable;

  constructor(fq: Arithmetic, degree: 1 | 2, componentBytes: number) {
    this.fq = fq;
    this.#degree = degree;
    this.#quadBytes = componentBytes;
    this.#negated = fq.variable();
    this.#real = fq.variable();
  }

  variable(): CoordinateVariable {
    return Array.from({ length: this.#degree }, () => this.fq.variable());
  }

  load(address: Expr<"i32">, offset: number): Coordinate {
    return this.#components((c) => this.fq.load(address, offset + c * this.#quadBytes));
  }

  store(address: Expr<"i32">, offset: number, value: Coordinate): void {
    value.forEach((component, c) => {
      this.fq.store(address, offset + c * this.#quadBytes, component);
    });
  }

  set(dst: CoordinateVariable, value: Coordinate): void {
    dst.forEach((variable, c) => {
      this.fq.set(variable, at(value, c));
    });
  }

  add(a: Coordinate, b: Coordinate): Coordinate {
    return this.#components((c) => this.fq.add(at(a, c), at(b, c)));
  }

  sub(a: Coordinate, b: Coordinate): Coordinate {
    return this.#components((c) => this.fq.sub(at(a, c), at(b, c)));
  }

  reduce(x: CoordinateVariable): void {
    for (const component of x) this.fq.reduce(component);
  }

  /** (a0 + a1 u)(b0 + b1 u) = a0 b0 + (-a1) b1 + (a0 b1 + a1 b0) u: two reductions. */
  mul(dst: CoordinateVariable, a: Coordinate, b: Coordinate): void {
    if (this.#degree === 1) {
      this.fq.mul(at(dst, 0), at(a, 0), at(b, 0));
      return;
    }
    this.fq.set(this.#negated, at(a, 1));
    this.fq.set(this.#negated, this.fq.neg(this.#negated));
    this.fq.mulSum(this.#real, at(a, 0), at(b, 0), this.#negated, at(b, 1));
    this.fq.mulSum(at(dst, 1), at(a, 0), at(b, 1), at(a, 1), at(b, 0));
    this.fq.set(at(dst, 0), this.#real);
  }

  /**
   * (a0 + a1)(a0 - a1) + 2 a0 a1 u: the operand must be normalised, because these products are of
   * sums of two. `dst` may not be the operand.
   */
  square(dst: CoordinateVariable, a: Coordinate): void {
    if (this.#degree === 1) {
      this.fq.square(at(dst, 0), at(a, 0));
      return;
    }
    const [sum, difference] = [this.#real, this.#negated];
    this.fq.set(sum, this.fq.add(at(a, 0), at(a, 1)));
    this.fq.set(difference, this.fq.sub(at(a, 0), at(a, 1)));
    this.fq.mul(at(dst, 0), sum, difference);
    this.fq.set(sum, this.fq.add(at(a, 0), at(a, 0)));
    this.fq.mul(at(dst, 1), sum, at(a, 1));
  }

  #components(component: (c: number) => Element): Coordinate {
    return Array.from({ length: this.#degree }, (_, c) => component(c));
  }
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
