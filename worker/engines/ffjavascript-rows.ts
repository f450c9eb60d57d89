/**
 * Cuts a key's sparse rows into pieces that ffjavascript multiplies one at a time.
 */
import { COEFFICIENT_BYTES, type Zkey } from "../zkey.ts";

/** A chunk of sparse rows ends at the first row that reaches one of these; about 20 ms each. */
const ROWS_PER_CHUNK = 2 ** 14;
const COEFFICIENTS_PER_CHUNK = 2 ** 16;

/** Rows [firstRow, firstRow + rows) have the entries [firstEntry, firstEntry + entries). */
export interface RowChunk {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstEntry: number;
  readonly entries: number;
}

/** Coefficients by ascending constraint: as they are, if they are so (snarkjs's are), or a copy. */
export function sortedByConstraint({ coefficients, domainSize }: Zkey): Uint8Array {
  const view = new DataView(coefficients.buffer, coefficients.byteOffset, coefficients.byteLength);
  const next = new Uint32Array(domainSize + 1);
  let isSorted = true;
  let last = 0;
  for (let at = 0; at < coefficients.length; at += COEFFICIENT_BYTES) {
    const constraint = view.getUint32(at + 4, true);
    isSorted &&= constraint >= last;
    last = constraint;
    next[constraint + 1] = (next[constraint + 1] as number) + 1;
  }
  if (isSorted) return coefficients;
  for (let row = 0; row < domainSize; row++)
    next[row + 1] = (next[row + 1] as number) + (next[row] as number);
  const sorted = new Uint8Array(coefficients.length);
  for (let at = 0; at < coefficients.length; at += COEFFICIENT_BYTES) {
    const constraint = view.getUint32(at + 4, true);
    const place = next[constraint] as number;
    next[constraint] = place + 1;
    sorted.set(coefficients.subarray(at, at + COEFFICIENT_BYTES), place * COEFFICIENT_BYTES);
  }
  return sorted;
}

/** Cuts the rows into chunks; the coefficients are sorted by constraint. */
export function rowChunks({ coefficients, domainSize }: Zkey): RowChunk[] {
  const view = new DataView(coefficients.buffer, coefficients.byteOffset, coefficients.byteLength);
  const count = coefficients.length / COEFFICIENT_BYTES;
  const rowOf = (entry: number) => view.getUint32(entry * COEFFICIENT_BYTES + 4, true);
  const chunks: RowChunk[] = [];
  let entry = 0;
  for (let firstRow = 0; firstRow < domainSize; ) {
    const firstEntry = entry;
    let row = firstRow;
    while (
      row < domainSize &&
      row - firstRow < ROWS_PER_CHUNK &&
      entry - firstEntry < COEFFICIENTS_PER_CHUNK
    ) {
      while (entry < count && rowOf(entry) === row) entry++;
      row++;
    }
    chunks.push({ firstRow, rows: row - firstRow, firstEntry, entries: entry - firstEntry });
    firstRow = row;
  }
  return chunks;
}
