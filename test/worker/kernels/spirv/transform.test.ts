import { describe, expect, it } from "vitest";
import { rootOfUnity } from "../../../../worker/engines/wasm/quotient.ts";
import { invert, readLE, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import type { GpuBuffer, GpuDevice } from "../../../../worker/gpu/device.ts";
import {
  gridOfPass,
  passesOf,
  TILE_LOG2,
  type TransformName,
  transform,
} from "../../../../worker/kernels/spirv/transform.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const P = SCALAR_FIELD;
const R = 1n << 256n;
const product = (a: bigint, b: bigint) => (a * b) % P;

const bitReversed = (i: number, bits: number) =>
  Number.parseInt([...i.toString(2).padStart(bits, "0")].reverse().join(""), 2);

function encoded(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length);
  values.forEach((value, i) => {
    writeLE(bytes, 32 * i, product(value, R));
  });
  return bytes;
}

/**
 * Several vectors of 2^k numbers, transformed with the powers of `root` of that order, or, in
 * frequency, of its inverse; for "turn", transformed in frequency, multiplied by the factors, and
 * transformed in time.
 */
async function transformed(
  device: GpuDevice,
  name: TransformName,
  vectors: readonly (readonly bigint[])[],
  root: bigint,
  tileLog2: number,
  factors: readonly bigint[] = [],
): Promise<bigint[][]> {
  const n = vectors[0]?.length as number;
  const k = Math.log2(n);
  const powers: bigint[] = [1n];
  while (powers.length <= n / 2) powers.push(product(powers.at(-1) as bigint, root));
  const names = name === "turn" ? (["inFrequency", "turn", "inTime"] as const) : [name];
  const kernels = names.map((each) => device.createKernel(transform(each, tileLog2)));
  const contents = [vectors.flat(), powers, ...(name === "turn" ? [factors] : [])];
  const buffers = contents.map((values) => device.createBuffer(32 * values.length));
  for (const [i, buffer] of buffers.entries()) {
    await device.upload(encoded(contents[i] as bigint[]), { buffer });
  }
  await device.submit((commands) => {
    for (const [i, kernel] of kernels.entries()) {
      let passes = passesOf(names[i] === "inTime" ? "inTime" : "inFrequency", k, tileLog2);
      if (name === "turn") {
        passes = passes.filter(({ low }) => (low === 0) === (names[i] === "turn"));
      }
      for (const pass of passes) {
        const bound = buffers.slice(0, kernel.code.bindings).map((buffer) => ({ buffer }));
        const push = [k, pass.rows, pass.columns, pass.low];
        commands.dispatch(kernel, bound, push, gridOfPass(k, pass, vectors.length));
        commands.barrier();
      }
    }
  });
  const [data] = buffers as [GpuBuffer, GpuBuffer];
  const bytes = new Uint8Array(data.bytes);
  await device.download({ buffer: data }, bytes);
  for (const resource of [...kernels, ...buffers]) resource.free();
  const inverseR = invert(R, P);
  return vectors.map((_, v) =>
    Array.from({ length: n }, (_, i) => {
      const value = readLE(bytes, 32 * (v * n + i));
      expect(value < P, "canonical").toBe(true);
      return product(value, inverseR);
    }),
  );
}

const horner = (coefficients: readonly bigint[], x: bigint) =>
  coefficients.reduceRight((sum, c) => (sum * x + c) % P, 0n);

function powerOf(root: bigint, exponent: number): bigint {
  let result = 1n;
  for (let i = 0; i < exponent; i++) result = product(result, root);
  return result;
}

describeOnDevice("worker / kernels / spirv / transform", (device) => {
  it("equals the polynomial's values at the roots of unity, for small and large tiles", async () => {
    for (const [k, tileLog2] of [
      [1, 4],
      [3, 4],
      [5, 4],
      [7, 3],
      [8, 4],
      [6, TILE_LOG2],
    ] as const) {
      const n = 2 ** k;
      const root = rootOfUnity(n);
      const seed = `transform of 2^${k} in tiles of 2^${tileLog2}`;
      const random = randomsBelow(P, 2 * n, seed);
      const edges = Array.from({ length: n }, (_, i) => [0n, 1n, P - 1n, P >> 1n][i % 4] as bigint);
      const vectors = [random.slice(0, n), edges, random.slice(n)];
      const values = vectors.map((v) => v.map((_, i) => horner(v, powerOf(root, i))));
      const got = await transformed(
        await device(),
        "inFrequency",
        vectors,
        invert(root, P),
        tileLog2,
      );
      vectors.forEach((_, v) => {
        const natural = got[v]?.map((_, i) => got[v]?.[bitReversed(i, k)]);
        expect(natural, seed).toEqual(values[v]);
      });
      const shuffled = vectors.map((v) => v.map((_, i) => v[bitReversed(i, k)] as bigint));
      const other = await transformed(await device(), "inTime", shuffled, root, tileLog2);
      expect(other, seed).toEqual(values);
    }
  });

  it.each([10, 13])("undoes itself but for a factor n = 2^%i, over several passes", async (k) => {
    const n = 2 ** k;
    const root = rootOfUnity(n);
    const seed = `there and back, 2^${k}`;
    const vectors = [randomsBelow(P, n, seed), randomsBelow(P, n, `${seed}, another`)];
    const gpu = await device();
    const middle = await transformed(gpu, "inFrequency", vectors, root, TILE_LOG2);
    const back = await transformed(gpu, "inTime", middle, root, TILE_LOG2);
    expect(back, seed).toEqual(vectors.map((v) => v.map((x) => product(x, BigInt(n)))));
    for (const i of [0, 1, n / 2, n - 3]) {
      const expected = horner(vectors[1] as bigint[], powerOf(invert(root, P), i));
      expect(middle[1]?.[bitReversed(i, k)], `${seed}, value ${i}`).toBe(expected);
    }
  });

  it("turns to a coset: an inverse transform, factors and a transform in one go", async () => {
    for (const [k, tileLog2] of [
      [1, 4],
      [3, 4],
      [7, 3],
      [10, TILE_LOG2],
    ] as const) {
      const n = 2 ** k;
      const gpu = await device();
      const seed = `turn of 2^${k} in tiles of 2^${tileLog2}`;
      const random = randomsBelow(P, 3 * n, seed);
      const factors = random.slice(2 * n);
      const vectors = [random.slice(0, n), random.slice(n, 2 * n)];
      const root = rootOfUnity(n);
      const middle = await transformed(gpu, "inFrequency", vectors, root, tileLog2);
      const scaled = middle.map((v) => v.map((x, i) => product(x, factors[i] as bigint)));
      const expected = await transformed(gpu, "inTime", scaled, root, tileLog2);
      const got = await transformed(gpu, "turn", vectors, root, tileLog2, factors);
      expect(got, seed).toEqual(expected);
    }
  });

  it("is written as a valid module", () => {
    for (const name of ["inFrequency", "turn", "inTime"] as const) expectValid(transform(name));
  });
});

describe("worker / kernels / spirv / passes", () => {
  it("cover every layer once, with whole tiles, in either order", () => {
    for (let k = 1; k <= 28; k++) {
      const passes = passesOf("inFrequency", k);
      let above = k;
      for (const { rows, columns, low } of passes) {
        expect(rows).toBeGreaterThan(0);
        expect(low + rows).toBe(above);
        expect(columns).toBeLessThanOrEqual(low);
        expect(rows + columns).toBeLessThanOrEqual(TILE_LOG2);
        if (low > 0) expect(columns).toBeGreaterThanOrEqual(2);
        above = low;
      }
      expect(above).toBe(0);
      expect(passesOf("inTime", k)).toEqual(passes.toReversed());
    }
  });
});
