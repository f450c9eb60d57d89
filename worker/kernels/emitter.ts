/**
 * Writes WebAssembly binaries: a module of functions over one imported memory, with typed
 * expressions. https://webassembly.github.io/spec/core/binary/ (core 2.0, threads' shared memories,
 * and the two fused multiply-adds of relaxed SIMD).
 *
 * An expression is the bytes that leave its value on the stack, tagged with its type, so that
 * TypeScript refuses an i32 where a v128 belongs. A statement is the bytes of something that leaves
 * the stack as it was. Both are plain arrays: kernels are a few kilobytes and are made once.
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

const TYPE_CODE = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof TYPE_CODE;

/** Code that leaves one value of type T on the stack. */
export interface Expr<T extends ValueType> {
  readonly type: T;
  readonly code: readonly number[];
}
/** Code that leaves the stack as it was. */
export type Statement = readonly number[];

/** A parameter or a local variable; as an expression, its value. */
export class Local<T extends ValueType> implements Expr<T> {
  readonly type: T;
  readonly index: number;
  readonly code: readonly number[];

  constructor(type: T, index: number) {
    this.type = type;
    this.index = index;
    this.code = [0x20, ...unsigned(index)];
  }
}

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

/** LEB128. @param value  0 <= value < 2^32 */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; ) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** The bits of a double. */
export function bitsOf(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint;
}

function expr<T extends ValueType>(type: T, ...code: (readonly number[] | number)[]): Expr<T> {
  return { type, code: code.flat() as number[] };
}

const unary =
  <A extends ValueType, R extends ValueType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>): Expr<R> =>
    expr(result, a.code, opcode);
const binary =
  <A extends ValueType, R extends ValueType>(result: R, ...opcode: number[]) =>
  (a: Expr<A>, b: Expr<A>): Expr<R> =>
    expr(result, a.code, b.code, opcode);
const loading =
  <T extends ValueType>(result: T, opcode: readonly number[], align: number) =>
  (address: Expr<"i32">, offset = 0): Expr<T> =>
    expr(result, address.code, opcode, align, unsigned(offset));
const storing =
  <T extends ValueType>(opcode: readonly number[], align: number) =>
  (address: Expr<"i32">, value: Expr<T>, offset = 0): Statement => [
    ...address.code,
    ...value.code,
    ...opcode,
    align,
    ...unsigned(offset),
  ];
/** An instruction of the SIMD group. */
const simd = (code: number) => [0xfd, ...unsigned(code)];

function callCode(callee: FunctionWriter, args: readonly Expr<ValueType>[]): number[] {
  return [...args.flatMap(({ code }) => code), 0x10, ...unsigned(callee.index)];
}

/** The value of a call to a function with one result. */
export function callOf<T extends ValueType>(
  type: T,
  callee: FunctionWriter,
  ...args: Expr<ValueType>[]
): Expr<T> {
  return expr(type, callCode(callee, args));
}

/** condition != 0 ? a : b, both evaluated. */
export function select<T extends ValueType>(
  condition: Expr<"i32">,
  a: Expr<T>,
  b: Expr<NoInfer<T>>,
): Expr<T> {
  return expr(a.type, a.code, b.code, condition.code, 0x1b);
}

export const i32 = {
  const: (value: number) => expr("i32", 0x41, signed(BigInt(value | 0))),
  add: binary<"i32", "i32">("i32", 0x6a),
  sub: binary<"i32", "i32">("i32", 0x6b),
  mul: binary<"i32", "i32">("i32", 0x6c),
  and: binary<"i32", "i32">("i32", 0x71),
  or: binary<"i32", "i32">("i32", 0x72),
  xor: binary<"i32", "i32">("i32", 0x73),
  shl: binary<"i32", "i32">("i32", 0x74),
  shrS: binary<"i32", "i32">("i32", 0x75),
  shrU: binary<"i32", "i32">("i32", 0x76),
  eqz: unary<"i32", "i32">("i32", 0x45),
  eq: binary<"i32", "i32">("i32", 0x46),
  ne: binary<"i32", "i32">("i32", 0x47),
  ltS: binary<"i32", "i32">("i32", 0x48),
  ltU: binary<"i32", "i32">("i32", 0x49),
  gtU: binary<"i32", "i32">("i32", 0x4b),
  leU: binary<"i32", "i32">("i32", 0x4d),
  geU: binary<"i32", "i32">("i32", 0x4f),
  wrap: unary<"i64", "i32">("i32", 0xa7),
  ctz: unary<"i32", "i32">("i32", 0x68),
  load: loading("i32", [0x28], 2),
  load8U: loading("i32", [0x2d], 0),
  load16U: loading("i32", [0x2f], 1),
  load16S: loading("i32", [0x2e], 1),
  store: storing<"i32">([0x36], 2),
  store8: storing<"i32">([0x3a], 0),
  store16: storing<"i32">([0x3b], 1),
} as const;

export const i64 = {
  const: (value: bigint) => expr("i64", 0x42, signed(BigInt.asIntN(64, value))),
  add: binary<"i64", "i64">("i64", 0x7c),
  sub: binary<"i64", "i64">("i64", 0x7d),
  mul: binary<"i64", "i64">("i64", 0x7e),
  and: binary<"i64", "i64">("i64", 0x83),
  or: binary<"i64", "i64">("i64", 0x84),
  xor: binary<"i64", "i64">("i64", 0x85),
  shl: binary<"i64", "i64">("i64", 0x86),
  shrS: binary<"i64", "i64">("i64", 0x87),
  shrU: binary<"i64", "i64">("i64", 0x88),
  eqz: unary<"i64", "i32">("i32", 0x50),
  eq: binary<"i64", "i32">("i32", 0x51),
  ne: binary<"i64", "i32">("i32", 0x52),
  ltS: binary<"i64", "i32">("i32", 0x53),
  ltU: binary<"i64", "i32">("i32", 0x54),
  gtU: binary<"i64", "i32">("i32", 0x56),
  geU: binary<"i64", "i32">("i32", 0x5a),
  ctz: unary<"i64", "i64">("i64", 0x7a),
  clz: unary<"i64", "i64">("i64", 0x79),
  extendU: unary<"i32", "i64">("i64", 0xad),
  extendS: unary<"i32", "i64">("i64", 0xac),
  /** Toward zero, saturating. */
  truncate: unary<"f64", "i64">("i64", 0xfc, 0x06),
  /** The bits of a double. */
  reinterpret: unary<"f64", "i64">("i64", 0xbd),
  load: loading("i64", [0x29], 3),
  load32U: loading("i64", [0x35], 2),
  load32S: loading("i64", [0x34], 2),
  store: storing<"i64">([0x37], 3),
  store32: storing<"i64">([0x3e], 2),
} as const;

export const f64 = {
  const: (value: number) =>
    expr("f64", 0x44, [...new Uint8Array(new Float64Array([value]).buffer)]),
  add: binary<"f64", "f64">("f64", 0xa0),
  mul: binary<"f64", "f64">("f64", 0xa2),
  nearest: unary<"f64", "f64">("f64", 0x9e),
  convertS: unary<"i64", "f64">("f64", 0xb9),
  load: loading("f64", [0x2b], 3),
  store: storing<"f64">([0x39], 3),
} as const;

export const v128 = {
  load: loading("v128", simd(0x00), 4),
  store: storing<"v128">(simd(0x0b), 4),
  /** Eight bytes into the low half, zero above. */
  load64Zero: loading("v128", simd(0x5d), 3),
  load64Splat: loading("v128", simd(0x0a), 3),
  /** `vector` with eight bytes from memory in half `lane`. */
  load64Lane: (address: Expr<"i32">, vector: Expr<"v128">, lane: 0 | 1, offset = 0) =>
    expr("v128", address.code, vector.code, simd(0x57), 3, unsigned(offset), lane),
  store64Lane: (address: Expr<"i32">, vector: Expr<"v128">, lane: 0 | 1, offset = 0): Statement => [
    ...address.code,
    ...vector.code,
    ...simd(0x5b),
    3,
    ...unsigned(offset),
    lane,
  ],
  const64: (low: bigint, high = low) =>
    expr("v128", simd(0x0c), [
      ...new Uint8Array(
        new BigUint64Array([BigInt.asUintN(64, low), BigInt.asUintN(64, high)]).buffer,
      ),
    ]),
  and: binary<"v128", "v128">("v128", ...simd(0x4e)),
  /** a and not b */
  andNot: binary<"v128", "v128">("v128", ...simd(0x4f)),
  or: binary<"v128", "v128">("v128", ...simd(0x50)),
  xor: binary<"v128", "v128">("v128", ...simd(0x51)),
  anyTrue: unary<"v128", "i32">("i32", ...simd(0x53)),
  /** Bits of a where the mask is 1, of b where it is 0. */
  bitselect: (a: Expr<"v128">, b: Expr<"v128">, mask: Expr<"v128">) =>
    expr("v128", a.code, b.code, mask.code, simd(0x52)),
  /** Halves of 64 bits: 0 and 1 are those of a, 2 and 3 those of b. */
  shuffle64: (a: Expr<"v128">, b: Expr<"v128">, low: number, high: number) =>
    expr("v128", a.code, b.code, simd(0x0d), eightFrom(low), eightFrom(high)),
} as const;

function eightFrom(half: number): number[] {
  return Array.from({ length: 8 }, (_, i) => 8 * half + i);
}

const shift =
  (code: number) =>
  (a: Expr<"v128">, bits: number): Expr<"v128"> =>
    expr("v128", a.code, i32.const(bits).code, simd(code));

export const i64x2 = {
  splat: unary<"i64", "v128">("v128", ...simd(0x12)),
  extract: (a: Expr<"v128">, lane: 0 | 1) => expr("i64", a.code, simd(0x1d), lane),
  add: binary<"v128", "v128">("v128", ...simd(0xce)),
  sub: binary<"v128", "v128">("v128", ...simd(0xd1)),
  shl: shift(0xcb),
  shrS: shift(0xcc),
  shrU: shift(0xcd),
  eq: binary<"v128", "v128">("v128", ...simd(0xd6)),
  gtS: binary<"v128", "v128">("v128", ...simd(0xd9)),
  /** 1 if no lane is 0. */
  allTrue: unary<"v128", "i32">("i32", ...simd(0xc3)),
  /** The products of the low two of four signed 32-bit lanes. */
  extmulLowS: binary<"v128", "v128">("v128", ...simd(0xdc)),
  extmulLowU: binary<"v128", "v128">("v128", ...simd(0xde)),
  extmulHighU: binary<"v128", "v128">("v128", ...simd(0xdf)),
} as const;

export const i32x4 = {
  add: binary<"v128", "v128">("v128", ...simd(0xae)),
  sub: binary<"v128", "v128">("v128", ...simd(0xb1)),
  shl: shift(0xab),
  shrS: shift(0xac),
  /** Four lanes picked from a (0 to 3) and b (4 to 7). */
  shuffle: (a: Expr<"v128">, b: Expr<"v128">, lanes: readonly number[]) =>
    expr(
      "v128",
      a.code,
      b.code,
      simd(0x0d),
      lanes.flatMap((lane) => [0, 1, 2, 3].map((i) => 4 * lane + i)),
    ),
} as const;

export const f64x2 = {
  splat: unary<"f64", "v128">("v128", ...simd(0x14)),
  abs: unary<"v128", "v128">("v128", ...simd(0xec)),
  neg: unary<"v128", "v128">("v128", ...simd(0xed)),
  add: binary<"v128", "v128">("v128", ...simd(0xf0)),
  sub: binary<"v128", "v128">("v128", ...simd(0xf1)),
  mul: binary<"v128", "v128">("v128", ...simd(0xf2)),
  max: binary<"v128", "v128">("v128", ...simd(0xf5)),
  le: binary<"v128", "v128">("v128", ...simd(0x4b)),
  /** a b + c, fused where the machine has it: relaxed SIMD. */
  relaxedMadd: (a: Expr<"v128">, b: Expr<"v128">, c: Expr<"v128">) =>
    expr("v128", a.code, b.code, c.code, simd(0x107)),
  /** c - a b, fused where the machine has it: relaxed SIMD. */
  relaxedNmadd: (a: Expr<"v128">, b: Expr<"v128">, c: Expr<"v128">) =>
    expr("v128", a.code, b.code, c.code, simd(0x108)),
} as const;
