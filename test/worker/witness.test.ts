import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readLE, SCALAR_FIELD } from "../../worker/field.ts";
import { ProgramBinary } from "../../worker/witness/binary.ts";
import { signed32 } from "../../worker/witness/bytes.ts";
import { OP } from "../../worker/witness/code.ts";
import { type CircuitInputs, parseInputs, WitnessProgram } from "../../worker/witness.ts";
import {
  jsonBytes,
  longFixture,
  longInputs,
  SMALL_ASSERTION,
  smallFixture,
  smallInputs,
} from "./fixtures.ts";
import { outcomeOf } from "./key-file.ts";

let wasm: Uint8Array<ArrayBuffer>;
let program: WitnessProgram;
beforeAll(async () => {
  wasm = new Uint8Array(await readFile((await smallFixture()).wasm));
  program = new WitnessProgram(wasm);
});
afterEach(() => vi.restoreAllMocks());

const wires = (witness: Uint8Array): bigint[] =>
  Array.from({ length: witness.length / 32 }, (_, i) => readLE(witness, 32 * i));

function failureOf(inputs: unknown): { code: string; message: string; detail: unknown } {
  try {
    program.calculate(inputs as CircuitInputs);
  } catch (error) {
    return error as { code: string; message: string; detail: unknown };
  }
  throw new Error("the inputs were accepted");
}

async function programOverAnotherField(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await mkdtemp(join(tmpdir(), "another-field-"));
  try {
    const template = "template T() { signal input a; signal output b; b <== a; }";
    const source = `pragma circom 2.1.9; ${template} component main = T();`;
    await writeFile(join(folder, "other.circom"), source);
    const circom = fileURLToPath(import.meta.resolve("circom2/cli.js"));
    const args = [circom, "other.circom", "--wasm", "--prime", "bls12381"];
    await promisify(execFile)(process.execPath, args, { cwd: folder });
    return new Uint8Array(await readFile(join(folder, "other_js/other.wasm")));
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("worker / witness program", () => {
  it("computes the constant, the output and the inputs in the circuit's order", () => {
    const values = wires(program.calculate(smallInputs()));
    expect(values).toHaveLength(31);
    expect(values.slice(0, 3)).toEqual([1n, 6480n, 3n]);
  });

  it("takes strings, numbers, bigints and hexadecimal, in nested or flat arrays", () => {
    const expected = program.calculate(smallInputs());
    for (const inputs of [
      {
        factor: 3,
        rows: [
          [1, 2, 3],
          [4n, 5n, "6"],
        ],
        secret: 4660n,
      },
      { factor: "0x3", rows: ["1", "0x02", 3, 4, 5, 6], secret: "0x1234" },
      { secret: 4660, rows: [[[1], [2, 3]], [[4, 5, 6]]], factor: "03" },
    ] as CircuitInputs[]) {
      expect(program.calculate(inputs)).toEqual(expected);
    }
  });

  it("takes the largest element and refuses the next", () => {
    const inputs = (value: bigint) => ({ ...smallInputs(), factor: value });
    expect(wires(program.calculate(inputs(SCALAR_FIELD - 1n)))[2]).toBe(SCALAR_FIELD - 1n);
    for (const value of [SCALAR_FIELD, -1n, 2n ** 256n, 10n ** 100n]) {
      expect(failureOf(inputs(value)).code, String(value)).toBe("INPUT_MALFORMED");
    }
  });

  it("names the signal that is unknown, too short or too long", () => {
    const { factor, rows, secret } = smallInputs();
    for (const [inputs, signal] of [
      [{ factor, rows, secret, nope: "1" }, "nope"],
      [{ factor, rows, secret, constructor: "1" }, "constructor"],
      [{ factor, rows: rows[0], secret }, "rows"],
      [{ factor, rows: [...rows, rows[0]], secret }, "rows"],
      [{ factor: [], rows, secret }, "factor"],
      [{ factor: ["1", "2"], rows, secret }, "factor"],
    ] as const) {
      expect(failureOf(inputs)).toMatchObject({ code: "INPUT_MALFORMED", detail: { signal } });
    }
  });

  it("checks names, counts and ranges without computing, and names the value at fault", () => {
    const { factor, rows, secret } = smallInputs();
    expect(program.inputCount).toBe(8);
    // Breaks a rule of the circuit, which is not looked at.
    program.checkInputs(smallInputs(123_456_789));
    for (const [inputs, path] of [
      [{ factor, rows, secret, nope: "1" }, "nope"],
      [{ factor, rows, secret: [1, 2] }, "secret"],
      [{ factor, rows: [rows[0], [4, "five", 6]], secret }, "rows[1][1]"],
      [{ factor: SCALAR_FIELD, rows, secret }, "factor"],
      // Both encode to U+FFFD: to the program they are one name.
      [{ factor, rows, secret, "\ud800": [], "\ufffd": [] }, '"\ufffd"'],
      [{ ["x".repeat(1_000)]: 1 }, `"${"x".repeat(64)}..."`],
    ] as const) {
      const check = () => program.checkInputs(inputs as CircuitInputs);
      expect(check).toThrow(
        expect.objectContaining({
          code: "INPUT_MALFORMED",
          detail: expect.objectContaining({ path }),
        }),
      );
    }
    expect(() => program.checkInputs({ factor, rows })).toThrow("got 7 values in 2 signals");
  });

  it("counts the values when a signal is missing", () => {
    const { factor, rows } = smallInputs();
    const failure = failureOf({ factor, rows });
    expect(failure.code).toBe("INPUT_MALFORMED");
    expect(failure.message).toContain("got 7 values in 2 signals, the circuit has 8");
  });

  it("refuses what is not a number: objects, fractions, text, nothing, bottomless nesting", () => {
    let deep: unknown = "1";
    for (let i = 0; i < 10_000; i++) deep = [deep];
    const values = [
      {},
      { 0: "1" },
      null,
      undefined,
      true,
      1.5,
      Number.NaN,
      2 ** 53,
      "",
      " 1",
      "1e3",
      "-1",
      "+1",
      "0x",
      "9".repeat(1_000_000),
      "zero",
      deep,
    ];
    for (const [i, value] of values.entries()) {
      const failure = failureOf({ ...smallInputs(), factor: value });
      expect(failure.code, `value ${i}`).toBe("INPUT_MALFORMED");
    }
  });

  it("names template and line of a broken rule, and nothing else", () => {
    const failure = failureOf(smallInputs(123_456_789));
    expect(failure).toMatchObject({ code: "WITNESS_UNSATISFIABLE", detail: SMALL_ASSERTION });
    expect(failure.message).not.toContain("123456789");
  });

  it("is not disturbed by a failure or by the inputs before", () => {
    const expected = program.calculate(smallInputs());
    failureOf(smallInputs(123_456_789));
    failureOf({ factor: "1" });
    program.calculate(smallInputs(1));
    expect(program.calculate(smallInputs())).toEqual(expected);
    expect(failureOf(smallInputs(99_999_999))).toMatchObject({ detail: SMALL_ASSERTION });
  });

  it("prints nothing of what the circuit logs", () => {
    const spies = (["log", "error", "warn", "info"] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => undefined),
    );
    const stdout = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
    program.calculate(smallInputs());
    expect(stdout).not.toHaveBeenCalled();
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });

  it("refuses a program that lacks something or traps when it is asked for its field", () => {
    const lacking = Buffer.from(wasm);
    lacking.write("getWitnesz", lacking.indexOf("getWitness\u0000"));
    const trapping = new ProgramBinary(wasm);
    trapping.replaceBody(trapping.indexOf("getRawPrime"), Uint8Array.of(0, 0, OP.end));
    for (const damaged of [new Uint8Array(lacking), trapping.encode()]) {
      const outcome = outcomeOf(() => new WitnessProgram(damaged).calculate(smallInputs()));
      expect(outcome).toBe("ARTEFACT_MISMATCH");
    }
  });

  it("ends if the program's texts do not", () => {
    const binary = new ProgramBinary(wasm);
    const body = Uint8Array.of(0, OP.i32Const, ...signed32(65), OP.end);
    binary.replaceBody(binary.indexOf("getMessageChar"), body);
    const talkative = new WitnessProgram(binary.encode());
    // The circuit logs its secret and fails.
    for (const secret of [4660, 123_456_789]) {
      expect(outcomeOf(() => talkative.calculate(smallInputs(secret)))).toBe("BUG");
    }
  });

  it("looks in while it computes, and is none the worse when that ends it", async () => {
    const long = new WitnessProgram(new Uint8Array(await readFile((await longFixture()).wasm)));
    let looks = 0;
    const expected = long.calculate(longInputs(3), () => looks++);
    expect(looks).toBeGreaterThan(10);
    const stop = new Error("stop");
    for (const turn of [1, looks]) {
      let left = turn;
      const look = () => {
        left--;
        if (left === 0) throw stop;
      };
      expect(() => long.calculate(longInputs(4), look)).toThrow(stop);
      expect(long.calculate(longInputs(3))).toEqual(expected);
    }
  });

  it("refuses to begin a calculation inside another one", async () => {
    const long = new WitnessProgram(new Uint8Array(await readFile((await longFixture()).wasm)));
    const again = () => long.calculate(longInputs(4));
    expect(() => long.calculate(longInputs(3), again)).toThrow("running already");
    expect(long.calculate(longInputs(3))).toHaveLength(32 * 6003);
  });

  it("goes on after a rest", () => {
    const expected = program.calculate(smallInputs());
    program.rest();
    expect(program.inputCount).toBe(8);
    program.rest();
    expect(program.calculate(smallInputs())).toEqual(expected);
  });

  it("refuses bytes that are not a circom 2 witness program for BN254", async () => {
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    for (const bytes of [new Uint8Array(0), wasm.slice(0, 1000), Uint8Array.of(1, 2, 3), empty]) {
      expect(outcomeOf(() => new WitnessProgram(bytes))).toBe("ARTEFACT_MISMATCH");
    }
    const foreign = new WitnessProgram(await programOverAnotherField());
    expect(outcomeOf(() => foreign.calculate({ a: 1 }))).toBe("ARTEFACT_MISMATCH");
  });
});

describe("worker / input JSON", () => {
  it("reads what JSON.stringify writes", () => {
    expect(parseInputs(jsonBytes(smallInputs()))).toEqual(smallInputs());
  });

  it("refuses what is not a JSON object in UTF-8, without quoting it", () => {
    const texts = [
      "",
      "{",
      '{"secret": 5559990001',
      "[]",
      "7",
      "null",
      '"5559990001"',
      "5559990001x",
    ];
    const bytes = [
      ...texts.map((text) => new TextEncoder().encode(text)),
      Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
    ];
    for (const json of bytes) {
      let message = "";
      expect(
        outcomeOf(() => {
          try {
            parseInputs(json);
          } catch (error) {
            message = (error as Error).message;
            throw error;
          }
        }),
      ).toBe("INPUT_MALFORMED");
      expect(message).not.toContain("555999");
    }
  });
});
