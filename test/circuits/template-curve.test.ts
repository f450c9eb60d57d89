import { Base8, inCurve } from "@zk-kit/baby-jubjub";
import { beforeAll, describe, expect, it } from "vitest";
import { power, SCALAR_FIELD } from "../../worker/field.ts";
import {
  IDENTITY,
  type Point,
  plus,
  SUBGROUP_ORDER,
  TORSION,
  times,
  toMontgomery,
  WHOLE_GENERATOR,
} from "./curve-points.ts";
import { element, TemplateMain } from "./template-main.ts";

const ORDER = SUBGROUP_ORDER;
const R = SCALAR_FIELD;
const BASE = Base8 as Point;

const inline = (file: string[], body: string) => `pragma circom 2.2.0;
${file.map((name) => `include "${name}.circom";`).join("\n")}
template Whole() {
${body}
}
component main = Whole();
`;

describe("the curve", () => {
  it("has the orders and squares that the arguments in the templates use", () => {
    const isSquare = (a: bigint) => power(a, (R - 1n) / 2n, R) === 1n;
    expect(times(8n * ORDER, WHOLE_GENERATOR)).toEqual(IDENTITY);
    expect(times(4n, TORSION)).toEqual([0n, R - 1n]);
    expect(times(8n, TORSION)).toEqual(IDENTITY);
    expect(times(ORDER, BASE)).toEqual(IDENTITY);
    expect(isSquare(168700n)).toBe(true);
    expect(isSquare(168696n)).toBe(false);
    expect(isSquare(168698n ** 2n - 4n)).toBe(false);
    // bounds of the two multiplications
    expect(ORDER > 1n << 250n && ORDER < 1n << 251n).toBe(true);
    expect((15n * (8n ** 82n - 1n)) / 7n + 15n * 8n ** 82n < ORDER).toBe(true);
    expect(11n * ORDER > 1n << 254n && 11n * ORDER + R <= 1n << 255n).toBe(true);
  });
});

describe("DoubleAndAdd", () => {
  let main: TemplateMain;
  const p = times(12345n, BASE);
  beforeAll(async () => {
    main = await TemplateMain.of("double-and-add", "DoubleAndAdd()", ["acc", "p", "bit"]);
  });

  for (const m of [2n, 3n, 4n, 1000n, (ORDER - 3n) / 2n]) {
    for (const bit of [0n, 1n]) {
      it(`computes ${2n * m} P ${bit === 1n ? "+" : "-"} P from ${m} P`, () => {
        const inputs = { acc: toMontgomery(times(m, p)), p: toMontgomery(p), bit };
        const expected = toMontgomery(times(2n * m + 2n * bit - 1n, p));
        expect(main.outputs(inputs)).toEqual(expected);
        expect(main.looseWires(main.witness(inputs))).toEqual([]);
        expect(main.freeWires(main.witness(inputs))).toEqual([]);
      });
    }
  }
});

describe("EightTimesKey", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.of("eight-times-key", "EightTimesKey()", ["key"]);
  });

  const keys: [string, Point][] = [
    ["of the subgroup", times(77n, BASE)],
    ["of the whole group", times(77n, WHOLE_GENERATOR)],
    ["with a part of order 2", plus(times(77n, BASE), times(4n, TORSION))],
    ["with a part of order 4", plus(times(77n, BASE), times(2n, TORSION))],
    ["with a part of order 8", plus(times(77n, BASE), TORSION)],
    ["that is the generator, as in unused slots", BASE],
  ];
  for (const [what, key] of keys) {
    it(`multiplies a key ${what}`, () => {
      const expected = times(8n, key);
      expect(main.outputs({ key }, "edwards")).toEqual(expected);
      expect(main.outputs({ key }, "montgomery")).toEqual(toMontgomery(expected));
      expect(main.looseWires(main.witness({ key }))).toEqual([]);
      expect(main.freeWires(main.witness({ key }))).toEqual([]);
    });
  }

  for (let k = 0n; k < 8n; k++) {
    it(`refuses the point of small order ${k} T`, () => {
      const key = times(k, TORSION);
      expect(inCurve(key)).toBe(true);
      refuses(key);
    });
  }

  it("refuses points that are not on the curve", () => {
    for (const key of [
      [1n, 2n],
      [0n, 0n],
      [BASE[0], BASE[1] + 1n],
      [element("x"), element("y")],
    ]) {
      refuses(key as Point);
    }
  });

  function refuses(key: Point): void {
    expect(() => main.witness({ key })).toThrow();
    const honest = main.witness({ key: BASE });
    const change = { "key[0]": key[0], "key[1]": key[1] };
    expect(main.failing(main.forge(honest, change))).not.toEqual([]);
    // and with free wires set to something else than the honest values
    const isFree = (name: string) => /lamda|inverse|^one/.test(name);
    for (const value of [0n, 1n, element("free")]) {
      const free = Object.fromEntries(main.names.filter(isFree).map((name) => [name, value]));
      expect(main.failing(main.forge(honest, { ...change, ...free }))).not.toEqual([]);
    }
  }
});

describe("FixedBaseMultiplication", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    const body = `
    signal input scalar;
    signal output out[2] <== FixedBaseMultiplication()(SubgroupScalar()(scalar));`;
    const source = inline(["fixed-base-multiplication", "subgroup-scalar"], body);
    main = await TemplateMain.ofSource("fixed-base", source);
  });

  const edges = [
    0n,
    1n,
    2n,
    7n,
    8n,
    9n,
    (1n << 128n) - 1n,
    1n << 128n,
    (1n << 128n) + 1n,
    (1n << 249n) - 1n,
    1n << 249n,
    (1n << 250n) - 1n,
    1n << 250n,
    ORDER - (1n << 250n),
    ORDER - 2n,
    ORDER - 1n,
  ];
  for (const scalar of [...edges, ...random("fixed", 10, ORDER)]) {
    it(`computes ${scalar} B`, () => {
      expect(main.outputs({ scalar })).toEqual(times(scalar, BASE));
    });
  }

  it("leaves no wire loose", () => {
    expect(main.looseWires(main.witness({ scalar: element("loose") % ORDER }))).toEqual([]);
  });
});

describe("VariableBaseMultiplication", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    const body = `
    signal input challenge;
    signal input montgomery[2];
    signal input edwards[2];
    signal output out[2] <== VariableBaseMultiplication()(ChallengeBits()(challenge), montgomery, edwards);`;
    const source = inline(["variable-base-multiplication", "challenge-bits"], body);
    main = await TemplateMain.ofSource("variable-base", source);
  });
  const inputsOf = (challenge: bigint, p: Point) => ({
    challenge,
    edwards: p,
    montgomery: toMontgomery(p),
  });

  const edges = [
    0n,
    1n,
    2n,
    3n,
    7n,
    8n,
    (1n << 128n) - 1n,
    1n << 128n,
    (1n << 128n) + 1n,
    1n << 252n,
    ...[1n, 5n, 7n].flatMap((k) => [k * ORDER - 1n, k * ORDER, k * ORDER + 1n]),
    R - 2n,
    R - 1n,
  ];
  for (const challenge of [...edges, ...random("variable", 10, R)]) {
    it(`computes ${challenge} P`, () => {
      const p = times(1n + (element(`point ${challenge}`) % (ORDER - 1n)), BASE);
      expect(main.outputs(inputsOf(challenge, p))).toEqual(times(challenge, p));
    });
  }

  // k near multiples of the order in every window of the running multiple: 2^j k is where an incomplete step would meet
  // an exception if the bounds in the header were wrong.
  it("is exact where a running multiple comes close to a multiple of the order", () => {
    const p = times(99n, BASE);
    for (let shift = 0n; shift <= 6n; shift++) {
      for (let multiple = 1n; (multiple * ORDER) << shift < 19n * ORDER; multiple++) {
        for (const near of [-1n, 0n, 1n]) {
          const k = (multiple * ORDER + near) << shift;
          const challenge = k - 11n * ORDER;
          if (challenge < 0n || challenge >= R) continue;
          expect(main.outputs(inputsOf(challenge, p)), `${challenge}`).toEqual(times(challenge, p));
        }
      }
    }
  });

  it("leaves no wire loose", () => {
    const witness = main.witness(inputsOf(element("loose"), times(5n, BASE)));
    expect(main.looseWires(witness)).toEqual([]);
  });
});

function random(label: string, count: number, below: bigint): bigint[] {
  return Array.from({ length: count }, (_, i) => element(`${label} ${i}`) % below);
}
