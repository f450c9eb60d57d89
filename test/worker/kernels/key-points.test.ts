import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FQ, FQ2, G1, G2 } from "../../../worker/curve.ts";
import {
  type CompileOptions,
  compileKernels,
  FIRST_FREE,
  fieldsOf,
  instantiate,
} from "../../../worker/engines/wasm/kernels.ts";
import { BASE_FIELD, mod, readLE, writeLE } from "../../../worker/field.ts";
import { type Degree, pointSizes } from "../../../worker/kernels/curve.ts";
import { curveConstant, curveStateBytes } from "../../../worker/kernels/key-points.ts";

/** The debug builds trap when a number is out of its bounds. */
const BUILDS: readonly CompileOptions[] = [
  { representation: "fma", revectorize: false, checked: true },
  { representation: "fma", revectorize: true, checked: true },
  { representation: "fma", revectorize: true },
  { representation: "extmul", revectorize: false, checked: true },
];
const FILE_RADIX = 2n ** 256n;

/** Numbers below q whose digits, of whatever width, are as small or as large as they get. */
const EDGES = [
  0n,
  1n,
  2n,
  BASE_FIELD - 1n,
  BASE_FIELD - 2n,
  BASE_FIELD >> 1n,
  (BASE_FIELD >> 1n) + 1n,
  ...[29n, 51n, 64n, 128n, 192n, 253n].flatMap((k) => [2n ** k - 1n, 2n ** k, 2n ** k + 1n]),
  2n ** 253n - 1n - 2n ** 204n,
];
const coordinate = fc.oneof(
  fc.constantFrom(...EDGES),
  fc.bigInt({ min: 0n, max: BASE_FIELD - 1n }),
);

/** Kernels over a memory of their own, with points in it. */
class Bench {
  readonly field;
  readonly kernels;
  readonly bytes: Uint8Array;
  readonly points = FIRST_FREE;
  readonly map = FIRST_FREE + 65536;
  readonly blocks = FIRST_FREE + 2 * 65536;
  readonly state = FIRST_FREE + 3 * 65536;
  readonly #memory = new WebAssembly.Memory({ initial: 8, maximum: 65536, shared: true });

  constructor(options: CompileOptions) {
    this.field = fieldsOf(options).fq;
    this.kernels = instantiate(compileKernels(options), this.#memory, true);
    this.bytes = new Uint8Array(this.#memory.buffer);
  }

  writePoints(points: readonly (readonly bigint[])[], at = this.points): void {
    points.flat().forEach((value, i) => {
      writeLE(this.bytes, at + 32 * i, value);
    });
  }

  readPoints(count: number, degree: Degree): bigint[][] {
    const read = (i: number, c: number) =>
      readLE(this.bytes, this.points + 64 * degree * i + 32 * c);
    return Array.from({ length: count }, (_, i) =>
      Array.from({ length: 2 * degree }, (_, c) => read(i, c)),
    );
  }

  readMap(count: number): number[] {
    return [...new Uint32Array(this.#memory.buffer, this.map, count)];
  }

  /** The four lanes of a quad, mod q. */
  readQuad(address: number): bigint[] {
    const { limbs } = this.field;
    const words = new BigUint64Array(this.#memory.buffer, address, 4 * limbs);
    return [0, 1, 2, 3].map((lane) =>
      mod(
        this.field.valueOf(Array.from({ length: limbs }, (_, i) => words[4 * i + lane] as bigint)),
        BASE_FIELD,
      ),
    );
  }

  writeQuad(address: number, lanes: readonly bigint[]): void {
    const words = new BigUint64Array(this.#memory.buffer, address, 4 * this.field.limbs);
    lanes.forEach((value, lane) => {
      this.field.limbsOf(value).forEach((limb, i) => {
        words[4 * i + lane] = limb;
      });
    });
  }
}

/** sum rho^(n-1-i) d_i, with Montgomery's factor as the kernel has it. */
function hornerTwin(
  points: readonly (readonly bigint[])[],
  degree: Degree,
  challenge: bigint,
  radix: bigint,
): bigint[] {
  const perR = FQ.invert(mod(radix, BASE_FIELD));
  const product = (x: bigint, y: bigint) => mod(x * y * perR, BASE_FIELD);
  const square = ([x0, x1]: readonly [bigint, bigint]): [bigint, bigint] => [
    product(x0, x0) - product(x1, x1),
    2n * product(x0, x1),
  ];
  const sums = Array.from({ length: degree }, () => 0n);
  const constant = curveConstant(degree).map((b) => b * radix);
  for (const point of points) {
    const [x0, x1] = degree === 1 ? [point[0], 0n] : [point[0], point[1]];
    const [y0, y1] = degree === 1 ? [point[1], 0n] : [point[2], point[3]];
    const x = [x0 as bigint, x1 as bigint] as const;
    const xx = square(x);
    const yy = square([y0 as bigint, y1 as bigint]);
    const cube = [
      product(xx[0], x[0]) - product(xx[1], x[1]),
      product(xx[0], x[1]) + product(xx[1], x[0]),
    ];
    sums.forEach((sum, c) => {
      const difference = (yy[c] as bigint) - (cube[c] as bigint) - (constant[c] as bigint);
      sums[c] = mod(product(sum, challenge) + difference, BASE_FIELD);
    });
  }
  return sums;
}

const pointsOf = (degree: Degree, size: { minLength: number; maxLength: number }) =>
  fc.array(
    fc.oneof(
      fc.constant(new Array<bigint>(2 * degree).fill(0n)),
      fc.array(coordinate, { minLength: 2 * degree, maxLength: 2 * degree }),
    ),
    size,
  );

for (const options of BUILDS) {
  const { representation, revectorize, checked } = options;
  const name = [
    representation,
    ...(revectorize ? ["revectorized"] : []),
    ...(checked ? ["checked"] : []),
  ].join(", ");
  describe(`worker / kernels / key points (${name})`, () => {
    const bench = new Bench(options);
    const { field, kernels } = bench;
    const inRadix = (x: bigint) => mod(x * field.radix * FQ.invert(FILE_RADIX), BASE_FIELD);

    for (const degree of [1, 2] as const) {
      const { packed, block } = pointSizes(field, degree);
      const admit = kernels[`admit${degree}`];

      it(`takes points of degree ${degree} into Montgomery form and leaves out infinity`, () => {
        fc.assert(
          fc.property(
            pointsOf(degree, { minLength: 1, maxLength: 9 }),
            fc.nat(2 ** 31),
            fc.boolean(),
            (points, first, inPlace) => {
              const source = inPlace ? bench.points : bench.blocks;
              bench.writePoints(points, source);
              const count = admit(source, points.length, bench.points, bench.map, first);
              const finite = points.flatMap((point, i) => (point.some((x) => x !== 0n) ? [i] : []));
              expect(count).toBe(finite.length);
              expect(bench.readMap(count)).toEqual(finite.map((i) => first + i));
              expect(bench.readPoints(count, degree)).toEqual(
                finite.map((i) => (points[i] as bigint[]).map(inRadix)),
              );
            },
          ),
          { numRuns: 200 },
        );
      });

      it(`names the first point of degree ${degree} with a coordinate not below q`, () => {
        const wild = [
          BASE_FIELD,
          BASE_FIELD + 1n,
          BASE_FIELD + 2n ** 64n,
          2n ** 254n,
          2n ** 256n - 1n,
        ];
        for (const value of wild) {
          for (let c = 0; c < 2 * degree; c++) {
            for (let i = 0; i < 3; i++) {
              const points = Array.from({ length: 4 }, (_, p) =>
                Array.from({ length: 2 * degree }, (_, k) =>
                  (p === i && k === c) || (p === 3 && k === 0) ? value : BASE_FIELD - 1n,
                ),
              );
              bench.writePoints(points);
              const result = admit(bench.points, 4, bench.points, bench.map, 1000);
              expect(result, `${value} in coordinate ${c} of point ${i}`).toBe(-1 - i);
            }
          }
        }
      });

      it(`unpacks points of degree ${degree} lane by lane`, () => {
        fc.assert(
          fc.property(pointsOf(degree, { minLength: 8, maxLength: 8 }), (points) => {
            bench.writePoints(points);
            kernels[`lanes${degree}`](bench.blocks, bench.points, 2);
            points.forEach((point, i) => {
              point.forEach((value, c) => {
                const at = bench.blocks + block * (i >> 2) + 32 * field.limbs * c;
                expect(bench.readQuad(at)[i & 3]).toBe(value);
              });
            });
          }),
          { numRuns: 50 },
        );
      });

      it(`sums the curve's equation for degree ${degree} by Horner's rule, as bigints do`, () => {
        fc.assert(
          fc.property(
            fc.integer({ min: 1, max: 4 }).chain((quads) => {
              return pointsOf(degree, { minLength: 4 * quads, maxLength: 4 * quads });
            }),
            coordinate,
            (points, challenge) => {
              const quads = points.length / 4;
              const challengeAt = bench.state + 32 * field.limbs * degree;
              bench.bytes.fill(0, bench.state, bench.state + curveStateBytes(field, degree));
              bench.writeQuad(challengeAt, new Array<bigint>(4).fill(challenge));
              bench.writePoints(points);
              kernels[`lanes${degree}`](bench.blocks, bench.points, quads);
              kernels[`onCurve${degree}`](bench.blocks, quads, bench.state);
              for (let lane = 0; lane < 4; lane++) {
                const ofLane = points.filter((_, i) => i % 4 === lane);
                const sums = hornerTwin(ofLane, degree, challenge, field.radix);
                for (let c = 0; c < degree; c++) {
                  const got = bench.readQuad(bench.state + 32 * field.limbs * c)[lane];
                  expect(got, `lane ${lane}, component ${c}`).toBe(sums[c]);
                }
              }
            },
          ),
          { numRuns: 100 },
        );
      });

      it(`gives 0 for points of the curve of degree ${degree}, and not if one is off it`, () => {
        const quads = 3;
        const points = Array.from({ length: 4 * quads }, (_, i) => {
          const k = BigInt(i + 1);
          if (degree === 2) {
            const { x, y } = G2.multiply(G2.generator, k);
            return [...x, ...y].map((value) => mod(value * field.radix, BASE_FIELD));
          }
          const { x, y } = G1.multiply(G1.generator, k);
          return [x, y].map((value) => mod(value * field.radix, BASE_FIELD));
        });
        const run = () => {
          bench.bytes.fill(0, bench.state, bench.state + curveStateBytes(field, degree));
          bench.writeQuad(
            bench.state + 32 * field.limbs * degree,
            new Array<bigint>(4).fill(0x1234_5678_9abc_def0n ** 3n),
          );
          kernels[`lanes${degree}`](bench.blocks, bench.points, quads);
          kernels[`onCurve${degree}`](bench.blocks, quads, bench.state);
          return Array.from({ length: degree }, (_, c) =>
            bench.readQuad(bench.state + 32 * field.limbs * c),
          ).flat();
        };
        bench.writePoints(points);
        expect(run().every((value) => value === 0n)).toBe(true);
        for (let i = 0; i < points.length; i++) {
          bench.writePoints(points);
          const byte = bench.points + packed * i + 3;
          bench.bytes[byte] = (bench.bytes[byte] as number) ^ 1;
          const sums = run();
          // Only the lane of the damaged point notices.
          expect(
            sums.flatMap((value, at) => (value === 0n ? [] : [at % 4])),
            `point ${i}`,
          ).toContain(i % 4);
          expect(sums.filter((value, at) => at % 4 !== i % 4 && value !== 0n)).toEqual([]);
        }
      });
    }
  });
}

describe("worker / kernels / key points: constants", () => {
  it("has the constants of both curves", () => {
    const { x, y } = G2.generator;
    const rest = FQ2.subtract(FQ2.multiply(y, y), FQ2.multiply(x, FQ2.multiply(x, x)));
    expect(curveConstant(2)).toEqual(rest);
    const { x: x1, y: y1 } = G1.generator;
    expect(curveConstant(1)).toEqual([mod(y1 * y1 - x1 ** 3n, BASE_FIELD)]);
  });
});
