/**
 * The statements and expressions of a kernel. An expression is computed where it is written; what
 * changes is a variable. Integers are unsigned and wrap; control flow is structured, so that no block
 * is named and no value is merged by hand.
 */
import { type BUILT_IN, instruction, OP, STORAGE } from "./opcodes.ts";
import type {
  Bool,
  Buffer,
  Callee,
  Shared,
  Type,
  U32,
  U64,
  Value,
  Values,
  Variable,
} from "./values.ts";

type Word = "u32" | "u64";
type Four = readonly [U32, U32, U32, U32];

/** What a body needs of its module: ids of what is declared outside of it, once for each. */
export interface Declarations {
  /** A new id. */
  id(): number;
  type(type: Type): number;
  /** Of 32-bit words. */
  vectorType(lanes: number): number;
  structType(members: readonly Type[]): number;
  /** A pointer to a type that has the id `to`. */
  pointerType(storage: number, to: number): number;
  constant(type: Word, value: number | bigint): number;
  /** A variable of three words that the device fills in. */
  input(builtIn: keyof typeof BUILT_IN): number;
  /** The push constants' variable, and where a name is in it. */
  push(name: string): { readonly variable: number; readonly index: number };
}

/** Writes the body of one function. */
export class Code {
  readonly #module: Declarations;
  /** Variables stand before everything else. */
  readonly #variables: number[] = [];
  readonly #words: number[] = [];

  constructor(module: Declarations) {
    this.#module = module;
  }

  u32(value: number | bigint): U32 {
    return { type: "u32", id: this.#module.constant("u32", value) };
  }

  u64(value: number | bigint): U64 {
    return { type: "u64", id: this.#module.constant("u64", value) };
  }

  add = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.add, a, b);
  sub = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.sub, a, b);
  mul = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.mul, a, b);
  and = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.and, a, b);
  or = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.or, a, b);
  xor = <T extends Word>(a: Value<T>, b: Value<T>) => this.#binary(OP.xor, a, b);

  /** By fewer bits than the type has. */
  shl = <T extends Word>(a: Value<T>, bits: U32 | number) => this.#shift(OP.shiftLeft, a, bits);
  shr = <T extends Word>(a: Value<T>, bits: U32 | number) => this.#shift(OP.shiftRight, a, bits);

  /** The 32 bits in the opposite order. */
  reverse = (a: U32): U32 => this.#value("u32", OP.bitReverse, a.id);
  widen = (a: U32): U64 => this.#value("u64", OP.uConvert, a.id);
  /** The lower 32 bits. */
  low = (a: U64): U32 => this.#value("u32", OP.uConvert, a.id);
  high = (a: U64): U32 => this.low(this.shr(a, 32));

  eq = <T extends Word>(a: Value<T>, b: Value<T>) => this.#value("bool", OP.equal, a.id, b.id);
  ne = <T extends Word>(a: Value<T>, b: Value<T>) => this.#value("bool", OP.notEqual, a.id, b.id);
  lt = <T extends Word>(a: Value<T>, b: Value<T>) => this.#value("bool", OP.lessThan, a.id, b.id);
  le = <T extends Word>(a: Value<T>, b: Value<T>) =>
    this.#value("bool", OP.lessThanEqual, a.id, b.id);

  both = (a: Bool, b: Bool) => this.#value("bool", OP.logicalAnd, a.id, b.id);
  either = (a: Bool, b: Bool) => this.#value("bool", OP.logicalOr, a.id, b.id);
  not = (a: Bool) => this.#value("bool", OP.logicalNot, a.id);

  select<T extends Type>(condition: Bool, yes: Value<T>, no: Value<NoInfer<T>>): Value<T> {
    return this.#value(yes.type, OP.select, condition.id, yes.id, no.id);
  }

  /** A new variable; what it holds before it is set is anything. */
  variable<T extends Type>(type: T, initial?: Value<NoInfer<T>>): Variable<T> {
    const id = this.#module.id();
    const pointer = this.#module.pointerType(STORAGE.function, this.#module.type(type));
    this.#variables.push(...instruction(OP.variable, pointer, id, STORAGE.function));
    const variable = { variable: type, id };
    if (initial !== undefined) this.set(variable, initial);
    return variable;
  }

  get<T extends Type>({ variable, id }: Variable<T>): Value<T> {
    return this.#value(variable, OP.load, id);
  }

  set<T extends Type>({ id }: Variable<T>, value: Value<NoInfer<T>>): void {
    this.#write(OP.store, id, value.id);
  }

  if(condition: Bool, then: () => void, otherwise?: () => void): void {
    const [yes, no, end] = [this.#module.id(), this.#module.id(), this.#module.id()];
    this.#write(OP.selectionMerge, end, 0);
    this.#write(OP.branchConditional, condition.id, yes, otherwise === undefined ? end : no);
    this.#write(OP.label, yes);
    then();
    this.#write(OP.branch, end);
    if (otherwise !== undefined) {
      this.#write(OP.label, no);
      otherwise();
      this.#write(OP.branch, end);
    }
    this.#write(OP.label, end);
  }

  /**
   * Mesa's software driver ends an invocation's loops, all of them together, after 65 535 turns, and
   * says nothing: a kernel keeps well below that and leaves longer work to more dispatches.
   *
   * @param mayUnroll  false where the code would become too large.
   */
  while(condition: () => Bool, body: () => void, mayUnroll = true): void {
    const [head, test, inside, again, end] = [
      this.#module.id(),
      this.#module.id(),
      this.#module.id(),
      this.#module.id(),
      this.#module.id(),
    ];
    this.#write(OP.branch, head);
    this.#write(OP.label, head);
    const dontUnroll = 2;
    this.#write(OP.loopMerge, end, again, mayUnroll ? 0 : dontUnroll);
    this.#write(OP.branch, test);
    this.#write(OP.label, test);
    this.#write(OP.branchConditional, condition().id, inside, end);
    this.#write(OP.label, inside);
    body();
    this.#write(OP.branch, again);
    this.#write(OP.label, again);
    this.#write(OP.branch, head);
    this.#write(OP.label, end);
  }

  /** The body for i = from, from + step, ... below `to`; `to` plus a step is below 2^32. */
  for(from: U32, to: U32, step: U32, body: (i: U32) => void, mayUnroll = true): void {
    const i = this.variable("u32", from);
    this.while(
      () => this.lt(this.get(i), to),
      () => {
        body(this.get(i));
        this.set(i, this.add(this.get(i), step));
      },
      mayUnroll,
    );
  }

  /** The invocation's place in the whole dispatch, along x, y or z. */
  globalId = (axis: 0 | 1 | 2): U32 => this.#input("globalInvocationId", axis);
  /** The invocation's place in its workgroup. */
  localId = (axis: 0 | 1 | 2): U32 => this.#input("localInvocationId", axis);
  /** The workgroup's place in the dispatch. */
  groupId = (axis: 0 | 1 | 2): U32 => this.#input("workgroupId", axis);

  /** A push constant by its name. */
  push(name: string): U32 {
    const { variable, index } = this.#module.push(name);
    const at = this.#place(STORAGE.pushConstant, "u32", variable, this.u32(index));
    return this.#value("u32", OP.load, at);
  }

  load(buffer: Buffer<"u32">, index: U32): U32 {
    const at = this.#place(STORAGE.storageBuffer, "u32", buffer.id, this.u32(0), index);
    return this.#value("u32", OP.load, at);
  }

  store(buffer: Buffer<"u32">, index: U32, value: U32): void {
    const at = this.#place(STORAGE.storageBuffer, "u32", buffer.id, this.u32(0), index);
    this.#write(OP.store, at, value.id);
  }

  /**
   * Adds to a word and returns what it was before; no other invocation comes in between. It orders
   * nothing but the additions to that word among themselves.
   */
  atomicAdd(buffer: Buffer<"u32">, index: U32, value: U32): U32 {
    const at = this.#place(STORAGE.storageBuffer, "u32", buffer.id, this.u32(0), index);
    const [device, relaxed] = [this.u32(1), this.u32(0)];
    return this.#value("u32", OP.atomicAdd, at, device.id, relaxed.id, value.id);
  }

  /** Words 4 * index to 4 * index + 3. */
  loadFour(buffer: Buffer<"u32x4">, index: U32): Four {
    const at = this.#place(STORAGE.storageBuffer, 4, buffer.id, this.u32(0), index);
    const vector = this.#result(this.#module.vectorType(4), OP.load, at);
    const lane = (i: number) => this.#value("u32", OP.compositeExtract, vector, i);
    return [lane(0), lane(1), lane(2), lane(3)];
  }

  storeFour(buffer: Buffer<"u32x4">, index: U32, values: Four): void {
    const at = this.#place(STORAGE.storageBuffer, 4, buffer.id, this.u32(0), index);
    this.#write(OP.store, at, this.construct(this.#module.vectorType(4), values));
  }

  loadShared(shared: Shared, index: U32): U32 {
    return this.#value("u32", OP.load, this.#place(STORAGE.workgroup, "u32", shared.id, index));
  }

  storeShared(shared: Shared, index: U32, value: U32): void {
    this.#write(OP.store, this.#place(STORAGE.workgroup, "u32", shared.id, index), value.id);
  }

  /**
   * Waits until all invocations of the workgroup are here, and shows each what the others wrote to
   * shared memory. All of them or none must come here.
   */
  barrier(): void {
    const workgroup = this.u32(2).id;
    const acquireReleaseOfWorkgroupMemory = this.u32(0x108).id;
    this.#write(OP.controlBarrier, workgroup, workgroup, acquireReleaseOfWorkgroupMemory);
  }

  /** The callee's results, as many and of the types that it returned. */
  call<P extends readonly Type[]>(callee: Callee<P>, ...args: Values<P>): Value[] {
    const struct = this.#module.structType(callee.results);
    const ids = (args as readonly Value[]).map(({ id }) => id);
    const result = this.#result(struct, OP.functionCall, callee.id, ...ids);
    return callee.results.map((type, i) => this.#value(type, OP.compositeExtract, result, i));
  }

  /** The id of a vector or structure of the values. */
  construct(type: number, values: readonly Value[]): number {
    return this.#result(type, OP.compositeConstruct, ...values.map(({ id }) => id));
  }

  /** The whole body, ended by `last`. */
  body(last: readonly number[]): number[] {
    const first = instruction(OP.label, this.#module.id());
    return [first, this.#variables, this.#words, last].flat();
  }

  #binary<T extends Word>(opcode: number, a: Value<T>, b: Value<T>): Value<T> {
    return this.#value(a.type, opcode, a.id, b.id);
  }

  #shift<T extends Word>(opcode: number, a: Value<T>, bits: U32 | number): Value<T> {
    const by = typeof bits === "number" ? this.u32(bits) : bits;
    return this.#value(a.type, opcode, a.id, by.id);
  }

  #input(builtIn: keyof typeof BUILT_IN, axis: 0 | 1 | 2): U32 {
    const vector = this.#result(this.#module.vectorType(3), OP.load, this.#module.input(builtIn));
    return this.#value("u32", OP.compositeExtract, vector, axis);
  }

  /** A pointer to a word, or to a vector of so many. */
  #place(storage: number, to: "u32" | 4, base: number, ...indices: readonly U32[]): number {
    const type = to === 4 ? this.#module.vectorType(4) : this.#module.type(to);
    const pointer = this.#module.pointerType(storage, type);
    return this.#result(pointer, OP.accessChain, base, ...indices.map(({ id }) => id));
  }

  #value<T extends Type>(type: T, opcode: number, ...operands: readonly number[]): Value<T> {
    return { type, id: this.#result(this.#module.type(type), opcode, ...operands) };
  }

  #result(type: number, opcode: number, ...operands: readonly number[]): number {
    const id = this.#module.id();
    this.#write(opcode, type, id, ...operands);
    return id;
  }

  #write(opcode: number, ...operands: readonly number[]): void {
    this.#words.push(...instruction(opcode, ...operands));
  }
}
