import { beforeAll, describe, expect, it } from "vitest";
import { leafOf, pkHashOf } from "../../circuits/account.ts";
import { type Digit, placeAmong, rootOf, type Siblings } from "../../circuits/path.ts";
import { poseidon } from "../../circuits/poseidon.ts";
import { StateTree } from "../../circuits/tree.ts";
import { bitsOf, element, TemplateMain } from "./template-main.ts";

const elements = (label: string, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => element(`${label} ${i}`));

describe("PkHash and Leaf", () => {
  it("hash what the twin hashes", async () => {
    const [ax, ay, owner] = elements("key", 3) as [bigint, bigint, bigint];
    const pkHash = await TemplateMain.of("account", "PkHash()");
    expect(pkHash.outputs({ ax, ay, owner })).toEqual([pkHashOf({ ax, ay, owner })]);
    const leaf = await TemplateMain.of("account", "Leaf()");
    const account = { pkHash: ax, balance: 5n, nonce: 7n };
    expect(leaf.outputs(account)).toEqual([leafOf(account)]);
    expect(leaf.outputs({ pkHash: 0n, balance: 0n, nonce: 0n })).toEqual([poseidon([0n, 0n, 0n])]);
  });

  it("leave no wire loose", async () => {
    const pkHash = await TemplateMain.of("account", "PkHash()");
    expect(pkHash.looseWires(pkHash.witness({ ax: 1n, ay: 2n, owner: 3n }))).toEqual([]);
    const leaf = await TemplateMain.of("account", "Leaf()");
    expect(leaf.looseWires(leaf.witness({ pkHash: 1n, balance: 2n, nonce: 3n }))).toEqual([]);
  });
});

describe("NodeUpdate", () => {
  let main: TemplateMain;
  const [oldChild, newChild, ...siblings] = elements("node", 5) as [bigint, bigint, ...bigint[]];
  const inputsAt = (digit: number) => ({
    oldChild,
    newChild,
    siblings,
    position: bitsOf(BigInt(digit), 2),
  });
  beforeAll(async () => {
    main = await TemplateMain.of("node-update", "NodeUpdate()");
  });

  for (const digit of [0, 1, 2, 3] as const) {
    it(`hashes both children at place ${digit} as Poseidon does`, () => {
      const three = siblings as unknown as Siblings;
      const hashWith = (child: bigint) => poseidon(placeAmong(digit as Digit, child, three));
      expect(main.outputs(inputsAt(digit), "oldParent")).toEqual([hashWith(oldChild)]);
      expect(main.outputs(inputsAt(digit), "newParent")).toEqual([hashWith(newChild)]);
    });
  }

  it("hashes zeros and r - 1", () => {
    const minusOne =
      -1n + 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
    const inputs = {
      oldChild: 0n,
      newChild: minusOne,
      siblings: [0n, minusOne, 0n],
      position: [1n, 0n],
    };
    expect(main.outputs(inputs, "oldParent")).toEqual([poseidon([0n, 0n, minusOne, 0n])]);
    expect(main.outputs(inputs, "newParent")).toEqual([poseidon([0n, minusOne, minusOne, 0n])]);
  });

  it("leaves no wire loose", () => {
    for (const digit of [0, 1, 2, 3]) {
      expect(main.looseWires(main.witness(inputsAt(digit)))).toEqual([]);
    }
  });
});

describe("PoseidonAfterFirstLayer", () => {
  const whole = (n: number) => `pragma circom 2.2.0;
include "poseidon-after-first-layer.circom";
template Whole() {
    signal input in[${n}];
    signal output out;
    var C[200] = POSEIDON_C(${n + 1});
    signal layer[${n + 1}];
    layer[0] <== C[0] ** 5;
    for (var i = 0; i < ${n}; i++) {
        layer[i + 1] <== Sigma()(in[i] + C[i + 1]);
    }
    out <== PoseidonAfterFirstLayer(${n})(layer);
}
component main = Whole();
`;
  for (const n of [1, 2, 3, 4, 5]) {
    it(`completes Poseidon of ${n} inputs`, async () => {
      const main = await TemplateMain.ofSource(`poseidon-whole-${n}`, whole(n));
      const inputs = elements("layer", n);
      expect(main.outputs({ in: inputs })).toEqual([poseidon(inputs)]);
    });
  }

  it("leaves no wire loose", async () => {
    const call = "PoseidonAfterFirstLayer(4)";
    const main = await TemplateMain.of("poseidon-after-first-layer", call, ["layer"]);
    expect(main.looseWires(main.witness({ layer: elements("layer", 5) }))).toEqual([]);
  });
});

describe("Select and Demultiplex", () => {
  it("take and put at every index", async () => {
    const select = await TemplateMain.of("select", "Select(3)");
    const demultiplex = await TemplateMain.of("demultiplex", "Demultiplex(3)", ["in"]);
    const values = elements("select", 8);
    for (let i = 0; i < 8; i++) {
      const index = bitsOf(BigInt(i), 3);
      expect(select.outputs({ in: values, index })).toEqual([values[i]]);
      expect(demultiplex.outputs({ in: 9n, index })).toEqual(
        values.map((_, k) => (k === i ? 9n : 0n)),
      );
    }
  });

  it("take and put with a single bit", async () => {
    const select = await TemplateMain.of("select", "Select(1)");
    const demultiplex = await TemplateMain.of("demultiplex", "Demultiplex(1)");
    expect(select.outputs({ in: [3n, 4n], index: [1n] })).toEqual([4n]);
    expect(demultiplex.outputs({ in: 5n, index: [0n] })).toEqual([5n, 0n]);
  });

  it("leave no wire loose", async () => {
    const select = await TemplateMain.of("select", "Select(3)");
    const demultiplex = await TemplateMain.of("demultiplex", "Demultiplex(3)", ["in"]);
    const index = [1n, 0n, 1n];
    expect(select.looseWires(select.witness({ in: elements("select", 8), index }))).toEqual([]);
    expect(demultiplex.looseWires(demultiplex.witness({ in: 9n, index }))).toEqual([]);
  });
});

describe("TopRoot", () => {
  for (const top of [1, 2]) {
    it(`is the root above ${4 ** top} nodes`, async () => {
      const main = await TemplateMain.of("top-root", `TopRoot(${top})`);
      const nodes = elements("top", 4 ** top);
      expect(main.outputs({ in: nodes })).toEqual([rootOf(nodes)]);
      expect(main.looseWires(main.witness({ in: nodes }))).toEqual([]);
    });
  }
});

describe("PathUpdate", () => {
  const LEVELS = 4;
  const TOP = 2;
  const INDEX = 0b10_01_11_00;
  let main: TemplateMain;
  const tree = new StateTree(LEVELS);
  for (const i of [0, 1, 7, 130, INDEX, INDEX + 1, 255]) {
    tree.set(i, { pkHash: element(`path ${i}`), balance: BigInt(i), nonce: 1n });
  }
  const changed = { pkHash: element("changed"), balance: 1n, nonce: 2n };
  const updateAt = (index: number) => ({
    index: bitsOf(BigInt(index), 2 * LEVELS),
    siblings: tree.siblings(index, LEVELS - TOP).map((three) => [...three]),
    oldLeaf: leafOf(tree.get(index)),
    newLeaf: leafOf(changed),
    in: tree.topNodes(TOP),
  });
  beforeAll(async () => {
    main = await TemplateMain.of("path-update", `PathUpdate(${LEVELS}, ${TOP})`);
  });

  for (const index of [0, 1, 7, 8, 130, INDEX, INDEX + 1, 255]) {
    it(`replaces leaf ${index} and nothing else`, () => {
      const after = tree.fork();
      after.set(index, changed);
      expect(main.outputs(updateAt(index))).toEqual(after.topNodes(TOP));
    });
  }

  it("leaves everything as it is when the new leaf is the old one", () => {
    const update = updateAt(0);
    expect(main.outputs({ ...update, newLeaf: update.oldLeaf })).toEqual(tree.topNodes(TOP));
  });

  it("refuses another old leaf, sibling, index or top node", () => {
    const update = updateAt(INDEX);
    const siblingsWith = (level: number, k: number) =>
      update.siblings.map((three, i) => (i === level ? three.with(k, 5n) : three));
    const refused = [
      { ...update, oldLeaf: 5n },
      ...[0, 1, 2].flatMap((k) => [0, 1].map((i) => ({ ...update, siblings: siblingsWith(i, k) }))),
      { ...update, in: update.in.with(INDEX >> 4, 5n) },
      ...update.index.map((bit, i) => ({ ...update, index: update.index.with(i, 1n - bit) })),
    ];
    for (const inputs of refused) {
      expect(() => main.witness(inputs)).toThrow();
      expect(main.failing(main.force(inputs))).not.toEqual([]);
    }
  });

  it("leaves no wire loose", () => {
    expect(main.looseWires(main.witness(updateAt(INDEX)))).toEqual([]);
  });
});
