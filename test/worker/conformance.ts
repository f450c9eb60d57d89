import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { G1, type G1Point, G2, type G2Point } from "../../worker/curve.ts";
import type { Engine, G1Term, G2Term, ProofRun } from "../../worker/engine.ts";
import { referenceEngine } from "../../worker/engines/reference.ts";
import { WorkError } from "../../worker/errors.ts";
import { mod, SCALAR_FIELD as R } from "../../worker/field.ts";
import {
  type Coefficient,
  type SyntheticKey,
  scalarBytes,
  syntheticZkey,
} from "./synthetic-key.ts";

/** What a suite must know of an engine that it tests. */
export interface EngineUnderTest {
  readonly open: () => Promise<Engine>;
  /** Whether sums over tens of thousands of points end in seconds. */
  readonly isFast: boolean;
}

const nothing = () => undefined;
const g1 = (k: bigint): G1Point => G1.multiply(G1.generator, mod(k, R));
const g2 = (k: bigint): G2Point => G2.multiply(G2.generator, mod(k, R));

/** Scalars at which windows, carries and signs change. */
const EDGE_SCALARS = [
  0n,
  1n,
  2n,
  R - 1n,
  R - 2n,
  R >> 1n,
  ...[7n, 8n, 31n, 32n, 63n, 64n, 127n, 128n, 252n, 253n].flatMap((k) => [2n ** k - 1n, 2n ** k]),
];

const scalar = fc.oneof(fc.constantFrom(...EDGE_SCALARS), fc.bigInt({ min: 0n, max: R - 1n }));
/** Discrete logarithms of points: 0 is infinity; few values make equal and opposite points. */
const logarithm = fc.oneof(
  fc.constantFrom(0n, 1n, R - 1n, 5n),
  fc.bigInt({ min: 0n, max: R - 1n }),
);

async function sumG1(run: ProofRun, terms: readonly G1Term[], tick: (done: number) => void) {
  return (await run.sums({ g1: [terms], g2: [] }, tick)).g1[0];
}

async function sumG2(run: ProofRun, terms: readonly G2Term[], tick: (done: number) => void) {
  return (await run.sums({ g1: [], g2: [terms] }, tick)).g2[0];
}

/** Everything that the seam promises, for any engine; the bigint engine is the oracle. */
export function conformance({ open, isFast }: EngineUnderTest): void {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open();
  });
  afterAll(() => engine.close());

  async function withRun<T>(
    key: SyntheticKey,
    witness: readonly bigint[],
    work: (run: ProofRun) => Promise<T>,
    on: Engine = engine,
  ): Promise<T> {
    const resident = await on.loadKey(syntheticZkey(key));
    const run = resident.begin(scalarBytes(witness));
    try {
      return await work(run);
    } finally {
      await run.end();
      resident.release();
    }
  }

  const dot = (logarithms: readonly bigint[], scalars: readonly bigint[]): bigint =>
    logarithms.reduce((sum, k, i) => sum + k * (scalars[i] as bigint), 0n);

  describe("sums", () => {
    const entries = (maxLength: number) =>
      fc.array(fc.tuple(logarithm, scalar), { minLength: 1, maxLength });

    it("equals the sum of products in G1, for any points and scalars", async () => {
      await fc.assert(
        fc.asyncProperty(entries(40), async (pairs) => {
          const [points, scalars] = [pairs.map(([k]) => k), pairs.map(([, s]) => s)];
          const key = { nVars: pairs.length, a: points.map(g1) };
          const sum = await withRun(key, scalars, (run) => sumG1(run, [{ section: "a" }], nothing));
          expect(sum).toEqual(g1(dot(points, scalars)));
        }),
        { numRuns: 15 },
      );
    });

    it("equals the sum of products in G2, for any points and scalars", async () => {
      await fc.assert(
        fc.asyncProperty(entries(16), async (pairs) => {
          const [points, scalars] = [pairs.map(([k]) => k), pairs.map(([, s]) => s)];
          const key = { nVars: pairs.length, b2: points.map(g2) };
          const sum = await withRun(key, scalars, (run) =>
            sumG2(run, [{ section: "b2" }], nothing),
          );
          expect(sum).toEqual(g2(dot(points, scalars)));
        }),
        { numRuns: 10 },
      );
    });

    it("adds equal points and cancels opposite ones, with every edge scalar", async () => {
      for (const s of EDGE_SCALARS) {
        const key = {
          nVars: 5,
          a: [1n, 1n, -1n, 0n, 1n].map(g1),
          b2: [1n, 1n, -1n, 0n, 1n].map(g2),
        };
        await withRun(key, [s, s, s, s, s], async (run) => {
          expect(await sumG1(run, [{ section: "a" }], nothing), `G1, ${s}`).toEqual(g1(2n * s));
          expect(await sumG2(run, [{ section: "b2" }], nothing), `G2, ${s}`).toEqual(g2(2n * s));
        });
      }
    });

    it("gives infinity for scalars that are all zero and for points that are all infinity", async () => {
      await withRun({ nVars: 3, a: [1n, 2n, 3n].map(g1) }, [0n, 0n, 0n], async (run) => {
        expect(await sumG1(run, [{ section: "a" }], nothing)).toEqual(G1.infinity);
        expect(await sumG1(run, [{ section: "b1" }], nothing)).toEqual(G1.infinity);
        expect(await sumG2(run, [{ section: "b2" }], nothing)).toEqual(G2.infinity);
        expect(await sumG1(run, [], nothing)).toEqual(G1.infinity);
      });
    });

    it("gives section c the private part of the witness", async () => {
      const key = { nVars: 4, nPublic: 1, c: [10n, 100n].map(g1) };
      const sum = await withRun(key, [1n, 7n, 3n, 4n], (run) =>
        sumG1(run, [{ section: "c" }], nothing),
      );
      expect(sum).toEqual(g1(430n));
    });

    it("accepts a key without private wires", async () => {
      const sum = await withRun({ nVars: 1, c: [] }, [1n], (run) =>
        sumG1(run, [{ section: "c" }], nothing),
      );
      expect(sum).toEqual(G1.infinity);
    });

    it("multiplies sections and points by their factors and adds all terms", async () => {
      const key = { nVars: 2, a: [3n, 5n].map(g1), b1: [7n, 11n].map(g1), b2: [2n, 3n].map(g2) };
      await withRun(key, [1n, 10n], async (run) => {
        const inG1 = await sumG1(
          run,
          [
            { section: "a" },
            { section: "b1", factor: 1000n },
            { point: g1(9n), factor: R - 1n },
            { section: "a", factor: 0n },
          ],
          nothing,
        );
        expect(inG1).toEqual(g1(53n + 117_000n - 9n));
        const terms = [
          { section: "b2", factor: 100n },
          { point: g2(1n), factor: 5n },
        ] as const;
        expect(await sumG2(run, terms, nothing)).toEqual(g2(3205n));
      });
    });

    it.runIf(isFast)(
      "obeys the closed form of sum i * (1 + i mod 7) G over 2^15 + 3 points",
      async () => {
        // Longer than any chunk, of odd length, with many equal points.
        const count = 2 ** 15 + 3;
        const seven = Array.from({ length: 7 }, (_, i) => BigInt(i + 1));
        const [inG1, inG2] = [seven.map(g1), seven.map(g2)];
        const at = <T>(points: readonly T[]) =>
          Array.from({ length: count }, (_, i) => points[i % 7] as T);
        let expected = 0n;
        for (let i = 0; i < count; i++) expected += BigInt(i) * BigInt(1 + (i % 7));
        const witness = Array.from({ length: count }, (_, i) => BigInt(i));
        await withRun({ nVars: count, a: at(inG1), b2: at(inG2) }, witness, async (run) => {
          expect(await sumG1(run, [{ section: "a" }], nothing)).toEqual(g1(expected));
          expect(await sumG2(run, [{ section: "b2" }], nothing)).toEqual(g2(expected));
        });
      },
    );
  });

  describe("sums over thousands of points", () => {
    /** More than any workgroup, tile or chunk, and of no round number. */
    const COUNT = 2 ** 12 + 13;
    /** Discrete logarithms of the points that there are, with opposite pairs and infinity. */
    const LOGARITHMS = [1n, R - 1n, 2n, R - 2n, 5n, 0n, 77n, R >> 1n, 3n ** 100n % R, R - 5n];
    const [inG1, inG2] = [LOGARITHMS.map(g1), LOGARITHMS.map(g2)];
    /** Powers of a number: the same each time, and as dense as random ones. */
    const powers = [R >> 2n];
    while (powers.length < COUNT) powers.push(mod((powers.at(-1) as bigint) * (R / 7n), R));
    const dense = (i: number) => powers[i] as bigint;
    const scalarsOf: Record<string, (i: number) => bigint> = {
      dense,
      "zeros and ones": (i) => BigInt(((i * 7) % 3) & 1),
      "mostly zeros and ones": (i) => (i % 50 === 3 ? dense(i) : BigInt(i & 1)),
      "all one": () => 1n,
      "all the same, with every window full": () => R - 1n,
      "powers of two and their neighbours": (i) => mod(2n ** BigInt(i % 254) - BigInt(i % 3), R),
    };

    for (const [name, scalarOf] of Object.entries(scalarsOf)) {
      it.runIf(isFast)(`equals the sum of products: scalars ${name}`, async () => {
        const places = Array.from({ length: COUNT }, (_, i) => (i * i + (i >> 3)) % 10);
        const scalars = places.map((_, i) => scalarOf(i));
        const key = {
          nVars: COUNT,
          a: places.map((k) => inG1[k] as G1Point),
          b2: places.map((k) => inG2[k] as G2Point),
        };
        const expected = dot(
          places.map((k) => LOGARITHMS[k] as bigint),
          scalars,
        );
        await withRun(key, scalars, async (run) => {
          expect(await sumG1(run, [{ section: "a" }], nothing)).toEqual(g1(expected));
          expect(await sumG2(run, [{ section: "b2" }], nothing)).toEqual(g2(expected));
        });
      });
    }

    it.runIf(isFast)("adds one point thousands of times, and cancels it", async () => {
      const key = {
        nVars: COUNT,
        a: new Array<G1Point>(COUNT).fill(inG1[4] as G1Point),
        b2: Array.from({ length: COUNT - 1 }, (_, i) => inG2[i & 1] as G2Point),
      };
      await withRun(key, new Array<bigint>(COUNT).fill(12345n), async (run) => {
        expect(await sumG1(run, [{ section: "a" }], nothing)).toEqual(
          g1(5n * 12345n * BigInt(COUNT)),
        );
        expect(await sumG2(run, [{ section: "b2" }], nothing)).toEqual(G2.infinity);
      });
    });
  });

  describe("quotient", () => {
    const coefficient = (nVars: number, domainSize: number): fc.Arbitrary<Coefficient> =>
      fc.record({
        matrix: fc.constantFrom<0 | 1>(0, 1),
        constraint: fc.nat(domainSize - 1),
        signal: fc.nat(nVars - 1),
        value: scalar,
      });

    it("equals the bigint engine's, for sparse rows in any order", async () => {
      const circuit = fc
        .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }))
        .chain(([log2, nVars]) =>
          fc.tuple(
            fc.constant(2 ** log2),
            fc.array(scalar, { minLength: nVars, maxLength: nVars }),
            fc.array(coefficient(nVars, 2 ** log2), { maxLength: 40 }),
          ),
        );
      await fc.assert(
        fc.asyncProperty(circuit, async ([domainSize, witness, coefficients]) => {
          // Points with unknown relations: equal sums mean equal quotients.
          const h = Array.from({ length: domainSize }, (_, i) => g1(3n ** BigInt(40 * i + 40)));
          const key = { nVars: witness.length, domainSize, coefficients, h };
          const work = async (run: ProofRun) => {
            return sumG1(run, [{ section: "h" }], nothing);
          };
          expect(await withRun(key, witness, work)).toEqual(
            await withRun(key, witness, work, referenceEngine),
          );
        }),
        { numRuns: 15 },
      );
    });

    it("is zero where the first matrix is zero", async () => {
      const coefficients: Coefficient[] = [{ matrix: 1, constraint: 0, signal: 0, value: 9n }];
      const key = { nVars: 1, domainSize: 4, coefficients, h: [1n, 2n, 3n, 4n].map(g1) };
      const sum = await withRun(key, [1n], async (run) => {
        return sumG1(run, [{ section: "h" }], nothing);
      });
      expect(sum).toEqual(G1.infinity);
    });

    it("has the values that the definition gives for a domain of two", async () => {
      // a = (3 + X) has 4 and 2 at 1 and -1, b = X has 1 and -1; c = a b there: 4 and -2, so
      // c = 1 + 3 X. a b - c = X^2 - 1, which is -2 at both square roots of -1.
      const coefficients: Coefficient[] = [
        { matrix: 0, constraint: 0, signal: 0, value: 4n },
        { matrix: 0, constraint: 1, signal: 0, value: 2n },
        { matrix: 1, constraint: 0, signal: 0, value: 1n },
        { matrix: 1, constraint: 1, signal: 0, value: R - 1n },
      ];
      const key = { nVars: 1, domainSize: 2, coefficients, h: [1n, 1000n].map(g1) };
      const sum = await withRun(key, [1n], async (run) => {
        return sumG1(run, [{ section: "h" }], nothing);
      });
      expect(sum).toEqual(g1(-2002n));
    });
  });

  describe("checkpoints", () => {
    const key = {
      nVars: 40,
      domainSize: 4,
      a: Array.from({ length: 40 }, (_, i) => g1(BigInt(i))),
      b2: Array.from({ length: 40 }, (_, i) => g2(BigInt(i))),
      coefficients: [{ matrix: 0, constraint: 0, signal: 1, value: 1n }] as const,
    };
    const witness = Array.from({ length: 40 }, (_, i) => BigInt(i + 1));
    const operations: Record<string, (run: ProofRun, tick: (done: number) => void) => unknown> = {
      quotient: (run, tick) => sumG1(run, [{ section: "h" }], tick),
      sumG1: (run, tick) => sumG1(run, [{ section: "a" }, { section: "b1" }], tick),
      sumG2: (run, tick) => sumG2(run, [{ section: "b2" }], tick),
    };

    for (const [name, operate] of Object.entries(operations)) {
      it(`never goes back and stays between 0 and 1 in ${name}`, async () => {
        const ticks: number[] = [];
        await withRun(key, witness, async (run) => operate(run, (done) => ticks.push(done)));
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
        expect(ticks.every((done) => done >= 0 && done <= 1)).toBe(true);
      });

      it(`stops ${name} with what the checkpoint throws, and works again afterwards`, async () => {
        const stop = new WorkError("CANCELLED", "cancelled");
        const work = async (run: ProofRun) =>
          operate(run, () => {
            throw stop;
          });
        await expect(withRun(key, witness, work)).rejects.toBe(stop);
        const expected = g1(witness.reduce((sum, s, i) => sum + s * BigInt(i), 0n));
        const sum = await withRun(key, witness, (run) => sumG1(run, [{ section: "a" }], nothing));
        expect(sum).toEqual(expected);
      });
    }
  });

  it("leaves the witness as it was, and ends a run twice without harm", async () => {
    const resident = await engine.loadKey(syntheticZkey({ nVars: 2, a: [1n, 2n].map(g1) }));
    const witness = scalarBytes([1n, 5n]);
    const run = resident.begin(witness);
    await sumG1(run, [{ section: "a" }], nothing);
    await run.end();
    await run.end();
    expect(witness).toEqual(scalarBytes([1n, 5n]));
  });
}
