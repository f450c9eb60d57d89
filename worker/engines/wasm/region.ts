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

  /** Everything below an address is in use. */
  skipTo(address: number): void {
    this.#next = Math.max(this.#next, address);
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

/** What the operating system hands out at once. */
const UNIT_BYTES = 4096;
const ZEROS = Buffer.alloc(UNIT_BYTES);

/**
 * Zeroes memory. Where nothing was ever written it is zero already, and takes no room in the machine's
 * memory as long as it is only read: working memory is laid out for the worst case, of which proofs
 * use a third.
 */
export function clear(memory: WebAssembly.Memory, from: number, to: number): void {
  const bytes = Buffer.from(memory.buffer);
  for (let start = from; start < to; ) {
    const end = Math.min(start - (start % UNIT_BYTES) + UNIT_BYTES, to);
    const unit = bytes.subarray(start, end);
    if (Buffer.compare(unit, ZEROS.subarray(0, end - start)) !== 0) unit.fill(0);
    start = end;
  }
}
