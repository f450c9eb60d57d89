/** Files as callers of the library name them. */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { WorkError } from "./errors.ts";

/**
 * A path, a `file:` URL, the bytes themselves, or snarkjs's `{ type: "mem", data }`. Bytes stay the
 * caller's: they are read and not changed.
 */
export type FileSource =
  | string
  | URL
  | Uint8Array
  | { readonly type: "mem"; readonly data: Uint8Array };

/** Where a file is, or its bytes; without reading it. */
export function locate(source: FileSource): Uint8Array | { readonly path: string } {
  const bytes = bytesOf(source);
  if (bytes !== undefined) return bytes;
  return { path: source instanceof URL ? fileURLToPath(source) : (source as string) };
}

/**
 * All bytes of a file.
 *
 * @param name  what it is, for the message of an error, such as "zkey".
 * @returns     the caller's bytes, or new ones.
 * @throws WorkError ARTEFACT_MISMATCH if there is no such file or it cannot be read.
 */
export async function readSource(name: string, source: FileSource): Promise<Uint8Array> {
  const located = locate(source);
  if (located instanceof Uint8Array) return located;
  const { path } = located;
  try {
    const found = await stat(path);
    // Which has no end, such as /dev/zero. A pipe has one.
    if (found.isCharacterDevice() || found.isBlockDevice()) throw new TypeError("a device");
    return await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code ?? message;
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `${name}: ${basename(path)} cannot be read (${reason}); give the path or the bytes of a file`,
      { file: basename(path) },
      { cause },
    );
  }
}

/** Whether `readSource` makes new bytes, which the reader may and should wipe. */
export function isOnDisk(source: FileSource): boolean {
  return bytesOf(source) === undefined;
}

/** @throws TypeError if it is none of the four. */
function bytesOf(source: FileSource): Uint8Array | undefined {
  if (source instanceof Uint8Array) return source;
  if (typeof source === "string" || source instanceof URL) return undefined;
  const { type, data } = source ?? {};
  if (type === "mem" && data instanceof Uint8Array) return data;
  throw new TypeError("file: got something else, expected a path, a file: URL or a Uint8Array");
}
