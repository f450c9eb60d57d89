import { describe, expect, it } from "vitest";
import { type Piece, planRows, type RowPlan } from "../../../../worker/engines/gpu/row-plan.ts";
import { TASK_TERMS } from "../../../../worker/engines/gpu/row-stage.ts";
import type { WindowLimits } from "../../../../worker/engines/gpu/window.ts";
import { invert, readLE, SCALAR_FIELD } from "../../../../worker/field.ts";
import type { Zkey } from "../../../../worker/zkey.ts";
import { type Coefficient, syntheticZkey } from "../../synthetic-key.ts";
import { type MatrixShape, sampleCoefficients, sampleKey } from "./sample-matrices.ts";

const P = SCALAR_FIELD;
const WIDE: WindowLimits = { bindingBytes: 2 ** 27, bindingAlignment: 256 };
const NARROW: WindowLimits = { bindingBytes: 2 ** 11, bindingAlignment: 64 };

/** Every row as a map from wires to coefficients, by carrying the plan out. */
function rowsOf(plan: RowPlan): Map<number, bigint>[][] {
  const { domain, slots, stages, tasks, entries, values } = plan;
  const rows = [0, 1].map(() => Array.from({ length: domain }, () => new Map<number, bigint>()));
  const partials: (Map<number, bigint> | undefined)[] = new Array(slots).fill(undefined);
  const written = new Set<string>();
  const add = (to: Map<number, bigint>, wire: number, value: bigint) =>
    to.set(wire, ((to.get(wire) ?? 0n) + value) % P);
  const scale = invert(2n ** 512n, P);
  for (const stage of stages) {
    const results: [number, Map<number, bigint>][] = [];
    for (const { matrix, firstTask, tasks: count, source, target } of stage) {
      for (let t = firstTask; t < firstTask + count; t++) {
        const [start, terms, where] = tasks.subarray(3 * t, 3 * t + 3) as unknown as number[];
        const sum = new Map<number, bigint>();
        for (let i = start as number; i < (start as number) + (terms as number); i++) {
          if ("entries" in source) {
            expect(i - source.firstEntry).toBeLessThan(source.entries);
            const wire = source.firstWire + (entries[2 * i] as number);
            const value = source.firstValue + (entries[2 * i + 1] as number);
            add(sum, wire, (readLE(values, 32 * value) * scale) % P);
          } else {
            const slot = source.firstSlot + i;
            const part = partials[slot];
            if (part === undefined) expect.fail(`slot ${slot} is read before it is written`);
            for (const [wire, value] of part) add(sum, wire, value);
          }
        }
        if (target === "rows") {
          const place = `${matrix} ${where}`;
          expect(written.has(place), place).toBe(false);
          written.add(place);
          (rows[matrix] as Map<number, bigint>[])[where as number] = sum;
        } else {
          results.push([target.firstSlot + (where as number), sum]);
        }
      }
    }
    for (const [slot, sum] of results) {
      expect(partials[slot], `slot ${slot}`).toBeUndefined();
      partials[slot] = sum;
    }
  }
  return rows;
}

function expected(coefficients: readonly Coefficient[], domain: number): Map<number, bigint>[][] {
  const rows = [0, 1].map(() => Array.from({ length: domain }, () => new Map<number, bigint>()));
  for (const { matrix, constraint, signal, value } of coefficients) {
    const row = rows[matrix]?.[constraint] as Map<number, bigint>;
    row.set(signal, ((row.get(signal) ?? 0n) + value) % P);
  }
  return rows;
}

const lengthsOf = ({ tasks }: RowPlan, { firstTask, tasks: count }: Piece) =>
  Array.from({ length: count }, (_, i) => tasks[3 * (firstTask + i) + 1] as number);

describe("worker / engines / gpu / row plan", () => {
  const shapes: readonly MatrixShape[] = [
    { domain: 2, nVars: 3, entries: 5 },
    { domain: 32, nVars: 200, entries: 100, values: 5 },
    { domain: 64, nVars: 500, entries: 300, longRow: 5000, values: 300 },
  ];

  it.each(shapes)("has each row once, with all its entries: %j", (shape) => {
    const coefficients = sampleCoefficients(shape, "row plan");
    const key = syntheticZkey({ ...shape, domainSize: shape.domain, coefficients });
    for (const limits of [WIDE, NARROW]) {
      const plan = planRows(key, limits);
      expect(rowsOf(plan)).toEqual(expected(coefficients, shape.domain));
      expect(plan.entries.length).toBe(2 * coefficients.length);
    }
  });

  it("cuts rows into tasks of even length, the longest first, and has few stages", () => {
    const shape = { domain: 64, nVars: 500, entries: 300, longRow: TASK_TERMS ** 3 + 1, values: 9 };
    const plan = planRows(sampleKey(shape, "lengths"), WIDE);
    expect(plan.stages.length).toBe(4);
    for (const piece of plan.stages.flat()) {
      const lengths = lengthsOf(plan, piece);
      expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
      expect(Math.min(...lengths)).toBeGreaterThan(0);
      expect(Math.max(...lengths)).toBeLessThanOrEqual(TASK_TERMS);
    }
    // The short rows of A and of B, the parts of the long row; then one dispatch in each stage.
    expect(plan.stages.map(({ length }) => length)).toEqual([3, 1, 1, 1]);
  });

  it("binds nothing that is longer than a binding", () => {
    const shape = { domain: 64, nVars: 500, entries: 300, longRow: 5000 };
    const plan = planRows(sampleKey(shape, "bindings"), NARROW);
    const room = NARROW.bindingBytes - NARROW.bindingAlignment;
    for (const { tasks, source } of plan.stages.flat()) {
      expect(12 * tasks).toBeLessThanOrEqual(room);
      if ("entries" in source) expect(8 * source.entries).toBeLessThanOrEqual(room);
    }
    expect(32 * plan.sliceElements).toBeLessThanOrEqual(room);
    for (const [i, { source }] of plan.stages.flat().entries()) {
      if (!("entries" in source)) continue;
      const words = plan.entries.subarray(
        2 * source.firstEntry,
        2 * (source.firstEntry + source.entries),
      );
      expect(Math.max(...words), `piece ${i}`).toBeLessThan(plan.sliceElements);
    }
  });

  it("keeps each value once, and does not ask where the key's bytes lie", () => {
    const shape = { domain: 32, nVars: 200, entries: 100, longRow: 40_000, values: 7 };
    const key = sampleKey(shape, "values");
    const plan = planRows(key, WIDE);
    // 1, -1, 0, 2, seven random ones, the 3 of repeated places, and the table's own first one.
    expect(plan.values.length).toBe(32 * (4 + 7 + 1 + 1));
    for (const skip of [1, 2, 4]) {
      const bytes = new Uint8Array(new SharedArrayBuffer(key.coefficients.length + skip), skip);
      bytes.set(key.coefficients);
      const moved: Zkey = { ...key, coefficients: bytes };
      expect(planRows(moved, WIDE), `${skip}`).toEqual(plan);
    }
  });
});
