/** The entries of a key's two sparse matrices, as they stand in a zkey's section 4. */
import { COEFFICIENT_BYTES, type Zkey } from "../../zkey.ts";
import { ValueTable } from "../value-table.ts";

/** The part of a key that the quotient depends on. */
export type Matrices = Pick<Zkey, "coefficients" | "domainSize" | "nVars">;

/** 32-bit words of a key's entry: matrix, row, wire, then the value. */
const KEY_WORDS = COEFFICIENT_BYTES / 4;
const VALUE_WORD = 3;
/** Entries that are copied at a time where the key's bytes do not lie at a multiple of 4. */
const BLOCK_ENTRIES = 2 ** 14;

type Visit = (words: Uint32Array, at: number, index: number) => void;

/** Calls `visit` for each entry with words that it is in, where in them, and its number. */
export function forEachEntry({ coefficients }: Matrices, visit: Visit): void {
  const isAligned = coefficients.byteOffset % 4 === 0;
  const blockBytes = isAligned ? coefficients.length : BLOCK_ENTRIES * COEFFICIENT_BYTES;
  for (let start = 0, index = 0; start < coefficients.length; start += blockBytes) {
    const part = coefficients.subarray(start, start + blockBytes);
    const block = isAligned ? part : new Uint8Array(part);
    const words = new Uint32Array(block.buffer, block.byteOffset, block.length / 4);
    for (let at = 0; at < words.length; at += KEY_WORDS) visit(words, at, index++);
  }
}

/** `numbers` are those of the entries' values. */
export function distinctValues(key: Matrices): { values: Uint8Array; numbers: Uint32Array } {
  const count = key.coefficients.length / COEFFICIENT_BYTES;
  const table = new ValueTable(count);
  const numbers = new Uint32Array(count);
  forEachEntry(key, (words, at, i) => {
    numbers[i] = table.indexOf(words, at + VALUE_WORD);
  });
  return { values: table.bytes, numbers };
}
