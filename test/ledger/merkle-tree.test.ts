import { type Hex, keccak256, numberToHex, zeroHash } from "viem";
import { describe, expect, it } from "vitest";
import { encodeBatch } from "../../operator/ledger/batch.ts";
import {
  encodeNoop,
  encodeRecord,
  Opcode,
  recordInstruction,
} from "../../operator/ledger/instruction.ts";
import { MerkleTree } from "../../operator/ledger/merkle-tree.ts";

const leaf = (n: number): Hex => numberToHex(n, { size: 32 });

/** All leaves, no shortcut. */
function slowRoot(leaves: readonly Hex[]): Hex {
  if (leaves.length === 1) return leaves[0] as Hex;
  const pairs = Array.from({ length: leaves.length / 2 }, (_, i) =>
    keccak256(`${leaves[2 * i]}${leaves[2 * i + 1]?.slice(2)}` as Hex),
  );
  return slowRoot(pairs);
}

describe("ledger / Merkle tree", () => {
  it("has the root of all its leaves", () => {
    const leaves = [7, 0, 9, 0, 0, 0, 4, 5].map(leaf);
    expect(MerkleTree.of(3, leaves).root).toBe(slowRoot(leaves));
    expect(MerkleTree.empty(3).root).toBe(slowRoot(Array(8).fill(zeroHash)));
    expect(MerkleTree.of(0, [leaf(6)]).root).toBe(leaf(6));
  });

  it("opens every slot, the last of a deep tree as well", () => {
    const deep = MerkleTree.empty<string>(32).set(2 ** 32 - 1, leaf(3), "three");
    expect(deep.get(2 ** 32 - 1)).toBe("three");
    expect(deep.get(2 ** 31)).toBeUndefined();
    expect(deep.siblings(2 ** 32 - 1)).toEqual(MerkleTree.empty(32).siblings(0));
    expect(deep.set(2 ** 32 - 1, zeroHash, "").root).toBe(MerkleTree.empty(32).root);
  });

  it("leaves the earlier tree as it was", () => {
    const before = MerkleTree.of(4, [leaf(1), leaf(2)]);
    const { root } = before;
    const after = before.set(1, leaf(3), undefined);
    expect(before.root).toBe(root);
    expect(after.root).not.toBe(root);
    expect(after.set(1, leaf(2), undefined).root).toBe(root);
  });

  it("has no other depths and slots", () => {
    for (const depth of [-1, 33, 1.5]) expect(() => MerkleTree.empty(depth)).toThrow("depth: got");
    for (const slot of [-1, 4, 0.5]) {
      const tree = MerkleTree.empty(2);
      expect(() => tree.get(slot)).toThrow(`slot: got ${slot}, expected 0 to 3`);
      expect(() => tree.set(slot, leaf(1), undefined)).toThrow("slot: got");
      expect(() => tree.siblings(slot)).toThrow("slot: got");
    }
  });
});

describe("ledger / bytes that the contract would refuse", () => {
  it("are refused before they are sent", () => {
    const batch = { number: 1n, queueTo: 0n };
    expect(() => encodeBatch({ ...batch, records: [] })).toThrow("records: got 0");
    expect(() => encodeBatch({ ...batch, records: Array(1_025).fill(encodeNoop()) })).toThrow(
      "records: got 1025, expected 1 to 1024",
    );
    expect(() => encodeBatch({ ...batch, records: [encodeNoop()] })).toThrow("FEE");
    expect(() => recordInstruction(1n, "0x00")).toThrow("record: got 1 bytes, expected 133");
    expect(() => encodeRecord(Opcode.transfer, NO_PAYMENT, "0x1234")).toThrow(
      "signature: got 2 bytes, expected 64",
    );
  });
});

const NO_PAYMENT = {
  from: 0,
  to: 0,
  toOwner: `0x${"00".repeat(20)}`,
  amount: 0n,
  fee: 0n,
  nonce: 0n,
  validUntilBatch: 0n,
} as const;
