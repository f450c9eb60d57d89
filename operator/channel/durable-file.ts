// A small file that survives the process and the machine: replaced whole, with a checksum, never patched.

import { createHash } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { OperatorError } from "../errors.ts";

const FORMAT = "proofmill channel 1";

/**
 * Writes the content and waits for the disk. Whenever power or process end, the file holds either what it held before or
 * all of the new content. One writer at a time.
 *
 * @param content plain data; bigints go in as decimal strings.
 */
export async function writeDurably(path: string, content: unknown): Promise<void> {
  const text = JSON.stringify(content);
  const sealed = JSON.stringify({ format: FORMAT, sha256: sha256(text), content });
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(sealed);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  // The rename itself is in the folder: without this the old file could be back after a power failure.
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * @returns the content, or undefined if there is no such file.
 * @throws OperatorError CHANNEL_STORE_CORRUPT  if anything else than what `writeDurably` wrote is there.
 */
export async function readDurable(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  let sealed: { format?: unknown; sha256?: unknown; content?: unknown };
  try {
    sealed = JSON.parse(text) as typeof sealed;
  } catch {
    throw corrupt(path, `${text.length} characters that are not JSON`);
  }
  if (sealed === null || typeof sealed !== "object" || sealed.format !== FORMAT) {
    throw corrupt(path, "another format");
  }
  if (sha256(JSON.stringify(sealed.content) ?? "") !== sealed.sha256) {
    throw corrupt(path, "content that does not fit its checksum");
  }
  return sealed.content;
}

export function corrupt(path: string, got: string): OperatorError {
  return new OperatorError(
    "CHANNEL_STORE_CORRUPT",
    `${path}: got ${got}, expected "${FORMAT}" with its checksum. Nothing was changed. ` +
      "Do not delete it and start anew: a nonce could be signed twice. A watchtower has the last agreed state: " +
      "dispute with the deposits, and it answers with that.",
    { path, got, expected: FORMAT },
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
