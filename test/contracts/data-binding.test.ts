import { bytesToHex, type Hex, keccak256, numberToHex } from "viem";
import { afterEach, describe, expect, it } from "vitest";
import { buildBatch, executeBatch } from "../../circuits/batch.ts";
import { challenge, commitData, dataDigest, evaluate } from "../../circuits/data.ts";
import { type L1Item, L1Kind } from "../../circuits/l1.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import { StateTree } from "../../circuits/tree.ts";
import { walletFromSeed } from "../../circuits/wallet.ts";
import { solve, weakCommitmentChallenge, weakQueueChallenge } from "./attack.ts";
import { refuses } from "./reverts.ts";
import {
  type DeployChoice,
  ENTRY_FEE_WEI,
  GWEI,
  MIN_DEPOSIT_GWEI,
  openRollup,
  type TestRollup,
} from "./rollup.ts";

/**
 * The attacker is the operator. It shows the circuit a deposit of 2^60 gwei and the chain one of the minimum. The
 * stub stands for a verifier that would accept, which is honest only because the twin finds the circuit's side
 * satisfiable: same roots and same h, and z and y are inputs that the circuit takes as they come.
 */
const LOOT_GWEI = 2n ** 60n;

/** Element of d that holds the y coordinate of the last L1 slot's key: free, so it can solve an equation. */
const freeElement = ({ nDeposits }: CircuitParameters) => 3 + 4 * (nDeposits - 1) + 2;

describe("contracts / attack: the queue is outside of the challenge", () => {
  const parameters: CircuitParameters = { id: "attack", nTx: 2, levels: 2, nDeposits: 1, top: 1 };
  let town: TestRollup;

  afterEach(() => town.connection.close());

  /** Everything up to the block: the circuit's d is chosen, then the queue entry that makes y fit. */
  async function attack(contract: DeployChoice["contract"]) {
    town = await openRollup({ parameters, ...(contract && { contract }) });
    const index = await town.rollup.read.nextIndex();
    const owner = BigInt(town.operator.account.address);
    const { ax, ay } = walletFromSeed(new Uint8Array(32).fill(7));
    const lie: L1Item = {
      kind: L1Kind.deposit,
      index,
      amount: LOOT_GWEI,
      key: { ax, ay, owner },
    };
    const { circuit, txData, h } = await circuitSide(town, [lie]);

    // z is known before the deposit is made: it depends on nothing of the queue.
    const z = weakQueueChallenge(parameters, circuit.d, h);
    const y = evaluate(circuit.d, z);
    const at = freeElement(parameters);
    const chain = [...circuit.d];
    chain[3] = (1n << 96n) + (BigInt(index) << 64n) + MIN_DEPOSIT_GWEI;
    chain[at] = solve(chain, at, z, y);
    const value = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI;
    await (await town.as(town.operator)).write.register([ax, chain[at] as bigint], { value });
    return { circuit, chain, txData, h, z, y };
  }

  it("robs a contract whose challenge covers the published bytes only", async () => {
    const { circuit, txData, h, z, y } = await attack("WeakBindingQueue");
    await send(town, txData, [circuit.prevRoot, circuit.newRoot, h, z, y]);
    expect(BigInt(await town.rollup.read.currentStateRoot())).toBe(circuit.newRoot);
    expect(circuit.balance).toBe(LOOT_GWEI);
    expect(await town.rollup.read.owedGwei()).toBe(MIN_DEPOSIT_GWEI);
  });

  it("fails against ours, with the z of the attack and with the right one", async () => {
    const { circuit, chain, txData, h, z, y } = await attack(undefined);
    const real = challenge(parameters, dataDigest(chain), h);
    await refuses(
      send(town, txData, [circuit.prevRoot, circuit.newRoot, h, z, y]),
      "SignalMismatch",
      [3n, z, real],
    );
    // What a proof of the lie would carry for the right z is not what the chain evaluates.
    const lie = evaluate(circuit.d, real);
    const truth = evaluate(chain, real);
    expect(lie).not.toBe(truth);
    await refuses(
      send(town, txData, [circuit.prevRoot, circuit.newRoot, h, real, lie]),
      "SignalMismatch",
      [4n, lie, truth],
    );
  });
});

describe("contracts / attack: h is outside of the challenge", () => {
  // Two L1 slots: the lie in the first, and in the second a key that nobody will use to solve the equation.
  const parameters: CircuitParameters = { id: "attack", nTx: 2, levels: 2, nDeposits: 2, top: 1 };
  let town: TestRollup;

  afterEach(() => town.connection.close());

  /** Everything up to the block: the chain's d is on record, then the circuit's d that makes y fit. */
  async function attack(contract: DeployChoice["contract"]) {
    town = await openRollup({ parameters, ...(contract && { contract }) });
    const { ax, ay } = walletFromSeed(new Uint8Array(32).fill(7));
    const operator = await town.as(town.operator);
    const value = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI;
    await operator.write.register([ax, ay], { value });
    await operator.write.register([3n, 4n], { value });
    const chain = (await town.makeBlock({ l1Count: 2 })).d;

    // z is known before the circuit's data is chosen: without h it depends on the chain's d alone.
    const z = weakCommitmentChallenge(parameters, chain);
    const owner = BigInt(town.operator.account.address);
    const lie: L1Item = {
      kind: L1Kind.deposit,
      index: 1,
      amount: LOOT_GWEI,
      key: { ax, ay, owner },
    };
    const at = freeElement(parameters);
    const wanted = [...chain];
    wanted[3] = (1n << 96n) + (1n << 64n) + LOOT_GWEI;
    const key = { ax: 3n, ay: solve(wanted, at, z, evaluate(chain, z)), owner };
    const filler: L1Item = { kind: L1Kind.deposit, index: 2, amount: MIN_DEPOSIT_GWEI, key };
    const { circuit, txData, h } = await circuitSide(town, [lie, filler]);
    return { circuit, chain, txData, h, z, y: evaluate(circuit.d, z) };
  }

  it("robs a contract whose challenge covers the chain's data only", async () => {
    const { circuit, chain, txData, h, z, y } = await attack("WeakBindingCommitment");
    expect(circuit.d).not.toEqual(chain);
    await send(town, txData, [circuit.prevRoot, circuit.newRoot, h, z, y]);
    expect(BigInt(await town.rollup.read.currentStateRoot())).toBe(circuit.newRoot);
    expect(circuit.balance).toBe(LOOT_GWEI);
    expect(await town.rollup.read.owedGwei()).toBe(2n * MIN_DEPOSIT_GWEI);
  });

  it("fails against ours, with the z of the attack and with the right one", async () => {
    const { circuit, chain, txData, h, z, y } = await attack(undefined);
    const real = challenge(parameters, dataDigest(chain), h);
    await refuses(
      send(town, txData, [circuit.prevRoot, circuit.newRoot, h, z, y]),
      "SignalMismatch",
      [3n, z, real],
    );
    const lie = evaluate(circuit.d, real);
    const truth = evaluate(chain, real);
    expect(lie).not.toBe(truth);
    await refuses(
      send(town, txData, [circuit.prevRoot, circuit.newRoot, h, real, lie]),
      "SignalMismatch",
      [4n, lie, truth],
    );
  });
});

/** What the twin, and so the circuit, makes of a first block with these deposits. */
async function circuitSide(town: TestRollup, l1Items: readonly L1Item[]) {
  const tree = new StateTree(town.parameters.levels);
  const batch = buildBatch(town.parameters, tree, {
    domain: await town.rollup.read.domain(),
    blockNumber: 1,
    feeIndex: 1,
    l1Items,
    transfers: [],
  });
  const { d, newRoot, txData, accounts, publicSignals } = executeBatch(town.parameters, batch);
  const h = commitData(town.parameters, d);
  if (h !== publicSignals[2]) throw new Error("h is not the circuit's");
  const balance = accounts.get(1)?.balance;
  const circuit = { d, newRoot, prevRoot: tree.root, balance };
  return { circuit, txData: bytesToHex(txData), h };
}

function send(
  town: TestRollup,
  txData: Hex,
  publicSignals: [bigint, bigint, bigint, bigint, bigint],
) {
  return town.commit({
    newStateRoot: numberToHex(publicSignals[1], { size: 32 }),
    transactionsHash: keccak256(txData),
    publicSignals,
    txData,
  });
}
