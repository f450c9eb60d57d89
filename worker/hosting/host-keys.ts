/**
 * Keys inside a hosted engine, each once for all threads, under the hash of its file. One that
 * nobody holds stays until there are too many, or until memory of the device is short. A key for
 * which there is no memory waits until others are let go that are held for a task; whoever comes later
 * waits behind it.
 */
import { readPinned, readUnpinned } from "../artefacts.ts";
import type { Engine, ResidentKey } from "../engine.ts";
import { WorkError } from "../errors.ts";
import { parseZkey, type Zkey, type ZkeyHeader } from "../zkey.ts";
import type { KeyFile } from "./message.ts";

/** A key that somebody uses, until `letGo`. */
export interface KeyHold {
  readonly resident: ResidentKey;
  readonly header: ZkeyHeader;
  readonly sha256: string;
  /** Idempotent. */
  letGo(): void;
}

interface Entry {
  readonly loading: Promise<Loaded>;
  loaded: Loaded | undefined;
  holdCount: number;
  /** Of those holds the ones that nobody should wait for. */
  lastingCount: number;
  /** Whether it is in the line of those that there is no room for. */
  isInLine: boolean;
}

interface Loaded {
  readonly resident: ResidentKey;
  readonly header: ZkeyHeader;
}

export class HostKeys {
  readonly #engine: Engine;
  readonly #keysMax: number;
  /** A Map keeps the order of insertion: the first entry was used least recently. */
  readonly #entries = new Map<string, Entry>();
  /** The end of those that wait for room. */
  #roomLine: Promise<unknown> = Promise.resolve();
  #waitingCount = 0;
  readonly #letGoListeners = new Set<() => void>();

  /** @param keysMax  keys that stay while nobody holds them, those that are held included. */
  constructor(engine: Engine, keysMax: number) {
    this.#engine = engine;
    this.#keysMax = keysMax;
  }

  get count(): number {
    return this.#entries.size;
  }

  /**
   * A key by its file. The file is read and checked once.
   *
   * @param isLasting  whether it is held for longer than a task.
   * @throws WorkError ARTEFACT_MISMATCH, KEY_MALFORMED, KEY_REFUSED; ENGINE_UNAVAILABLE, with
   *   `detail.gpu` "memory" if the device does not hold it even alone, or beside lasting holds.
   */
  async hold(file: KeyFile, isLasting = false): Promise<KeyHold> {
    while (this.#waitingCount > 0) await this.#roomLine;
    // Without a hash the bytes come first, because they may be another key's than last time.
    const given = file.sha256 === undefined ? await readUnpinned(file) : undefined;
    const sha256 = file.sha256 ?? (given as { sha256: string }).sha256;
    let entry = this.#entries.get(sha256);
    if (entry === undefined) {
      const read = async () => given?.bytes ?? readPinned({ ...file, sha256 });
      entry = this.#enter(sha256, async () => parseZkey(await read()));
    }
    return this.#held(sha256, entry, Number(isLasting));
  }

  /** A key that is not among the others. @throws WorkError ENGINE_UNAVAILABLE */
  async load(zkey: Zkey): Promise<KeyHold> {
    const { resident, header } = await this.#loadInRoom(zkey);
    let isHeld = true;
    const letGo = () => {
      if (isHeld) resident.release();
      isHeld = false;
    };
    return { resident, header, sha256: "", letGo };
  }

  /** Lets keys go that nobody holds. @returns whether there was one. */
  releaseIdle(): boolean {
    const idle = [...this.#entries].filter(
      ([, { holdCount, loaded }]) => loaded && holdCount === 0,
    );
    for (const [sha256, entry] of idle) this.#release(sha256, entry);
    return idle.length > 0;
  }

  #enter(sha256: string, parse: () => Promise<Zkey>): Entry {
    const loading = parse().then((zkey) =>
      this.#loadInRoom(zkey, () => {
        entry.isInLine = true;
        this.#tellWaiting();
      }),
    );
    const counts = { holdCount: 0, lastingCount: 0 };
    const entry: Entry = { loading, loaded: undefined, ...counts, isInLine: false };
    loading.then(
      (loaded) => {
        entry.loaded = loaded;
        entry.isInLine = false;
      },
      () => {
        this.#forget(sha256, entry);
        this.#tellWaiting();
      },
    );
    this.#entries.set(sha256, entry);
    return entry;
  }

  async #held(sha256: string, entry: Entry, lasting: number): Promise<KeyHold> {
    entry.holdCount++;
    entry.lastingCount += lasting;
    this.#entries.delete(sha256);
    this.#entries.set(sha256, entry);
    let isHeld = true;
    const letGo = () => {
      if (!isHeld) return;
      isHeld = false;
      entry.holdCount--;
      entry.lastingCount -= lasting;
      this.#trim();
      this.#tellWaiting();
    };
    try {
      return { ...(await entry.loading), sha256, letGo };
    } finally {
      this.#trim();
    }
  }

  async #loadInRoom(zkey: Zkey, onWait = () => {}): Promise<Loaded> {
    const { coefficients: _, a: _a, b1: _b1, c: _c, h: _h, b2: _b2, ...header } = zkey;
    const tryOnce = async () => ({ resident: await this.#engine.loadKey(zkey), header });
    try {
      return await tryOnce();
    } catch (error) {
      if (!isMemoryShort(error)) throw error;
    }
    this.#waitingCount++;
    onWait();
    const mine = this.#roomLine.then(() => this.#whenRoom(tryOnce));
    this.#roomLine = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#waitingCount--;
    }
  }

  /** Tries whenever keys have been let go, until none is left that will be. */
  async #whenRoom<T>(tryOnce: () => Promise<T>): Promise<T> {
    for (;;) {
      const isHeld = [...this.#entries.values()].some(
        ({ holdCount, lastingCount, isInLine }) => holdCount > 0 && lastingCount === 0 && !isInLine,
      );
      const nextLetGo = this.#nextLetGo();
      this.releaseIdle();
      try {
        return await tryOnce();
      } catch (error) {
        if (!isMemoryShort(error) || !isHeld) throw error;
      }
      await nextLetGo;
    }
  }

  #nextLetGo(): Promise<void> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#letGoListeners.delete(listener);
        resolve();
      };
      this.#letGoListeners.add(listener);
    });
  }

  #tellWaiting(): void {
    for (const listener of [...this.#letGoListeners]) listener();
  }

  #trim(): void {
    for (const [sha256, entry] of this.#entries) {
      if (this.#entries.size <= this.#keysMax) return;
      if (entry.loaded !== undefined && entry.holdCount === 0) this.#release(sha256, entry);
    }
  }

  #release(sha256: string, entry: Entry): void {
    this.#forget(sha256, entry);
    entry.loaded?.resident.release();
  }

  #forget(sha256: string, entry: Entry): void {
    if (this.#entries.get(sha256) === entry) this.#entries.delete(sha256);
  }
}

export function isMemoryShort(error: unknown): boolean {
  return error instanceof WorkError && error.detail.gpu === "memory";
}
