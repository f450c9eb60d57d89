import { expect } from "vitest";
import { leafOf, pkHashOf } from "../../circuits/account.ts";
import { bindData } from "../../circuits/data.ts";
import { verifySignature } from "../../circuits/eddsa.ts";
import type { CircuitInputs } from "../../circuits/inputs.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import { climb, rootOf, type Siblings } from "../../circuits/path.ts";
import { poseidon } from "../../circuits/poseidon.ts";

type Three = [bigint, bigint, bigint];
type Six = [bigint, bigint, bigint, bigint, bigint, bigint];

/**
 * Reads the inputs as the circuit does, slot by slot, with nothing but hashes: the twin's second opinion, written
 * from the specification and not from the tree.
 */
export function replay(parameters: CircuitParameters, inputs: CircuitInputs): void {
  const closedLevels = parameters.levels - parameters.top;
  const nodes = [...inputs.topNodes];
  const update = (
    index: bigint,
    siblings: bigint[][],
    oldLeaf: bigint,
    newLeaf: bigint,
    name: string,
  ) => {
    expect(siblings.length, name).toBe(closedLevels);
    const at = Number(index) / 4 ** closedLevels;
    const path = siblings as unknown as Siblings[];
    expect(climb(Number(index), oldLeaf, path), name).toBe(nodes[Math.floor(at)]);
    nodes[Math.floor(at)] = climb(Number(index), newLeaf, path);
  };
  const leaf = (pkHash: bigint, balance: bigint, nonce: bigint) =>
    leafOf({ pkHash, balance, nonce });

  expect(rootOf(nodes)).toBe(inputs.prevRoot);
  const d = [inputs.domain, inputs.blockNumber, inputs.feeIndex];
  for (const [i, row] of inputs.l1.entries()) {
    const [kind, index, amount, ax, ay, owner] = row as Six;
    const [pkHash, balance, nonce] = inputs.l1Leaf[i] as Three;
    const newPkHash = kind === 0n ? 0n : pkHashOf({ ax, ay, owner });
    expect(pkHash * (pkHash - newPkHash)).toBe(0n);
    if (kind === 2n) expect(amount).toBe(balance);
    const newBalance = [balance, balance + amount, 0n][Number(kind)] as bigint;
    const newLeaf = leaf(newPkHash, newBalance, nonce + (kind === 2n ? 1n : 0n));
    update(index, inputs.l1Siblings[i] ?? [], leaf(pkHash, balance, nonce), newLeaf, `l1 ${i}`);
    d.push((kind << 96n) + (index << 64n) + amount, ax, ay, owner);
  }
  let totalFee = 0n;
  for (const [i, row] of inputs.tx.entries()) {
    const [type, from, to, amount, fee, validUntil] = row as Six;
    const [ax, ay, owner] = inputs.txKey[i] as Three;
    const [s, r8x, r8y] = inputs.txSignature[i] as Three;
    const [balance, nonce] = inputs.txFrom[i] as [bigint, bigint];
    const [toPkHash, toBalance, toNonce] = inputs.txTo[i] as Three;
    const record = (type << 160n) + (from << 128n) + (to << 96n) + (amount << 32n) + fee;
    const isUsed = type === 0n ? 0n : 1n;
    const pkHash = isUsed * pkHashOf({ ax, ay, owner });
    if (isUsed) {
      const message = poseidon([inputs.domain, record + (validUntil << 168n), toPkHash, nonce]);
      expect(verifySignature({ ax, ay }, message, { s, r8x, r8y }), `signature ${i}`).toBe(true);
      expect(toPkHash).not.toBe(0n);
    }
    const debited = leaf(pkHash, balance - amount - fee, nonce + isUsed);
    update(
      from,
      inputs.txFromSiblings[i] ?? [],
      leaf(pkHash, balance, nonce),
      debited,
      `from ${i}`,
    );
    const credited = leaf(toPkHash, toBalance + (type === 1n ? amount : 0n), toNonce);
    update(
      to,
      inputs.txToSiblings[i] ?? [],
      leaf(toPkHash, toBalance, toNonce),
      credited,
      `to ${i}`,
    );
    totalFee += fee;
    d.push(record);
  }
  const [pkHash, balance, nonce] = inputs.feeLeaf as Three;
  const feeLeaf = leaf(pkHash, balance, nonce);
  update(
    inputs.feeIndex,
    inputs.feeSiblings,
    feeLeaf,
    leaf(pkHash, balance + totalFee, nonce),
    "fee",
  );
  expect(rootOf(nodes)).toBe(inputs.newRoot);
  const { h, z, y } = bindData(parameters, d);
  expect([inputs.h, inputs.z, inputs.y]).toEqual([h, z, y]);
}
