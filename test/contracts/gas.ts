// What the contract costs, in gas: the same on every machine, so it is committed (test/snapshots/gas.json).

import { type Hex, hexToBytes, parseEventLogs, size, toHex } from "viem";
import { exitNonce } from "../../circuits/exits.ts";
import { CIRCUITS, type CircuitParameters } from "../../circuits/parameters.ts";
import type { TransferRecord } from "../../circuits/transfer.ts";
import { openRealRollup, type TestProver } from "./real-rollup.ts";
import {
  ENTRY_FEE_WEI,
  GWEI,
  keyOf,
  MIN_DEPOSIT_GWEI,
  NO_PROOF,
  openRollup,
  type TestRollup,
} from "./rollup.ts";

/** One commitBlock, taken apart. Everything is gas. */
export interface CommitGas {
  readonly transfers: number;
  readonly txDataBytes: number;
  /** Every transaction's 21,000. */
  readonly intrinsic: number;
  /** All arguments; the proof's eight words are taken as 32 non-zero bytes each. */
  readonly calldata: number;
  /** Making d out of calldata and queue entries in memory. */
  readonly buildData: number;
  /** keccak256 over d, and z. */
  readonly challenge: number;
  /** y. */
  readonly evaluate: number;
  readonly verifyProof: number;
  /** The published bytes in the log, see ADR 0013. */
  readonly dataEvent: number;
  /** Storage, reading the queue, checks, the other event. */
  readonly rest: number;
  readonly total: number;
  readonly perTransfer: number;
  /** How much less without the deposit. */
  readonly oneDeposit: number;
  /** How much more if one of the transfers is an exit, and if all are. */
  readonly oneExit: number;
  readonly allExits: number;
}

export interface GasSnapshot {
  /**
   * Execution of one block of the smallest circuit: with a real proof, and with the stub after the
   * verifiers' difference. Equal, or the larger circuits' totals are not to be trusted.
   */
  readonly check: { readonly whole: number; readonly composed: number };
  /** Whole transactions, calldata included. */
  readonly transactions: Readonly<Record<string, number>>;
  /** Full blocks with one deposit, by circuit. */
  readonly commitBlock: Readonly<Record<string, CommitGas>>;
}

const PROOF_WORDS = 8;
const NON_ZERO_BYTE_GAS = 16;
const INTRINSIC_GAS = 21_000;

/** Gas of calldata, EIP-2028. The floor of EIP-7623 is far below what a block executes. */
const calldataGas = (data: Hex): number =>
  hexToBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 4 : NON_ZERO_BYTE_GAS), 0);

/** Records as a live rollup has them: two-byte indices, gwei amounts of some ether, small fees. */
const realistic = (i: number, type: 1 | 2, to = 300 + i): TransferRecord => ({
  type,
  from: 1_000 + i,
  to,
  amount: 1_234_567_891n + BigInt(i) * 1_000_003n,
  fee: 70_001n,
});

export async function measureGas(prover: TestProver): Promise<GasSnapshot> {
  const { verify, check } = await measureVerify(prover);
  const commitBlock: Record<string, CommitGas> = {};
  for (const parameters of CIRCUITS) {
    commitBlock[parameters.id] = await measureCommit(parameters, verify);
  }
  const largest = CIRCUITS[CIRCUITS.length - 1] as CircuitParameters;
  return { check, transactions: await measureTransactions(largest), commitBlock };
}

interface VerifyGas {
  readonly real: number;
  readonly stub: number;
}

/** Gas that a sent commitBlock used beyond being a transaction and its calldata. */
async function executionOf(town: Pick<TestRollup, "client">, hash: Hex): Promise<number> {
  const { gasUsed } = await town.client.getTransactionReceipt({ hash });
  const { input } = await town.client.getTransaction({ hash });
  return Number(gasUsed) - INTRINSIC_GAS - calldataGas(input);
}

/** A real proof's verification and the stub's, and the same block committed with each. */
async function measureVerify(prover: TestProver) {
  const town = await openRealRollup(prover);
  await town.register(town.alice, 10n ** 9n);
  const block = await town.prove({ l1Count: 1 });
  const probe = await town.viem.deployContract("GasProbe");
  const stub = await town.viem.deployContract("StubVerifier");
  const { pA, pB, pC } = block.proof;
  const gasOf = async (verifier: Hex) =>
    Number(await probe.read.gasOfVerify([verifier, pA, pB, pC, block.publicSignals]));
  const verify: VerifyGas = {
    real: await gasOf(town.stub.address),
    stub: await gasOf(stub.address),
  };
  const whole = await executionOf(town, await town.commit(block));
  await town.connection.close();

  // The same transactions from the same accounts: the same addresses, so the same block fits.
  const twin = await openRealRollup(prover, { verifier: undefined });
  await twin.register(twin.alice, 10n ** 9n);
  const withStub = await executionOf(twin, await twin.commit(block));
  await twin.connection.close();
  return { verify, check: { whole, composed: withStub - verify.stub + verify.real } };
}

async function measureCommit(parameters: CircuitParameters, verify: VerifyGas): Promise<CommitGas> {
  const { nTx } = parameters;
  const types = (exits: number): TransferRecord[] =>
    Array.from({ length: nTx }, (_, i) => (i < exits ? realistic(i, 2, 1) : realistic(i, 1)));
  const whole = await commitOnce(parameters, 1, types(0), verify);
  const withoutDeposit = await commitOnce(parameters, 0, types(0), verify);
  const oneExit = await commitOnce(parameters, 1, types(1), verify);
  const allExits = await commitOnce(parameters, 1, types(nTx), verify);
  const { buildData, challenge, evaluate, dataEvent, execution, calldata, txDataBytes } = whole;
  const parts = buildData + challenge + evaluate + dataEvent + verify.real;
  const total = INTRINSIC_GAS + calldata + execution;
  const sum = ({ calldata: c, execution: e }: typeof whole) => INTRINSIC_GAS + c + e;
  return {
    transfers: nTx,
    txDataBytes,
    intrinsic: INTRINSIC_GAS,
    calldata,
    buildData,
    challenge,
    evaluate,
    verifyProof: verify.real,
    dataEvent,
    rest: execution - parts,
    total,
    perTransfer: Math.round(total / nTx),
    oneDeposit: total - sum(withoutDeposit),
    oneExit: sum(oneExit) - total,
    allExits: sum(allExits) - total,
  };
}

/** The second block of a rollup: the first one pays for slots that are written for the first time. */
async function commitOnce(
  parameters: CircuitParameters,
  deposits: 0 | 1,
  transfers: readonly TransferRecord[],
  verify: VerifyGas,
) {
  const town = await openRollup({ parameters });
  const alice = await town.as(town.alice);
  const value = ENTRY_FEE_WEI + 10n ** 12n * GWEI;
  await alice.write.register([2n ** 250n + 12_345n, 2n ** 250n + 67_890n], { value });
  await town.commit(await town.makeBlock({ l1Count: 1 }));
  await alice.write.topUp([1, await town.accountHash(1)], { value });
  // Roots as a Poseidon tree has them.
  const newRoot = 2n ** 253n - 987_654_321n;
  const block = await town.makeBlock({ l1Count: deposits, transfers, newRoot });
  const hash = await town.commit(block);
  const execution = await executionOf(town, hash);
  const dataEvent = await dataEventGas(town, hash);
  const { input } = await town.client.getTransaction({ hash });
  const parts = await measureParts(town, block.txData, deposits, block.publicSignals[2]);
  await town.connection.close();
  return {
    ...parts,
    dataEvent,
    txDataBytes: hexToBytes(block.txData).length,
    calldata: calldataGas(input) + proofWordsMissing(),
    execution: execution - verify.stub + verify.real,
  };
}

/** Gas of the log with the published bytes, without copying them to memory. */
async function dataEventGas(town: TestRollup, hash: Hex): Promise<number> {
  const { logs } = await town.client.getTransactionReceipt({ hash });
  const [log] = parseEventLogs({ abi: town.rollup.abi, eventName: "BlockData", logs });
  if (log === undefined) throw new Error("commitBlock emitted no BlockData");
  const LOG_GAS = 375; // for the log and for each topic; 8 for each byte
  return LOG_GAS * (1 + log.topics.length) + 8 * size(log.data);
}

/** What a real proof's bytes cost more than those of `NO_PROOF`. */
function proofWordsMissing(): number {
  const { pA, pB, pC } = NO_PROOF;
  const words = [...pA, ...pB.flat(), ...pC].map((word) => toHex(word, { size: 32 }));
  const stub = words.reduce((sum, word) => sum + calldataGas(word), 0);
  return PROOF_WORDS * 32 * NON_ZERO_BYTE_GAS - stub;
}

async function measureParts(town: TestRollup, txData: Hex, deposits: 0 | 1, h: bigint) {
  const probe = await town.viem.deployContract("GasProbe");
  const { nDeposits, nTx } = town.parameters;
  const [owner, ax, ay] = await town.rollup.read.accounts([1]);
  const entry = { kind: 1n, index: 1n, amountGwei: 10n ** 12n, ax, ay, owner };
  const input = {
    domain: await town.rollup.read.domain(),
    blockNumber: 2n,
    entries: deposits === 1 ? [entry] : [],
    nDeposits: BigInt(nDeposits),
    nTx: BigInt(nTx),
  };
  const [build, challengeGas, evaluateGas] = await probe.read.gasOfBinding([input, txData, h]);
  return {
    buildData: Number(build),
    challenge: Number(challengeGas),
    evaluate: Number(evaluateGas),
  };
}

/** What users pay, on a rollup that is in use. */
async function measureTransactions(parameters: CircuitParameters): Promise<Record<string, number>> {
  const town = await openRollup({ parameters });
  const gasOf = async (hash: Hex) =>
    Number((await town.client.getTransactionReceipt({ hash })).gasUsed);
  const [alice, bob] = [await town.as(town.alice), await town.as(town.bob)];
  const value = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * GWEI;
  await town.register(town.alice, 10n ** 10n);
  await town.commit(await town.makeBlock({ l1Count: 1 }));
  const largeKey = [2n ** 253n - keyOf(1)[0], 2n ** 253n - keyOf(1)[1]] as const;
  const gas: Record<string, number> = {};
  gas.register = await gasOf(await bob.write.register(largeKey, { value }));
  gas.topUp = await gasOf(await bob.write.topUp([1, await town.accountHash(1)], { value }));
  gas.requestExit = await gasOf(await alice.write.requestExit([1], { value: ENTRY_FEE_WEI }));
  const block = await town.makeBlock({
    l1Count: 1,
    transfers: Array.from({ length: 4 }, (_, i) => realistic(i, 2, 1)),
  });
  await town.commit(block);
  const withdraw = async (slot: number) => {
    const nonce = exitNonce(2, slot);
    const wei = (block.exits.find((exit) => exit.slot === slot)?.amountGwei ?? 0n) * GWEI;
    const hash = await alice.write.withdraw([wei, nonce, block.tree.proof(slot), nonce]);
    return gasOf(hash);
  };
  gas.withdraw = await withdraw(1);
  gas.withdrawAgainBeforeFetching = await withdraw(2);
  gas.withdrawCredit = await gasOf(await alice.write.withdrawCredit());
  await town.connection.close();
  return gas;
}

const number = (value: number) => value.toLocaleString("en-US");

/** The snapshot as Markdown, for docs/contracts.md. */
export function gasTables({ transactions, commitBlock }: GasSnapshot): string {
  const columns = Object.entries(commitBlock);
  const row = (name: string, cells: readonly string[]) => `| ${[name, ...cells].join(" | ")} |`;
  const part = (name: string, of: (gas: CommitGas) => number) =>
    row(
      name,
      columns.map(([, gas]) => number(of(gas))),
    );
  return [
    row(
      "`commitBlock`, full block, one deposit",
      columns.map(([id]) => `\`${id}\``),
    ),
    row(
      "---",
      columns.map(() => "---:"),
    ),
    part("transfers", (gas) => gas.transfers),
    part("published bytes", (gas) => gas.txDataBytes),
    part("every transaction", (gas) => gas.intrinsic),
    part("calldata", (gas) => gas.calldata),
    part("building d", (gas) => gas.buildData),
    part("digest and z", (gas) => gas.challenge),
    part("y", (gas) => gas.evaluate),
    part("proof", (gas) => gas.verifyProof),
    part("published bytes in the log", (gas) => gas.dataEvent),
    part("storage, queue, checks", (gas) => gas.rest),
    part("**total**", (gas) => gas.total),
    part("**for each transfer**", (gas) => gas.perTransfer),
    part("of it for the deposit", (gas) => gas.oneDeposit),
    part("more if one transfer is an exit", (gas) => gas.oneExit),
    part("more if all are", (gas) => gas.allExits),
    "",
    row("users' transactions", ["gas"]),
    row("---", ["---:"]),
    ...Object.entries(transactions).map(([name, gas]) => row(`\`${name}\``, [number(gas)])),
  ].join("\n");
}
