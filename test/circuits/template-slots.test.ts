import { beforeAll, describe, expect, it } from "vitest";
import type { Account } from "../../circuits/account.ts";
import { l1Element } from "../../circuits/l1.ts";
import { recordElement, type SignedTransfer } from "../../circuits/transfer.ts";
import type { StateTree } from "../../circuits/tree.ts";
import { mod, SCALAR_FIELD } from "../../worker/field.ts";
import type { InputValue } from "../../worker/witness.ts";
import {
  accountOf,
  BLOCK_NUMBER,
  DOMAIN,
  deposit,
  forcedExit,
  resident,
  signed,
  smallTree,
} from "./small-rollup.ts";
import { TemplateMain } from "./template-main.ts";

const LEVELS = 2;
const TOP = 1;
const U64 = 2n ** 64n;

type Inputs = Record<string, InputValue>;

const path = (tree: StateTree, index: number) =>
  tree.siblings(index % tree.capacity, LEVELS - TOP).map((three) => [...three]);
const row = (account: Account) => [account.pkHash, account.balance, account.nonce];

/** smallTree with accounts added: [index, account]. */
function treeWith(...accounts: [number, Account][]): StateTree {
  const tree = smallTree(LEVELS);
  for (const [index, account] of accounts) tree.set(index, account);
  return tree;
}

let main: TemplateMain;
const accepts = (inputs: Inputs, after: StateTree) => {
  expect(main.outputs(inputs)).toEqual(after.topNodes(TOP));
};
const refuses = (inputs: Inputs) => {
  expect(() => main.witness(inputs)).toThrow();
  expect(main.failing(main.force(inputs))).not.toEqual([]);
};

describe("L1Slot", () => {
  beforeAll(async () => {
    main = await TemplateMain.of("l1-slot", `L1Slot(${LEVELS}, ${TOP})`);
  });

  interface Item {
    readonly kind: number;
    readonly index: number;
    readonly amount: bigint;
    readonly key: { readonly ax: bigint; readonly ay: bigint; readonly owner: bigint };
  }
  const slot = (item: Item | undefined, tree = smallTree(LEVELS)): Inputs => {
    const { kind, index, amount, key } = item ?? {
      kind: 0,
      index: 0,
      amount: 0n,
      key: { ax: 0n, ay: 0n, owner: 0n },
    };
    return {
      item: [BigInt(kind), BigInt(index), amount, key.ax, key.ay, key.owner],
      oldLeaf: row(tree.get(index % tree.capacity)),
      siblings: path(tree, index),
      in: tree.topNodes(TOP),
    };
  };
  const accountsAfter = (index: number, account: Account) => treeWith([index, account]);

  it("leaves everything as it is when it is empty", () => {
    accepts(slot(undefined), smallTree(LEVELS));
  });

  it("adds a deposit to an account, keeping its nonce", () => {
    const tree = treeWith([2, accountOf(2, 50n, 3n)]);
    accepts(slot(deposit(2, 7n), tree), treeWith([2, accountOf(2, 57n, 3n)]));
  });

  it("gives an empty leaf key and owner with its first deposit", () => {
    accepts(slot(deposit(9, U64 - 1n)), accountsAfter(9, accountOf(9, U64 - 1n)));
  });

  it("takes a deposit to a key that is no point", () => {
    const key = { ax: 1n, ay: 2n, owner: 3n };
    expect(main.failing(main.witness(slot({ ...deposit(9, 5n), key })))).toEqual([]);
  });

  it("takes the whole balance in a forced exit, and raises the nonce", () => {
    accepts(slot(forcedExit(2, 2000n)), accountsAfter(2, accountOf(2, 0n, 1n)));
  });

  it("raises the nonce of an account without a leaf, which takes the key", () => {
    accepts(slot(forcedExit(9, 0n)), accountsAfter(9, accountOf(9, 0n, 1n)));
  });

  it("raises the nonce of an account without money", () => {
    const tree = treeWith([2, accountOf(2, 0n, 5n)]);
    accepts(slot(forcedExit(2, 0n), tree), treeWith([2, accountOf(2, 0n, 6n)]));
  });

  it("packs kind, index and amount", () => {
    const item = deposit(9, U64 - 1n);
    expect(main.outputs(slot(item), "packed")).toEqual([l1Element(item)]);
  });

  it("refuses a forced exit of one gwei more or less, or of something from nothing", () => {
    refuses(slot(forcedExit(2, 1999n)));
    refuses(slot(forcedExit(2, 2001n)));
    refuses(slot(forcedExit(9, 1n)));
  });

  it("refuses another key or owner", () => {
    const { key } = resident(2);
    refuses(slot({ ...deposit(2, 5n), key: resident(3).key }));
    refuses(slot({ ...deposit(2, 5n), key: { ...key, owner: key.owner + 1n } }));
    refuses(slot({ ...forcedExit(2, 2000n), key: { ...key, ax: key.ax + 1n } }));
  });

  it("refuses kind 3, an index of 4^levels and an amount of 2^64", () => {
    refuses(slot({ ...deposit(2, 5n), kind: 3 }));
    refuses(slot({ ...deposit(2, 5n), index: 4 ** LEVELS + 2 }));
    refuses(slot(deposit(2, U64)));
  });

  it("refuses an empty slot that is not all zero", () => {
    for (let i = 1; i < 6; i++) {
      const inputs = slot(undefined);
      refuses({ ...inputs, item: (inputs.item as bigint[]).with(i, 1n) });
    }
  });

  it("refuses an empty slot that opens an account, or changes what it opens", () => {
    const tree = treeWith([0, accountOf(0, 5n)]);
    refuses(slot(undefined, tree));
    refuses({ ...slot(undefined), oldLeaf: [0n, 1n, 0n] });
  });

  it("refuses an old leaf that is not in the tree", () => {
    for (const [position, value] of [
      [0, 0n],
      [1, 2001n],
      [2, 1n],
    ] as const) {
      const inputs = slot(deposit(2, 5n));
      refuses({ ...inputs, oldLeaf: (inputs.oldLeaf as bigint[]).with(position, value) });
    }
  });

  it("leaves no wire loose", () => {
    for (const item of [deposit(2, 5n), forcedExit(2, 2000n), undefined]) {
      expect(main.looseWires(main.witness(slot(item)))).toEqual([]);
    }
  });
});

describe("FeeSlot", () => {
  beforeAll(async () => {
    main = await TemplateMain.of("fee-slot", `FeeSlot(${LEVELS}, ${TOP})`, ["total"]);
  });
  const slot = (index: number, total: bigint, tree = smallTree(LEVELS)): Inputs => ({
    index: BigInt(index),
    total,
    leaf: row(tree.get(index % tree.capacity)),
    siblings: path(tree, index),
    in: tree.topNodes(TOP),
  });

  it("credits the total and changes nothing else", () => {
    accepts(slot(5, 12n), treeWith([5, accountOf(5, 5012n)]));
  });

  it("credits up to 2^64 - 1 gwei and no more", () => {
    const tree = treeWith([5, accountOf(5, U64 - 13n)]);
    accepts(slot(5, 12n, tree), treeWith([5, accountOf(5, U64 - 1n)]));
    refuses(slot(5, 13n, tree));
  });

  it("needs no account for a total of 0", () => {
    accepts(slot(0, 0n), smallTree(LEVELS));
    accepts(slot(9, 0n), smallTree(LEVELS));
  });

  it("refuses a fee without an account, at index 0 or elsewhere", () => {
    refuses(slot(0, 1n));
    refuses(slot(9, 1n));
  });

  it("refuses an index of 4^levels and a leaf that is not there", () => {
    refuses(slot(4 ** LEVELS + 5, 12n));
    refuses({ ...slot(5, 12n), leaf: row(accountOf(5, 6000n)) });
    refuses({ ...slot(5, 12n), leaf: row(accountOf(4, 5000n)) });
  });

  it("leaves no wire loose, but the quotient of NonZeroIf where there is nothing to divide", () => {
    expect(main.looseWires(main.witness(slot(5, 12n)))).toEqual([]);
    expect(main.looseWires(main.witness(slot(5, 0n)))).toEqual([]);
    const loose = main.looseWires(main.witness(slot(0, 0n)));
    expect(loose.map((wire) => main.nameOf(wire).replace(/_\d+/g, ""))).toEqual([
      "NonZeroIf.quotient",
    ]);
  });
});

describe("TransferSlot", () => {
  beforeAll(async () => {
    main = await TemplateMain.of("transfer-slot", `TransferSlot(${LEVELS}, ${TOP})`);
  });

  /** The inputs for a transfer of which nothing is judged. */
  const slot = (transfer: SignedTransfer, tree = smallTree(LEVELS)): Inputs => {
    const { type, from, to, amount, fee, validUntil, key, signature } = transfer;
    const sender = tree.get(from % tree.capacity);
    const middle = tree.fork();
    if (type !== 0) {
      middle.set(from % tree.capacity, {
        ...sender,
        balance: mod(sender.balance - amount - fee, SCALAR_FIELD),
        nonce: sender.nonce + 1n,
      });
    }
    return {
      domain: DOMAIN,
      blockNumber: BigInt(BLOCK_NUMBER),
      tx: [BigInt(type), BigInt(from), BigInt(to), amount, fee, BigInt(validUntil)],
      key: [key.ax, key.ay, key.owner],
      signature: [signature.s, signature.r8x, signature.r8y],
      sender: [sender.balance, sender.nonce],
      senderSiblings: path(tree, from),
      receiver: row(middle.get(to % tree.capacity)),
      receiverSiblings: path(middle, to),
      in: tree.topNodes(TOP),
    };
  };
  const noop: SignedTransfer = {
    ...{ type: 0, from: 0, to: 0, amount: 0n, fee: 0n, validUntil: 0, nonce: 0n, recipient: 0n },
    key: { ...resident(1).key, owner: 0n },
    signature: { s: 0n, r8x: resident(1).key.ax, r8y: resident(1).key.ay },
  };

  it("moves the amount, takes the fee and raises the sender's nonce", () => {
    const after = treeWith([1, accountOf(1, 989n, 1n)], [2, accountOf(2, 2010n)]);
    accepts(slot(signed()), after);
  });

  it("takes an exit's amount from the sender and gives it to nobody here", () => {
    accepts(slot(signed({ type: 2 })), treeWith([1, accountOf(1, 989n, 1n)]));
  });

  it("pays back what somebody sends to himself", () => {
    accepts(slot(signed({ to: 1 })), treeWith([1, accountOf(1, 999n, 1n)]));
  });

  it("changes nothing in a no-op", () => {
    accepts(slot(noop), smallTree(LEVELS));
  });

  it("spends a whole balance, and nothing more", () => {
    accepts(
      slot(signed({ amount: 999n })),
      treeWith([1, accountOf(1, 0n, 1n)], [2, accountOf(2, 2999n)]),
    );
    refuses(slot(signed({ amount: 1000n })));
    refuses(slot(signed({ amount: 999n, fee: 2n })));
    refuses(slot(signed({ type: 2, amount: 1000n })));
  });

  it("fills a balance up to 2^64 - 1 gwei, and no further", () => {
    const tree = treeWith([2, accountOf(2, U64 - 11n)]);
    accepts(
      slot(signed(), tree),
      treeWith([1, accountOf(1, 989n, 1n)], [2, accountOf(2, U64 - 1n)]),
    );
    refuses(slot(signed({ amount: 11n }), tree));
  });

  it("accepts validity from the block itself to 2^32 - 1 blocks later", () => {
    const last = BLOCK_NUMBER + 2 ** 32 - 1;
    for (const validUntil of [BLOCK_NUMBER, last]) {
      expect(main.failing(main.witness(slot(signed({ validUntil }))))).toEqual([]);
    }
    refuses(slot(signed({ validUntil: BLOCK_NUMBER - 1 })));
    refuses(slot(signed({ validUntil: last + 1 })));
  });

  it("gives the record of 21 bytes", () => {
    const transfer = signed({ amount: 999n, fee: 1n });
    expect(main.outputs(slot(transfer), "record")).toEqual([recordElement(transfer)]);
  });

  it("refuses type 3 and indices of 4^levels", () => {
    refuses(slot({ ...signed(), type: 3 as 1 }));
    refuses(slot({ ...signed(), from: 4 ** LEVELS + 1 }));
    refuses(slot({ ...signed(), to: 4 ** LEVELS + 2 }));
  });

  it("refuses an amount of 2^64 and a fee of 2^32 that the sender could pay", () => {
    const exit = signed({ type: 2, amount: U64 });
    refuses(slot(exit, treeWith([1, accountOf(1, U64 + 11n)])));
    const fee = 2n ** 32n;
    refuses(slot(signed({ fee }), treeWith([1, accountOf(1, fee + 20n)])));
    accepts(
      slot(signed({ fee: fee - 1n }), treeWith([1, accountOf(1, fee + 9n)])),
      treeWith([1, accountOf(1, 0n, 1n)], [2, accountOf(2, 2010n)]),
    );
  });

  it("refuses a no-op that says something", () => {
    // opened as the record says, so that nothing else is wrong
    refuses(slot({ ...noop, to: 2 }));
    for (const position of [1, 2, 3, 4]) {
      const inputs = slot(noop);
      refuses({ ...inputs, tx: (inputs.tx as bigint[]).with(position, 1n) });
    }
  });

  it("refuses another key, owner, nonce or domain than those of the sender", () => {
    refuses(slot(signed({ signer: 3 })));
    refuses(slot({ ...signed(), key: { ...resident(1).key, owner: 1n } }));
    refuses(slot(signed({ nonce: 1n })));
    refuses(slot(signed({ domain: DOMAIN + 1n })));
  });

  it("refuses a signature for another receiver than the one at the index", () => {
    refuses(slot(signed({ recipient: resident(3).pkHash })));
    refuses(slot(signed({ type: 2, recipient: resident(3).pkHash })));
  });

  it("refuses senders and receivers that have no account", () => {
    refuses(slot(signed({ from: 9 })));
    refuses(slot(signed({ to: 9, recipient: 0n })));
    refuses(slot(signed({ type: 2, to: 9, recipient: 0n })));
    refuses(slot(signed({ to: 0, recipient: 0n })));
  });

  it("refuses balances and nonces that are not in the tree", () => {
    const inputs = slot(signed());
    refuses({ ...inputs, sender: [1001n, 0n] });
    refuses({ ...inputs, receiver: (inputs.receiver as bigint[]).with(1, 2001n) });
    refuses({ ...inputs, receiver: (inputs.receiver as bigint[]).with(2, 1n) });
    // the sender's own leaf as it was before the debit
    const self = slot(signed({ to: 1 }));
    refuses({ ...self, receiver: row(smallTree(LEVELS).get(1)) });
  });

  it("leaves no wire loose in a used slot, and in a no-op what cannot matter there", () => {
    expect(main.looseWires(main.witness(slot(signed())))).toEqual([]);
    const loose = main.looseWires(main.witness(slot(noop)));
    expect(loose.map((wire) => main.nameOf(wire).replace(/_\d+/g, ""))).toEqual([
      "NonZeroIf.quotient",
    ]);
  });
});
