import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { G1, G2 } from "../../worker/curve.ts";
import {
  FixedBase,
  MAX_POINTS,
  tableBits,
  takeTable,
} from "../../worker/engines/wasm/fixed-base.ts";
import {
  compileKernels,
  FIRST_FREE,
  fieldsOf,
  instantiate,
  MAX_PAGES,
} from "../../worker/engines/wasm/kernels.ts";
import { grow, Region } from "../../worker/engines/wasm/region.ts";
import { SCALAR_FIELD, writeLE } from "../../worker/field.ts";
import type { Degree } from "../../worker/kernels/curve.ts";
import { windowCount } from "../../worker/kernels/entries.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { readG1, readG2 } from "../../worker/zkey.ts";

const R = SCALAR_FIELD;

/** Every representation; the checked ones trap when a number leaves its bounds. */
const KERNELS = {
  fma: compileKernels({ representation: "fma", revectorize: false }),
  "fma, checked": compileKernels({ representation: "fma", revectorize: false, checked: true }),
  "fma, revectorized": compileKernels({ representation: "fma", revectorize: true }),
  extmul: compileKernels({ representation: "extmul", revectorize: false }),
  "extmul, checked": compileKernels({
    representation: "extmul",
    revectorize: false,
    checked: true,
  }),
};
const tower = Tower.open();

/** Scalars times the generator, as bytes of a `.zkey`. */
function multiples(
  compiled: (typeof KERNELS)["fma"],
  degree: Degree,
  bits: number,
  scalars: readonly bigint[],
): DataView {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  const region = new Region(FIRST_FREE);
  const kernels = instantiate(compiled, memory, true);
  const { fq } = fieldsOf(compiled.options);
  const base = new FixedBase(kernels, memory, fq, tower, degree, region);
  const table = takeTable(region, degree, bits);
  const input = region.take(32 * (scalars.length + 1));
  const pointBytes = 64 * degree;
  const out = region.take(pointBytes * scalars.length);
  grow(memory, region.end);
  base.prepare();
  const { x, y } = degree === 1 ? G1.generator : G2.generator;
  base.writeTable(table, [x, y].flat());
  const bytes = new Uint8Array(memory.buffer);
  scalars.forEach((scalar, i) => {
    writeLE(bytes, input + 32 * i, scalar);
  });
  if (scalars.length > 0) kernels.fold(input, scalars.length);
  bytes.fill(0xff, out, out + pointBytes * scalars.length);
  base.multiply(table, input, scalars.length, out);
  return new DataView(memory.buffer, out, pointBytes * scalars.length);
}

describe.each(Object.entries(KERNELS))("worker / fixed base on %s", (_, compiled) => {
  const half = R >> 1n;
  const edges = [0n, 1n, 2n, 3n, half - 1n, half, half + 1n, R - 2n, R - 1n];

  it.each([4, 5, 8, 11, 13])("equals bigint arithmetic with windows of %i bits", (bits) => {
    const c = BigInt(bits);
    const windows = Array.from({ length: windowCount(bits) }, (_, w) => BigInt(w) * c);
    const around = [...windows, ...windows.map((k) => k + c - 1n)]
      .flatMap((k) => [-1n, 0n, 1n].map((d) => (1n << k) + d))
      .filter((scalar) => scalar < R)
      .filter((_, i) => i % 5 === 0);
    const seed = 20_261_122 + bits;
    const random = fc.sample(fc.bigInt(0n, R - 1n), { numRuns: 20, seed });
    const scalars = [...edges, ...around, ...random];
    const [inG1, inG2] = [
      multiples(compiled, 1, bits, scalars),
      multiples(compiled, 2, bits, scalars),
    ];
    scalars.forEach((scalar, i) => {
      expect(readG1(inG1, i * 64), `${scalar} in G1`).toEqual(G1.multiply(G1.generator, scalar));
      expect(readG2(inG2, i * 128), `${scalar} in G2`).toEqual(G2.multiply(G2.generator, scalar));
    });
  });

  it("multiplies none, one, and more than it sums at once, zeros among them", () => {
    for (const count of [0, 1, MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 3]) {
      const scalars = Array.from({ length: count }, (_, i) => (i % 7 === 0 ? 0n : BigInt(i % 50)));
      const view = multiples(compiled, 1, 6, scalars);
      const expected = Array.from({ length: 50 }, (_, k) => G1.multiply(G1.generator, BigInt(k)));
      scalars.forEach((scalar, i) => {
        const point = readG1(view, 64 * i);
        if (!G1.equals(point, expected[Number(scalar)] as typeof point)) {
          expect.fail(`point ${i} of ${count}: wrong multiple ${scalar}`);
        }
      });
    }
  });

  it("multiplies only zeros, and zeros at the end of a batch", () => {
    for (const scalars of [new Array<bigint>(9).fill(0n), [5n, ...new Array<bigint>(9).fill(0n)]]) {
      const view = multiples(compiled, 2, 4, scalars);
      scalars.forEach((scalar, i) => {
        expect(readG2(view, 128 * i)).toEqual(G2.multiply(G2.generator, scalar));
      });
    }
  });
});

describe("worker / fixed base", () => {
  it("takes wider windows for more multiples, within bounds", () => {
    const bits = [1, 10, 1000, 100_000, 10_000_000, 1e12].map(tableBits);
    expect(bits).toEqual(bits.toSorted((a, b) => a - b));
    expect([bits[0], bits.at(-1)]).toEqual([4, 15]);
  });
});
