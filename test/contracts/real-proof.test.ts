import { bytesToHex, getAddress, keccak256, numberToHex } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bindData } from "../../circuits/data.ts";
import { exitNonce } from "../../circuits/exits.ts";
import { L1Kind } from "../../circuits/l1.ts";
import { solve, weakQueueChallenge } from "./attack.ts";
import {
  openProver,
  openRealRollup,
  type ProvenBlock,
  type RealRollup,
  type TestProver,
  walletOf,
} from "./real-rollup.ts";
import { refuses, revertOf } from "./reverts.ts";
import { ENTRY_FEE_WEI, GWEI, MIN_DEPOSIT_GWEI } from "./rollup.ts";

let prover: TestProver;
let town: RealRollup;
/** Block 1: alice's deposit. */
let first: ProvenBlock;
/** Block 3: alice pays bob 40, bob exits 30 to himself. */
let block: ProvenBlock;
let snapshot: `0x${string}`;

const BOB_SLOT = 2;

beforeAll(async () => {
  prover = await openProver();
  town = await openRealRollup(prover);
  await town.register(town.alice, 10n ** 9n);
  await town.register(town.bob, 10n ** 9n);
  first = await town.prove({ l1Count: 1 });
  await town.commit(first);
  await town.commit(await town.prove({ l1Count: 1 }));
  block = await town.prove({
    transfers: [
      await town.sign({ type: 1, from: 1, to: 2, amount: 40n, fee: 3n }),
      await town.sign({ type: 2, from: 2, to: 2, amount: 30n, fee: 2n }),
    ],
  });
});

afterAll(async () => {
  await town?.connection.close();
  await prover?.close();
});

beforeEach(async () => {
  snapshot = await town.control.snapshot();
});

afterEach(() => town.control.revert({ id: snapshot }));

const sendAs = (changes: Partial<ProvenBlock>) => {
  const changed = { ...block, ...changes };
  return town.send(changed, town.operator, changed.proof);
};

describe("contracts / real proofs", () => {
  it("are accepted, and the exit is paid", async () => {
    await sendAs({});
    expect(await town.rollup.read.currentStateRoot()).toBe(block.newStateRoot);
    const nonce = exitNonce(3, BOB_SLOT);
    const bob = await town.as(town.bob);
    await bob.write.withdraw([30n * GWEI, nonce, block.tree.proof(BOB_SLOT), nonce]);
    const before = await town.client.getBalance({ address: town.rollup.address });
    await bob.write.withdrawCredit();
    const after = await town.client.getBalance({ address: town.rollup.address });
    expect(before - after).toBe(30n * GWEI);
  });

  it("stay valid when somebody deposits before the commit", async () => {
    await town.register(town.carol, MIN_DEPOSIT_GWEI);
    await sendAs({});
  });

  it("are accepted once", async () => {
    await sendAs({});
    expect((await revertOf(sendAs({}))).name).toBe("SignalMismatch");
  });

  it("are refused when any one word of the proof is another", async () => {
    const { pA, pB, pC } = block.proof;
    const words = [...pA, ...pB.flat(), ...pC];
    for (let i = 0; i < words.length; i++) {
      for (const change of [1n, -1n]) {
        const w = words.map((word, at) => (at === i ? word + change : word)) as bigint[];
        await refuses(sendAs({ proof: proofOf(w) }), "InvalidProof", [3n]);
      }
    }
    await refuses(sendAs({ proof: proofOf(words.map(() => 0n)) }), "InvalidProof", [3n]);
    await refuses(sendAs({ proof: proofOf([...pC, ...pB.flat(), ...pA]) }), "InvalidProof", [3n]);
  });

  it("are refused with the halves of G2's coordinates in snarkjs's order", async () => {
    const { pA, pB, pC } = block.proof;
    const swapped = pB.flatMap(([imaginary, real]) => [real, imaginary]);
    await refuses(sendAs({ proof: proofOf([...pA, ...swapped, ...pC]) }), "InvalidProof", [3n]);
  });

  it("are refused with any other public signal", async () => {
    for (let i = 0; i < 5; i++) {
      const publicSignals = block.publicSignals.map((signal, at) =>
        at === i ? signal + 1n : signal,
      ) as unknown as ProvenBlock["publicSignals"];
      const { name } = await revertOf(sendAs({ publicSignals }));
      expect(name, `signal ${i}`).toBe("SignalMismatch");
    }
  });

  it("are refused for another new root, with the signal changed too", async () => {
    const [prev, next, h, z, y] = block.publicSignals;
    await refuses(
      sendAs({
        newStateRoot: numberToHex(next + 1n, { size: 32 }),
        publicSignals: [prev, next + 1n, h, z, y],
      }),
      "InvalidProof",
      [3n],
    );
  });

  it("are refused for other data with h, z and y that fit it", async () => {
    // What an operator could do who wants to publish something else than what it proves.
    const txData = block.execution.txData.slice();
    const at = txData.length - 1; // last byte of the last record's fee
    txData[at] = (txData[at] ?? 0) ^ 1;
    const d = [...block.execution.d];
    d[d.length - 1] = (d[d.length - 1] ?? 0n) ^ 1n;
    const { h, z, y } = bindData(town.parameters, d);
    const [prev, next] = block.publicSignals;
    const other = {
      txData: bytesToHex(txData),
      transactionsHash: keccak256(txData),
      publicSignals: [prev, next, h, z, y],
    } as const;
    await refuses(sendAs(other), "InvalidProof", [3n]);
  });

  it("of another rollup are refused, though accounts and deposits are the same", async () => {
    const { stub, genesis, config, alice } = town;
    const twin = await town.viem.deployContract("ZKRollup", [stub.address, genesis, config]);
    const value = ENTRY_FEE_WEI + 10n ** 9n * GWEI;
    const { ax, ay } = walletOf(1);
    await twin.write.register([ax, ay], { value, account: alice.account });
    const { newStateRoot, transactionsHash, publicSignals, txData, proof } = first;
    const { pA, pB, pC } = proof;
    const { name, args } = await revertOf(
      twin.write.commitBlock([newStateRoot, transactionsHash, pA, pB, pC, publicSignals, txData], {
        account: town.operator.account,
      }),
    );
    expect([name, args[0]]).toEqual(["SignalMismatch", 3n]);
  });

  it("serve a forced exit against the operator's will, to the last gwei", async () => {
    const bob = await town.as(town.bob);
    await bob.write.requestExit([2], { value: ENTRY_FEE_WEI });
    const forced = await town.prove({ l1Count: 1, exitAmounts: [10n ** 9n] });
    await town.send(forced, town.operator, forced.proof);
    const nonce = exitNonce(3, 0);
    await bob.write.withdraw([10n ** 18n, nonce, forced.tree.proof(0), nonce]);
    expect(await town.rollup.read.credits([getAddress(town.bob.account.address)])).toBe(10n ** 18n);
    expect(forced.execution.accounts.get(2)).toMatchObject({ balance: 0n, nonce: 1n });
  });
});

describe("contracts / attack with a real proof: the queue is outside of the challenge", () => {
  const VICTIM_GWEI = 10n ** 9n;

  /** The attacker proves a deposit of as much as the victim's, then queues one of the minimum. */
  async function attack(target: RealRollup): Promise<ProvenBlock> {
    const index = await target.rollup.read.nextIndex();
    const { ax, ay } = walletOf(index);
    const key = { ax, ay, owner: BigInt(target.operator.account.address) };
    const lie = { kind: L1Kind.deposit, index, amount: VICTIM_GWEI, key };
    const proven = await target.prove({ l1Items: [lie] });
    const [, , h, z, y] = proven.publicSignals;
    const chain = [...proven.execution.d];
    chain[3] = (1n << 96n) + (BigInt(index) << 64n) + MIN_DEPOSIT_GWEI;
    const freeKey = [ax, solve(chain, 5, z, y)] as const;
    expect(weakQueueChallenge(target.parameters, chain, h)).toBe(z);
    const value = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI;
    await (await target.as(target.operator)).write.register(freeKey, { value });
    return proven;
  }

  it("takes the victim's money out of the weakened contract", async () => {
    const choice = { contract: "WeakBindingQueue" } as const;
    const weak = await openRealRollup(prover, choice, weakQueueChallenge);
    await weak.register(weak.alice, VICTIM_GWEI);
    await weak.commit(await weak.prove({ l1Count: 1 }));
    await weak.commit(await attack(weak));
    const exit = await weak.sign({ type: 2, from: 2, to: 2, amount: VICTIM_GWEI, fee: 0n });
    const robbery = await weak.prove({ transfers: [exit] });
    await weak.commit(robbery);
    const nonce = exitNonce(3, 1);
    const thief = await weak.as(weak.operator);
    await thief.write.withdraw([VICTIM_GWEI * GWEI, nonce, robbery.tree.proof(1), nonce]);
    await thief.write.withdrawCredit();
    // Alice owns all her money in the tree, and the contract holds the thief's minimum and the fees.
    expect(weak.state.get(1).balance).toBe(VICTIM_GWEI);
    const left = await weak.client.getBalance({ address: weak.rollup.address });
    expect(left).toBe(2n * ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI);
    await weak.connection.close();
  });

  it("is refused by ours", async () => {
    const sound = await openRealRollup(prover, {}, weakQueueChallenge);
    const { name, args } = await revertOf(sound.commit(await attack(sound)));
    expect([name, args[0]]).toEqual(["SignalMismatch", 3n]);
    await sound.connection.close();
  });
});

const proofOf = (w: readonly bigint[]): ProvenBlock["proof"] => {
  const [ax, ay, b0, b1, b2, b3, cx, cy] = w as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  return {
    pA: [ax, ay],
    pB: [
      [b0, b1],
      [b2, b3],
    ],
    pC: [cx, cy],
  };
};
