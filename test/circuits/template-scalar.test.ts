import { beforeAll, describe, expect, it } from "vitest";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { SUBGROUP_ORDER } from "./curve-points.ts";
import { bitsOf, element, named, TemplateMain } from "./template-main.ts";

const ORDER = SUBGROUP_ORDER;
const R = SCALAR_FIELD;

describe("SubgroupScalar", () => {
  const TOP = 1n << 250n;
  const weights = [...Array.from({ length: 250 }, (_, i) => 1n << BigInt(i)), ORDER - TOP];
  const weigh = (bits: readonly bigint[]) =>
    bits.reduce((sum, bit, i) => sum + bit * (weights[i] as bigint), 0n);
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.of("subgroup-scalar", "SubgroupScalar()", ["scalar"]);
  });

  it("has weights that add up to order - 1: no boolean bits give more", () => {
    expect(weigh(weights.map(() => 1n))).toBe(ORDER - 1n);
  });

  const accepted = [
    0n,
    1n,
    TOP - 1n,
    TOP,
    TOP + 1n,
    2n * TOP - ORDER,
    ORDER - 1n,
    element("s") % ORDER,
  ];
  for (const scalar of accepted) {
    it(`gives the bits of ${scalar}`, () => {
      const bits = main.outputs({ scalar }, "bits");
      expect(bits.every((bit) => bit === 0n || bit === 1n)).toBe(true);
      expect(weigh(bits)).toBe(scalar);
      expect(main.looseWires(main.witness({ scalar }))).toEqual([]);
    });
  }

  for (const scalar of [
    ORDER,
    ORDER + 1n,
    2n * TOP,
    2n * ORDER - 1n,
    R - 1n,
    ORDER + (element("s") % ORDER),
  ]) {
    it(`refuses ${scalar}, whatever the bits`, () => {
      expect(() => main.witness({ scalar })).toThrow();
      const honest = main.witness({ scalar: 0n });
      for (const top of [0n, 1n]) {
        const rest = scalar - top * (ORDER - TOP);
        for (const low of [rest, TOP - 1n, 0n]) {
          // the compiler keeps all but one of the bits as wires of their own
          const bits = named("bits", [...bitsOf(low, 250), top]);
          const forged = main.forge(honest, { scalar, ...bits });
          expect(main.failing(forged)).not.toEqual([]);
        }
      }
    });
  }

  it("refuses every bit that is neither 0 nor 1, where the sum is right", () => {
    const honest = main.witness({ scalar: 0n });
    for (const [i, weight] of weights.entries()) {
      for (const notBit of [2n, -1n]) {
        const forged = main.forge(honest, { scalar: notBit * weight, [`bits[${i}]`]: notBit });
        expect(main.failing(forged), `bit ${i}`).toHaveLength(1);
      }
    }
  });

  it("accepts both representations of a number that has two", () => {
    const scalar = ORDER - TOP + 5n;
    const honest = main.witness({ scalar });
    const other = named("bits", [...bitsOf(5n, 250), 1n]);
    expect(main.failing(main.forge(honest, other))).toEqual([]);
  });
});

describe("ChallengeBits", () => {
  const OFFSET = 11n * ORDER - (1n << 254n);
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.of("challenge-bits", "ChallengeBits()", ["challenge"]);
  });

  for (const challenge of [
    0n,
    1n,
    ORDER - 1n,
    ORDER,
    ORDER + 1n,
    R - OFFSET - 1n,
    R - OFFSET,
    R - 1n,
    element("h"),
  ]) {
    it(`gives the low bits of ${challenge} + 11 order`, () => {
      const bits = main.outputs({ challenge }, "bits");
      expect(bits).toEqual(bitsOf(challenge + OFFSET, 254));
      expect(challenge + 11n * ORDER).toBe((1n << 254n) + challenge + OFFSET);
      expect(main.looseWires(main.witness({ challenge }))).toEqual([]);
    });
  }

  // Bits of a number with the right remainder, for another integer: the two comparisons are there for these.
  const aliases: [challenge: bigint, alias: bigint][] = [
    [0n, OFFSET + R],
    [5n, 5n + OFFSET + R],
    [(1n << 254n) - OFFSET - R - 1n, (1n << 254n) - 1n],
    [R - 1n, OFFSET - 1n],
    [R - OFFSET, 0n],
    [R - OFFSET + 7n, 7n],
  ];
  for (const [challenge, alias] of aliases) {
    it(`refuses the bits of ${alias} for ${challenge}, whichever shifts the prover names`, () => {
      expect(alias < 1n << 254n && (alias - challenge - OFFSET) % R === 0n).toBe(true);
      const honest = main.witness({ challenge });
      const shifts = comparisons(main);
      expect(shifts).toHaveLength(2);
      for (const first of choices) {
        for (const second of choices) {
          const forged = main.forge(honest, {
            ...named("bits", bitsOf(alias, 254)),
            ...shifts[0]?.(first, alias, OFFSET),
            ...shifts[1]?.(second, (1n << 254n) - 1n - alias, (1n << 254n) - OFFSET - R),
          });
          expect(main.failing(forged)).not.toEqual([]);
        }
      }
    });
  }

  it("refuses every bit that is neither 0 nor 1, where the sum and the comparisons are right", () => {
    const challenge = R >> 1n;
    const honest = main.witness({ challenge });
    const bits = main.read(honest, "bits");
    for (const [i, bit] of bits.entries()) {
      const notBit = 2n - 3n * bit; // 0 -> 2, 1 -> -1
      const change = {
        challenge: challenge + (notBit - bit) * (1n << BigInt(i)),
        [`bits[${i}]`]: notBit,
      };
      expect(main.failing(main.forge(honest, change)), `bit ${i}`).not.toEqual([]);
    }
  });

  it("accepts the honest bits forged in the same way", () => {
    const challenge = 5n;
    const value = challenge + OFFSET;
    const accepted = choices.flatMap((first) =>
      choices.filter((second) => {
        const [below, above] = comparisons(main);
        const forged = main.forge(main.witness({ challenge: 6n }), {
          challenge,
          ...named("bits", bitsOf(value, 254)),
          ...below?.(first, value, OFFSET),
          ...above?.(second, (1n << 254n) - 1n - value, (1n << 254n) - OFFSET - R),
        });
        return main.failing(forged).length === 0;
      }),
    );
    expect(accepted).not.toEqual([]);
  });
});

const choices = Array.from({ length: 16 }, (_, i) => i);

type Claim = (index: number, value: bigint, c: bigint) => Record<string, bigint>;

/** The hints of the comparisons inside: for a shift, and for the number and the constant that are compared. */
function comparisons(main: TemplateMain): Claim[] {
  const components = new Set(
    main.names.flatMap((name) => /^(AtLeastConstant\w*)\.index\[0\]$/.exec(name)?.[1] ?? []),
  );
  return [...components].sort().map((component) => (index, value, c) => {
    const shift = BigInt(16 * index);
    const difference = BigInt.asUintN(16, (value >> shift) - ((c - 1n) >> shift) - 1n);
    const hints = {
      ...named(`${component}.index`, bitsOf(BigInt(index), 4)),
      ...named(`${component}.differenceBits`, bitsOf(difference, 16)),
    };
    return Object.fromEntries(Object.entries(hints).filter(([name]) => main.hasWire(name)));
  });
}
