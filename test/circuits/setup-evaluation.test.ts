import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { generateCircuit } from "../../bench/fixtures/generated-circuit.ts";
import { encodeR1cs } from "../../bench/fixtures/r1cs-file.ts";
import { trapdoorOf } from "../../circuits/setup/dev.ts";
import { domainLog2, Evaluation, type Trapdoor } from "../../circuits/setup/evaluation.ts";
import {
  type Fractions,
  lagrangeValues,
  oddLagrangeValues,
  takeFractions,
  writeFractions,
} from "../../circuits/setup/lagrange.ts";
import { ScalarArrays } from "../../circuits/setup/scalar-arrays.ts";
import {
  type CompiledKernels,
  compileKernels,
  FIRST_FREE,
  fieldsOf,
  instantiate,
  MAX_PAGES,
} from "../../worker/engines/wasm/kernels.ts";
import { grow, Region } from "../../worker/engines/wasm/region.ts";
import { invert, mod, power, readLE, SCALAR_FIELD } from "../../worker/field.ts";
import { parseR1cs, type R1cs } from "../../worker/r1cs.ts";
import { type TwinScalars, twinLagrangeValues, twinScalars } from "./setup-twin.ts";

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

function open(compiled: CompiledKernels, start = FIRST_FREE) {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  const region = new Region(start);
  const kernels = instantiate(compiled, memory, true);
  const { fr } = fieldsOf(compiled.options);
  return { memory, region, arrays: new ScalarArrays(kernels, memory, fr, region) };
}

function fractions(compiled: CompiledKernels, asked: Fractions, factor = 1n): bigint[] {
  const { memory, region, arrays } = open(compiled);
  const room = takeFractions(arrays, asked.count);
  const out = region.take(32 * asked.count);
  grow(memory, region.end);
  writeFractions(arrays, asked, factor, room, out);
  const bytes = new Uint8Array(memory.buffer, out, 32 * asked.count);
  return Array.from({ length: asked.count }, (_, i) => readLE(bytes, 32 * i));
}

/** All of a circuit's scalars, unfolded. */
function evaluated(
  compiled: CompiledKernels,
  r1cs: R1cs,
  trapdoor: Trapdoor,
  start?: number,
): TwinScalars {
  const { memory, region, arrays } = open(compiled, start);
  const evaluation = new Evaluation(arrays, r1cs, trapdoor, region);
  grow(memory, region.end);
  evaluation.prepare();
  for (const { run } of evaluation.steps()) run();
  const read = (address: number, count: number): bigint[] =>
    Array.from({ length: count }, (_, i) => {
      const value = readLE(new Uint8Array(memory.buffer, address + 32 * i, 32));
      const size = BigInt.asUintN(255, value);
      return mod(value === size ? size : -size, R);
    });
  const { a, b, c, publicInputs, h } = evaluation.scalars;
  const { nWires, nPublic } = r1cs;
  return {
    a: read(a, nWires),
    b: read(b, nWires),
    c: read(c, nWires),
    publicInputs: read(publicInputs, nPublic + 1),
    h: read(h, 2 ** domainLog2(r1cs)),
  };
}

describe.each(Object.entries(KERNELS))("circuits / setup / lagrange on %s", (_, compiled) => {
  it("equals the product formula on every index of a domain of eight", () => {
    const tau = 123_456_789n;
    const root = power(5n, (R - 1n) / 8n, R);
    const points = Array.from({ length: 8 }, (_, i) => power(root, BigInt(i), R));
    const expected = points.map((x, i) =>
      points.reduce(
        (product, other, j) =>
          i === j ? product : mod(product * (tau - other) * invert(x - other, R), R),
        1n,
      ),
    );
    expect(fractions(compiled, lagrangeValues(3, tau))).toEqual(expected);
    expect(fractions(compiled, oddLagrangeValues(3, tau))).toEqual(
      [1, 3, 5, 7].map((i) => expected[i]),
    );
    expect(twinLagrangeValues(3, tau)).toEqual(expected);
  });

  it("equals its twin in every domain up to several chunks, times a factor", () => {
    for (const log2 of [1, 2, 3, 4, 5, 9, 12, 13]) {
      const tau = 3n ** BigInt(150 + log2) % R;
      const twin = twinLagrangeValues(log2, tau);
      expect(fractions(compiled, lagrangeValues(log2, tau)), `2^${log2}`).toEqual(twin);
      if (log2 === 1) continue;
      const odd = twin.filter((_, i) => i % 2 === 1).map((value) => (7n * value) % R);
      expect(fractions(compiled, oddLagrangeValues(log2, tau), 7n), `2^${log2}`).toEqual(odd);
    }
  });

  it("sums to 1, and weighted with the domain's points to tau", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.bigInt(2n, R - 2n), (log2, tau) => {
        const values = fractions(compiled, lagrangeValues(log2, tau));
        const root = power(5n, (R - 1n) >> BigInt(log2), R);
        expect(values.reduce((sum, v) => (sum + v) % R, 0n)).toBe(1n);
        const weighted = values.reduce((sum, v, i) => sum + v * power(root, BigInt(i), R), 0n);
        expect(weighted % R).toBe(tau);
      }),
      { numRuns: 20 },
    );
  });
});

describe("circuits / setup / lagrange", () => {
  it("refuses a tau inside the domain, and a domain that the field does not have", () => {
    expect(() => lagrangeValues(4, R - 1n)).toThrow(/tau lies in the domain/);
    expect(() => lagrangeValues(29, 7n)).toThrow(RangeError);
    expect(() => oddLagrangeValues(29, 7n)).toThrow(RangeError);
  });
});

describe.each(Object.entries(KERNELS))("circuits / setup / evaluation on %s", (_, compiled) => {
  const trapdoor = trapdoorOf("evaluation");

  it.each([
    ["dense", 3],
    ["dense", 7],
    ["bits", 11],
  ] as const)("equals its twin for a %s circuit of 2^%i rows", (kind, log2) => {
    const r1cs = parseR1cs(encodeR1cs(generateCircuit(kind, log2)));
    expect(evaluated(compiled, r1cs, trapdoor)).toEqual(twinScalars(r1cs, trapdoor));
  });

  it("equals its twin for wires in more entries than a sum takes, and for empty rows", () => {
    const constraints = Array.from({ length: 5000 }, (_, i) => ({
      a: [[1, R - 1n] as const, ...(i % 2 === 0 ? [[i % 5, 2n ** 253n] as const] : [])],
      b: i % 3 === 0 ? [] : [[2, R - BigInt(i)] as const],
      c: [],
    }));
    const witness = [1n, 2n, 3n, 4n, 5n];
    const r1cs = parseR1cs(encodeR1cs({ nPublic: 2, constraints, witness }));
    expect(evaluated(compiled, r1cs, trapdoor)).toEqual(twinScalars(r1cs, trapdoor));
  });

  it("adds up more products with the largest limbs than 64 bits take", () => {
    // Row i has the coefficient x / L_i, with digits of 51 bits that are all as large as can be.
    const rows = 20_000;
    const x = [0n, 1n, 2n, 3n].reduce((sum, i) => sum + ((2n ** 50n - 1n) << (51n * i)), 0n);
    const { first, ratio, scale } = lagrangeValues(15, trapdoor.tau);
    const factor = x * invert(scale, R);
    let u = first;
    const constraints = Array.from({ length: rows }, () => {
      const coefficient = mod((u - 1n) * factor, R);
      u = (u * ratio) % R;
      return { a: [], b: [[3, coefficient] as const], c: [] };
    });
    const witness = [1n, 2n, 3n, 4n];
    const r1cs = parseR1cs(encodeR1cs({ nPublic: 2, constraints, witness }));
    const { b } = evaluated(compiled, r1cs, trapdoor);
    expect(b).toEqual([0n, 0n, 0n, (BigInt(rows) * x) % R]);
  });

  it("equals its twin across 2 GiB, where addresses as signed numbers change their sign", () => {
    const r1cs = parseR1cs(encodeR1cs(generateCircuit("dense", 10)));
    const twin = twinScalars(r1cs, trapdoor);
    for (const start of [2 ** 31 - 2 ** 18, 2 ** 31]) {
      expect(evaluated(compiled, r1cs, trapdoor, start)).toEqual(twin);
    }
  });

  it("equals its twin for more public signals than a batch takes entries", () => {
    const witness = Array.from({ length: 1501 }, () => 1n);
    const constraints = [{ a: [[1500, 1n] as const], b: [], c: [[3, 5n] as const] }];
    const r1cs = parseR1cs(encodeR1cs({ nPublic: 1499, constraints, witness }));
    expect(evaluated(compiled, r1cs, trapdoor)).toEqual(twinScalars(r1cs, trapdoor));
  });
});
