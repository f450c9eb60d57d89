import { describe, expect, it } from "vitest";
import { type GeneratedKind, generateCircuit } from "../../bench/fixtures/generated-circuit.ts";
import { encodeR1cs } from "../../bench/fixtures/r1cs-file.ts";
import { domainLog2 } from "../../circuits/setup/evaluation.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { failingConstraints, parseR1cs, type SparseMatrix } from "../../worker/r1cs.ts";

const KINDS: readonly GeneratedKind[] = ["dense", "bits"];
const LOG2 = 9;

function made(kind: GeneratedKind, log2 = LOG2) {
  const circuit = generateCircuit(kind, log2);
  return { ...circuit, r1cs: parseR1cs(encodeR1cs(circuit)) };
}

const distinctWires = ({ wire }: SparseMatrix): number => new Set(wire).size;

describe.each(KINDS)("generateCircuit, %s", (kind) => {
  it("gives constraints and a witness that satisfy each other", () => {
    for (const log2 of [3, 4, LOG2]) {
      const { r1cs, witness } = made(kind, log2);
      expect(failingConstraints(r1cs, witness)).toEqual([]);
    }
  });

  it("fixes every private wire: another value breaks a constraint", () => {
    const { r1cs, witness } = made(kind, 6);
    for (let wire = 3; wire < witness.length; wire++) {
      const changed = witness.with(wire, ((witness[wire] as bigint) + 2n) % SCALAR_FIELD);
      expect(failingConstraints(r1cs, changed, 1), `wire ${wire}`).not.toEqual([]);
    }
  });

  it("fills its domain, with a wire for each of its points", () => {
    const { r1cs, witness } = made(kind);
    expect(domainLog2(r1cs)).toBe(LOG2);
    expect(domainLog2({ ...r1cs, nConstraints: r1cs.nConstraints + 1 })).toBe(LOG2 + 1);
    expect(r1cs.nPublic).toBe(2);
    expect(witness.length).toBe(2 ** LOG2);
    expect(r1cs.nWires).toBe(2 ** LOG2);
  });

  it("is the same each time", () => {
    const [once, again] = [generateCircuit(kind, 6), generateCircuit(kind, 6)];
    expect(Buffer.from(encodeR1cs(once)).equals(encodeR1cs(again))).toBe(true);
    expect(once.witness).toEqual(again.witness);
  });
});

describe("generateCircuit", () => {
  it("makes every wire of a dense witness full-width, in two or three terms a side", () => {
    const { r1cs, witness } = made("dense");
    expect(witness.slice(1).filter((value) => value < SCALAR_FIELD >> 40n)).toEqual([]);
    for (const { rowStart } of [r1cs.a, r1cs.b]) {
      const terms = [...rowStart.slice(1)].map((end, row) => end - (rowStart[row] as number));
      expect(new Set(terms)).toEqual(new Set([2, 3]));
    }
  });

  it("puts every wire but the last into both sides of a dense circuit", () => {
    const { r1cs } = made("dense");
    // Wires 0 and 1 come in by chance, the last one is only ever a result.
    expect(distinctWires(r1cs.a)).toBeGreaterThanOrEqual(r1cs.nWires - 3);
    expect(distinctWires(r1cs.b)).toBeGreaterThanOrEqual(r1cs.nWires - 3);
  });

  it("makes four wires in five of a bit-heavy witness 0 or 1, both often", () => {
    const { witness } = made("bits", 12);
    const ones = witness.slice(3).filter((value) => value === 1n).length;
    const zeros = witness.slice(3).filter((value) => value === 0n).length;
    expect((zeros + ones) / witness.length).toBeCloseTo(0.8, 2);
    expect(ones / (zeros + ones)).toBeCloseTo(0.5, 1);
  });

  it.each([2, 23, 4.5])("refuses a size of 2^%s", (log2) => {
    expect(() => generateCircuit("dense", log2)).toThrow(RangeError);
  });
});
