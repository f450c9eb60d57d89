/**
 * Loads the files of a circuit and holds them to their pinned hashes: a file that is not exactly the
 * one that was pinned is not used.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { WorkError } from "./errors.ts";
import type { PinnedFile } from "./task.ts";

/**
 * The bytes of a pinned file: read from disk, or the caller's shared memory.
 *
 * @throws WorkError ARTEFACT_MISMATCH if it cannot be read or its SHA-256 is another.
 */
export async function readPinned(file: PinnedFile): Promise<Uint8Array<ArrayBufferLike>> {
  const name = basename(file.path);
  const bytes = file.shared === undefined ? await read(file.path) : new Uint8Array(file.shared);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== file.sha256) {
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `${name}: got SHA-256 ${sha256}, expected ${file.sha256}; restore the file or make the manifest anew`,
      { file: name },
    );
  }
  return bytes;
}

/** The bytes of a file that nobody has pinned, and their SHA-256. @throws WorkError as `readPinned` */
export async function readUnpinned(
  file: Omit<PinnedFile, "sha256">,
): Promise<{ bytes: Uint8Array<ArrayBufferLike>; sha256: string }> {
  const bytes = file.shared === undefined ? await read(file.path) : new Uint8Array(file.shared);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/**
 * Reads a file into memory that all threads can share (`PinnedFile.shared`), so that a key of
 * hundreds of megabytes is in memory once.
 *
 * @throws WorkError ARTEFACT_MISMATCH if it cannot be read. Its hash is checked by whoever uses it.
 */
export async function readShared(path: string): Promise<SharedArrayBuffer> {
  const bytes = await read(path);
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}

async function read(path: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    const name = basename(path);
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `${name}: cannot be read (${reason}); build the circuits, or mend the path`,
      { file: name },
      { cause },
    );
  }
}
