/**
 * The section container in which circom and snarkjs keep `.r1cs`, `.wtns` and `.zkey`.
 *
 *     magic 4 B | version u32 | section count u32 | { type u32 | size u64 | size bytes } ...
 *
 * All numbers are little-endian. Files come from elsewhere and are not trusted: whatever does not
 * fit exactly (short header, section past the end, the same type twice, bytes after the last
 * section) is refused with the code that the caller names, before any content is looked at.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { WorkError, type WorkErrorCode } from "./errors.ts";

/** What a reader expects of a file, and the error code for everything that is not so. */
export interface BinFormat {
  /** Four ASCII characters, such as "zkey". */
  readonly magic: string;
  readonly version: number;
  readonly code: WorkErrorCode;
}

/** A section's place in its file, both in bytes. */
export interface SectionRange {
  readonly offset: number;
  readonly size: number;
}

/** A section to write: its content in one or more pieces, concatenated. */
export interface SectionContent {
  readonly type: number;
  readonly pieces: readonly Uint8Array[];
}

const HEADER_BYTES = 12;
const SECTION_HEADER_BYTES = 12;
/** No circom or snarkjs format has more than 20; the bound keeps a wild count from costing time. */
const MAX_SECTIONS = 64;
/** One write call; Node refuses buffers of 2 GiB and more in one call. */
const MAX_IO_BYTES = 1 << 30;

/**
 * The sections of a file in memory, as views (nothing is copied).
 *
 * The views are plain arrays even if `file` is a Buffer, whose `slice` shares memory instead of copying it: who
 * wiped such a "copy" would wipe the caller's file, and who sent it to a thread would send the whole file.
 *
 * @throws WorkError with `format.code` if the bytes are not exactly one container of that format.
 */
export function readSections(file: Uint8Array, format: BinFormat): Map<number, Uint8Array> {
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  const walk = sectionWalk(bytes.length, format);
  let step = walk.next();
  while (!step.done) {
    const { offset, size } = step.value;
    step = walk.next(bytes.subarray(offset, offset + size));
  }
  const views = new Map<number, Uint8Array>();
  for (const [type, { offset, size }] of step.value) {
    views.set(type, bytes.subarray(offset, offset + size));
  }
  return views;
}

/**
 * A section by its type.
 *
 * @throws WorkError with `format.code` if the file has no such section.
 */
export function requireSection(
  sections: ReadonlyMap<number, Uint8Array>,
  type: number,
  format: BinFormat,
): Uint8Array {
  const section = sections.get(type);
  if (section === undefined) throw missing(type, format);
  return section;
}

/**
 * Where the sections of a file lie, whatever it is read from.
 *
 * @param read  the bytes of a range within the file; called for the parts of 12 bytes that say so.
 * @throws WorkError as `readSections`.
 */
export async function locateSections(
  fileBytes: number,
  format: BinFormat,
  read: (offset: number, size: number) => Promise<Uint8Array>,
): Promise<ReadonlyMap<number, SectionRange>> {
  const walk = sectionWalk(fileBytes, format);
  let step = walk.next();
  while (!step.done) step = walk.next(await read(step.value.offset, step.value.size));
  return step.value;
}

/** A file on disk whose sections are read one at a time, for keys of many hundred megabytes. */
export class SectionFile {
  readonly sections: ReadonlyMap<number, SectionRange>;
  readonly #file: FileHandle;
  readonly #format: BinFormat;

  private constructor(
    file: FileHandle,
    format: BinFormat,
    sections: ReadonlyMap<number, SectionRange>,
  ) {
    this.#file = file;
    this.#format = format;
    this.sections = sections;
  }

  /**
   * Opens a file and reads its table of sections, not their content.
   *
   * @throws WorkError with `format.code` as `readSections` does; the system's error when the file
   *   cannot be opened.
   */
  static async open(path: string, format: BinFormat): Promise<SectionFile> {
    const file = await open(path, "r");
    try {
      const sections = await locateSections((await file.stat()).size, format, (offset, size) =>
        readFully(file, new Uint8Array(size), offset, format),
      );
      return new SectionFile(file, format, sections);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Reads one whole section.
   *
   * @param into where to, exactly the section's size (it may lie in a SharedArrayBuffer); a new
   *   array when left out.
   */
  async read(type: number, into?: Uint8Array): Promise<Uint8Array> {
    const range = this.sections.get(type);
    if (range === undefined) throw missing(type, this.#format);
    const target = into ?? new Uint8Array(range.size);
    if (target.length !== range.size) {
      throw new RangeError(
        `section ${type}: got a buffer of ${target.length} bytes, expected ${range.size}`,
      );
    }
    return readFully(this.#file, target, range.offset, this.#format);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The bytes of a container, for files that fit in memory. */
export function encodeSections(
  magic: string,
  version: number,
  sections: readonly SectionContent[],
): Uint8Array {
  return new Uint8Array(Buffer.concat([...encodedPieces(magic, version, sections)]));
}

/** Writes a container, whole or not at all: see `writeWhole`. */
export async function writeSections(
  path: string,
  magic: string,
  version: number,
  sections: readonly SectionContent[],
): Promise<void> {
  await writeWhole(path, encodedPieces(magic, version, sections));
}

/**
 * Writes a file so that `path` holds either the old file or the whole new one, also after a crash:
 * to a temporary name beside it, flushed, then renamed.
 */
export async function writeWhole(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; at += MAX_IO_BYTES) {
          await file.writeFile(piece.subarray(at, at + MAX_IO_BYTES));
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Walks the table of sections: yields each range that it must see and receives its bytes, so that
 * one piece of checking serves files in memory and on disk.
 */
function* sectionWalk(
  fileBytes: number,
  format: BinFormat,
): Generator<SectionRange, ReadonlyMap<number, SectionRange>, Uint8Array> {
  const { magic, version } = format;
  if (fileBytes < HEADER_BYTES) {
    throw refused(format, `got ${fileBytes} bytes, expected at least ${HEADER_BYTES}`);
  }
  const header = viewOf(yield { offset: 0, size: HEADER_BYTES });
  const gotMagic = String.fromCharCode(...[0, 1, 2, 3].map((at) => header.getUint8(at)));
  if (gotMagic !== magic) {
    const shown = JSON.stringify(gotMagic);
    throw refused(format, `begins with ${shown}, expected "${magic}"; is it another kind of file?`);
  }
  const gotVersion = header.getUint32(4, true);
  if (gotVersion !== version) {
    throw refused(format, `has format version ${gotVersion}, expected ${version}`);
  }
  const count = header.getUint32(8, true);
  if (count > MAX_SECTIONS) {
    throw refused(format, `claims ${count} sections, expected at most ${MAX_SECTIONS}`);
  }

  const sections = new Map<number, SectionRange>();
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    if (fileBytes - at < SECTION_HEADER_BYTES) {
      throw refused(format, `ends inside the header of section ${i + 1} of ${count} (truncated)`);
    }
    const view = viewOf(yield { offset: at, size: SECTION_HEADER_BYTES });
    const type = view.getUint32(0, true);
    const size = view.getBigUint64(4, true);
    at += SECTION_HEADER_BYTES;
    if (size > BigInt(fileBytes - at)) {
      const left = fileBytes - at;
      throw refused(
        format,
        `section ${type} claims ${size} bytes, but ${left} are left (truncated)`,
      );
    }
    if (sections.has(type)) throw refused(format, `has section ${type} twice`);
    sections.set(type, { offset: at, size: Number(size) });
    at += Number(size);
  }
  if (at !== fileBytes) {
    throw refused(format, `has ${fileBytes - at} bytes after its last section`);
  }
  return sections;
}

function* encodedPieces(
  magic: string,
  version: number,
  sections: readonly SectionContent[],
): Generator<Uint8Array> {
  if (!/^[a-z0-9]{4}$/.test(magic)) {
    throw new RangeError(`magic: got ${JSON.stringify(magic)}, expected 4 ASCII characters`);
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(magic, "ascii");
  header.writeUInt32LE(version, 4);
  header.writeUInt32LE(sections.length, 8);
  yield header;
  for (const { type, pieces } of sections) {
    const sectionHeader = Buffer.alloc(SECTION_HEADER_BYTES);
    sectionHeader.writeUInt32LE(type, 0);
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    sectionHeader.writeBigUInt64LE(BigInt(size), 4);
    yield sectionHeader;
    yield* pieces;
  }
}

async function readFully(
  file: FileHandle,
  target: Uint8Array,
  offset: number,
  format: BinFormat,
): Promise<Uint8Array> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(target.length - done, MAX_IO_BYTES);
    const { bytesRead } = await file.read(target, done, length, offset + done);
    if (bytesRead === 0) throw refused(format, `became shorter while it was read`);
    done += bytesRead;
  }
  return target;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function missing(type: number, format: BinFormat): WorkError {
  return refused(format, `has no section ${type}`);
}

function refused(format: BinFormat, problem: string): WorkError {
  return new WorkError(format.code, `${format.magic} file: ${problem}`);
}
