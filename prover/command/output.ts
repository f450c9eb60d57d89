// Files that commands read and write.
import { randomBytes } from "node:crypto";
import { lstat, readFile, rename, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { UsageError } from "./command.ts";

/** A file that ought to hold JSON and does not. */
export class JsonFileError extends Error {
  override readonly name = "JsonFileError";
  readonly code = "JSON_MALFORMED";
}

/** Reads all of a file. @throws Node's error, always with its `path`. */
export async function readWholeFile(path: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    // Missing when the file could be opened and not read.
    throw Object.assign(error as Error, { path });
  }
}

/** Paths by the name under which the user gives them; undefined for what was left out. */
type NamedPaths = Readonly<Record<string, string | undefined>>;

/**
 * Refuses to write a file over another of the same command.
 *
 * @throws UsageError
 */
export function requireOwnFiles(outputs: NamedPaths, inputs: NamedPaths = {}): void {
  const names = new Map<string, string>();
  for (const [name, path] of Object.entries(inputs)) {
    if (path !== undefined) names.set(resolve(path), name);
  }
  for (const [name, path] of Object.entries(outputs)) {
    // Two results may go to one terminal, or to nowhere.
    if (path === undefined || path.startsWith("/dev/")) continue;
    const other = names.get(resolve(path));
    if (other !== undefined) throw new UsageError(`${other} and ${name}: got ${path} for both`);
    names.set(resolve(path), name);
  }
}

/** Writes all of the file or none of it. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeWholeFile(path, `${JSON.stringify(value, null, 1)}\n`);
}

/** Writes all of the file or none of it; into a pipe, a device or a link, as it comes. */
export async function writeWholeFile(path: string, content: string | Uint8Array): Promise<void> {
  const existing = await lstat(path).catch(() => undefined);
  // Renaming would put a file in place of /dev/stdout.
  if (existing !== undefined && !existing.isFile()) return writeFile(path, content);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.part`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** @throws JsonFileError if the file is not JSON. */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = (await readWholeFile(path)).toString("utf8");
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may be a witness.
    throw new JsonFileError(`${path}: ${text.length} characters that are not JSON`);
  }
}

/** Resolves when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}
