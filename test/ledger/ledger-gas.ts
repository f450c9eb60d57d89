// What the ledger's step and the inbox cost, in gas: the same on every machine, so it is committed
// (test/snapshots/ledger-gas.json).

import { type Hex, hexToBytes, keccak256, numberToHex, size } from "viem";
import {
  encodeFeeRecord,
  encodeForced,
  encodeNoop,
  encodeRecord,
  Opcode,
  type Payment,
} from "../../operator/ledger/instruction.ts";
import { genesisState } from "../../operator/ledger/state.ts";
import { Trace } from "../../operator/ledger/trace.ts";
import { FEE_RECORD, HARD_SECONDS, openInbox } from "./inbox-town.ts";
import { DOMAIN, ownerOf, signPayment, WALLETS } from "./random-ledger.ts";

/** One step, taken apart. Everything but bytes is gas. */
export interface StepGas {
  /** Evidence and witness, without the arguments around them. */
  readonly bytes: number;
  readonly calldata: number;
  /** What the inbox does to find and check the instruction. */
  readonly authenticate: number;
  readonly execute: number;
  readonly sum: number;
}

export interface LedgerGas {
  readonly step: Readonly<Record<string, StepGas>>;
  /** Whole transactions, calldata included. */
  readonly transactions: Readonly<Record<string, number>>;
}

export const measureLedgerGas = async (): Promise<LedgerGas> => ({
  step: await measureSteps(),
  transactions: await measureTransactions(),
});

/** Gas of calldata, EIP-2028. */
const calldataGas = (data: Hex): number =>
  hexToBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);

/** What a transaction with this calldata costs at least, EIP-7623. */
const calldataFloor = (data: Hex): number =>
  hexToBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 10 : 40), 21_000);

const [ALICE, BOB] = [WALLETS[0], WALLETS[1]] as [
  (typeof WALLETS)[number],
  (typeof WALLETS)[number],
];

const ETHER = 10n ** 18n;
const [A, B] = [300_007, 1_000_003];

const pay = (nonce: bigint, changed: Partial<Payment> = {}): Payment => ({
  from: A,
  to: B,
  toOwner: ownerOf(BOB),
  amount: ETHER + 123_456_789n,
  fee: 70_001_002_003n,
  nonce,
  validUntilBatch: 1_000n,
  ...changed,
});

const signed = async (kind: 2 | 3, payment: Payment): Promise<Hex> =>
  encodeRecord(kind, payment, await signPayment(ALICE, kind, payment));

/** A step of each opcode out of a batch of 128 records; of a bad one what it costs to say so. */
async function measureSteps(): Promise<Record<string, StepGas>> {
  const town = await openInbox();
  await town.deposit(town.alice, A, ownerOf(ALICE), 50n * ETHER);
  await town.deposit(town.alice, B, ownerOf(BOB), ETHER);
  await town.deposit(town.alice, A, ownerOf(BOB), ETHER);
  const owner = ownerOf(ALICE);
  await town.enforce(town.alice, encodeForced(Opcode.exit, pay(0n, { to: 0 })));
  const measured: Record<string, Hex> = {
    noop: encodeNoop(),
    transfer: await signed(Opcode.transfer, pay(0n)),
    exit: await signed(Opcode.exit, pay(1n, { to: 0 })),
    badSignature: encodeRecord(Opcode.transfer, pay(2n)),
  };
  const records = [
    ...Object.values(measured),
    ...Array<Hex>(123).fill(encodeNoop()),
    encodeFeeRecord(A, owner),
  ];
  await town.commit(records);
  const steps: Record<string, number> = {
    deposit: 1,
    depositRefunded: 2,
    forcedRefused: 3,
    fee: 131,
  };
  Object.keys(measured).forEach((name, i) => {
    steps[name] = 4 + i;
  });

  const inbox = await town.read();
  const trace = await Trace.of(DOMAIN, genesisState(), inbox.instructions(0, 1));
  const probe = await town.viem.deployContract("StepProbe");
  const ledger = await town.viem.deployContract("LedgerVM", [DOMAIN.rollup, DOMAIN.sourceDomain]);
  const gas: Record<string, StepGas> = {};
  for (const [name, step] of Object.entries(steps)) {
    const evidence = inbox.evidence(step);
    const { preState } = await trace.witness(step);
    const [authenticate, execute, postRoot] = await probe.read.gasOfStep([
      town.inbox.address,
      ledger.address,
      BigInt(step),
      evidence,
      preState,
    ]);
    if (postRoot !== trace.root(step + 1)) throw new Error(`${name}: another root`);
    const calldata = calldataGas(evidence) + calldataGas(preState);
    gas[name] = {
      bytes: size(evidence) + size(preState),
      calldata,
      authenticate: Number(authenticate),
      execute: Number(execute),
      sum: calldata + Number(authenticate) + Number(execute),
    };
  }
  await town.connection.close();
  return gas;
}

/** Records as full as real ones: a signature has no zeros to speak of. */
const fullRecord = (i: number): Hex => {
  const half = keccak256(numberToHex(i));
  return encodeRecord(Opcode.transfer, pay(BigInt(i)), `${half}${keccak256(half).slice(2)}`);
};

async function measureTransactions(): Promise<Record<string, number>> {
  const town = await openInbox({ maxOpen: 4_096n });
  const gasOf = async (hash: Hex) =>
    Number((await town.client.getTransactionReceipt({ hash })).gasUsed);
  const forced = encodeForced(Opcode.transfer, pay(0n));
  // The first of each pays for slots that are written for the first time.
  await town.deposit(town.alice, A, ownerOf(ALICE), ETHER);
  await town.enforce(town.alice, forced);
  await town.commit();
  const gas: Record<string, number> = {};
  gas.enforceInclusion = await gasOf(await town.enforce(town.alice, forced));
  gas.deposit = await gasOf(await town.deposit(town.alice, A, ownerOf(ALICE), ETHER));
  for (const count of [1, 16, 128, 1_024]) {
    const records = [...Array.from({ length: count - 1 }, (_, i) => fullRecord(i)), FEE_RECORD];
    const hash = await town.commit(records);
    gas[`commitBatch of ${count}`] = await gasOf(hash);
    const { input } = await town.client.getTransaction({ hash });
    gas[`the least that calldata of ${count} costs`] = calldataFloor(input);
  }
  for (const count of [1, 100]) {
    for (let i = 0; i < count; i++) await town.enforce(town.alice, forced);
    await town.control.increaseTime({ seconds: Number(HARD_SECONDS) });
    const upTo = await town.inbox.read.queueTail();
    gas[`forceInclude of ${count}`] = await gasOf(
      await (await town.as(town.bob)).write.forceInclude([upTo]),
    );
  }
  const payer = await town.as(town.exitPayer);
  const bob = town.bob.account.address;
  gas.release = await gasOf(await payer.write.release([bob, 1n]));
  gas.withdrawCredit = await gasOf(await (await town.as(town.bob)).write.withdrawCredit());
  await town.connection.close();
  return gas;
}

const number = (value: number) => value.toLocaleString("en-US");
const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** The snapshot as Markdown, for docs/contracts.md. */
export function ledgerGasTables({ step, transactions }: LedgerGas): string {
  return [
    row(["one step", "bytes", "calldata", "finding it", "executing it", "**sum**"]),
    row(["---", "---:", "---:", "---:", "---:", "---:"]),
    ...Object.entries(step).map(([name, gas]) =>
      row([name, ...[gas.bytes, gas.calldata, gas.authenticate, gas.execute, gas.sum].map(number)]),
    ),
    "",
    row(["transaction", "gas"]),
    row(["---", "---:"]),
    ...Object.entries(transactions).map(([name, gas]) => row([name, number(gas)])),
  ].join("\n");
}
