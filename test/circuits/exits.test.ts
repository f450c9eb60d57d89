import { concat, encodeAbiParameters, getAddress, keccak256, parseAbiParameters } from "viem";
import { describe, expect, it } from "vitest";
import {
  type Exit,
  exitLeaf,
  exitNonce,
  exitSlots,
  exitTree,
  messageLeaf,
  withOwners,
} from "../../circuits/exits.ts";
import { MESSAGE_TAG } from "../../circuits/tags.ts";
import { dataVectors } from "./vectors.ts";

const ZERO = `0x${"00".repeat(32)}` as const;
const tiny = { id: "tiny", nTx: 2, levels: 2, nDeposits: 1, top: 1 };
const scope = { rollup: `0x${"aa".repeat(20)}`, sourceDomain: 7, blockNumber: 9 } as const;
const exit = (slot: number, amountGwei = 5n): Exit => ({
  slot,
  owner: `0x${"bb".repeat(20)}`,
  amountGwei,
});

describe("circuits / exits", () => {
  for (const vector of dataVectors().cases) {
    it(`equals another implementation for ${vector.name}`, () => {
      const parameters = { id: vector.name, ...vector.circuit, top: 1 };
      const { rollup, sourceDomain, blockNumber, expected } = vector;
      const slots = exitSlots(parameters, {
        l1Items: vector.l1Items.map((item) => ({
          kind: item.kind,
          index: item.index,
          amount: BigInt(item.amount),
          key: { ax: BigInt(item.ax), ay: BigInt(item.ay), owner: BigInt(item.owner) },
        })),
        transfers: vector.transfers.map((transfer) => ({
          ...transfer,
          amount: BigInt(transfer.amount),
          fee: BigInt(transfer.fee),
        })),
      });
      expect(slots).toEqual(
        expected.exits.map(({ slot, index, amountGwei }) => ({
          slot,
          index,
          amountGwei: BigInt(amountGwei),
        })),
      );
      const owners = new Map(expected.exits.map(({ index, owner }) => [index, getAddress(owner)]));
      const exits = withOwners(slots, (index) => owners.get(index) ?? scope.rollup);
      const tree = exitTree(parameters, { rollup, sourceDomain, blockNumber }, exits);
      expect(tree.depth).toBe(expected.exitDepth);
      expect(tree.root).toBe(expected.exitRoot);
      for (const { slot, nonce, leaf, proof } of expected.exits) {
        expect(exitNonce(blockNumber, slot)).toBe(BigInt(nonce));
        expect(tree.leaf(slot)).toBe(leaf);
        expect(tree.proof(slot)).toEqual(proof);
      }
    });
  }

  it("leaves out deposits, transfers, and amounts of 0", () => {
    const key = { ax: 1n, ay: 2n, owner: 3n };
    const transfer = (type: 0 | 1 | 2, amount: bigint) => ({
      type,
      from: 1,
      to: 4,
      amount,
      fee: 0n,
    });
    const content = {
      l1Items: [
        { kind: 1, index: 1, amount: 8n, key },
        { kind: 2, index: 2, amount: 0n, key },
        { kind: 2, index: 3, amount: 9n, key },
      ] as const,
      transfers: [transfer(1, 5n), transfer(2, 0n), transfer(0, 0n), transfer(2, 6n)],
    };
    expect(exitSlots({ ...tiny, nTx: 5, nDeposits: 4 }, content)).toEqual([
      { slot: 2, index: 3, amountGwei: 9n },
      { slot: 7, index: 4, amountGwei: 6n },
    ]);
  });

  it("has root 0 without exits, and another root for each slot that an exit may take", () => {
    expect(exitTree(tiny, scope, []).root).toBe(ZERO);
    const roots = [0, 1, 2].map((slot) => exitTree(tiny, scope, [exit(slot)]).root);
    expect(new Set([ZERO, ...roots]).size).toBe(4);
  });

  it("gives proofs that lead to the root, exactly depth siblings long", () => {
    const tree = exitTree(tiny, scope, [exit(0), exit(2, 6n)]);
    for (const slot of [0, 2]) {
      const proof = tree.proof(slot);
      expect(proof.length).toBe(2);
      const root = proof.reduce(
        (node, sibling, level) =>
          keccak256(concat((slot >> level) & 1 ? [sibling, node] : [node, sibling])),
        tree.leaf(slot),
      );
      expect(root).toBe(tree.root);
    }
  });

  it("has as many levels as nDeposits + nTx slots need", () => {
    const depthOf = (nDeposits: number, nTx: number) =>
      exitTree({ ...tiny, nDeposits, nTx }, scope, []).depth;
    expect([depthOf(1, 1), depthOf(1, 2), depthOf(1, 3), depthOf(1, 4)]).toEqual([1, 2, 2, 3]);
    expect([depthOf(1, 7), depthOf(2, 7), depthOf(1, 62), depthOf(1, 63)]).toEqual([3, 4, 6, 6]);
  });

  it("refuses a slot outside the circuit, a slot twice, and an amount that is not positive", () => {
    for (const exits of [
      [exit(3)],
      [exit(-1)],
      [exit(0.5)],
      [exit(1), exit(1)],
      [exit(1, 0n)],
      [exit(1, -1n)],
    ]) {
      expect(() => exitTree(tiny, scope, exits)).toThrow(RangeError);
    }
    const tree = exitTree(tiny, scope, [exit(1)]);
    for (const slot of [0, 2, 3, 4, -1]) {
      expect(() => tree.proof(slot), `${slot}`).toThrow("has no exit");
      expect(() => tree.leaf(slot), `${slot}`).toThrow("has no exit");
    }
  });

  it("makes another leaf when any one field of a message changes", () => {
    const message = {
      sourceDomain: 1,
      destDomain: 2,
      sourceBridge: scope.rollup,
      sender: `0x${"01".repeat(20)}`,
      target: `0x${"02".repeat(20)}`,
      valueWei: 3n,
      gasLimit: 4n,
      nonce: 5n,
      data: "0x06",
    } as const;
    const leaves = [
      messageLeaf(message),
      messageLeaf({ ...message, sourceDomain: 2 }),
      messageLeaf({ ...message, destDomain: 1 }),
      messageLeaf({ ...message, sourceBridge: message.sender }),
      messageLeaf({ ...message, sender: message.target }),
      messageLeaf({ ...message, target: message.sender }),
      messageLeaf({ ...message, valueWei: 4n }),
      messageLeaf({ ...message, gasLimit: 5n }),
      messageLeaf({ ...message, nonce: 6n }),
      messageLeaf({ ...message, data: "0x" }),
    ];
    expect(new Set(leaves).size).toBe(leaves.length);
  });

  it("is a plain payment from owner to owner on L1, in wei", () => {
    const words = parseAbiParameters(
      "bytes32, uint256, uint256, uint256, address, address, address, uint256, uint256, uint256, bytes32",
    );
    const { owner } = exit(2);
    const encoded = encodeAbiParameters(words, [
      MESSAGE_TAG,
      1n,
      7n,
      0n,
      scope.rollup,
      owner,
      owner,
      5_000_000_000n,
      0n,
      9n * 2n ** 32n + 2n,
      keccak256("0x"),
    ]);
    expect(exitLeaf(scope, exit(2))).toBe(keccak256(encoded));
  });
});
