/**
 * A key's file, in memory or on disk, read in pieces: nobody needs the whole of it at once, and Node
 * 20 reads no file of 2 GiB or more in one call.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { SectionRange } from "../../binfile.ts";
import { WorkError } from "../../errors.ts";

/** The whole file, which must not change while it is loaded, or where it is. */
export type KeySource = Uint8Array | { readonly path: string };

/** A range of the file and what becomes of its bytes. */
export interface Piece {
  readonly offset: number;
  readonly size: number;
  /** Gets the bytes at an address that is a multiple of 8, for the time of the call. */
  readonly take: (bytes: Uint8Array<ArrayBuffer>) => void;
}

/** One read: so many that each is worth its way through Node's thread pool, and fits the cache. */
const PIECE_BYTES = 2 ** 20;
/** The event loop gets a turn so often, also where no read is waited for. */
const TURN_MS = 20;

/**
 * A range in pieces of whole records.
 *
 * @param use  gets the bytes and the number of their first record
 */
export function* cut(
  { offset, size }: SectionRange,
  recordBytes: number,
  use: (bytes: Uint8Array<ArrayBuffer>, first: number) => void,
): Generator<Piece> {
  const most = PIECE_BYTES - (PIECE_BYTES % recordBytes);
  for (let done = 0; done < size; done += most) {
    const first = done / recordBytes;
    const take = (bytes: Uint8Array<ArrayBuffer>) => use(bytes, first);
    yield { offset: offset + done, size: Math.min(most, size - done), take };
  }
}

/** Bytes by their place in the file. */
export class KeyFile {
  readonly size: number;
  /** For messages. */
  readonly name: string;
  readonly #bytes: Uint8Array | undefined;
  readonly #file: FileHandle | undefined;

  private constructor(name: string, size: number, bytes?: Uint8Array, file?: FileHandle) {
    this.name = name;
    this.size = size;
    this.#bytes = bytes;
    this.#file = file;
  }

  /** @throws WorkError ARTEFACT_MISMATCH if there is no file that can be read. */
  static async open(source: KeySource): Promise<KeyFile> {
    if (source instanceof Uint8Array) return new KeyFile("zkey", source.length, source);
    const name = basename(source.path);
    let file: FileHandle | undefined;
    try {
      // Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
      file = await open(source.path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const stat = await file.stat();
      if (!stat.isFile()) throw unreadable(name, "not a file");
      return new KeyFile(name, stat.size, undefined, file);
    } catch (error) {
      await file?.close();
      throw error instanceof WorkError ? error : unreadable(name, error);
    }
  }

  /** Fills `target` from the file's byte `offset` on. @throws WorkError as `open`. */
  async read(target: Uint8Array, offset: number): Promise<void> {
    if (this.#bytes !== undefined) {
      target.set(this.#bytes.subarray(offset, offset + target.length));
      return;
    }
    const file = this.#file as FileHandle;
    for (let done = 0; done < target.length; ) {
      const length = target.length - done;
      const { bytesRead } = await file.read(target, done, length, offset + done).catch((error) => {
        throw unreadable(this.name, error);
      });
      if (bytesRead === 0) throw unreadable(this.name, "it became shorter while it was read");
      done += bytesRead;
    }
  }

  /**
   * Reads pieces in order and hands them on; the next one is on its way meanwhile.
   *
   * @param see  gets each piece's bytes before the piece does.
   */
  async stream(
    pieces: Iterable<Piece>,
    see: (bytes: Uint8Array<ArrayBuffer>) => void,
  ): Promise<void> {
    const buffers = [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)] as const;
    let turn: 0 | 1 = 0;
    const begin = ({ offset, size, take }: Piece) => {
      const bytes = buffers[turn].subarray(0, size);
      turn = turn === 0 ? 1 : 0;
      return { bytes, take, done: this.read(bytes, offset) };
    };
    let lastTurn = performance.now();
    const finish = async ({ bytes, take, done }: ReturnType<typeof begin>) => {
      await done;
      see(bytes);
      take(bytes);
      if (performance.now() - lastTurn < TURN_MS) return;
      await setImmediate();
      lastTurn = performance.now();
    };
    let current: ReturnType<typeof begin> | undefined;
    for (const piece of pieces) {
      const next = begin(piece);
      // Its failure counts when its turn comes, if it comes.
      next.done.catch(() => undefined);
      if (current !== undefined) await finish(current);
      current = next;
    }
    if (current !== undefined) await finish(current);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

function unreadable(file: string, cause: unknown): WorkError {
  const reason =
    typeof cause === "string" ? cause : ((cause as NodeJS.ErrnoException).code ?? "unknown error");
  return new WorkError(
    "ARTEFACT_MISMATCH",
    `${file}: cannot be read (${reason}); build the circuits, or mend the path`,
    { file },
    { cause },
  );
}
