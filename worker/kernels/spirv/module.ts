/**
 * Writes SPIR-V binaries: one compute kernel over storage buffers of 32-bit words, with push constants
 * and functions, out of the statements of `code.ts`. No compiler in between, and nothing binary in the
 * repository.
 *
 * ```ts
 * const kernel = new KernelWriter("double", { workgroupSize: [64, 1, 1], push: ["count"] });
 * const data = kernel.buffer("u32");
 * const code = kernel.main((f) => {
 *   const i = f.globalId(0);
 *   f.if(f.lt(i, f.push("count")), () => {
 *     const x = f.load(data, i);
 *     f.store(data, i, f.add(x, x));
 *   });
 * });
 * ```
 */
import type { KernelCode, Size3 } from "../../gpu/device.ts";
import { Code, type Declarations } from "./code.ts";
import { BUILT_IN, DECORATION, instruction, OP, STORAGE, text } from "./opcodes.ts";
import type { Buffer, Callee, Element, Shared, Type, Value, Values } from "./values.ts";

export interface KernelShape {
  readonly workgroupSize: Size3;
  /** Names of the push constants, 32-bit words each. */
  readonly push?: readonly string[];
}

const MAGIC = 0x0723_0203;
const VERSION = 0x0001_0300;
const SHADER = 1;
const INT64 = 11;

export class KernelWriter implements Declarations {
  readonly #name: string;
  readonly #shape: Required<KernelShape>;
  #nextId = 1;
  readonly #decorations: number[] = [];
  /** Types, constants and global variables, each before its use. */
  readonly #globals: number[] = [];
  readonly #functions: number[] = [];
  /** Ids of what must not be declared twice. */
  readonly #known = new Map<string, number>();
  readonly #inputs = new Set<number>();
  #bindings = 0;
  #sharedBytes = 0;

  constructor(name: string, { workgroupSize, push = [] }: KernelShape) {
    this.#name = name;
    this.#shape = { workgroupSize, push };
  }

  /** The next buffer, bound at 0, 1, ... in the order of the calls. */
  buffer<E extends Element>(element: E, access: "read" | "write" = "write"): Buffer<E> {
    const pointer = this.#once(`buffer of ${element}`, () => {
      const item = element === "u32" ? this.type("u32") : this.vectorType(4);
      const array = this.#declare(OP.typeRuntimeArray, item);
      this.#decorate(array, DECORATION.arrayStride, element === "u32" ? 4 : 16);
      const struct = this.#declare(OP.typeStruct, array);
      this.#decorate(struct, DECORATION.block);
      this.#decorations.push(...instruction(OP.memberDecorate, struct, 0, DECORATION.offset, 0));
      return this.#declare(OP.typePointer, STORAGE.storageBuffer, struct);
    });
    const id = this.#variable(pointer, STORAGE.storageBuffer);
    this.#decorate(id, DECORATION.descriptorSet, 0);
    this.#decorate(id, DECORATION.binding, this.#bindings++);
    if (access === "read") this.#decorate(id, DECORATION.nonWritable);
    return { element, id };
  }

  shared(words: number): Shared {
    const array = this.#declare(OP.typeArray, this.type("u32"), this.constant("u32", words));
    const pointer = this.#declare(OP.typePointer, STORAGE.workgroup, array);
    this.#sharedBytes += 4 * words;
    return { id: this.#variable(pointer, STORAGE.workgroup) };
  }

  /** A function that returns what `write` returns. It may call what was defined before. */
  define<const P extends readonly Type[]>(
    parameters: P,
    write: (f: Code, ...parameters: Values<P>) => readonly Value[],
  ): Callee<P> {
    const code = new Code(this);
    const values = parameters.map((type) => ({ type, id: this.id() }));
    const returned = write(code, ...(values as Values<P>));
    const result = this.structType(returned.map(({ type }) => type));
    const types = parameters.map((type) => this.type(type));
    const value = code.construct(result, returned);
    return {
      id: this.#function(
        result,
        types,
        values.map(({ id }) => id),
        code.body(instruction(OP.returnValue, value)),
      ),
      parameters,
      results: returned.map(({ type }) => type),
    };
  }

  /** Writes the entry point and ends the module. @throws RangeError  without a buffer. */
  main(write: (f: Code) => void): KernelCode {
    if (this.#bindings === 0) throw new RangeError(`${this.#name}: got no buffer, expected one`);
    const { workgroupSize, push } = this.#shape;
    const code = new Code(this);
    write(code);
    const nothing = this.#once("void", () => this.#declare(OP.typeVoid));
    const main = this.#function(nothing, [], [], code.body(instruction(OP.return)));
    const glCompute = 5;
    const localSize = 17;
    const head = [
      ...instruction(OP.capability, SHADER),
      ...instruction(OP.capability, INT64),
      ...instruction(OP.memoryModel, 0, 1), // logical addresses, GLSL450
      ...instruction(OP.entryPoint, glCompute, main, ...text("main"), ...this.#inputs),
      ...instruction(OP.executionMode, main, localSize, ...workgroupSize),
    ];
    const parts = [head, this.#decorations, this.#globals, this.#functions];
    return {
      name: this.#name,
      words: Uint32Array.from([MAGIC, VERSION, 0, this.#nextId, 0, ...parts.flat()]),
      bindings: this.#bindings,
      pushWords: push.length,
      workgroupSize,
      sharedBytes: this.#sharedBytes,
    };
  }

  id(): number {
    return this.#nextId++;
  }

  type(type: Type): number {
    return this.#once(type, () =>
      type === "bool"
        ? this.#declare(OP.typeBool)
        : this.#declare(OP.typeInt, type === "u32" ? 32 : 64, 0),
    );
  }

  vectorType(lanes: number): number {
    const lane = this.type("u32");
    return this.#once(`${lanes} lanes`, () => this.#declare(OP.typeVector, lane, lanes));
  }

  structType(members: readonly Type[]): number {
    const ids = members.map((type) => this.type(type));
    return this.#once(`struct ${members}`, () => this.#declare(OP.typeStruct, ...ids));
  }

  /** A pointer to a type that has the id `to`. */
  pointerType(storage: number, to: number): number {
    return this.#once(`pointer ${storage} ${to}`, () => this.#declare(OP.typePointer, storage, to));
  }

  constant(type: "u32" | "u64", value: number | bigint): number {
    const bits = BigInt.asUintN(type === "u32" ? 32 : 64, BigInt(value));
    const id = this.type(type);
    return this.#once(`${type} ${bits}`, () => {
      const low = Number(bits & 0xffff_ffffn);
      const words = type === "u32" ? [low] : [low, Number(bits >> 32n)];
      const constant = this.id();
      this.#globals.push(...instruction(OP.constant, id, constant, ...words));
      return constant;
    });
  }

  /** A variable of three words that the device fills in. */
  input(builtIn: keyof typeof BUILT_IN): number {
    const vector = this.vectorType(3);
    const id = this.#once(builtIn, () => {
      const variable = this.#variable(this.pointerType(STORAGE.input, vector), STORAGE.input);
      this.#decorate(variable, DECORATION.builtIn, BUILT_IN[builtIn]);
      return variable;
    });
    this.#inputs.add(id);
    return id;
  }

  /** The push constants' variable, and where a name is in it. */
  push(name: string): { variable: number; index: number } {
    const { push } = this.#shape;
    const index = push.indexOf(name);
    if (index < 0) throw new RangeError(`got push constant "${name}", expected one of ${push}`);
    const variable = this.#once("push constants", () => {
      // Not the type that a function's results may have: this one is laid out.
      const struct = this.#declare(OP.typeStruct, ...push.map(() => this.type("u32")));
      this.#decorate(struct, DECORATION.block);
      push.forEach((_, i) => {
        const offset = instruction(OP.memberDecorate, struct, i, DECORATION.offset, 4 * i);
        this.#decorations.push(...offset);
      });
      return this.#variable(this.pointerType(STORAGE.pushConstant, struct), STORAGE.pushConstant);
    });
    return { variable, index };
  }

  #function(
    result: number,
    parameterTypes: readonly number[],
    parameters: readonly number[],
    body: readonly number[],
  ): number {
    const type = this.#once(`function ${result} (${parameterTypes})`, () =>
      this.#declare(OP.typeFunction, result, ...parameterTypes),
    );
    const id = this.id();
    const append = (words: readonly number[]) => {
      for (const word of words) this.#functions.push(word);
    };
    append(instruction(OP.function, result, id, 0, type));
    parameters.forEach((parameter, i) => {
      append(instruction(OP.functionParameter, parameterTypes[i] as number, parameter));
    });
    append(body);
    append(instruction(OP.functionEnd));
    return id;
  }

  #once(key: string, declare: () => number): number {
    let id = this.#known.get(key);
    if (id === undefined) {
      id = declare();
      this.#known.set(key, id);
    }
    return id;
  }

  /** A type: opcode, id, operands. */
  #declare(opcode: number, ...operands: readonly number[]): number {
    const id = this.id();
    this.#globals.push(...instruction(opcode, id, ...operands));
    return id;
  }

  #variable(pointer: number, storage: number): number {
    const id = this.id();
    this.#globals.push(...instruction(OP.variable, pointer, id, storage));
    return id;
  }

  #decorate(target: number, decoration: number, ...operands: readonly number[]): void {
    this.#decorations.push(...instruction(OP.decorate, target, decoration, ...operands));
  }
}
