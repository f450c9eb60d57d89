import { bn254 } from "@noble/curves/bn254.js";
import { beforeAll, describe, expect, it } from "vitest";
import { FQ2, type Fq2, G2, type G2Point } from "../../worker/curve.ts";
import type { CompiledKernels } from "../../worker/engines/wasm/kernels.ts";
import { loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { BASE_FIELD, SCALAR_FIELD } from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { eventualOutcomeOf } from "./key-file.ts";
import { syntheticZkey, zkeyFile } from "./synthetic-key.ts";

const COFACTOR = 2n * BASE_FIELD - SCALAR_FIELD;
const SMALLEST_FACTOR = 10069n;

const tower = Tower.open();
let kernels: CompiledKernels;
beforeAll(async () => {
  ({ kernels } = await openWasm());
});

/** A point of the curve, and its part outside of G2 of the order that is asked for. */
function strayPoint(order = COFACTOR, start = 5n): G2Point {
  const b = FQ2.multiply([3n, 0n], FQ2.invert([9n, 1n]));
  for (let real = start; ; real++) {
    const x: Fq2 = [real, 1n];
    const right = FQ2.add(FQ2.multiply(FQ2.multiply(x, x), x), b);
    try {
      const { c0, c1 } = bn254.fields.Fp2.sqrt({ c0: right[0], c1: right[1] });
      const stray = G2.multiply({ x, y: [c0, c1] }, SCALAR_FIELD * (COFACTOR / order));
      if (!G2.isInfinity(stray)) return stray;
    } catch {} // not a square
  }
}

function load(b2: readonly G2Point[]): Promise<string> {
  const file = zkeyFile(syntheticZkey({ nVars: b2.length, b2 }));
  return eventualOutcomeOf(() => loadSharedKey(file, kernels, { tower }));
}

describe("worker / wasm / points of G2 in a key", () => {
  it("rests on a cofactor without small factors, which has nothing in common with r", () => {
    expect(SMALLEST_FACTOR).toBeGreaterThan(2n ** 13n);
    for (let factor = 2n; factor < SMALLEST_FACTOR; factor++) {
      if (COFACTOR % factor === 0n) expect.fail(`${factor} divides the cofactor`);
    }
    expect(COFACTOR % SMALLEST_FACTOR).toBe(0n);
    const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));
    expect(gcd(COFACTOR, SCALAR_FIELD)).toBe(1n);
  });

  it("accepts points of G2, equal and opposite ones and infinity among them", async () => {
    const some = Array.from({ length: 9 }, (_, k) => G2.multiply(G2.generator, BigInt(k % 5)));
    const opposite = some.map(({ x, y }) => ({ x, y: FQ2.subtract(FQ2.zero, y) }));
    for (const points of [[], some.slice(0, 1), some.slice(1, 2), some, [...some, ...opposite]]) {
      expect(await load([G2.infinity, ...points]), `${points.length} points`).toBe("accepted");
    }
  });

  it("refuses a single point that is not, wherever it stands and however small its order", async () => {
    const good = Array.from({ length: 21 }, (_, k) => G2.multiply(G2.generator, BigInt(k + 1)));
    const strays = [strayPoint(), strayPoint(SMALLEST_FACTOR), strayPoint(5864401n)];
    for (const [i, stray] of strays.entries()) {
      for (const at of [0, 10, 20]) {
        const bare = good.with(at, stray);
        const hidden = good.with(at, G2.add(good[at] as G2Point, stray));
        expect(await load(bare), `${i} at ${at}`).toBe("KEY_MALFORMED");
        expect(await load(hidden), `${i} at ${at}, in a sum`).toBe("KEY_MALFORMED");
      }
    }
  });

  it("refuses them every time, also those that cancel in plain sums", async () => {
    const stray = strayPoint(SMALLEST_FACTOR);
    const opposite = { x: stray.x, y: FQ2.subtract(FQ2.zero, stray.y) };
    const outcomes = new Set<string>();
    // One window of four bits, as few points have, would let one of them through soon.
    for (let i = 0; i < 30; i++) {
      outcomes.add(await load(i % 2 === 0 ? [stray] : [stray, opposite]));
    }
    expect([...outcomes]).toEqual(["KEY_MALFORMED"]);
  });
});
