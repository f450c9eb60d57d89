import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { unsigned } from "../../../worker/kernels/leb128.ts";
import { ProgramBinary } from "../../../worker/witness/binary.ts";
import { ByteReader, signed32 } from "../../../worker/witness/bytes.ts";
import { Code, CodeEditor, OP } from "../../../worker/witness/code.ts";
import { compiled, untouched } from "./programs.ts";

let wasm: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  wasm = await compiled(`template T() { signal input a; signal output b; b <== a * a + 3; }
    component main = T();`);
});

describe("worker / numbers of variable length", () => {
  it("are read as they are written", () => {
    const edges = [0, 1, 63, 64, 127, 128, 2 ** 31 - 1, -1, -64, -65, -(2 ** 31)];
    const check = (value: number) => {
      expect(new ByteReader(Uint8Array.from(signed32(value))).s32()).toBe(value);
      expect(new ByteReader(Uint8Array.from(unsigned(value >>> 0))).u32()).toBe(value >>> 0);
    };
    edges.forEach(check);
    fc.assert(fc.property(fc.integer(), check));
    expect(signed32(64)).toEqual([0xc0, 0x00]);
    expect(signed32(-65)).toEqual([0xbf, 0x7f]);
  });

  it("are refused when they do not end or are too large", () => {
    for (const bytes of [
      [],
      [0x80],
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
      [0xff, 0xff, 0xff, 0xff, 0x1f],
    ]) {
      expect(() => new ByteReader(Uint8Array.from(bytes)).u32()).toThrow(RangeError);
    }
  });
});

describe("worker / the binary of a witness program", () => {
  it("is the same program when it is put together again", () => {
    const again = new ProgramBinary(wasm).encode();
    const inputs = { a: 5 };
    const witness = untouched(new WebAssembly.Module(again), inputs);
    expect(witness).toEqual(untouched(new WebAssembly.Module(wasm), inputs));
    expect(new ProgramBinary(again).encode()).toEqual(again);
  });

  it("takes another body, a new function, an export and a variable", () => {
    const binary = new ProgramBinary(wasm);
    const signature = { parameters: ["i32"], results: ["i32"] } as const;
    const global = binary.addGlobal(-5);
    // No locals; parameter 0 times the variable.
    const body = Uint8Array.of(0, OP.localGet, 0, 0x23, global, OP.i32Mul, OP.end);
    const index = binary.addFunction(signature, body);
    binary.addExport("scaled", index);
    // The size of the witness becomes that of ten more wires.
    const size = binary.indexOf("getWitnessSize");
    binary.replaceBody(size, Uint8Array.of(0, OP.i32Const, ...signed32(1000), OP.end));
    expect(binary.hasSignature(index, signature)).toBe(true);
    expect(binary.hasSignature(size, signature)).toBe(false);
    const runtime = new Proxy({}, { get: () => () => {} });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary.encode()), {
      runtime,
    }) as unknown as { exports: Record<string, (value?: number) => number> };
    expect(exports.scaled?.(7)).toBe(-35);
    expect(exports.getWitnessSize?.()).toBe(1000);
  });

  it("is refused when it is cut off anywhere", () => {
    for (let length = 0; length < wasm.length; length += 1 + (length >> 4)) {
      expect(() => new ProgramBinary(wasm.subarray(0, length)), `${length}`).toThrow(RangeError);
    }
  });
});

describe("worker / the code of a function", () => {
  const code = () =>
    new Code(
      Uint8Array.from([
        ...[1, 2, 0x7f], // one group of locals: two of type i32
        ...[OP.i32Const, ...signed32(300), OP.localGet, 1, OP.i32Add, OP.localSet, 1],
        ...[OP.i32Const, 5, OP.localGet, 0, OP.i32Add, OP.localSet, 1, OP.end],
      ]),
    );
  const addTo = [
    [OP.i32Const, "constant"],
    [OP.localGet, "local"],
    [OP.i32Add],
    [OP.localSet, "local"],
  ] as const;

  it("is found by a pattern whose names stand for one thing each", () => {
    expect(code()).toHaveLength(9);
    expect(code().match(0, addTo)).toEqual({ constant: 300, local: 1 });
    expect(code().match(4, addTo)).toBeUndefined();
    expect(code().match(4, [[OP.i32Const, 5], ...addTo.slice(1, 3)])).toEqual({ local: 0 });
    expect(code().match(0, [[OP.i32Const, 5]])).toBeUndefined();
    expect(code().match(8, addTo)).toBeUndefined();
  });

  it("is replaced and added to in order", () => {
    const editor = new CodeEditor(code());
    expect(editor.finish()).toBeUndefined();
    editor.replace(0, 1, [OP.i32Const, 7]);
    editor.replace(4, 0, [0x01]);
    expect([...(editor.finish() as Uint8Array)]).toEqual([
      ...[1, 2, 0x7f, OP.i32Const, 7, OP.localGet, 1, OP.i32Add, OP.localSet, 1],
      ...[0x01, OP.i32Const, 5, OP.localGet, 0, OP.i32Add, OP.localSet, 1, OP.end],
    ]);
  });

  it("is refused when it has an instruction that circom does not write", () => {
    expect(() => new Code(Uint8Array.of(0, 0x43, 0, 0, 0, 0, OP.end))).toThrow(RangeError);
  });
});
