import { randomInt } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { invert, mod, readLE, SCALAR_FIELD, writeLE } from "../../../worker/field.ts";
import { ProgramBinary } from "../../../worker/witness/binary.ts";
import {
  hasKnownLibrary,
  replaceLibrary,
  reserveScratch,
} from "../../../worker/witness/circom-library.ts";
import { compiled, SILENT } from "./programs.ts";

/** Set PROOFMILL_TEST_SEED to repeat a run. */
const seed = Number(process.env.PROOFMILL_TEST_SEED ?? randomInt(2 ** 31));

const FORMS = {
  short: 0,
  shortMontgomery: 0x4000_0000,
  long: 0x8000_0000,
  longMontgomery: 0xc000_0000,
};
type Form = keyof typeof FORMS;
const R = SCALAR_FIELD;
const RADIX = 2n ** 256n % R;
/** Far behind what the program itself uses. */
const PLACE = { result: 2 ** 19, a: 2 ** 19 + 64, b: 2 ** 19 + 128 } as const;

/** The library inside a program, called from outside. */
class Library {
  readonly #functions: Record<string, (...args: number[]) => number | undefined>;
  readonly #memory: WebAssembly.Memory;

  constructor(binary: ProgramBinary) {
    for (const [name, index] of binary.functionIndex) {
      if (name.startsWith("Fr_")) binary.addExport(name, index);
    }
    binary.memoryPages = Math.max(binary.memoryPages, 16);
    const module = new WebAssembly.Module(binary.encode());
    const { exports } = new WebAssembly.Instance(module, { runtime: SILENT });
    this.#functions = exports as never;
    this.#memory = exports.memory as WebAssembly.Memory;
  }

  write(address: number, value: bigint, form: Form): void {
    const bytes = new Uint8Array(this.#memory.buffer);
    const view = new DataView(bytes.buffer);
    bytes.fill(0, address, address + 40);
    const isShort = form.startsWith("short");
    if (isShort) view.setInt32(address, Number(value), true);
    view.setUint32(address + 4, FORMS[form], true);
    const long = form.endsWith("Montgomery") ? mod(value * RADIX, R) : isShort ? 0n : mod(value, R);
    writeLE(bytes, address + 8, long);
  }

  /** The value as an integer in [0, r), and whether it is kept as a short one. */
  read(address: number): { value: bigint; isShort: boolean } {
    const bytes = new Uint8Array(this.#memory.buffer);
    const view = new DataView(bytes.buffer);
    const tag = view.getUint32(address + 4, true);
    const isShort = tag < FORMS.long;
    if (isShort) return { value: mod(BigInt(view.getInt32(address, true)), R), isShort };
    const long = readLE(bytes, address + 8);
    if (long >= R) throw new Error(`${long} is not canonical`);
    return { value: tag === FORMS.long ? long : mod(long * INVERSE_RADIX, R), isShort };
  }

  /** What a function answers or traps with. */
  call(name: string, ...args: number[]): number | "trap" | undefined {
    try {
      return this.#functions[name]?.(...args);
    } catch {
      return "trap";
    }
  }
}

const INVERSE_RADIX = invert(RADIX, R);

const BINARY = [
  ...["add", "sub", "mul", "div", "idiv", "mod", "pow", "shl", "shr", "band", "bor", "bxor"],
  ...["eq", "neq", "lt", "gt", "leq", "geq", "land", "lor"],
].map((name) => `Fr_${name}`);
const UNARY = ["Fr_copy", "Fr_neg", "Fr_inv", "Fr_bnot", "Fr_lnot"];
const NUMBER = ["Fr_toInt", "Fr_isTrue"];

let original: Library;
let replaced: Library;
beforeAll(async () => {
  const wasm = await compiled(`template T() { signal input a; signal output b; b <== a; }
    component main = T();`);
  original = new Library(new ProgramBinary(wasm));
  const binary = new ProgramBinary(wasm);
  let next = 2 ** 18;
  const scratch = reserveScratch((byteCount) => {
    next += 256;
    return next - byteCount;
  });
  replaceLibrary(binary, scratch);
  replaced = new Library(binary);
});

/**
 * Where the result and the second operand are. Operands may be one. Only a division multiplies in
 * place; elsewhere circom's results have a place of their own, and the original would stumble.
 */
function placesOf(name: string): (readonly [result: number, other: number])[] {
  const apart = [
    [PLACE.result, PLACE.b],
    [PLACE.result, PLACE.a],
  ] as const;
  const inPlace = [
    [PLACE.a, PLACE.b],
    [PLACE.b, PLACE.b],
    [PLACE.a, PLACE.a],
  ] as const;
  if (name === "Fr_mul") return [...apart, ...inPlace];
  // The original converts x before it has read it as the exponent of x ** x, and is wrong.
  return name === "Fr_pow" ? [apart[0]] : [...apart];
}

/** Small and large, on both sides of each border that the library knows, and some at random. */
function elements(): { value: bigint; form: Form }[] {
  let state = seed | 1;
  const random = () => {
    let value = 0n;
    for (let i = 0; i < 8; i++) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
      value = (value << 32n) | BigInt(state >>> 0);
    }
    return value % R;
  };
  const short = [
    0n,
    1n,
    2n,
    31n,
    63n,
    64n,
    253n,
    254n,
    255n,
    2n ** 31n - 1n,
    -1n,
    -2n,
    -(2n ** 31n),
  ];
  const long = [
    2n ** 31n,
    2n ** 32n,
    2n ** 64n - 1n,
    2n ** 128n,
    R / 2n,
    R / 2n + 1n,
    R - 2n ** 31n - 1n,
  ];
  return [
    ...short.flatMap((value) => Object.keys(FORMS).map((form) => ({ value, form: form as Form }))),
    ...[...long, random(), random()].flatMap((value) =>
      (["long", "longMontgomery"] as const).map((form) => ({ value, form })),
    ),
  ];
}

describe("worker / the field library of witness programs", () => {
  it("is circom's own, and is not taken for it when a byte differs", async () => {
    const wasm = await compiled("template T() { signal input a; } component main = T();");
    expect(hasKnownLibrary(new ProgramBinary(wasm))).toBe(true);
    for (const name of ["Fr_mul", "Fr_int_gt", "reserveStackFr"]) {
      const binary = new ProgramBinary(wasm);
      const body = binary.body(binary.indexOf(name)).slice();
      body[body.length - 3] = (body[body.length - 3] as number) ^ 1;
      binary.replaceBody(binary.indexOf(name), body);
      expect(hasKnownLibrary(binary), name).toBe(false);
    }
  });

  it.each(BINARY)("answers as the original does: %s", (name) => {
    const all = elements();
    for (const a of all) {
      for (const b of all) {
        for (const [result, other] of placesOf(name)) {
          const [before, after] = [original, replaced].map((library) => {
            library.write(PLACE.a, a.value, a.form);
            library.write(PLACE.b, b.value, b.form);
            const answer = library.call(name, result, PLACE.a, other);
            return answer === "trap" ? answer : library.read(result).value;
          });
          if (after !== before) {
            expect({ name, a, b, result, other, after }).toEqual({ after: before, seed });
          }
        }
        const kept = [PLACE.a, PLACE.b].map((place) => replaced.read(place).value);
        const isKept = kept[0] === mod(a.value, R) && kept[1] === mod(b.value, R);
        if (!isKept && name !== "Fr_mul") expect({ name, a, b, seed }).toBe("unchanged");
      }
    }
  });

  it.each([...UNARY, ...NUMBER])("answers as the original does: %s", (name) => {
    for (const a of elements()) {
      const [before, after] = [original, replaced].map((library) => {
        library.write(PLACE.a, a.value, a.form);
        if (NUMBER.includes(name)) return library.call(name, PLACE.a);
        const answer = library.call(name, PLACE.result, PLACE.a);
        return answer === "trap" ? answer : library.read(PLACE.result).value;
      });
      expect({ a, after }).toEqual({ a, after: before });
    }
  });

  it("raises a short variable to itself, which the original gets wrong", () => {
    const selfPower = (library: Library) => {
      library.write(PLACE.a, 3n, "short");
      library.call("Fr_pow", PLACE.result, PLACE.a, PLACE.a);
      return library.read(PLACE.result).value;
    };
    expect(selfPower(replaced)).toBe(27n);
    expect(selfPower(original)).not.toBe(27n);
  });

  it("leaves short operands short, which the original does not", () => {
    const spoilt = new Set<string>();
    for (const name of BINARY) {
      for (const [library, isReplaced] of [
        [original, false],
        [replaced, true],
      ] as const) {
        library.write(PLACE.a, R / 3n, "longMontgomery");
        library.write(PLACE.b, 5n, "short");
        library.call(name, PLACE.result, PLACE.a, PLACE.b);
        if (library.read(PLACE.b).isShort) continue;
        if (isReplaced) throw new Error(`${name} made its operand long`);
        spoilt.add(name);
      }
    }
    expect([...spoilt]).toEqual(expect.arrayContaining(["Fr_eq", "Fr_lt", "Fr_band", "Fr_div"]));
  });
});
