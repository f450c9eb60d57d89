import { beforeAll, describe, expect, it } from "vitest";
import { commitData, evaluate } from "../../circuits/data.ts";
import { poseidon } from "../../circuits/poseidon.ts";
import { element, TemplateMain } from "./template-main.ts";

const elements = (count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => element(`data ${i}`));

describe("Commitment", () => {
  // Sixteen elements: one chunk of fifteen, and one that is padded. A single main, because Poseidon(16) is slow to compile.
  const tag = (1n << 96n) + (9n << 64n) + (8n << 32n) + 1n;
  const d = elements(16);
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.of("commitment", `Commitment(16, ${tag})`);
  });

  it("chains Poseidon over chunks of 15 elements, the last padded with zeros", () => {
    const first = poseidon([tag, ...d.slice(0, 15)]);
    const padding = new Array<bigint>(14).fill(0n);
    expect(main.outputs({ d })).toEqual([poseidon([first, d[15] as bigint, ...padding])]);
  });

  it("is the twin's commitment for the circuit of that tag", () => {
    const parameters = { id: "any", nTx: 9, levels: 8, nDeposits: 1, top: 3 };
    expect(main.outputs({ d })).toEqual([commitData(parameters, d)]);
  });

  it("leaves no wire loose", () => {
    expect(main.looseWires(main.witness({ d }))).toEqual([]);
  });
});

describe("Evaluation", () => {
  it("weights d[i] with z^i, not the other way round", async () => {
    const main = await TemplateMain.of("evaluation", "Evaluation(4)");
    expect(main.outputs({ d: [1n, 2n, 3n, 4n], z: 10n })).toEqual([4321n]);
  });

  it("is the twin's evaluation", async () => {
    const main = await TemplateMain.of("evaluation", "Evaluation(16)");
    const d = elements(16);
    for (const z of [0n, 1n, element("z")]) {
      expect(main.outputs({ d, z })).toEqual([evaluate(d, z)]);
    }
  });

  it("is the only element when there is one", async () => {
    const main = await TemplateMain.of("evaluation", "Evaluation(1)");
    expect(main.outputs({ d: [5n], z: 3n })).toEqual([5n]);
  });

  it("leaves no wire loose", async () => {
    const main = await TemplateMain.of("evaluation", "Evaluation(4)");
    expect(main.looseWires(main.witness({ d: [1n, 2n, 3n, 4n], z: 10n }))).toEqual([]);
  });
});
