import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { faultOf } from "../fault.ts";

/** Files that may be read again; see `Reloaded`. */
export interface ReloadedFiles {
  readonly paths: readonly string[];
  reload(): Promise<boolean>;
}

/** What some files say, kept up to date. A version that cannot be used leaves the last good one in force. */
export class Reloaded<T> implements ReloadedFiles {
  readonly #paths: readonly string[];
  readonly #parse: (contents: readonly Buffer[]) => T;
  readonly #listeners = new Set<(value: T) => void>();
  #contents: readonly Buffer[];
  #value: T;

  private constructor(
    paths: readonly string[],
    parse: (contents: readonly Buffer[]) => T,
    contents: readonly Buffer[],
  ) {
    this.#paths = paths;
    this.#parse = parse;
    this.#contents = contents;
    this.#value = parse(contents);
  }

  /** @throws what reading and `parse` throw. */
  static async open<T>(
    paths: readonly string[],
    parse: (contents: readonly Buffer[]) => T,
  ): Promise<Reloaded<T>> {
    return new Reloaded(paths, parse, await readAll(paths));
  }

  get paths(): readonly string[] {
    return this.#paths;
  }

  get value(): T {
    return this.#value;
  }

  onChange(listener: (value: T) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Reads the files again.
   *
   * @returns whether there is something new. A version that was refused is not looked at twice.
   * @throws what reading and `parse` throw; then nothing has changed.
   */
  async reload(): Promise<boolean> {
    // By content: replaced files may be older, and a link may lead elsewhere from now on.
    const contents = await readAll(this.#paths);
    if (contents.every((bytes, i) => bytes.equals(this.#contents[i] as Buffer))) return false;
    this.#contents = contents;
    const value = this.#parse(contents);
    this.#value = value;
    for (const listener of this.#listeners) listener(value);
    return true;
  }
}

function readAll(paths: readonly string[]): Promise<Buffer[]> {
  return Promise.all(paths.map((path) => readFile(path)));
}

/** Looks after files, now and then and when told to. */
export class Reloader {
  readonly #files: readonly ReloadedFiles[];
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout | undefined;
  /** The last fault of each, so that it is not logged every few seconds. */
  readonly #faults = new Map<ReloadedFiles, string>();
  #running: Promise<void> = Promise.resolve();

  /** @param options.everyMs  0: only when told to. */
  constructor(
    files: readonly ReloadedFiles[],
    { everyMs, log }: { readonly everyMs: number; readonly log: Logger },
  ) {
    this.#files = files;
    this.#log = log;
    if (everyMs === 0 || files.length === 0) return;
    this.#timer = setInterval(() => this.reload(), everyMs).unref();
  }

  /** One after the other: two at once could end with the older version. Never fails. */
  reload(): Promise<void> {
    this.#running = this.#running.then(async () => {
      for (const files of this.#files) await this.#reloadOne(files);
    });
    return this.#running;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #reloadOne(files: ReloadedFiles): Promise<void> {
    const { paths } = files;
    try {
      if (await files.reload()) this.#log.info({ paths }, "files reloaded");
      else if (this.#faults.get(files)?.startsWith("read ") !== true) return;
      this.#faults.delete(files);
    } catch (error) {
      const { kind, frames } = faultOf(error);
      // Its text may quote the file, which may be a key.
      const problems = (error as { problems?: readonly string[] }).problems ?? [];
      const fault = `${isReadFault(error) ? "read" : "parse"} ${kind} ${problems.join(" ")}`;
      if (this.#faults.get(files) === fault && isReadFault(error)) return;
      this.#faults.set(files, fault);
      this.#log.error(
        { paths, kind, frames: frames.slice(0, 2), problems },
        "files refused: the last good version stays in force",
      );
    }
  }
}

function isReadFault(error: unknown): boolean {
  return (error as { syscall?: unknown } | null)?.syscall !== undefined;
}
