/**
 * circom's `.r1cs` format: the constraints <A_i, w> * <B_i, w> = <C_i, w> over BN254's scalar
 * field, for every row i and a witness w with w_0 = 1.
 *
 * Format: github.com/iden3/r1csfile, doc/r1cs_bin_format.md (version 1). Section 1 is the header,
 * 2 the constraints, 3 the label of each wire.
 */
import { type BinFormat, readSections, requireSection } from "./binfile.ts";
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES, readViewLE, SCALAR_FIELD } from "./field.ts";

/**
 * Three sparse matrices in compressed rows. Row i has the entries from `rowStart[i]` to
 * `rowStart[i + 1]`; entry e stands in column `wire[e]` and has the value
 * `coefficients[coefficient[e]]`. 8 bytes an entry: 2^19 rows of a rollup take about 50 MB.
 */
export interface SparseMatrix {
  /** nConstraints + 1 numbers, not decreasing. */
  readonly rowStart: Uint32Array;
  /** Column of each entry, < nWires. */
  readonly wire: Uint32Array;
  /** Index of each entry's value in `R1cs.coefficients`. */
  readonly coefficient: Uint32Array;
}

export interface R1cs {
  readonly nConstraints: number;
  /** Wires in this order: the constant 1, public outputs, public inputs, private ones. */
  readonly nWires: number;
  readonly nOutputs: number;
  readonly nPublicInputs: number;
  readonly nPrivateInputs: number;
  /** nOutputs + nPublicInputs: wires 1 to nPublic are the public signals, in order. */
  readonly nPublic: number;
  readonly a: SparseMatrix;
  readonly b: SparseMatrix;
  readonly c: SparseMatrix;
  /**
   * The distinct coefficients, centred: in (-r/2, r/2), so that the frequent -1 is a small number.
   * Reduce modulo r before use as field elements.
   */
  readonly coefficients: readonly bigint[];
  /** circom's signal number of each wire (the first column of its `.sym` file). */
  readonly wireLabels: Uint32Array;
}

const FORMAT: BinFormat = { magic: "r1cs", version: 1, code: "KEY_MALFORMED" };
const SECTION = { header: 1, constraints: 2, labels: 3, customGateList: 4 } as const;

const ENTRY_BYTES = 4 + ELEMENT_BYTES;
const HEADER_BYTES = 4 + ELEMENT_BYTES + 4 * 4 + 8 + 4;
/** BN254's scalar field has roots of unity of order 2^28: no larger circuit has a Groth16 key. */
const MAX_CONSTRAINTS = 2 ** 28;

/**
 * Parses and checks a whole `.r1cs` file.
 *
 * @throws WorkError KEY_MALFORMED if it is truncated, of another field, or has an index or value
 *   out of range.
 */
export function parseR1cs(bytes: Uint8Array): R1cs {
  const sections = readSections(bytes, FORMAT);
  const gates = sections.get(SECTION.customGateList);
  if (gates !== undefined && !(gates.length === 4 && gates.every((byte) => byte === 0))) {
    throw refused("uses custom gates, which Groth16 does not have");
  }
  const header = parseHeader(requireSection(sections, SECTION.header, FORMAT));
  const labels = requireSection(sections, SECTION.labels, FORMAT);
  const constraints = requireSection(sections, SECTION.constraints, FORMAT);
  const { nLabels, ...counts } = header;
  return {
    ...counts,
    ...parseConstraints(constraints, header.nConstraints, header.nWires),
    wireLabels: parseLabels(labels, header.nWires, nLabels),
  };
}

/**
 * The rows that a witness breaks.
 *
 * @param witness  nWires field elements: bigints in [0, r), or 32 bytes each, little-endian.
 * @param limit    stop after so many; 10 when left out. A caller who only asks whether there is
 *   one passes 1.
 * @returns        row numbers, ascending; empty if the witness satisfies the constraints.
 * @throws WorkError WITNESS_MALFORMED if the count is wrong, a value is not below r, or w_0 is not
 *   1. No message contains a value: witnesses are secret.
 */
export function failingConstraints(
  r1cs: R1cs,
  witness: Uint8Array | readonly bigint[],
  limit = 10,
): number[] {
  const values = witnessValues(witness, r1cs.nWires);
  const failing: number[] = [];
  for (let row = 0; row < r1cs.nConstraints && failing.length < limit; row++) {
    const a = rowSum(r1cs.a, row, r1cs.coefficients, values);
    const b = rowSum(r1cs.b, row, r1cs.coefficients, values);
    const c = rowSum(r1cs.c, row, r1cs.coefficients, values);
    if ((a * b - c) % SCALAR_FIELD !== 0n) failing.push(row);
  }
  return failing;
}

/** <row, w>, modulo r, in (-r, r). */
function rowSum(
  matrix: SparseMatrix,
  row: number,
  coefficients: readonly bigint[],
  witness: readonly bigint[],
): bigint {
  const end = matrix.rowStart[row + 1] as number;
  let sum = 0n;
  for (let e = matrix.rowStart[row] as number; e < end; e++) {
    const coefficient = coefficients[matrix.coefficient[e] as number] as bigint;
    sum += coefficient * (witness[matrix.wire[e] as number] as bigint);
  }
  return sum % SCALAR_FIELD;
}

function witnessValues(witness: Uint8Array | readonly bigint[], nWires: number): readonly bigint[] {
  const isBytes = witness instanceof Uint8Array;
  const count = isBytes ? witness.length / ELEMENT_BYTES : witness.length;
  if (count !== nWires) {
    throw new WorkError(
      "WITNESS_MALFORMED",
      `witness: got ${count} values, expected ${nWires} for these constraints`,
    );
  }
  const values = isBytes ? elementsOf(witness) : witness;
  const wild = values.findIndex((value) => value < 0n || value >= SCALAR_FIELD);
  if (wild >= 0) {
    throw new WorkError("WITNESS_MALFORMED", `witness: value ${wild} is not in [0, r)`);
  }
  if (values[0] !== 1n) throw new WorkError("WITNESS_MALFORMED", "witness: value 0 is not 1");
  return values;
}

function elementsOf(bytes: Uint8Array): bigint[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / ELEMENT_BYTES }, (_, i) =>
    readViewLE(view, i * ELEMENT_BYTES),
  );
}

function parseHeader(section: Uint8Array) {
  const view = viewOf(section);
  if (section.length < 4) throw refused("has an empty header section");
  const elementBytes = view.getUint32(0, true);
  if (elementBytes !== ELEMENT_BYTES) {
    throw refused(`has field elements of ${elementBytes} bytes, expected ${ELEMENT_BYTES} (BN254)`);
  }
  if (section.length !== HEADER_BYTES) {
    throw refused(`has a header of ${section.length} bytes, expected ${HEADER_BYTES}`);
  }
  const prime = readViewLE(view, 4);
  if (prime !== SCALAR_FIELD) {
    throw refused(`is over the field of order ${prime}, expected BN254's (circom --prime bn128)`);
  }
  const [nWires, nOutputs, nPublicInputs, nPrivateInputs] = [0, 1, 2, 3].map((i) =>
    view.getUint32(4 + ELEMENT_BYTES + 4 * i, true),
  ) as [number, number, number, number];
  const nLabels = view.getBigUint64(HEADER_BYTES - 12, true);
  const nConstraints = view.getUint32(HEADER_BYTES - 4, true);
  const nPublic = nOutputs + nPublicInputs;
  if (nWires < 1 + nPublic) {
    throw refused(`has ${nWires} wires, expected at least ${1 + nPublic} (1 + public signals)`);
  }
  if (nConstraints > MAX_CONSTRAINTS) {
    throw refused(`has ${nConstraints} constraints, expected at most ${MAX_CONSTRAINTS}`);
  }
  if (nLabels > 0xffff_ffffn) throw refused(`has ${nLabels} labels, expected fewer than 2^32`);
  return {
    nWires,
    nOutputs,
    nPublicInputs,
    nPrivateInputs,
    nPublic,
    nConstraints,
    nLabels: Number(nLabels),
  };
}

function parseConstraints(section: Uint8Array, nConstraints: number, nWires: number) {
  const view = viewOf(section);
  const counts = countEntries(view, nConstraints);
  const matrices = counts.map((count) => ({
    rowStart: new Uint32Array(nConstraints + 1),
    wire: new Uint32Array(count),
    coefficient: new Uint32Array(count),
  }));
  const [a, b, c] = matrices as [SparseMatrix, SparseMatrix, SparseMatrix];
  const table = new CoefficientTable();
  const filled = [0, 0, 0];
  let at = 0;
  for (let row = 0; row < nConstraints; row++) {
    for (let m = 0; m < 3; m++) {
      const matrix = matrices[m] as SparseMatrix;
      const end = at + 4 + view.getUint32(at, true) * ENTRY_BYTES;
      let e = filled[m] as number;
      for (at += 4; at < end; at += ENTRY_BYTES, e++) {
        const wire = view.getUint32(at, true);
        if (wire >= nWires) {
          throw refused(`constraint ${row} names wire ${wire}, expected less than ${nWires}`);
        }
        matrix.wire[e] = wire;
        const index = table.indexOf(view, at + 4);
        if (index < 0) throw refused(`constraint ${row} has a coefficient that is not below r`);
        matrix.coefficient[e] = index;
      }
      filled[m] = e;
      matrix.rowStart[row + 1] = e;
    }
  }
  return { a, b, c, coefficients: table.values };
}

/** Entries of A, B and C; checks on the way that the rows fill the section exactly. */
function countEntries(view: DataView, nConstraints: number): [number, number, number] {
  const counts: [number, number, number] = [0, 0, 0];
  const size = view.byteLength;
  let at = 0;
  for (let row = 0; row < nConstraints; row++) {
    for (const m of [0, 1, 2] as const) {
      if (size - at < 4) throw refused(`ends inside constraint ${row} of ${nConstraints}`);
      const entries = view.getUint32(at, true);
      at += 4;
      if (entries > (size - at) / ENTRY_BYTES) {
        throw refused(
          `claims ${entries} entries in constraint ${row}, more than the section holds`,
        );
      }
      at += entries * ENTRY_BYTES;
      counts[m] += entries;
    }
  }
  if (at !== size) throw refused(`has ${size - at} bytes after its ${nConstraints} constraints`);
  return counts;
}

function parseLabels(section: Uint8Array, nWires: number, nLabels: number): Uint32Array {
  if (section.length !== 8 * nWires) {
    throw refused(`has ${section.length} bytes of labels, expected ${8 * nWires}`);
  }
  const view = viewOf(section);
  const labels = new Uint32Array(nWires);
  for (let wire = 0; wire < nWires; wire++) {
    const label = view.getBigUint64(8 * wire, true);
    if (label >= BigInt(nLabels)) {
      throw refused(`gives wire ${wire} the label ${label}, expected less than ${nLabels}`);
    }
    labels[wire] = Number(label);
  }
  return labels;
}

/**
 * Numbers the distinct coefficients. Rollup circuits have millions of entries and a few thousand
 * values, so a bigint is made for a new value only; known ones are found by their raw 64-bit words.
 */
class CoefficientTable {
  readonly values: bigint[] = [];
  /** Open addressing; 0 is a free place, else the index + 1. Its size is a power of two. */
  #places = new Uint32Array(1 << 12);
  /** Four 64-bit words of each value, as two 32-bit halves each: compared without bigints. */
  #words = new Uint32Array(8 << 11);

  /** Index of the element at `at`; -1 if it is not below r. */
  indexOf(view: DataView, at: number): number {
    let place = hashAt(view, at) & (this.#places.length - 1);
    for (let found = this.#places[place]; found; found = this.#places[place]) {
      if (this.#equals(found - 1, view, at)) return found - 1;
      place = (place + 1) & (this.#places.length - 1);
    }
    return this.#add(view, at, place);
  }

  #equals(index: number, view: DataView, at: number): boolean {
    for (let k = 0; k < 8; k++) {
      if (this.#words[8 * index + k] !== view.getUint32(at + 4 * k, true)) return false;
    }
    return true;
  }

  #add(view: DataView, at: number, place: number): number {
    const value = readViewLE(view, at);
    if (value >= SCALAR_FIELD) return -1;
    const index = this.values.length;
    this.values.push(2n * value > SCALAR_FIELD ? value - SCALAR_FIELD : value);
    for (let k = 0; k < 8; k++) this.#words[8 * index + k] = view.getUint32(at + 4 * k, true);
    this.#places[place] = index + 1;
    if (this.values.length * 2 >= this.#places.length) this.#grow();
    return index;
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    const view = viewOf(new Uint8Array(words.buffer));
    this.#places = new Uint32Array(this.#places.length * 2);
    for (let index = 0; index < this.values.length; index++) {
      let place = hashAt(view, 32 * index) & (this.#places.length - 1);
      while (this.#places[place]) place = (place + 1) & (this.#places.length - 1);
      this.#places[place] = index + 1;
    }
  }
}

/** Mixes every word down into the low bits, which choose the place in a table. */
function hashAt(view: DataView, at: number): number {
  let hash = 0;
  for (let k = 0; k < 8; k++) {
    hash = Math.imul(hash ^ view.getUint32(at + 4 * k, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refused(problem: string): WorkError {
  return new WorkError(FORMAT.code, `${FORMAT.magic} file: ${problem}`);
}
