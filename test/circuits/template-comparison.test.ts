import { beforeAll, describe, expect, it } from "vitest";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { bitsOf, element, named, TemplateMain } from "./template-main.ts";

/** Low bits that one step of the comparison leaves out, and that the difference may have. */
const CHUNK_BITS = 16;

/**
 * Every way in which a prover could claim bits >= c: each shift, with the bits of that difference. The honest
 * witness serves as a base; all wires that follow are computed.
 */
function claims(
  main: TemplateMain,
  { base, value, nBits, c }: { base: bigint[]; value: bigint; nBits: number; c: bigint },
): bigint[][] {
  const chunks = Math.ceil(nBits / CHUNK_BITS);
  const indexBits = Math.max(1, Math.ceil(Math.log2(chunks)));
  return Array.from({ length: 2 ** indexBits }, (_, index) => {
    const shift = BigInt(index < chunks ? index * CHUNK_BITS : 0);
    const difference = (value >> shift) - ((c - 1n) >> shift) - 1n;
    const bits = bitsOf(BigInt.asUintN(CHUNK_BITS, difference), CHUNK_BITS);
    return main.forge(base, {
      ...named("bits", bitsOf(value, nBits)),
      ...present(main, named("index", bitsOf(BigInt(index), indexBits))),
      ...present(main, named("differenceBits", bits)),
    });
  });
}

/** Without the wires that the compiler removed: the others determine them. */
const present = (main: TemplateMain, values: Record<string, bigint>): Record<string, bigint> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => main.hasWire(name)));

const isRefused = (main: TemplateMain, claim: bigint[]) => main.failing(claim).length > 0;

describe("AtLeastConstant", () => {
  it("accepts exactly the numbers from c on, for every number of six bits", async () => {
    const main = await TemplateMain.of("at-least-constant", "AtLeastConstant(6, 37)");
    const base = main.witness({ bits: bitsOf(37n, 6) });
    for (let value = 0n; value < 64n; value++) {
      const all = claims(main, { base, value, nBits: 6, c: 37n });
      expect(all.some((claim) => !isRefused(main, claim))).toBe(value >= 37n);
    }
  });

  const R = SCALAR_FIELD;
  const cases: [c: bigint, why: string][] = [
    [1n, "the smallest constant"],
    [1n << 16n, "a chunk's border"],
    [(5n << 32n) + 1n, "equal chunks above and zeros between"],
    [R - (1n << 16n) - 1n, "the largest constant"],
    [1148311639449954574696061647556776283527457527334098841337976268454638693467n, "a real one"],
  ];
  for (const [c, why] of cases) {
    describe(`with ${why}, c = ${c}`, () => {
      let main: TemplateMain;
      let base: bigint[];
      beforeAll(async () => {
        main = await TemplateMain.of("at-least-constant", `AtLeastConstant(254, ${c})`);
        base = main.witness({ bits: bitsOf(c, 254) });
      });

      it("accepts c and what lies above, up to 2^254 - 1", () => {
        const above = [c, c + 1n, c + (1n << 16n), c + (1n << 17n), R, (1n << 254n) - 1n];
        const random = c + (element("comparison") % ((1n << 254n) - c));
        for (const value of [...above.filter((v) => v < 1n << 254n), random]) {
          expect(main.failing(main.witness({ bits: bitsOf(value, 254) })), `${value}`).toEqual([]);
        }
      });

      it("refuses c - 1 and what lies below, whichever shift the prover names", () => {
        const below = [c - 1n, c - 2n, c - (1n << 16n), c >> 1n, c >> 100n, 0n].filter(
          (v) => v >= 0n && v < c,
        );
        for (const value of [...below, element("comparison") % c]) {
          expect(() => main.witness({ bits: bitsOf(value, 254) }), `${value}`).toThrow();
          for (const claim of claims(main, { base, value, nBits: 254, c })) {
            expect(isRefused(main, claim), `${value}`).toBe(true);
          }
        }
      });

      it("leaves no wire loose", () => {
        expect(main.looseWires(base)).toEqual([]);
      });
    });
  }
});

describe("NonZeroIf", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.of("non-zero-if", "NonZeroIf()");
  });

  it("accepts a value unless it is 0, and 0 without a condition", () => {
    for (const [condition, value] of [
      [1n, 1n],
      [1n, SCALAR_FIELD - 1n],
      [0n, 5n],
      [7n, 5n],
      [0n, 0n],
    ]) {
      const witness = main.witness({ condition: condition as bigint, value: value as bigint });
      expect(main.failing(witness)).toEqual([]);
    }
  });

  it("refuses 0 under a condition, whatever the quotient", () => {
    const honest = main.witness({ condition: 1n, value: 1n });
    expect(() => main.witness({ condition: 1n, value: 0n })).toThrow();
    for (const quotient of [0n, 1n, SCALAR_FIELD - 1n, element("comparison")]) {
      const forged = main.forge(honest, { value: 0n, quotient });
      expect(main.failing(forged)).toEqual([0]);
    }
  });

  it("pins the quotient unless value and condition are 0", () => {
    expect(main.looseWires(main.witness({ condition: 1n, value: 3n }))).toEqual([]);
    expect(main.looseWires(main.witness({ condition: 0n, value: 3n }))).toEqual([]);
    expect(main.looseWires(main.witness({ condition: 0n, value: 0n }))).toEqual([
      main.wire("quotient"),
    ]);
  });
});
