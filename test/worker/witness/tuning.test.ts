import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { buildBatch, executeBatch } from "../../../circuits/batch.ts";
import { circuitParameters } from "../../../circuits/parameters.ts";
import { SCALAR_FIELD, toBytesLE } from "../../../worker/field.ts";
import { ProgramBinary } from "../../../worker/witness/binary.ts";
import { prepareProgram } from "../../../worker/witness/tuning.ts";
import { type CircuitInputs, WitnessProgram } from "../../../worker/witness.ts";
import { randomBatch } from "../../circuits/random-batch.ts";
import { batchProgram, compiled, SILENT, untouched, watchMemories } from "./programs.ts";

const R = SCALAR_FIELD;

/** Every operator of circom in a hint, on two inputs. */
const OPERATORS = `
template Operators() {
  signal input a;
  signal input b;
  signal output out[28];
  out[0] <-- a + b;
  out[1] <-- a - b;
  out[2] <-- a * b;
  out[3] <-- b != 0 ? a / b : 7;
  out[4] <-- b != 0 ? a \\ b : 8;
  out[5] <-- b != 0 ? a % b : 9;
  out[6] <-- a ** (b & 31);
  out[7] <-- a << (b & 255);
  out[8] <-- a >> (b & 255);
  out[9] <-- a & b;
  out[10] <-- a | b;
  out[11] <-- a ^ b;
  out[12] <-- ~a;
  out[13] <-- -a;
  out[14] <-- a < b;
  out[15] <-- a > b;
  out[16] <-- a <= b;
  out[17] <-- a >= b;
  out[18] <-- a == b;
  out[19] <-- a != b;
  out[20] <-- (a > 5) && (b > 5);
  out[21] <-- (a > 5) || (b > 5);
  out[22] <-- !(a > b);
  out[23] <-- (a >> 3) & 1;
  out[24] <-- (a >> 200) & 1;
  out[25] <-- (a + 1) * (b - 1) - a * 3;
  out[26] <-- 1 << (b & 15);
  out[27] <-- (a * a) * (a * a) + b;
}
component main = Operators();`;

/** Functions of all kinds, constant arrays, and parameters that are arrays. */
const FUNCTIONS = `
function table() {
  var t[20];
  var x = 3;
  for (var i = 0; i < 20; i++) { x = x * x + i; t[i] = x; }
  return t;
}
function power(base, n) {
  var y = 1;
  for (var i = 0; i < n; i++) y = y * base;
  return y;
}
function nested() { return power(2, 5) + power(3, 4) * power(2, 5); }
function weighted(w, x) {
  var sum = 0;
  for (var i = 0; i < 6; i++) sum += w[i] * (x + i);
  return sum;
}
function matrix(n) {
  var m[2][2];
  if (n == 2) { m = [[1, 2], [3, 4]]; }
  else { m = [[5, 6], [7, 1234567890123456789012345678901234567890]]; }
  return m;
}
template Weighted(n, w) {
  signal input in;
  signal output out;
  var copy[n] = w;
  var sum = 0;
  for (var i = 0; i < n; i++) { copy[i] += 1; sum += (copy[i] - w[i]) * w[i] * (in + i); }
  out <== sum;
}
template Functions() {
  signal input a;
  signal input b;
  signal output out[9];
  var t[20] = table();
  var again[20] = table();
  t[3] = t[3] + 1;
  var w[6] = [1, 22, 333, 4444, 5555555555555, 66666666666666666666666666666666666666];
  var ones[6] = [1, 1, 1, 1, 1, 1];
  out[0] <-- t[a & 15] + again[b & 15] + a;
  out[1] <-- nested() + a;
  out[2] <-- weighted(w, a) + weighted(ones, b);
  out[3] <-- power(a, 700) + power(3, b & 15);
  var m[2][2] = matrix(2);
  var o[2][2] = matrix(3);
  // An index that the compiler does not know: it would put in the values otherwise.
  out[4] <-- m[a & 1][0] * o[1][b & 1] + m[1][0] * a;
  component x = Weighted(6, w);
  x.in <== a;
  out[5] <== x.out;
  component y[3];
  for (var i = 0; i < 3; i++) {
    var v[6] = [1, 2, 3, 4, 5, 6];
    v[0] = i;
    y[i] = Weighted(6, v);
    y[i].in <== b + i;
  }
  out[6] <== y[0].out + y[1].out * 2 + y[2].out * 3;
  var sum = 0;
  for (var i = 0; i < 20; i++) { var late[20] = table(); sum += late[i] * i - again[(i + a) & 15]; }
  out[7] <-- sum + b;
  out[8] <-- power(2, 4) + power(2, 4) * power(b, 2);
  assert(a != 5);
  b * (b - 1) * 0 === 0;
  signal product <== a * b;
  product === product + 0;
  assert(product != 42);
}
component main = Functions();`;

afterEach(() => vi.restoreAllMocks());

/** Small, large, and at every border between them. */
const value = () =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: 40n }),
    fc.bigInt({ min: 0n, max: R - 1n }),
    fc.constantFrom(...[31n, 32n, 64n, 253n].flatMap((n) => [2n ** n - 1n, 2n ** n])),
    fc.bigInt({ min: 1n, max: 40n }).map((n) => R - n),
    fc.constantFrom(R / 2n, R / 2n + 1n, R - 2n ** 31n, R - 2n ** 31n - 1n),
  );

/** A witness, or the code of the failure. */
function outcome(program: WitnessProgram, inputs: CircuitInputs): string {
  try {
    return Buffer.from(program.calculate(inputs)).toString("hex");
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function expected(module: WebAssembly.Module, inputs: CircuitInputs): string {
  const witness = untouched(module, inputs);
  return witness instanceof Uint8Array
    ? Buffer.from(witness).toString("hex")
    : ({ 4: "WITNESS_UNSATISFIABLE" }[witness.exception] ?? `exception ${witness.exception}`);
}

let functions: Uint8Array<ArrayBuffer>;
let operators: Uint8Array<ArrayBuffer>;
let batch: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  [functions, operators] = [await compiled(FUNCTIONS), await compiled(OPERATORS)];
  batch = await batchProgram(tiny);
});

const tiny = circuitParameters("batch-tiny");

/** Inputs of a random batch; every third is spoilt, in one of its values. */
const batchInputs = () =>
  fc
    .tuple(
      randomBatch(tiny),
      fc.integer({ min: 0, max: 2 }),
      fc.constantFrom("newRoot", "z", "feeIndex"),
    )
    .map(([{ before, request }, luck, spoilt]): CircuitInputs => {
      const { inputs } = executeBatch(tiny, buildBatch(tiny, before, request));
      const values = inputs as unknown as Record<string, bigint>;
      return luck === 0 ? { ...values, [spoilt]: ((values[spoilt] as bigint) + 1n) % R } : values;
    });

describe("worker / tuned witness programs", () => {
  it.each(["operators", "functions"])("compute what circom's program does: %s", (name) => {
    const wasm = name === "operators" ? operators : functions;
    const program = new WitnessProgram(wasm);
    expect(program.kind).toBe("tuned");
    const module = new WebAssembly.Module(wasm);
    // One program for all, good and bad inputs in any order: nothing goes over from one to the next.
    const check = (a: bigint, b: bigint) => {
      expect(outcome(program, { a, b })).toBe(expected(module, { a, b }));
    };
    fc.assert(fc.property(value(), value(), check), { numRuns: 400 });
    check(6n, 7n);
    check(5n, 1n);
  });

  it("compute what circom's program does: batches, some of them false", () => {
    const program = new WitnessProgram(batch);
    expect(program.kind).toBe("tuned");
    const module = new WebAssembly.Module(batch);
    const check = (inputs: CircuitInputs) => {
      expect(outcome(program, inputs)).toBe(expected(module, inputs));
    };
    fc.assert(fc.property(batchInputs(), check), { numRuns: 15 });
  });

  it("leave nothing of a run in their memory, which does not grow", () => {
    const { wasm, memory: layout } = prepareProgram(functions);
    const { scratchEnd, stackStart } = layout as NonNullable<typeof layout>;
    const memories = watchMemories(vi.spyOn);
    const program = new WitnessProgram(functions);
    program.checkInputs({ a: 1, b: 1 });
    new WebAssembly.Instance(new WebAssembly.Module(wasm), { runtime: SILENT });
    const [used, fresh] = memories.map(({ buffer }) => Buffer.from(buffer)) as [Buffer, Buffer];
    const tables = () => used.subarray(scratchEnd, stackStart);
    const tablesBefore = Buffer.from(tables());
    let tablesAfter: Buffer | undefined;
    const check = (a: bigint, b: bigint) => {
      outcome(program, { a, b });
      expect(memories[0]?.buffer.byteLength).toBe(fresh.length);
      expect(used.subarray(0, scratchEnd).equals(fresh.subarray(0, scratchEnd))).toBe(true);
      expect(used.subarray(stackStart).equals(fresh.subarray(stackStart))).toBe(true);
      // What it keeps is of the circuit, the same after the first run as after any other.
      tablesAfter ??= Buffer.from(tables());
      expect(tables().equals(tablesAfter)).toBe(true);
    };
    check(77n, 78n);
    expect(tables().equals(tablesBefore)).toBe(false);
    fc.assert(fc.property(value(), value(), check), { numRuns: 50 });
    check(5n, 1n);
  });

  it("leave no secret behind, however a run ends", () => {
    const memories = watchMemories(vi.spyOn);
    const program = new WitnessProgram(functions);
    const marker = BigInt(`0x${"c0ffee".repeat(10)}`);
    const forms = [marker, (marker * 2n ** 256n) % R].map((form) =>
      toBytesLE(form).subarray(0, 24),
    );
    const isFound = () =>
      memories.some(({ buffer }) => forms.some((form) => Buffer.from(buffer).includes(form)));
    let wasSeen = false;
    const runs: (() => unknown)[] = [
      () => program.calculate({ a: marker, b: 3 }),
      () => program.calculate({ a: 5, b: marker }),
      () =>
        program.calculate({ a: marker, b: 31 }, () => {
          wasSeen ||= isFound();
          throw new Error("stop");
        }),
    ];
    for (const run of runs) {
      expect(isFound()).toBe(false);
      try {
        run();
      } catch {}
      expect(isFound()).toBe(false);
    }
    // The search finds it while it is there.
    expect(wasSeen).toBe(true);
    expect(memories).toHaveLength(1);
  });

  it("keep no results of functions whose arguments are secret", () => {
    const source = (argument: string) => `
      function powers(base) {
        var y[4] = [1, base, 0, 0];
        for (var i = 2; i < 4; i++) y[i] = y[i - 1] * base;
        return y;
      }
      template T() { signal input a; signal output b; var y[4] = powers(${argument}); b <-- y[3] + a; }
      component main = T();`;
    return Promise.all(
      [
        ["a", false],
        ["4", true],
      ].map(async ([argument, isKept]) => {
        const wasm = await compiled(source(argument as string));
        const { memory } = prepareProgram(wasm);
        const { scratchEnd, stackStart } = memory as NonNullable<typeof memory>;
        // The result of four elements, besides a table of the constants in the function.
        expect(stackStart - scratchEnd > 4 * 40 + 16).toBe(isKept);
      }),
    );
  });

  it("go on after a run that needed more memory than there is", async () => {
    const wasm = await compiled(`
      function deep(n) { var x[200]; if (n == 0) { return 1; } return deep(n - 1) + x[0] + 1; }
      template T() { signal input n; signal output y; y <-- deep(n); }
      component main = T();`);
    const program = new WitnessProgram(wasm);
    const good = outcome(program, { n: 5 });
    expect(outcome(program, { n: 2 ** 31 - 1 })).toMatch(/^(BUG|ENGINE_UNAVAILABLE)$/);
    expect(outcome(program, { n: 5 })).toBe(good);
  });
});

describe("worker / witness programs that are not circom's to the byte", () => {
  /** Another library: one instruction more, which does nothing. */
  const otherLibrary = (): Uint8Array<ArrayBuffer> => {
    const binary = new ProgramBinary(functions);
    const index = binary.indexOf("Fr_lnot");
    const body = binary.body(index);
    const [end, nop] = [body.length - 1, 0x01];
    binary.replaceBody(index, Uint8Array.from([...body.subarray(0, end), nop, 0x0b]));
    return binary.encode();
  };
  /** Another shape: a section that circom does not write. */
  const otherShape = (): Uint8Array<ArrayBuffer> => {
    const binary = new ProgramBinary(functions);
    binary.addGlobal(0);
    return binary.encode();
  };

  it("compute the same, a fresh instance each time", () => {
    const module = new WebAssembly.Module(functions);
    for (const [wasm, kind] of [
      [otherLibrary(), "interruptible"],
      [otherShape(), "plain"],
    ] as const) {
      const program = new WitnessProgram(wasm);
      expect(program.kind).toBe(kind);
      for (const a of [77n, 5n, R - 1n, 78n]) {
        expect(outcome(program, { a, b: 6 })).toBe(expected(module, { a, b: 6 }));
      }
    }
  });

  it("leave a memory of zeros, however a run ends", () => {
    const memories = watchMemories(vi.spyOn);
    for (const wasm of [otherLibrary(), otherShape()]) {
      const program = new WitnessProgram(wasm);
      const runs = [
        () => outcome(program, { a: 77, b: 6 }),
        () => outcome(program, { a: 5, b: 6 }),
      ];
      // The first instance is for sizes.
      program.checkInputs({ a: 1, b: 1 });
      for (const run of runs) {
        run();
        const bytes = Buffer.from(memories.at(-1)?.buffer as ArrayBuffer);
        expect(bytes.equals(Buffer.alloc(bytes.length))).toBe(true);
      }
    }
    expect(memories).toHaveLength(6);
  });

  it("can be stopped if they are understood", () => {
    const stop = () => {
      throw new Error("stop");
    };
    const interruptible = new WitnessProgram(otherLibrary());
    expect(outcome(interruptible, { a: 1, b: 2 })).toMatch(/^[0-9a-f]+$/);
    expect(() => interruptible.calculate({ a: 1, b: 2 }, stop)).toThrow("stop");
    const plain = new WitnessProgram(otherShape());
    expect(plain.calculate({ a: 1, b: 2 }, stop)).toHaveLength(32 * 11);
  });

  it("are prepared without an error whatever is in them", () => {
    const mutated = (at: number, byte: number, length: number) => {
      const bytes = functions.slice(0, Math.max(8, functions.length - length));
      bytes[at % bytes.length] = byte;
      expect(prepareProgram(bytes).kind).toMatch(/^(tuned|interruptible|plain)$/);
    };
    const byte = fc.integer({ min: 0, max: 255 });
    // Half of them near the front, where the sections' counts and types are.
    const at = fc.oneof(fc.nat(600), fc.nat(functions.length));
    const length = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(functions.length));
    fc.assert(fc.property(at, byte, length, mutated), { numRuns: 300 });
  });
});
