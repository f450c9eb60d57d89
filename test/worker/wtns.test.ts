import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as snarkjs from "snarkjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import { type Fixture, smallFixture, smallInputs } from "./fixtures.ts";
import { EditableFile, outcomeOf } from "./key-file.ts";

const HEADER = 1;
const VALUES = 2;
const WIRES = 31;

let fixture: Fixture;
let witness: Uint8Array;
let bytes: Uint8Array;
let file: EditableFile;
beforeAll(async () => {
  fixture = await smallFixture();
  witness = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm))).calculate(
    smallInputs(),
  );
  bytes = encodeWtns(witness);
  file = new EditableFile(bytes, "wtns", 2);
});
afterAll(endSnarkjs);

const outcome = (damaged: Uint8Array, nVars = WIRES) => outcomeOf(() => parseWtns(damaged, nVars));

describe("worker / wtns", () => {
  it("reads back what it wrote, as a view", () => {
    const values = parseWtns(bytes, WIRES);
    expect(values).toEqual(witness);
    expect(values.buffer).toBe(bytes.buffer);
  });

  it("reads a file that snarkjs wrote, and writes the same bytes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wtns-"));
    try {
      const path = join(folder, "witness.wtns");
      await snarkjs.wtns.calculate(smallInputs(), fixture.wasm, path);
      const theirs = new Uint8Array(await readFile(path));
      expect(parseWtns(theirs, WIRES)).toEqual(witness);
      expect(bytes).toEqual(theirs);
      const ours = join(folder, "ours.wtns");
      await writeFile(ours, bytes);
      expect(await snarkjs.wtns.exportJson(ours)).toHaveLength(WIRES);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("refuses a file that is cut off anywhere, or empty", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(outcome(bytes.subarray(0, length)), `${length} bytes`).toBe("WITNESS_MALFORMED");
    }
  });

  it("refuses values that are missing, short, or more than the header says", () => {
    const damages = {
      "no header": file.with(HEADER, () => undefined),
      "empty header": file.with(HEADER, () => new Uint8Array(0)),
      "short header": file.with(HEADER, (section) => section.subarray(0, 39)),
      "no values": file.with(VALUES, () => undefined),
      "no value": file.with(VALUES, () => new Uint8Array(0)),
      "half the values": file.with(VALUES, (section) => section.subarray(0, 32 * 15)),
      "half a value": file.with(VALUES, (section) => section.subarray(0, -16)),
      "one more": file.with(VALUES, (section) => Buffer.concat([section, new Uint8Array(32)])),
      "count + 1": file.withWord(HEADER, 36, WIRES + 1),
      "count 2^32 - 1": file.withWord(HEADER, 36, 0xffff_ffff),
    };
    for (const [name, damaged] of Object.entries(damages)) {
      expect(outcome(damaged), name).toBe("WITNESS_MALFORMED");
    }
  });

  it("refuses another field and other sizes of values", () => {
    expect(outcome(file.withWord(HEADER, 0, 48))).toBe("WITNESS_MALFORMED");
    expect(outcome(file.withBytes(HEADER, 4, toBytesLE(SCALAR_FIELD + 2n)))).toBe(
      "WITNESS_MALFORMED",
    );
  });

  it("refuses a value that is not below r, and a first value other than one", () => {
    for (const value of [SCALAR_FIELD, SCALAR_FIELD + 1n, 2n ** 256n - 1n]) {
      for (const wire of [1, 15, WIRES - 1]) {
        const damaged = file.withBytes(VALUES, 32 * wire, toBytesLE(value));
        expect(outcome(damaged), `${value} in wire ${wire}`).toBe("WITNESS_MALFORMED");
      }
    }
    expect(outcome(file.withBytes(VALUES, 32, toBytesLE(SCALAR_FIELD - 1n)))).toBe("accepted");
    expect(outcome(file.withBytes(VALUES, 0, toBytesLE(2n)))).toBe("WITNESS_MALFORMED");
    expect(outcome(file.withBytes(VALUES, 0, toBytesLE(0n)))).toBe("WITNESS_MALFORMED");
  });

  it("refuses the witness of another circuit", () => {
    expect(outcome(bytes, WIRES + 1)).toBe("WITNESS_MALFORMED");
    expect(outcome(bytes, WIRES - 1)).toBe("WITNESS_MALFORMED");
  });
});
