/**
 * The coefficients of a key on their way into memory, piece by piece: two sparse matrices over a
 * table of distinct values, because a circuit has many coefficients and few different ones.
 */
import { ELEMENT_BYTES, SCALAR_FIELD } from "../../field.ts";
import { MAX_ROW_ENTRIES } from "../../kernels/rows.ts";
import { COEFFICIENT_BYTES, type ZkeyCounts } from "../../zkey.ts";
import { VALUE_WORDS, ValueTable } from "../value-table.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { QuotientKey, SparseMatrix } from "./quotient.ts";

/** 32-bit words of an entry, and where its parts are. */
const ENTRY_WORDS = COEFFICIENT_BYTES / 4;
const VALUE_WORD = 3;
/** r from the lowest word up. */
const R_WORDS = Array.from({ length: VALUE_WORDS }, (_, w) =>
  Number(BigInt.asUintN(32, SCALAR_FIELD >> BigInt(32 * w))),
);
const TOP_OF_R = R_WORDS[VALUE_WORDS - 1] as number;
const LANES = 4;

/** Of one matrix, in an order of no meaning. */
interface Rows {
  /** Entries of each row so far. */
  readonly fill: Uint32Array;
  /** Accumulators beyond the domain's: the rows that they are parts of (`rows.ts`). */
  readonly extraRows: number[];
  /** The accumulator that a row with too many entries writes to now. */
  readonly current: Map<number, number>;
}

/**
 * Writes the lists of both matrices into one stretch of memory: those of A from its beginning on,
 * those of B from its end backwards, because nobody knows yet how many each will be.
 */
export class CoefficientWriter {
  readonly #key: KeyMemory;
  readonly #counts: ZkeyCounts;
  readonly #capacity: number;
  readonly #lists: Readonly<Record<"wires" | "coefficients" | "rows", number>>;
  readonly #wires: Uint32Array;
  readonly #coefficients: Uint32Array;
  readonly #rows: Uint32Array;
  readonly #values: ValueTable;
  readonly #matrices: readonly [Rows, Rows];
  /** Where the next entry of A, and behind the next one of B. */
  readonly #next: [number, number];

  /** @param entries  how many there will be */
  constructor(key: KeyMemory, counts: ZkeyCounts, entries: number) {
    this.#key = key;
    this.#counts = counts;
    // Room to fill both up to whole quads.
    this.#capacity = LANES * (Math.ceil(entries / LANES) + 2);
    const take = () => key.take(4 * this.#capacity);
    this.#lists = { wires: take(), coefficients: take(), rows: take() };
    const list = (address: number) => new Uint32Array(key.memory.buffer, address, this.#capacity);
    this.#wires = list(this.#lists.wires);
    this.#coefficients = list(this.#lists.coefficients);
    this.#rows = list(this.#lists.rows);
    this.#values = new ValueTable(entries);
    const rows = () => ({
      fill: new Uint32Array(counts.domainSize),
      extraRows: [],
      current: new Map<number, number>(),
    });
    this.#matrices = [rows(), rows()];
    this.#next = [0, this.#capacity];
  }

  /**
   * @param bytes  whole entries, at an address that is a multiple of 4; nobody else may write there.
   * @returns false if an entry has a wrong index or a value that is not below r. Then nothing may be
   *   added any more.
   */
  add(bytes: Uint8Array): boolean {
    const { nVars, domainSize } = this.#counts;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (let at = 0; at < words.length; at += ENTRY_WORDS) {
      const matrix = words[at] as number;
      const row = words[at + 1] as number;
      const wire = words[at + 2] as number;
      const top = words[at + ENTRY_WORDS - 1] as number;
      if (matrix > 1 || row >= domainSize || wire >= nVars) return false;
      if (top >= TOP_OF_R && !isBelowR(words, at + VALUE_WORD)) return false;
      this.#put(matrix as 0 | 1, wire, this.#values.indexOf(words, at + VALUE_WORD), row);
    }
    return true;
  }

  #put(matrix: 0 | 1, wire: number, coefficient: number, row: number): void {
    const { fill } = this.#matrices[matrix];
    const entries = fill[row] as number;
    fill[row] = entries + 1;
    const accumulator = entries < MAX_ROW_ENTRIES ? row : this.#extraRow(matrix, row, entries);
    this.#write(matrix, wire, coefficient, accumulator);
  }

  #write(matrix: 0 | 1, wire: number, coefficient: number, accumulator: number): void {
    const at = matrix === 0 ? this.#next[0]++ : --this.#next[1];
    this.#wires[at] = wire;
    this.#coefficients[at] = coefficient;
    this.#rows[at] = accumulator;
  }

  #extraRow(matrix: 0 | 1, row: number, entries: number): number {
    const { extraRows, current } = this.#matrices[matrix];
    if (entries % MAX_ROW_ENTRIES === 0) {
      current.set(row, this.#counts.domainSize + extraRows.length);
      extraRows.push(row);
    }
    return current.get(row) as number;
  }

  /** Once all entries are there: they are filled up to whole quads with wire 0 times 0. */
  finish(): Pick<QuotientKey, "coefficients" | "matrices"> {
    const { fr } = this.#key.fields;
    while (this.#next[0] % LANES !== 0) this.#write(0, 0, 0, 0);
    while (this.#next[1] % LANES !== 0) this.#write(1, 0, 0, 0);
    const matrix = (m: 0 | 1, first: number, end: number): SparseMatrix => ({
      count: end - first,
      wires: this.#lists.wires + 4 * first,
      coefficients: this.#lists.coefficients + 4 * first,
      rows: this.#lists.rows + 4 * first,
      extraRows: this.#matrices[m].extraRows,
    });
    const values = this.#values.bytes;
    const coefficients = this.#key.take(values.length + 64);
    new Uint8Array(this.#key.memory.buffer).set(values, coefficients);
    // From times 2^512 to times R^2: a product with a plain number, divided by R, is in Montgomery form.
    this.#key.scale(coefficients, values.length / ELEMENT_BYTES, fr.radix ** 3n / 2n ** 512n);
    const [endOfA, startOfB] = this.#next;
    return { coefficients, matrices: [matrix(0, 0, endOfA), matrix(1, startOfB, this.#capacity)] };
  }
}

function isBelowR(words: Uint32Array, at: number): boolean {
  for (let w = VALUE_WORDS - 1; w >= 0; w--) {
    const [word, ofR] = [words[at + w] as number, R_WORDS[w] as number];
    if (word !== ofR) return word < ofR;
  }
  return false;
}
