/**
 * Writes WebAssembly binaries: a module of functions over one imported, shared memory, out of the
 * statements and expressions of `instructions.ts`. https://webassembly.github.io/spec/core/binary/
 *
 * ```ts
 * const module = new ModuleWriter();
 * module.define("double", ["i32", "i32"], [], (f, pointer, count) => {
 *   f.loop(() => {
 *     f.do(i64.store(pointer, i64.add(i64.load(pointer), i64.load(pointer))));
 *     f.advance(pointer, 8);
 *     f.advance(count, -1);
 *   }, () => count);
 * });
 * new WebAssembly.Module(module.bytes({ minimumPages: 1, maximumPages: 1 }));
 * ```
 */

import {
  type Expr,
  i32,
  Local,
  type Statement,
  TYPE_CODE,
  type ValueType,
} from "./instructions.ts";
import { unsigned } from "./leb128.ts";

type Locals<T extends readonly ValueType[]> = { [K in keyof T]: Local<T[K]> };

/** Writes one function's body, statement by statement. */
export class FunctionWriter {
  readonly name: string;
  readonly index: number;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  /** The body so far: bytes, because a kernel's as numbers would be some ten times as much. */
  #code = new Uint8Array(256);
  #length = 0;
  /** Where statements go while `capture` is under way. */
  #captured: Statement[] | undefined;

  constructor(
    name: string,
    index: number,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
  ) {
    this.name = name;
    this.index = index;
    this.parameters = parameters;
    this.results = results;
  }

  local<T extends ValueType>(type: T): Local<T> {
    this.#locals.push(type);
    return new Local(type, this.parameters.length + this.#locals.length - 1);
  }

  locals<T extends ValueType>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  do(...statements: Statement[]): void {
    if (this.#captured !== undefined) this.#captured.push(...statements);
    else for (const statement of statements) this.#append(statement);
  }

  set<T extends ValueType>(local: Local<T>, value: Expr<NoInfer<T>>): void {
    this.do([...value.code, 0x21, ...unsigned(local.index)]);
  }

  /** local += bytes (or any constant). */
  advance(local: Local<"i32">, by: number): void {
    this.set(local, i32.add(local, i32.const(by)));
  }

  /** do { body } while (condition != 0) */
  loop(body: () => void, condition: () => Expr<"i32">): void {
    this.do([0x03, 0x40]);
    body();
    this.do([...condition().code, 0x0d, 0, 0x0b]);
  }

  /** while (condition != 0) { body } */
  while(condition: () => Expr<"i32">, body: () => void): void {
    this.do([0x02, 0x40, 0x03, 0x40, ...condition().code, 0x45, 0x0d, 1]);
    body();
    this.do([0x0c, 0, 0x0b, 0x0b]);
  }

  if(condition: Expr<"i32">, then: () => void, otherwise?: () => void): void {
    this.do([...condition.code, 0x04, 0x40]);
    then();
    if (otherwise !== undefined) {
      this.do([0x05]);
      otherwise();
    }
    this.do([0x0b]);
  }

  call(callee: FunctionWriter, ...args: Expr<ValueType>[]): void {
    this.do(callCode(callee, args));
  }

  /** locals = the callee's results, in order. */
  callInto(
    locals: readonly Local<ValueType>[],
    callee: FunctionWriter,
    ...args: Expr<ValueType>[]
  ): void {
    const sets = locals.toReversed().flatMap(({ index }) => [0x21, ...unsigned(index)]);
    this.do([...callCode(callee, args), ...sets]);
  }

  /** Leaves the function's results on the stack: the last thing that a body does. */
  result(...values: Expr<ValueType>[]): void {
    for (const { code } of values) this.do(code);
  }

  /** Traps: for states that cannot be. */
  unreachable(): void {
    this.do([0x00]);
  }

  /** The statements that `write` writes, taken out again, for somebody who wants to arrange them. */
  capture(write: () => void): Statement[] {
    const outer = this.#captured;
    const inner: Statement[] = [];
    this.#captured = inner;
    try {
      write();
    } finally {
      this.#captured = outer;
    }
    return inner;
  }

  /** The body's bytes: size, locals, code. */
  body(): readonly [size: Bytes, locals: Bytes, code: Bytes] {
    const locals: number[] = [...unsigned(this.#locals.length)];
    for (const type of this.#locals) locals.push(1, TYPE_CODE[type]);
    const code = new Uint8Array(this.#length + 1);
    code.set(this.#code.subarray(0, this.#length));
    code[this.#length] = 0x0b; // end
    return [unsigned(locals.length + code.length), locals, code];
  }

  #append(statement: Statement): void {
    const length = this.#length + statement.length;
    if (length > this.#code.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#code.subarray(0, this.#length));
      this.#code = larger;
    }
    this.#code.set(statement, this.#length);
    this.#length = length;
  }
}

function callCode(callee: FunctionWriter, args: readonly Expr<ValueType>[]): number[] {
  return [...args.flatMap(({ code }) => code), 0x10, ...unsigned(callee.index)];
}

/** The value of a call to a function with one result. */
export function callOf<T extends ValueType>(
  type: T,
  callee: FunctionWriter,
  ...args: Expr<ValueType>[]
): Expr<T> {
  return { type, code: callCode(callee, args) };
}

type Bytes = ArrayLike<number>;
type Chunks = readonly Bytes[];

export interface ModuleOptions {
  /** Told apart from modules of the same code: V8 compiles equal bytes once, whatever the flags. */
  readonly label?: string;
  /** Pages of 64 KiB that the imported memory must have. */
  readonly minimumPages: number;
  readonly maximumPages: number;
}

/** A module that imports a shared memory as `env.memory` and exports its functions by their names. */
export class ModuleWriter {
  readonly #functions: FunctionWriter[] = [];

  /** May be called while another function is being written. */
  define<const P extends readonly ValueType[]>(
    name: string,
    parameters: P,
    results: readonly ValueType[],
    write: (f: FunctionWriter, ...parameters: Locals<P>) => void,
  ): FunctionWriter {
    const f = new FunctionWriter(name, this.#functions.length, parameters, results);
    this.#functions.push(f);
    write(f, ...(parameters.map((type, i) => new Local(type, i)) as Locals<P>));
    return f;
  }

  bytes({ minimumPages, maximumPages, label = "" }: ModuleOptions): Uint8Array<ArrayBuffer> {
    const types = this.#functions.map(({ parameters, results }) => [
      0x60,
      ...vector(parameters.map((type) => [TYPE_CODE[type]])),
      ...vector(results.map((type) => [TYPE_CODE[type]])),
    ]);
    const memory = [
      ...text("env"),
      ...text("memory"),
      0x02, // a memory
      0x03, // with a maximum, and shared
      ...unsigned(minimumPages),
      ...unsigned(maximumPages),
    ];
    const exports = this.#functions.map((f) => [...text(f.name), 0x00, ...unsigned(f.index)]);
    return joined([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      ...section(0, [text("label"), text(label)]),
      ...section(1, [vector(types)]),
      ...section(2, [vector([memory])]),
      ...section(3, [vector(this.#functions.map((f) => unsigned(f.index)))]),
      ...section(7, [vector(exports)]),
      ...section(10, [
        unsigned(this.#functions.length),
        ...this.#functions.flatMap((f) => f.body()),
      ]),
    ]);
  }
}

function section(id: number, content: Chunks): Chunks {
  const length = content.reduce((sum, chunk) => sum + chunk.length, 0);
  return [[id, ...unsigned(length)], ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return [...unsigned(value.length), ...Buffer.from(value, "latin1")];
}

function joined(chunks: Chunks): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
