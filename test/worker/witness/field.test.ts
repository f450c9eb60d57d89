import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { invert, mod, readLE, SCALAR_FIELD, writeLE } from "../../../worker/field.ts";
import { ModuleWriter } from "../../../worker/kernels/emitter.ts";
import { i32 } from "../../../worker/kernels/instructions.ts";
import { add, copy, multiply, reduce, square, subtract } from "../../../worker/witness/field.ts";
import { INVERSION_SCRATCH_BYTES, invertModulo } from "../../../worker/witness/inverse.ts";

const R = SCALAR_FIELD;
const INVERSE_RADIX = invert(2n ** 256n % R, R);
const PLACE = { x: 64, y: 128, z: 192, scratch: 1024 } as const;

type Kernels = Record<"multiply" | "add" | "subtract", (x: number, y: number, z: number) => void> &
  Record<"square" | "reduce" | "invert" | "copy", (x: number, z: number) => void>;

const pages = { initial: 1, maximum: 1, shared: true };
const memory = new WebAssembly.Memory(pages);
const bytes = new Uint8Array(memory.buffer);
const kernels = instantiate();

function instantiate(): Kernels {
  const module = new ModuleWriter();
  for (const [name, write] of Object.entries({ multiply, add, subtract })) {
    module.define(name, ["i32", "i32", "i32"], [], (f, x, y, z) => write(f, x, y, z));
  }
  for (const [name, write] of Object.entries({ square, reduce })) {
    module.define(name, ["i32", "i32"], [], (f, x, z) => write(f, x, z));
  }
  module.define("invert", ["i32", "i32"], [], (f, x, z) => invertModulo(f, x, z, PLACE.scratch));
  module.define("copy", ["i32", "i32"], [], (f, from, to) =>
    copy(f, to, i32.add(from, i32.const(0))),
  );
  const binary = module.bytes({ minimumPages: pages.initial, maximumPages: pages.maximum });
  const imports = { env: { memory } };
  return new WebAssembly.Instance(new WebAssembly.Module(binary), imports).exports as Kernels;
}

/** Around every border of a limb or a word, and around the modulus. */
const EDGES = [
  ...[0n, 1n, 2n, R - 1n, R - 2n, R / 2n, R / 2n + 1n, 2n ** 253n],
  ...[29n, 30n, 58n, 64n, 128n, 192n, 224n, 232n, 240n].flatMap((bits) => [
    2n ** bits - 1n,
    2n ** bits,
    R - 2n ** bits,
  ]),
  // The highest words equal those of r, the lowest do not.
  R - 2n ** 32n,
  (R >> 192n) << 192n,
];
const element = () => fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: R - 1n }));

const result = () => readLE(bytes, PLACE.z);

describe("worker / field kernels of witness programs", () => {
  const twins = {
    multiply: (x: bigint, y: bigint) => mod(x * y * INVERSE_RADIX, R),
    add: (x: bigint, y: bigint) => mod(x + y, R),
    subtract: (x: bigint, y: bigint) => mod(x - y, R),
  };
  it.each(["multiply", "add", "subtract"] as const)(
    "%s equals its twin on two elements",
    (name) => {
      const check = (x: bigint, y: bigint) => {
        for (const [from, to] of [
          [PLACE.y, PLACE.z],
          [PLACE.y, PLACE.x],
        ] as const) {
          writeLE(bytes, PLACE.x, x);
          writeLE(bytes, PLACE.y, y);
          kernels[name](PLACE.x, from, to);
          expect(readLE(bytes, to)).toBe(twins[name](x, y));
        }
      };
      for (const x of EDGES) for (const y of EDGES) check(x, y);
      fc.assert(fc.property(element(), element(), check), { numRuns: 1000 });
    },
  );

  it("squares, and divides by 2^256, as the products by itself and by 1 do", () => {
    const check = (x: bigint) => {
      writeLE(bytes, PLACE.x, x);
      kernels.square(PLACE.x, PLACE.z);
      expect(result()).toBe(twins.multiply(x, x));
      kernels.reduce(PLACE.x, PLACE.z);
      expect(result()).toBe(twins.multiply(x, 1n));
    };
    for (const x of EDGES) check(x);
    fc.assert(fc.property(element(), check), { numRuns: 1000 });
  });

  it("inverts as its twin does, and 0 to 0, also in place", () => {
    const check = (x: bigint) => {
      const expected = x === 0n ? 0n : invert(x, R);
      writeLE(bytes, PLACE.x, x);
      kernels.invert(PLACE.x, PLACE.z);
      expect(result()).toBe(expected);
      kernels.invert(PLACE.x, PLACE.x);
      expect(readLE(bytes, PLACE.x)).toBe(expected);
    };
    for (const x of EDGES) check(x);
    fc.assert(fc.property(element(), check), { numRuns: 2000 });
  });

  it("works on no other memory than results and scratch", () => {
    for (const name of ["multiply", "add", "subtract"] as const) {
      bytes.fill(0xa5);
      writeLE(bytes, PLACE.x, R - 1n);
      writeLE(bytes, PLACE.y, R - 2n);
      kernels[name](PLACE.x, PLACE.y, PLACE.z);
      expect(others(0)).toBe(true);
    }
    for (const name of ["square", "reduce", "invert"] as const) {
      bytes.fill(0xa5);
      writeLE(bytes, PLACE.x, R - 1n);
      kernels[name](PLACE.x, PLACE.z);
      expect(others(name === "invert" ? INVERSION_SCRATCH_BYTES : 0)).toBe(true);
    }
  });

  it("copies the 40 bytes of an element", () => {
    bytes.fill(0);
    for (let i = 0; i < 40; i++) bytes[PLACE.x + i] = i + 1;
    kernels.copy(PLACE.x, PLACE.z);
    expect([...bytes.subarray(PLACE.z, PLACE.z + 48)]).toEqual([
      ...Array.from({ length: 40 }, (_, i) => i + 1),
      ...Array(8).fill(0),
    ]);
  });
});

/** Whether all but operands, result and so much scratch is as it was. */
function others(scratchBytes: number): boolean {
  return bytes.every((byte, at) => {
    const isPlace = [PLACE.x, PLACE.y, PLACE.z].some((place) => at >= place && at < place + 32);
    const isScratch = at >= PLACE.scratch && at < PLACE.scratch + scratchBytes;
    return isPlace || isScratch || byte === 0xa5;
  });
}
