/**
 * A field whose products are functions of two lanes that kernels call, instead of code written out
 * wherever a product is needed.
 *
 * In nine limbs of 29 bits a product in Fq2 and its reductions are 12 KB of machine code for each half:
 * written out in a loop of one or two of them, that leaves the processor's caches of instructions and
 * runs at two thirds of the speed of calls, although a call moves 27 vectors. V8's revectorizer pairs
 * nothing across a call: kernels for it are written out.
 */
import type { FunctionWriter } from "./emitter.ts";
import type { Expr, Local } from "./instructions.ts";
import {
  type Arithmetic,
  type Element,
  type Half,
  type KernelWriter,
  oneByOne,
  type Product,
  type Variable,
  type VectorField,
} from "./vector-field.ts";

/** Functions of limbs, each returning limbs in bounds. */
interface Products {
  readonly mul: FunctionWriter;
  readonly mulSum: FunctionWriter;
  readonly square: FunctionWriter;
  readonly reduce: FunctionWriter;
}

export function calledField(field: VectorField): VectorField {
  /** A module has the functions once. */
  const written = new WeakMap<KernelWriter, Products>();
  return {
    ...field,
    arithmetic: (f, half, writer) => {
      const products = written.get(writer) ?? writeProducts(writer, field);
      written.set(writer, products);
      return new CalledArithmetic(f, field.arithmetic(f, half, writer), products);
    },
  };
}

function writeProducts(writer: KernelWriter, field: VectorField): Products {
  const { limbs } = field;
  const vectors = (count: number) => Array.from({ length: count }, () => "v128" as const);
  // Exported, so that whoever compiles the module can name every function.
  const suffix = `${field.modulus % 2n ** 32n}`;
  const define = (
    name: string,
    operands: number,
    write: (fq: Arithmetic, dst: Variable, operands: readonly Local<"v128">[][]) => void,
  ) =>
    writer.module.define(
      `${name}:${suffix}`,
      vectors(operands * limbs),
      vectors(limbs),
      (f, ...parameters) => {
        // Both halves have the same constants: those of half 0 do for any.
        const fq = field.arithmetic(f, 0, writer);
        const dst = fq.variable();
        const operand = (i: number) => parameters.slice(limbs * i, limbs * (i + 1));
        write(
          fq,
          dst,
          Array.from({ length: operands }, (_, i) => operand(i)),
        );
        f.result(...dst);
      },
    );
  return {
    mul: define("mul", 2, (fq, dst, x) => fq.mul(dst, at(x, 0), at(x, 1))),
    mulSum: define("mulSum", 4, (fq, dst, x) =>
      fq.mulSum(dst, at(x, 0), at(x, 1), at(x, 2), at(x, 3)),
    ),
    square: define("square", 1, (fq, dst, x) => fq.square(dst, at(x, 0))),
    reduce: define("reduce", 1, (fq, dst, x) => {
      fq.set(dst, at(x, 0));
      fq.reduce(dst);
    }),
  };
}

class CalledArithmetic implements Arithmetic {
  readonly #f: FunctionWriter;
  readonly #inner: Arithmetic;
  readonly #products: Products;

  constructor(f: FunctionWriter, inner: Arithmetic, products: Products) {
    this.#f = f;
    this.#inner = inner;
    this.#products = products;
  }

  get half(): Half {
    return this.#inner.half;
  }

  mul(dst: Variable, a: Element, b: Element): void {
    this.#f.callInto(dst, this.#products.mul, ...a, ...b);
  }

  mulSum(dst: Variable, a: Element, b: Element, c: Element, d: Element): void {
    this.#f.callInto(dst, this.#products.mulSum, ...a, ...b, ...c, ...d);
  }

  square(dst: Variable, a: Element): void {
    this.#f.callInto(dst, this.#products.square, ...a);
  }

  together(products: readonly Product[]): void {
    oneByOne(this, products);
  }

  reduce(...variables: Variable[]): void {
    for (const variable of variables) {
      this.#f.callInto(variable, this.#products.reduce, ...variable);
    }
  }

  variable(): Variable {
    return this.#inner.variable();
  }

  load(address: Expr<"i32">, offset: number): Element {
    return this.#inner.load(address, offset);
  }

  store(address: Expr<"i32">, offset: number, value: Element): void {
    this.#inner.store(address, offset, value);
  }

  set(dst: Variable, value: Element): void {
    this.#inner.set(dst, value);
  }

  add(a: Element, b: Element): Element {
    return this.#inner.add(a, b);
  }

  sub(a: Element, b: Element): Element {
    return this.#inner.sub(a, b);
  }

  neg(a: Element): Element {
    return this.#inner.neg(a);
  }

  unpack(dst: Variable, words: readonly Expr<"v128">[]): void {
    this.#inner.unpack(dst, words);
  }

  butterfly(x: Element): Element {
    return this.#inner.butterfly(x);
  }

  signs(low: Expr<"i32">, high: Expr<"i32">): Expr<"v128"> {
    return this.#inner.signs(low, high);
  }

  negateBy(mask: Expr<"v128">, a: Element): Element {
    return this.#inner.negateBy(mask, a);
  }
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
