/**
 * Writes a container of sections (`worker/binfile.ts`) of which all sizes are known before any
 * content is: every byte has its place, and several threads can write at once, in any order.
 */
import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";

/** A section's type and its size in bytes. */
export type SectionSize = readonly [type: number, bytes: number];

const HEADER_BYTES = 12;

export class SectionWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #offsets: ReadonlyMap<number, number>;

  private constructor(
    path: string,
    temporary: string,
    file: FileHandle,
    offsets: ReadonlyMap<number, number>,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#offsets = offsets;
  }

  /**
   * Begins a file beside `path`; `commit` gives it that name, `discard` removes it.
   *
   * @param magic  four ASCII characters.
   */
  static async create(
    path: string,
    magic: string,
    version: number,
    sections: readonly SectionSize[],
  ): Promise<SectionWriter> {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    const file = await open(temporary, "wx");
    const offsets = new Map<number, number>();
    const writer = new SectionWriter(path, temporary, file, offsets);
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      header.write(magic, "ascii");
      header.writeUInt32LE(version, 4);
      header.writeUInt32LE(sections.length, 8);
      writer.write(0, header);
      let at = HEADER_BYTES;
      for (const [type, bytes] of sections) {
        header.writeUInt32LE(type, 0);
        header.writeBigUInt64LE(BigInt(bytes), 4);
        writer.write(at, header);
        offsets.set(type, at + HEADER_BYTES);
        at += HEADER_BYTES + bytes;
      }
      return writer;
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  /** Number of the open file, good in every thread of this process until `commit` or `discard`. */
  get descriptor(): number {
    return this.#file.fd;
  }

  /** Where a section's content begins in the file. */
  offsetOf(type: number): number {
    const offset = this.#offsets.get(type);
    if (offset === undefined) throw new RangeError(`section ${type}: the file has none`);
    return offset;
  }

  write(position: number, bytes: Uint8Array): void {
    writeAt(this.descriptor, position, bytes);
  }

  /** Everything is written: the file takes its name, also if the machine stops at this moment. */
  async commit(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#temporary, this.#path);
  }

  /** Leaves nothing; after `commit` it does nothing. */
  async discard(): Promise<void> {
    await this.#file.close();
    await rm(this.#temporary, { force: true });
  }
}

/** Writes bytes, which may lie in shared memory, to a place in an open file. */
export function writeAt(descriptor: number, position: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}
