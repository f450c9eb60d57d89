/**
 * circom's `.wtns`: the values of all wires.
 *
 *     1 header   n8 u32 = 32 | r | count u32
 *     2 values   count x 32 B, little-endian, canonical; the first is 1
 *
 * Format: github.com/iden3/snarkjs, src/wtns_utils.js (version 2).
 */
import { type BinFormat, encodeSections, readSections, requireSection } from "./binfile.ts";
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES, firstNotScalar, readLE, SCALAR_FIELD, writeLE } from "./field.ts";

const FORMAT: BinFormat = { magic: "wtns", version: 2, code: "WITNESS_MALFORMED" };
const SECTION = { header: 1, values: 2 } as const;
const HEADER_BYTES = 4 + ELEMENT_BYTES + 4;

/**
 * Parses and checks a whole `.wtns` file.
 *
 * @param nVars  how many values the key needs.
 * @returns      nVars x 32 B: a view of `bytes`, which hold secrets; the owner wipes them.
 * @throws WorkError WITNESS_MALFORMED. No message contains a value.
 */
export function parseWtns(bytes: Uint8Array, nVars: number): Uint8Array {
  const sections = readSections(bytes, FORMAT);
  const header = requireSection(sections, SECTION.header, FORMAT);
  if (header.length < 4) throw refused("has an empty header section");
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const elementBytes = view.getUint32(0, true);
  if (elementBytes !== ELEMENT_BYTES) {
    throw refused(`has values of ${elementBytes} bytes, expected ${ELEMENT_BYTES} (BN254)`);
  }
  if (header.length !== HEADER_BYTES) {
    throw refused(`has a header of ${header.length} bytes, expected ${HEADER_BYTES}`);
  }
  if (readLE(header, 4) !== SCALAR_FIELD) {
    throw refused("is over another field, expected BN254's (circom --prime bn128)");
  }
  const count = view.getUint32(4 + ELEMENT_BYTES, true);
  const values = requireSection(sections, SECTION.values, FORMAT);
  if (values.length !== count * ELEMENT_BYTES) {
    throw refused(
      `has ${values.length} bytes of values, expected ${count * ELEMENT_BYTES} for ${count} values`,
    );
  }
  checkWitness(values, nVars);
  return values;
}

/**
 * Checks a witness without its container: count, range, and that the first value is 1.
 *
 * @throws WorkError WITNESS_MALFORMED
 */
export function checkWitness(values: Uint8Array, nVars: number): void {
  if (values.length !== nVars * ELEMENT_BYTES) {
    throw new WorkError(
      "WITNESS_MALFORMED",
      `witness: got ${values.length / ELEMENT_BYTES} values, the key's circuit has ${nVars}; it is the witness of another circuit or compilation`,
    );
  }
  const wild = firstNotScalar(values);
  if (wild >= 0) throw new WorkError("WITNESS_MALFORMED", `witness: value ${wild} is not below r`);
  if (readLE(values) !== 1n) throw new WorkError("WITNESS_MALFORMED", "witness: value 0 is not 1");
}

/** A whole `.wtns` file for these values (count x 32 B, little-endian). */
export function encodeWtns(values: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, ELEMENT_BYTES, true);
  writeLE(header, 4, SCALAR_FIELD);
  view.setUint32(4 + ELEMENT_BYTES, values.length / ELEMENT_BYTES, true);
  return encodeSections(FORMAT.magic, FORMAT.version, [
    { type: SECTION.header, pieces: [header] },
    { type: SECTION.values, pieces: [values] },
  ]);
}

function refused(problem: string): WorkError {
  return new WorkError(FORMAT.code, `${FORMAT.magic} file: ${problem}`);
}
