import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BASE8 } from "../../../circuits/babyjubjub.ts";
import { TEMPLATES } from "../../../circuits/compile.ts";
import { templateSource } from "../../../circuits/costs.ts";
import type { InputValue } from "../../../worker/witness.ts";
import { times, toMontgomery } from "../curve-points.ts";
import { bitsOf, element, TemplateMain } from "../template-main.ts";
import { Constraints } from "./constraints.ts";
import { undeterminedWires } from "./determinacy.ts";
import { SUBJECTS, type Subject } from "./template-subjects.ts";
import { flippableBits, forgeableWires } from "./wire-forgery.ts";

// Is there a second witness for the same inputs? Three questions, each of which finds what the others miss: can one wire
// change alone; can several move together a little; can one bit turn over and the rest follow.

interface Freedom {
  readonly alone: string[];
  readonly together: string[];
  readonly bits: string[];
}

function freedomOf(main: TemplateMain, inputs: Readonly<Record<string, InputValue>>): Freedom {
  const witness = main.witness(inputs);
  expect(main.failing(witness)).toEqual([]);
  const constraints = new Constraints(main.r1cs);
  const computed = (wires: number[]) =>
    wires.filter((wire) => constraints.isComputed(wire)).map((wire) => main.nameOf(wire));
  return {
    alone: computed(forgeableWires(constraints, witness)),
    together: computed(undeterminedWires(constraints, witness)),
    bits: computed(flippableBits(constraints, witness)),
  };
}

const NONE: Freedom = { alone: [], together: [], bits: [] };

/** Every input is public: the compiler may remove a private one that a linear constraint determines. */
function compiled(subject: Subject): Promise<TemplateMain> {
  const source = templateSource({ ...subject, publicInputs: Object.keys(subject.inputs()) });
  // a folder of its own: the template tests compile the same templates with other public inputs
  return TemplateMain.ofSource(`wires of ${subject.call}`, source);
}

describe("soundness / wires of each template", () => {
  for (const subject of SUBJECTS) {
    it(`determines every wire of ${subject.call}`, async () => {
      const freedom = freedomOf(await compiled(subject), subject.inputs());
      const { choices = [] } = subject;
      expect(freedom).toEqual({ alone: choices, together: [], bits: choices });
    });
  }

  it("leaves the quotient of NonZeroIf free where value and condition are 0, and nothing else", async () => {
    const inputs = { condition: 0n, value: 0n };
    const main = await compiled({ file: "non-zero-if", call: "NonZeroIf()", inputs: () => inputs });
    const quotient = { alone: ["quotient"], together: ["quotient"], bits: [] };
    expect(freedomOf(main, inputs)).toEqual(quotient);
    expect(freedomOf(main, { condition: 0n, value: 7n })).toEqual(NONE);
  });

  it("leaves no template out", () => {
    const written = readdirSync(TEMPLATES).flatMap((file) => {
      const source = readFileSync(join(TEMPLATES, file), "utf8");
      return [...source.matchAll(/^template (\w+)/gm)].map((match) => match[1] as string);
    });
    const covered = SUBJECTS.map(({ call }) => call.replace(/\(.*/, ""));
    // BatchTransfer as batch-tiny; ConstantOfEight, whose table is a constant, inside FixedBaseMultiplication
    covered.push("BatchTransfer", "ConstantOfEight");
    expect(written.toSorted()).toEqual([...new Set(covered)].sort());
  });
});

/** A template in which something was lost. */
interface Loosened {
  readonly file: string;
  readonly call: string;
  readonly lost: string;
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** Which question finds it. */
  readonly found: (keyof Freedom)[];
}

const point = times(77n, [BASE8.x, BASE8.y]);
const multiples = { acc: toMontgomery(times(3n, point)), p: toMontgomery(point), bit: 1n };
const LOOSENED: readonly Loosened[] = [
  {
    file: "double-and-add",
    call: "DoubleAndAdd()",
    lost: "(slope1 + slope2) * (acc[0] - middle) === 2 * acc[1];",
    inputs: multiples,
    found: ["together"],
  },
  {
    file: "double-and-add",
    call: "DoubleAndAdd()",
    lost: "slope1 * (acc[0] - p[0]) === acc[1] - y;",
    inputs: multiples,
    found: ["together"],
  },
  {
    file: "at-least-constant",
    call: "AtLeastConstant(64, 70000)",
    lost: "index[i] * (index[i] - 1) === 0;",
    inputs: { bits: bitsOf(2n ** 60n, 64) },
    found: ["together"],
  },
  {
    file: "at-least-constant",
    call: "AtLeastConstant(32, 70000)",
    lost: "signal differenceBits[chunkBits] <== Num2Bits(chunkBits)(difference - 1);",
    inputs: { bits: bitsOf(70001n, 32) },
    found: ["bits"],
  },
  {
    file: "subgroup-scalar",
    call: "SubgroupScalar()",
    lost: "bits[250] * (bits[250] - 1) === 0;",
    inputs: { scalar: element("scalar") >> 4n },
    found: ["bits"],
  },
  {
    file: "subgroup-scalar",
    call: "SubgroupScalar()",
    lost: "bits[i] * (bits[i] - 1) === 0;",
    inputs: { scalar: element("scalar") >> 4n },
    found: ["together"],
  },
  {
    file: "challenge-bits",
    call: "ChallengeBits()",
    lost: "sum === challenge + offset;",
    inputs: { challenge: element("challenge") },
    found: ["bits"],
  },
  {
    file: "eight-times-key",
    call: "EightTimesKey()",
    lost: "montgomery <== MontgomeryDouble()(four);",
    inputs: { key: point },
    found: ["together"],
  },
];

describe("soundness / wires of loosened templates", () => {
  for (const { file, call, lost, inputs, found } of LOOSENED) {
    it(`notices that ${call} has lost ${lost}`, async () => {
      const source = readFileSync(join(TEMPLATES, `${file}.circom`), "utf8");
      expect(source).toContain(lost);
      const hint = lost.startsWith("montgomery") ? "montgomery <-- four;" : "";
      const names = Object.keys(inputs).join();
      const main = await TemplateMain.ofSource(
        `loosened ${call} ${lost}`,
        `${source.replace(lost, hint)}\ncomponent main { public [${names}] } = ${call};\n`,
      );
      const freedom = freedomOf(main, inputs);
      for (const question of found) expect(freedom[question]).not.toEqual([]);
    });
  }
});
