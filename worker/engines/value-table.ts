/** The distinct values among a key's coefficients, which are many and have few different ones. */
import { ELEMENT_BYTES } from "../field.ts";

/** 32-bit words of a value. */
export const VALUE_WORDS = ELEMENT_BYTES / 4;
/** Values with an equal one nearby in the table are found; looking farther is not worth it. */
const MAX_PROBES = 16;
const MAX_SLOTS = 2 ** 20;

/**
 * Distinct values, the first of them 0. A hash table with a bound on the work for each: in a full
 * table, or among values made to collide, a value may get a second place, which costs 32 bytes.
 */
export class ValueTable {
  readonly #slots: Uint32Array;
  #words: Uint32Array;
  #count = 1;

  /** @param most  values that may come */
  constructor(most: number) {
    this.#slots = new Uint32Array(Math.min(MAX_SLOTS, 2 ** Math.ceil(Math.log2(most + 2) + 1)));
    this.#words = new Uint32Array(VALUE_WORDS * 1024);
  }

  /** The number of the value of eight words at an index. */
  indexOf(words: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1;
    const low = (words[at] as number) ^ Math.imul(words[at + 1] as number, 0x9e3779b1);
    let slot = (low ^ (low >>> 15)) & mask;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const index = this.#slots[slot] as number;
      if (index === 0) {
        this.#slots[slot] = this.#count;
        break;
      }
      if (this.#equals(index, words, at)) return index;
      slot = (slot + 1) & mask;
    }
    return this.#append(words, at);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer, 0, ELEMENT_BYTES * this.#count);
  }

  #equals(index: number, words: Uint32Array, at: number): boolean {
    const known = this.#words;
    const start = VALUE_WORDS * index;
    for (let w = 0; w < VALUE_WORDS; w++) if (known[start + w] !== words[at + w]) return false;
    return true;
  }

  #append(words: Uint32Array, at: number): number {
    const start = VALUE_WORDS * this.#count;
    if (start === this.#words.length) {
      const longer = new Uint32Array(2 * start);
      longer.set(this.#words);
      this.#words = longer;
    }
    for (let w = 0; w < VALUE_WORDS; w++) this.#words[start + w] = words[at + w] as number;
    return this.#count++;
  }
}
