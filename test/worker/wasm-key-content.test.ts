import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { G1, type G1Point, G2, type G2Point } from "../../worker/curve.ts";
import {
  type CompileOptions,
  compileKernels,
  fieldsOf,
} from "../../worker/engines/wasm/kernels.ts";
import type { SharedKey } from "../../worker/engines/wasm/key.ts";
import { type LoadedKey, loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { BASE_FIELD, invert, mod, readLE, SCALAR_FIELD } from "../../worker/field.ts";
import { MAX_ROW_ENTRIES } from "../../worker/kernels/rows.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { type Coefficient, type SyntheticKey, syntheticZkey, zkeyFile } from "./synthetic-key.ts";

const BUILDS: readonly CompileOptions[] = [
  { representation: "fma", revectorize: false, checked: true },
  { representation: "extmul", revectorize: false },
];
const tower = Tower.open();
const fileOf = (key: SyntheticKey) => zkeyFile(syntheticZkey(key));

/** Points and indices as they are in memory, out of Montgomery form. */
function contentOf({ memory, kernels, sections }: SharedKey, name: keyof SharedKey["sections"]) {
  const { fq } = fieldsOf(kernels.options);
  const perR = invert(mod(fq.radix, BASE_FIELD), BASE_FIELD);
  const { points, map, count } = sections[name];
  const coordinates = name === "b2" ? 4 : 2;
  const bytes = new Uint8Array(memory.buffer);
  return {
    map: [...new Uint32Array(memory.buffer, map, count)],
    points: Array.from({ length: count }, (_, i) =>
      Array.from({ length: coordinates }, (_, c) =>
        mod(readLE(bytes, points + 32 * (coordinates * i + c)) * perR, BASE_FIELD),
      ),
    ),
  };
}

/** What the lists in memory say: values by matrix, row and wire. */
function matricesOf({ memory, kernels, quotient, domain }: SharedKey): Map<string, bigint> {
  if (quotient === undefined) throw new Error("a tiny domain has no lists");
  const { fr } = fieldsOf(kernels.options);
  const perSquare = invert(mod(fr.radix * fr.radix, SCALAR_FIELD), SCALAR_FIELD);
  const bytes = new Uint8Array(memory.buffer);
  const entries = new Map<string, bigint>();
  quotient.matrices.forEach(({ count, wires, coefficients, rows, extraRows }, matrix) => {
    expect(count % 4).toBe(0);
    const list = (address: number) => new Uint32Array(memory.buffer, address, count);
    const [wireOf, indexOf, rowOf] = [list(wires), list(coefficients), list(rows)];
    const perAccumulator = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const value = readLE(bytes, quotient.coefficients + 32 * (indexOf[i] as number));
      const accumulator = rowOf[i] as number;
      if (value !== 0n) {
        perAccumulator.set(accumulator, (perAccumulator.get(accumulator) ?? 0) + 1);
      }
      const row = accumulator < domain ? accumulator : extraRows[accumulator - domain];
      addTo(entries, `${matrix} ${row} ${wireOf[i]}`, mod(value * perSquare, SCALAR_FIELD));
    }
    for (const number of perAccumulator.values())
      expect(number).toBeLessThanOrEqual(MAX_ROW_ENTRIES);
  });
  return entries;
}

function addTo(entries: Map<string, bigint>, key: string, value: bigint): void {
  const sum = mod((entries.get(key) ?? 0n) + value, SCALAR_FIELD);
  if (sum === 0n) entries.delete(key);
  else entries.set(key, sum);
}

function expectedMatrices(coefficients: readonly Coefficient[]): Map<string, bigint> {
  const entries = new Map<string, bigint>();
  for (const { matrix, constraint, signal, value } of coefficients) {
    addTo(entries, `${matrix} ${constraint} ${signal}`, value);
  }
  return entries;
}

const inG1 = Array.from({ length: 12 }, (_, k) => G1.multiply(G1.generator, BigInt(k)));
const inG2 = Array.from({ length: 12 }, (_, k) => G2.multiply(G2.generator, BigInt(k)));
const coordinatesOf = (p: G1Point | G2Point): bigint[] => [p.x, p.y].flat() as bigint[];

for (const options of BUILDS) {
  describe(`worker / wasm / a key's content (${options.representation})`, () => {
    const kernels = compileKernels(options);
    const load = (key: SyntheticKey) => loadSharedKey(fileOf(key), kernels, { tower });

    it("has every point but infinity, with its index, whatever the order", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 2, max: 13 }).chain((nVars) =>
            fc.record({
              nVars: fc.constant(nVars),
              logs: fc.array(fc.integer({ min: 0, max: 11 }), {
                minLength: 5 * nVars,
                maxLength: 5 * nVars,
              }),
            }),
          ),
          async ({ nVars, logs }) => {
            const part = (i: number, count = nVars) => logs.slice(i * nVars, i * nVars + count);
            const logsOf = {
              a: part(0),
              b1: part(1),
              c: part(2, nVars - 1),
              h: part(3, 2),
              b2: part(4),
            };
            const g1 = (list: readonly number[]) => list.map((k) => inG1[k] as G1Point);
            const { shared } = await load({
              nVars,
              a: g1(logsOf.a),
              b1: g1(logsOf.b1),
              c: g1(logsOf.c),
              h: g1(logsOf.h),
              b2: logsOf.b2.map((k) => inG2[k] as G2Point),
            });
            for (const [name, list] of Object.entries(logsOf)) {
              const { map, points } = contentOf(shared, name as keyof SharedKey["sections"]);
              const finite = list.flatMap((k, i) => (k === 0 ? [] : [i]));
              expect(map, name).toEqual(finite);
              const group = name === "b2" ? inG2 : inG1;
              expect(points, name).toEqual(
                finite.map((i) => coordinatesOf(group[list[i] as number] as G1Point)),
              );
            }
          },
        ),
        { numRuns: 20 },
      );
    });

    it("keeps order and indices across many pieces of the file", async () => {
      const nVars = 17_000;
      const logs = Array.from({ length: nVars }, (_, i) => (i * i) % 12);
      const { shared } = await load({
        nVars,
        a: logs.map((k) => inG1[k] as G1Point),
        b2: logs.map((k) => inG2[11 - k] as G2Point),
      });
      const finite = logs.flatMap((k, i) => (k === 0 ? [] : [i]));
      const a = contentOf(shared, "a");
      expect(a.map).toEqual(finite);
      const x = (i: number) => (inG1[logs[i] as number] as G1Point).x;
      expect(a.points.findIndex(([got], i) => got !== x(finite[i] as number))).toBe(-1);
      const b2 = contentOf(shared, "b2");
      const last = b2.map.at(-1) as number;
      expect(b2.points.at(-1)).toEqual(coordinatesOf(inG2[11 - (logs[last] as number)] as G2Point));
    }, 60_000);

    it("has the coefficients of both matrices, long rows in parts", async () => {
      const domainSize = 8;
      const nVars = 9;
      const value = (i: number) =>
        [1n, SCALAR_FIELD - 1n, 2n, BigInt(i) ** 20n, mod(-BigInt(i), SCALAR_FIELD)][
          i % 5
        ] as bigint;
      for (const count of [0, 1, 3, 4, 7, 30, 3 * MAX_ROW_ENTRIES + 5]) {
        const coefficients = Array.from({ length: count }, (_, i) => ({
          matrix: (i % 3 === 0 ? 1 : 0) as 0 | 1,
          // Half of them in one row, which has too many for one accumulator at the end.
          constraint: i % 2 === 0 ? 5 : (i >> 1) % domainSize,
          signal: (7 * i) % nVars,
          value: mod(value(i), SCALAR_FIELD),
        }));
        const { shared } = await load({ nVars, domainSize, coefficients });
        expect(matricesOf(shared), `${count}`).toEqual(expectedMatrices(coefficients));
      }
    });

    it("has values that collide in the table of values, and those with r's highest word", async () => {
      const perRadix = invert(mod(2n ** 512n, SCALAR_FIELD), SCALAR_FIELD);
      const inFile = [
        ...Array.from({ length: 200 }, (_, i) => 5n + (BigInt(i % 100) << 64n)),
        ...Array.from({ length: 40 }, (_, i) => SCALAR_FIELD - 1n - BigInt(i)),
      ];
      const coefficients = inFile.map((value, i) => ({
        matrix: 0 as const,
        constraint: i % 8,
        signal: i % 9,
        value: mod(value * perRadix, SCALAR_FIELD),
      }));
      const { shared } = await load({ nVars: 9, domainSize: 8, coefficients });
      expect(matricesOf(shared)).toEqual(expectedMatrices(coefficients));
    });

    it("keeps the coefficients of tiny domains as they are", async () => {
      for (const domainSize of [2, 4]) {
        const coefficients = [
          { matrix: 0, constraint: 1, signal: 2, value: 77n },
          { matrix: 1, constraint: 0, signal: 1, value: SCALAR_FIELD - 1n },
        ] as const;
        const key = syntheticZkey({ nVars: 3, domainSize, coefficients });
        const { shared } = await loadSharedKey(zkeyFile(key), kernels);
        expect(shared.quotient).toBeUndefined();
        expect(shared.tinyCoefficients).toEqual(new Uint8Array(key.coefficients));
      }
    });

    it("leaves zeros behind the key, where threads begin to work", async () => {
      const { shared } = await load({ nVars: 12, b2: inG2 });
      const rest = new Uint8Array(shared.memory.buffer, shared.end);
      expect(rest.every((byte) => byte === 0)).toBe(true);
    });
  });
}

describe("worker / wasm / a key's header", () => {
  let key: LoadedKey;
  beforeAll(async () => {
    const { kernels } = await openWasm();
    key = await loadSharedKey(fileOf({ nVars: 5, nPublic: 2 }), kernels);
  });

  it("is plain data that survives a message, as the rest of the key does", () => {
    const { shared, header, sha256 } = key;
    const { memory, kernels, ...places } = shared;
    expect(structuredClone({ header, sha256, places })).toEqual({ header, sha256, places });
    expect(header.verificationKey.ic).toHaveLength(3);
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(kernels.module).toBeInstanceOf(WebAssembly.Module);
  });
});
