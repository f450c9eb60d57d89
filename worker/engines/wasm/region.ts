import { WorkError } from "../../errors.ts";
import { MAX_PAGES, PAGE_BYTES } from "./kernels.ts";

/**
 * Hands out addresses one after the other: the memory map of a key and of the arenas is whatever
 * the same sequence of `take` calls gives, so that every thread finds the same addresses.
 */
export class Region {
  #next: number;

  /** @param start  Address. */
  constructor(start: number) {
    this.#next = start;
    this.#next = this.take(0);
  }

  /** The first address that is still free. */
  get end(): number {
    return this.#next;
  }

  /** @returns a multiple of 64, a cache line. */
  take(bytes: number): number {
    const address = Math.ceil(this.#next / CACHE_LINE) * CACHE_LINE;
    this.#next = address + Math.ceil(bytes);
    return address;
  }
}

const CACHE_LINE = 64;

/** @throws WorkError KEY_REFUSED if 4 GiB do not hold it. */
export function grow(memory: WebAssembly.Memory, bytes: number): void {
  const pages = Math.ceil(bytes / PAGE_BYTES) - memory.buffer.byteLength / PAGE_BYTES;
  if (pages <= 0) return;
  try {
    memory.grow(pages);
  } catch {
    throw tooLarge(bytes);
  }
}

/** @throws WorkError KEY_REFUSED if no memory can hold so many bytes. */
export function checkAddressable(bytes: number): void {
  if (bytes > MAX_PAGES * PAGE_BYTES) throw tooLarge(bytes);
}

function tooLarge(bytes: number): WorkError {
  return new WorkError(
    "KEY_REFUSED",
    `the key and its working memory need ${Math.ceil(bytes / 2 ** 20)} MiB, more than this engine can address (4096 MiB) or the machine has`,
  );
}
