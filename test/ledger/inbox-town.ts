// An inbox on a chain of its own, with a sequencer and users.

import type { WalletClient } from "@nomicfoundation/hardhat-viem/types";
import { network } from "hardhat";
import { type Address, getAddress, type Hex } from "viem";
import { encodeBatch } from "../../operator/ledger/batch.ts";
import { readInbox } from "../../operator/ledger/inbox.ts";
import { encodeFeeRecord } from "../../operator/ledger/instruction.ts";

export const ENTRY_FEE_WEI = 10n ** 15n;
export const SOFT_SECONDS = 3_600n;
export const HARD_SECONDS = 86_400n;
export const MAX_OPEN = 6n;

export const NOWHERE: Address = "0x00000000000000000000000000000000000000fe";
export const FEE_RECORD: Hex = encodeFeeRecord(0, NOWHERE);

export interface InboxConfig {
  readonly sequencer: Address;
  readonly exitPayer: Address;
  readonly entryFeeWei: bigint;
  readonly maxOpen: bigint;
  readonly softDeadlineSeconds: bigint;
  readonly hardDeadlineSeconds: bigint;
}

/** The real one and those of contracts/test/WeakInboxes.sol. */
export type InboxKind =
  | "DataAvailability"
  | "AnybodysInbox"
  | "UnorderedInbox"
  | "UnboundInbox"
  | "CensoringInbox"
  | "HastyInbox"
  | "CredulousInbox"
  | "MintingInbox";

/** Users 0 to 3: sequencer, payer of exits, alice, bob. */
export async function openInbox(
  changed: Partial<InboxConfig> = {},
  contract: InboxKind = "DataAvailability",
) {
  const connection = await network.create();
  const { viem } = connection;
  const client = await viem.getPublicClient();
  const control = await viem.getTestClient();
  const [sequencer, exitPayer, alice, bob] = (await viem.getWalletClients()) as [
    WalletClient,
    WalletClient,
    WalletClient,
    WalletClient,
  ];
  const config: InboxConfig = {
    sequencer: getAddress(sequencer.account.address),
    exitPayer: getAddress(exitPayer.account.address),
    entryFeeWei: ENTRY_FEE_WEI,
    maxOpen: MAX_OPEN,
    softDeadlineSeconds: SOFT_SECONDS,
    hardDeadlineSeconds: HARD_SECONDS,
    ...changed,
  };
  // All of them have one interface.
  const inbox = await viem.deployContract(contract as "DataAvailability", [config]);

  /** The contract as one user calls it. */
  const as = (user: WalletClient) =>
    viem.getContractAt("DataAvailability", inbox.address, { client: { wallet: user } });

  async function deposit(user: WalletClient, to: number, toOwner: Address, amountWei: bigint) {
    return (await as(user)).write.deposit([to, toOwner], { value: ENTRY_FEE_WEI + amountWei });
  }

  async function enforce(user: WalletClient, transaction: Hex) {
    return (await as(user)).write.enforceInclusion([transaction], { value: ENTRY_FEE_WEI });
  }

  /** Publishes the next batch; by default with all entries, and with nothing but the FEE. */
  async function commit(records: readonly Hex[] = [FEE_RECORD], queueTo?: bigint) {
    const number = (await inbox.read.batchCount()) + 1n;
    const end = queueTo ?? (await inbox.read.queueTail());
    return (await as(sequencer)).write.commitBatch(encodeBatch({ number, queueTo: end, records }));
  }

  async function read() {
    return readInbox(client, inbox.address, {
      fromBlock: 0n,
      toBlock: await client.getBlockNumber(),
    });
  }

  return {
    connection,
    viem,
    client,
    control,
    sequencer,
    exitPayer,
    alice,
    bob,
    inbox,
    config,
    as,
    deposit,
    enforce,
    commit,
    read,
  };
}

export type InboxTown = Awaited<ReturnType<typeof openInbox>>;

/** Unix time of the newest block. */
export const now = async ({ client }: InboxTown): Promise<bigint> =>
  (await client.getBlock()).timestamp;
