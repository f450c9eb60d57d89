/**
 * Coordinates of points while a kernel is being written: Fq, or Fq2 = Fq[u]/(u^2 + 1) on top of it, for
 * one half.
 */
import type { Expr } from "./instructions.ts";
import type { Arithmetic, Element, Product, Variable } from "./vector-field.ts";

/** A coordinate: one element in G1, two in G2. */
export type Coordinate = readonly Element[];
export type CoordinateVariable = readonly Variable[];

/** dst = a b, or a^2. */
export type CoordinateProduct =
  | { readonly dst: CoordinateVariable; readonly a: Coordinate; readonly b: Coordinate }
  | { readonly dst: CoordinateVariable; readonly square: Coordinate };

export class Extension {
  readonly fq: Arithmetic;
  readonly #degree: 1 | 2;
  readonly #quadBytes: number;
  /** For operands that are made for a product. */
  readonly #one: Variable;
  readonly #other: Variable;
  readonly #real: Variable;

  constructor(fq: Arithmetic, degree: 1 | 2, componentBytes: number) {
    this.fq = fq;
    this.#degree = degree;
    this.#quadBytes = componentBytes;
    this.#one = fq.variable();
    this.#other = fq.variable();
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

  reduce(...variables: CoordinateVariable[]): void {
    this.fq.reduce(...variables.flat());
  }

  mul(dst: CoordinateVariable, a: Coordinate, b: Coordinate): void {
    this.together([{ dst, a, b }]);
  }

  square(dst: CoordinateVariable, a: Coordinate): void {
    this.together([{ dst, square: a }]);
  }

  /**
   * Products that do not depend on each other. In Fq2 a product consists of two such already: more of
   * them side by side only take longer to fetch.
   */
  together(products: readonly CoordinateProduct[]): void {
    if (this.#degree === 1) {
      this.fq.together(
        products.map((product) =>
          "square" in product
            ? { dst: at(product.dst, 0), square: at(product.square, 0) }
            : { dst: at(product.dst, 0), pairs: [[at(product.a, 0), at(product.b, 0)]] },
        ),
      );
      return;
    }
    for (const product of products) {
      if ("square" in product) this.#squareQuadratic(product.dst, product.square);
      else this.#mulQuadratic(product.dst, product.a, product.b);
    }
  }

  /** (a0 + a1 u)(b0 + b1 u) = a0 b0 + (-a1) b1 + (a0 b1 + a1 b0) u: two reductions. */
  #mulQuadratic(dst: CoordinateVariable, a: Coordinate, b: Coordinate): void {
    const [a0, a1, b0, b1] = [at(a, 0), at(a, 1), at(b, 0), at(b, 1)];
    this.fq.set(this.#one, a1);
    this.fq.set(this.#one, this.fq.neg(this.#one));
    this.#intoBoth(dst, (real, imaginary) => [
      {
        dst: real,
        pairs: [
          [a0, b0],
          [this.#one, b1],
        ],
      },
      {
        dst: imaginary,
        pairs: [
          [a0, b1],
          [a1, b0],
        ],
      },
    ]);
  }

  /**
   * (a0 + a1)(a0 - a1) + 2 a0 a1 u: the operand must be normalised, because these products are of
   * sums of two.
   */
  #squareQuadratic(dst: CoordinateVariable, a: Coordinate): void {
    const [a0, a1] = [at(a, 0), at(a, 1)];
    this.fq.set(this.#one, this.fq.add(a0, a1));
    this.fq.set(this.#other, this.fq.sub(a0, a1));
    this.#intoBoth(dst, (real, imaginary) => [
      { dst: real, pairs: [[this.#one, this.#other]] },
      { dst: imaginary, pairs: [[this.fq.add(a0, a0), a1]] },
    ]);
  }

  /** `dst` may be an operand, and where products are written one by one, so by way of others. */
  #intoBoth(
    dst: CoordinateVariable,
    products: (real: Variable, imaginary: Variable) => readonly Product[],
  ): void {
    const real = this.#real;
    this.fq.together(products(real, at(dst, 1)));
    this.fq.set(at(dst, 0), real);
  }

  #components(component: (c: number) => Element): Coordinate {
    return Array.from({ length: this.#degree }, (_, c) => component(c));
  }
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
