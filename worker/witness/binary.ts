/**
 * A witness program's WebAssembly binary taken apart, changed, and put together again.
 *
 * Functions keep their indices: bodies are replaced in place and new functions are added at the
 * end, so that no call elsewhere needs a change. Sections that nothing here looks at are copied.
 * Format: webassembly.github.io/spec/core/binary, core 1.0, which is what circom writes.
 *
 * Whatever is not as expected throws RangeError; the program is then run as it is.
 */
import { TYPE_CODE, type ValueType } from "../kernels/instructions.ts";
import { unsigned } from "../kernels/leb128.ts";
import { ByteReader, signed32 } from "./bytes.ts";

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00] as const;
/** In the order of a module. */
const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  global: 6,
  export: 7,
  code: 10,
  data: 11,
} as const;
const FUNCTION_TYPE = 0x60;
const MUTABLE = 1;
/** The kind of an import or export that is a function. */
const FUNCTION_KIND = 0;
const I32_CONST = 0x41;
const END = 0x0b;
/** Subsection of the custom section "name" that holds the functions' names. */
const FUNCTION_NAMES = 1;

/** Bytes that the memory begins with. */
export interface DataSegment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Parameters and results of a function. */
export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export class ProgramBinary {
  /** Index of each function by the name that the compiler gave it, imported ones included. */
  readonly functionIndex: ReadonlyMap<string, number>;
  /** Functions with an index below this are imported. */
  readonly importedCount: number;
  readonly data: DataSegment[];
  /** Pages of 64 KiB that the memory has at first. */
  memoryPages: number;
  /** All sections in their order; the contents of those that are taken apart are out of date. */
  readonly #sections: readonly (readonly [id: number, content: Uint8Array])[];
  readonly #types: number[][];
  readonly #exports: number[][];
  /** Type index of each function that the module defines. */
  readonly #functionTypes: number[];
  /** Locals and code of each of them, without the size in front. */
  readonly #bodies: Uint8Array[];
  readonly #globals: number[][] = [];

  /** @throws RangeError if the bytes are not a module of the kind that circom writes. */
  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes);
    if (HEADER.some((byte) => reader.byte() !== byte)) throw new RangeError("not a module");
    const sections: [number, Uint8Array][] = [];
    while (!reader.isAtEnd) sections.push([reader.byte(), reader.take(reader.u32())]);
    this.#sections = sections;
    this.#types = this.#items(SECTION.type, readType);
    const imports = this.#items(SECTION.import, readImport);
    this.importedCount = imports.length;
    this.#functionTypes = this.#items(SECTION.function, (section) => section.u32());
    const [pages, ...others] = this.#items(SECTION.memory, readMemoryPages);
    if (pages === undefined || others.length > 0) throw new RangeError("not one memory");
    this.memoryPages = pages;
    this.#exports = this.#items(SECTION.export, readExport);
    this.#bodies = this.#items(SECTION.code, (section) => section.take(section.u32()));
    this.data = this.#items(SECTION.data, readSegment);
    this.functionIndex = new Map([
      ...sections.flatMap(([id, content]) => (id === SECTION.custom ? readNames(content) : [])),
      ...imports.map((name, index) => [name, index] as const),
    ]);
    if (this.#bodies.length !== this.#functionTypes.length) throw new RangeError("no body");
    if (sections.some(([id]) => id === SECTION.global)) throw new RangeError("it has globals");
  }

  /** How many functions there are, imported ones included. */
  get functionCount(): number {
    return this.importedCount + this.#bodies.length;
  }

  /** The index of a function. @throws RangeError if none has that name. */
  indexOf(name: string): number {
    const index = this.functionIndex.get(name);
    if (index === undefined) throw new RangeError(`there is no function "${name}"`);
    return index;
  }

  /** Locals and code of a function. @throws RangeError if it is imported or there is none. */
  body(index: number): Uint8Array {
    const body = this.#bodies[index - this.importedCount];
    if (body === undefined) throw new RangeError(`function ${index} has no body`);
    return body;
  }

  hasSignature(index: number, signature: Signature): boolean {
    const type = this.#types[this.#functionTypes[index - this.importedCount] ?? -1];
    return type?.join() === encodeSignature(signature).join();
  }

  replaceBody(index: number, body: Uint8Array): void {
    this.body(index);
    this.#bodies[index - this.importedCount] = body;
  }

  /** @returns the new function's index. */
  addFunction(signature: Signature, body: Uint8Array): number {
    this.#functionTypes.push(this.#types.push(encodeSignature(signature)) - 1);
    this.#bodies.push(body);
    return this.functionCount - 1;
  }

  addExport(name: string, functionIndex: number): void {
    const text = Buffer.from(name, "latin1");
    const index = unsigned(functionIndex);
    this.#exports.push([...unsigned(text.length), ...text, FUNCTION_KIND, ...index]);
  }

  /** Adds a variable of type i32. @returns its index. */
  addGlobal(initial: number): number {
    const value = [I32_CONST, ...signed32(initial), END];
    return this.#globals.push([TYPE_CODE.i32, MUTABLE, ...value]) - 1;
  }

  /** The whole module. */
  encode(): Uint8Array<ArrayBuffer> {
    const contents = new Map<number, Piece[]>([
      [SECTION.type, vector(this.#types)],
      [SECTION.function, vector(this.#functionTypes.map(unsigned))],
      [SECTION.memory, vector([[0, ...unsigned(this.memoryPages)]])],
      [SECTION.export, vector(this.#exports)],
      [
        SECTION.code,
        vector(
          this.#bodies.flatMap((body) => [unsigned(body.length), body]),
          2,
        ),
      ],
      [SECTION.data, vector(this.data.flatMap(segmentPieces), 2)],
    ]);
    const pieces: Piece[] = [HEADER];
    for (const [id, content] of this.#sections) {
      if (id === SECTION.export && this.#globals.length > 0) {
        pushSection(pieces, SECTION.global, vector(this.#globals));
      }
      const rest = id === SECTION.custom ? functionNamesOnly(content) : content;
      pushSection(pieces, id, contents.get(id) ?? [rest]);
    }
    return joined(pieces);
  }

  #items<T>(id: number, read: (section: ByteReader) => T): T[] {
    const content = this.#sections.find(([other]) => other === id)?.[1];
    if (content === undefined) throw new RangeError(`section ${id} is missing`);
    const section = new ByteReader(content);
    const count = section.u32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read(section));
    if (!section.isAtEnd) throw new RangeError(`section ${id} has bytes after its items`);
    return items;
  }
}

function encodeSignature({ parameters, results }: Signature): number[] {
  const codes = (types: readonly ValueType[]) => types.map((type) => TYPE_CODE[type]);
  const [from, to] = [codes(parameters), codes(results)];
  return [FUNCTION_TYPE, from.length, ...from, to.length, ...to];
}

function readType(section: ByteReader): number[] {
  if (section.byte() !== FUNCTION_TYPE) throw new RangeError("not a function's type");
  const parameters = section.take(section.u32());
  const results = section.take(section.u32());
  return [FUNCTION_TYPE, parameters.length, ...parameters, results.length, ...results];
}

function readImport(section: ByteReader): string {
  section.text();
  const name = section.text();
  if (section.byte() !== FUNCTION_KIND) throw new RangeError("an import is not a function");
  section.u32();
  return name;
}

function readExport(section: ByteReader): number[] {
  const name = section.take(section.u32());
  const kind = section.byte();
  return [...unsigned(name.length), ...name, kind, ...unsigned(section.u32())];
}

function readMemoryPages(section: ByteReader): number {
  if (section.byte() !== 0) throw new RangeError("the memory has a maximum");
  return section.u32();
}

function readSegment(section: ByteReader): DataSegment {
  const isFixed = section.u32() === 0 && section.byte() === I32_CONST;
  const offset = section.s32() >>> 0;
  if (!isFixed || section.byte() !== END) throw new RangeError("data at a computed place");
  return { offset, bytes: section.take(section.u32()) };
}

function segmentPieces({ offset, bytes }: DataSegment): Piece[] {
  return [[0, I32_CONST, ...signed32(offset), END, ...unsigned(bytes.length)], bytes];
}

/** Name and index of each function in a custom section, if that is "name". */
function readNames(content: Uint8Array): (readonly [name: string, index: number])[] {
  const section = new ByteReader(content);
  const names: [string, number][] = [];
  if (section.text() !== "name") return names;
  while (!section.isAtEnd) {
    const subsection = section.byte();
    const part = new ByteReader(section.take(section.u32()));
    if (subsection !== FUNCTION_NAMES) continue;
    for (let left = part.u32(); left > 0; left--) {
      const index = part.u32();
      names.push([part.text(), index]);
    }
  }
  return names;
}

/** The custom section "name" without the locals' names, which need not fit the new bodies. */
function functionNamesOnly(content: Uint8Array): Uint8Array {
  const section = new ByteReader(content);
  if (section.text() !== "name") return content;
  const kept: Piece[] = [content.subarray(0, section.at)];
  while (!section.isAtEnd) {
    const start = section.at;
    const subsection = section.byte();
    section.take(section.u32());
    if (subsection === FUNCTION_NAMES) kept.push(content.subarray(start, section.at));
  }
  return joined(kept);
}

type Piece = readonly number[] | Uint8Array;

/** A vector's count and then its pieces, of which `piecesEach` make one item. */
function vector(pieces: readonly Piece[], piecesEach = 1): Piece[] {
  return [unsigned(pieces.length / piecesEach), ...pieces];
}

function pushSection(pieces: Piece[], id: number, content: readonly Piece[]): void {
  const length = content.reduce((sum, piece) => sum + piece.length, 0);
  pieces.push([id, ...unsigned(length)], ...content);
}

function joined(pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
