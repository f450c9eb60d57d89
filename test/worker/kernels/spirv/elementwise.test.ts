import { describe, expect, it } from "vitest";
import {
  BASE_FIELD,
  invert,
  mod,
  readLE,
  SCALAR_FIELD,
  writeLE,
} from "../../../../worker/field.ts";
import {
  ELEMENTWISE_GROUP,
  ELEMENTWISE_NAMES,
  type ElementwiseName,
  elementwise,
} from "../../../../worker/kernels/spirv/elementwise.ts";
import { PrimeField } from "../../../../worker/kernels/spirv/field.ts";
import { KernelWriter } from "../../../../worker/kernels/spirv/module.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const R = 1n << 256n;

/** What a kernel does, on numbers that are below p; `out` stood where the result goes. */
type Twin = (a: bigint, b: bigint, p: bigint, out: bigint) => bigint;
const TWINS: Record<ElementwiseName, Twin> = {
  add: (a, b, p) => mod(a + b, p),
  subtract: (a, b, p) => mod(a - b, p),
  negate: (a, _, p) => mod(-a, p),
  multiply: (a, b, p) => mod(a * b * invert(R, p), p),
  square: (a, _, p) => mod(a * a * invert(R, p), p),
  multiplySubtract: (a, b, p, out) => mod(out * a * invert(R, p) - b, p),
  toMontgomery: (a, _, p) => mod(a * R, p),
  fromMontgomery: (a, _, p) => mod(a * invert(R, p), p),
};

/** Numbers at which carries, borrows and reductions turn. */
function edgesOf(p: bigint): bigint[] {
  const limbs = Array.from({ length: 8 }, (_, i) => 1n << BigInt(32 * i));
  const around = limbs.flatMap((x) => [x - 1n, x, x + 1n]);
  const named = [2n, p >> 1n, (p >> 1n) + 1n, R % p, (R - 1n) % p, (R * R) % p, invert(R, p)];
  return [...around, ...named].flatMap((x) => [mod(x, p), mod(-x, p)]);
}

const encoded = (values: readonly bigint[]) => {
  const words = new Uint32Array(8 * values.length);
  values.forEach((value, i) => {
    writeLE(bytesOf(words), 32 * i, value);
  });
  return words;
};

for (const [fieldName, p] of Object.entries({ Fq: BASE_FIELD, Fr: SCALAR_FIELD })) {
  describeOnDevice(`worker / kernels / spirv / elementwise over ${fieldName}`, (device) => {
    it.each(ELEMENTWISE_NAMES)("%s equals its twin on edges and random numbers", async (name) => {
      const edges = edgesOf(p);
      const pairs = edges.flatMap((a) => edges.map((b) => [a, b] as const));
      const seed = `${fieldName} ${name}`;
      const random = randomsBelow(p, 6001, seed);
      for (let i = 0; i + 1 < random.length; i++) {
        pairs.push([random[i] as bigint, random[i + 1] as bigint]);
      }
      // No multiple of the workgroup, so that its last one is not full.
      while (pairs.length % ELEMENTWISE_GROUP !== ELEMENTWISE_GROUP - 1) pairs.pop();
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const before = pairs.map((_, i) => a[(7 * i) % a.length] as bigint);
      const untouched = 3;
      const room = new Uint32Array(8 * (pairs.length + untouched)).fill(0xa5a5_a5a5);
      room.set(encoded(before));
      const code = elementwise(name, p);
      expectValid(code);
      const groups = [Math.ceil(pairs.length / ELEMENTWISE_GROUP), 1, 1] as const;
      const inputs = [encoded(a), encoded(b), room];
      const [, , out] = await runOnce(await device(), code, inputs, [pairs.length], groups);
      const bytes = bytesOf(out as Uint32Array);
      const twin = TWINS[name];
      pairs.forEach(([x, y], i) => {
        const got = readLE(bytes, 32 * i);
        const expected = twin(x, y, p, before[i] as bigint);
        if (got !== expected) {
          expect.fail(`${name}(${x}, ${y}): got ${got}, expected ${expected}; seed ${seed}`);
        }
      });
      expect([...(out as Uint32Array).slice(8 * pairs.length)]).toEqual([
        ...room.slice(8 * pairs.length),
      ]);
    });

    it("reduces any number of 256 bits on its way into and out of Montgomery form", async () => {
      const values = [p, p + 1n, 2n * p, R - 1n, R - p, 1n << 255n];
      for (const name of ["toMontgomery", "fromMontgomery"] as const) {
        const words = encoded(values);
        const inputs = [words, words, new Uint32Array(words.length)];
        const [, , out] = await runOnce(
          await device(),
          elementwise(name, p),
          inputs,
          [6],
          [1, 1, 1],
        );
        const got = values.map((_, i) => readLE(bytesOf(out as Uint32Array), 32 * i));
        expect(got, name).toEqual(values.map((x) => TWINS[name](x, 0n, p, 0n)));
      }
    });
  });
}

describe("worker / kernels / spirv / field", () => {
  it("refuses a modulus whose sums would not fit", () => {
    const kernel = new KernelWriter("none", { workgroupSize: [1, 1, 1] });
    expect(() => new PrimeField(kernel, 1n << 254n)).toThrow(RangeError);
    expect(() => new PrimeField(kernel, 14n)).toThrow(/odd/);
  });
});
