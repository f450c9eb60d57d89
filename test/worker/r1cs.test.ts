import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeSections, readSections } from "../../worker/binfile.ts";
import { failingConstraints, parseR1cs, type SparseMatrix } from "../../worker/r1cs.ts";

const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

type Row = readonly (readonly [wire: number, value: bigint])[];
type Rows = readonly (readonly [a: Row, b: Row, c: Row])[];

interface File {
  readonly rows: Rows;
  readonly nWires: number;
  readonly nOutputs?: number;
  readonly nPublicInputs?: number;
  readonly prime?: bigint;
  readonly labels?: readonly bigint[];
  readonly extra?: readonly { type: number; pieces: Uint8Array[] }[];
}

const u32 = (value: number): Uint8Array => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
const u64 = (value: bigint): Uint8Array => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value);
  return out;
};
const element = (value: bigint): Uint8Array =>
  Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse();

/** An `.r1cs` file written from its specification, independent of the reader under test. */
function encode(file: File): Uint8Array {
  const { rows, nWires, nOutputs = 0, nPublicInputs = 0, prime = R } = file;
  const labels = file.labels ?? Array.from({ length: nWires }, (_, i) => BigInt(i));
  const nPrivate = 0;
  const header = [u32(32), element(prime)]
    .concat([nWires, nOutputs, nPublicInputs, nPrivate].map(u32))
    .concat([u64(BigInt(labels.length)), u32(rows.length)]);
  const constraints = rows.flatMap((row) =>
    row.flatMap((sum) => [
      u32(sum.length),
      ...sum.flatMap(([wire, value]) => [u32(wire), element(value)]),
    ]),
  );
  return encodeSections("r1cs", 1, [
    { type: 2, pieces: constraints },
    { type: 1, pieces: header },
    { type: 3, pieces: labels.map(u64) },
    ...(file.extra ?? []),
  ]);
}

/** w1 = w2 * w3 and w2 + 5 = w3 - w1 + 10: satisfied by (1, 6, 2, 3). */
const SAMPLE: File = {
  nWires: 4,
  nOutputs: 1,
  nPublicInputs: 1,
  rows: [
    [[[2, 1n]], [[3, 1n]], [[1, 1n]]],
    [
      [
        [2, 1n],
        [0, 5n],
      ],
      [[0, 1n]],
      [
        [3, 1n],
        [1, R - 1n],
        [0, 10n],
      ],
    ],
  ],
};

const refused = (file: Uint8Array, message: RegExp): void =>
  expect(() => parseR1cs(file)).toThrow(
    expect.objectContaining({ code: "KEY_MALFORMED", message: expect.stringMatching(message) }),
  );

describe("worker / r1cs", () => {
  it("parses counts, rows, centred coefficients and labels", () => {
    const r1cs = parseR1cs(encode({ ...SAMPLE, labels: [0n, 3n, 1n, 2n] }));
    expect(r1cs).toMatchObject({
      nConstraints: 2,
      nWires: 4,
      nOutputs: 1,
      nPublicInputs: 1,
      nPublic: 2,
    });
    const row = (m: SparseMatrix, i: number): Row =>
      Array.from({ length: (m.rowStart[i + 1] ?? 0) - (m.rowStart[i] ?? 0) }, (_, k) => {
        const e = (m.rowStart[i] ?? 0) + k;
        return [m.wire[e] ?? -1, r1cs.coefficients[m.coefficient[e] ?? -1] ?? 0n] as const;
      });
    expect(row(r1cs.a, 0)).toEqual([[2, 1n]]);
    expect(row(r1cs.b, 1)).toEqual([[0, 1n]]);
    expect(row(r1cs.c, 1)).toEqual([
      [3, 1n],
      [1, -1n],
      [0, 10n],
    ]);
    expect(new Set(r1cs.coefficients).size).toBe(r1cs.coefficients.length);
    expect([...r1cs.wireLabels]).toEqual([0, 3, 1, 2]);
  });

  it("keeps more distinct coefficients apart than its first table holds", () => {
    const values = Array.from({ length: 9000 }, (_, i) => (BigInt(i) << 190n) + 1n);
    const rows: Rows = [...values, ...values].map((v) => [[[0, v]], [], []]);
    const { a, coefficients } = parseR1cs(encode({ rows, nWires: 1 }));
    expect(coefficients.length).toBe(9000);
    expect([...a.coefficient].map((i) => ((coefficients[i] ?? 0n) + R) % R)).toEqual(
      [...values, ...values].map((v) => v % R),
    );
  });

  it("finds no failing row for a satisfying witness, as bigints or bytes", () => {
    const r1cs = parseR1cs(encode(SAMPLE));
    const witness = [1n, 6n, 2n, 3n];
    expect(failingConstraints(r1cs, witness)).toEqual([]);
    expect(failingConstraints(r1cs, Buffer.concat(witness.map(element)))).toEqual([]);
  });

  it("names exactly the rows that a witness breaks, up to the limit", () => {
    const r1cs = parseR1cs(encode(SAMPLE));
    expect(failingConstraints(r1cs, [1n, 6n, 3n, 2n])).toEqual([1]);
    expect(failingConstraints(r1cs, [1n, 7n, 2n, 4n])).toEqual([0]);
    expect(failingConstraints(r1cs, [1n, 0n, 2n, 4n])).toEqual([0, 1]);
    expect(failingConstraints(r1cs, [1n, 0n, 2n, 4n], 1)).toEqual([0]);
  });

  it("agrees with dense arithmetic on random rows and witnesses", () => {
    const value = fc.oneof(fc.bigInt(0n, 3n), fc.bigInt(R - 3n, R - 1n), fc.bigInt(0n, R - 1n));
    const sum = fc.array(fc.tuple(fc.nat(4), value), { maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(sum, sum, sum), { maxLength: 6 }),
        fc.tuple(value, value, value, value),
        (rows, tail) => {
          const witness = [1n, ...tail];
          const at = (row: Row): bigint =>
            row.reduce((s, [wire, v]) => (s + v * (witness[wire] ?? 0n)) % R, 0n);
          const expected = rows.flatMap(([a, b, c], i) =>
            (at(a) * at(b)) % R === at(c) ? [] : [i],
          );
          expect(failingConstraints(parseR1cs(encode({ rows, nWires: 5 })), witness)).toEqual(
            expected,
          );
        },
      ),
    );
  });

  it("refuses a witness of wrong length, with a value not below r, or not beginning with 1", () => {
    const r1cs = parseR1cs(encode(SAMPLE));
    const malformed = expect.objectContaining({ code: "WITNESS_MALFORMED" });
    expect(() => failingConstraints(r1cs, [1n, 6n, 2n])).toThrow(malformed);
    expect(() => failingConstraints(r1cs, new Uint8Array(4 * 32 - 1))).toThrow(malformed);
    expect(() => failingConstraints(r1cs, [1n, 6n, 2n, R])).toThrow(malformed);
    expect(() => failingConstraints(r1cs, [1n, 6n, 2n, -1n])).toThrow(malformed);
    expect(() => failingConstraints(r1cs, [2n, 6n, 2n, 3n])).toThrow(malformed);
  });

  it("refuses another field", () => {
    refused(encode({ ...SAMPLE, prime: R + 2n }), /over the field of order/);
  });

  it("refuses a wire, a coefficient or a label out of range", () => {
    refused(encode({ ...SAMPLE, rows: [[[[4, 1n]], [], []]] }), /wire 4, expected less than 4/);
    refused(encode({ ...SAMPLE, rows: [[[[0, R]], [], []]] }), /not below r/);
    refused(encode({ ...SAMPLE, labels: [0n, 1n, 2n, 4n] }), /label 4, expected less than 4/);
    refused(encode({ ...SAMPLE, nPublicInputs: 3 }), /has 4 wires, expected at least 5/);
  });

  it("refuses wrong counts of constraints, entries and labels", () => {
    const corrupt = (offsetInSection: number, type: number, value: number): Uint8Array => {
      const file = encode(SAMPLE).slice();
      const section = readSections(file, { magic: "r1cs", version: 1, code: "BUG" }).get(type);
      new DataView(file.buffer, section?.byteOffset).setUint32(offsetInSection, value, true);
      return file;
    };
    const nConstraintsAt = 4 + 32 + 16 + 8;
    refused(corrupt(nConstraintsAt, 1, 3), /ends inside constraint 2/);
    refused(corrupt(nConstraintsAt, 1, 1), /bytes after its 1 constraints/);
    refused(corrupt(nConstraintsAt, 1, 0xffff_ffff), /at most/);
    refused(corrupt(0, 2, 0xffff_ffff), /claims 4294967295 entries in constraint 0/);
    refused(corrupt(0, 1, 31), /elements of 31 bytes/);
    refused(encode({ ...SAMPLE, labels: [0n, 1n, 2n] }), /24 bytes of labels, expected 32/);
  });

  it("refuses custom gates, which Groth16 cannot prove", () => {
    refused(encode({ ...SAMPLE, extra: [{ type: 4, pieces: [u32(1)] }] }), /custom gates/);
  });
});
