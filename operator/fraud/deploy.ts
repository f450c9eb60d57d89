// Puts an optimistic rollup on a chain: inbox, ledger, rollup. For tests and first steps.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Abi, type Address, getContractAddress, type Hex } from "viem";
import { type DeployClients, deploy } from "../deploy.ts";

export interface OptimisticDeployOptions {
  /** Folder of the compiler's output, as Hardhat writes it. */
  readonly artifactsDir: string;
  /** The address that may publish batches of records. */
  readonly sequencer: Address;
  /** The rollup's number in messages; L1 has 0. */
  readonly sourceDomain?: number;
  readonly proposerBondWei?: bigint;
  readonly challengeDepositWei?: bigint;
  readonly challengePeriodSeconds?: number;
  readonly clockSeconds?: number;
  readonly graceSeconds?: number;
  readonly maxBatches?: number;
  readonly entryFeeWei?: bigint;
  readonly maxOpen?: bigint;
  readonly softDeadlineSeconds?: bigint;
  readonly hardDeadlineSeconds?: bigint;
}

export interface OptimisticDeployment {
  readonly rollup: Address;
  readonly ledger: Address;
  readonly inbox: Address;
  /** L1 block of the first contract: nothing of them is to be found before. */
  readonly deploymentBlock: number;
}

const DAY = 86_400;

/** Each with its reason in docs/contracts.md. */
export const OPTIMISTIC_DEFAULTS = {
  sourceDomain: 2,
  proposerBondWei: 10n ** 18n,
  challengeDepositWei: 4n * 10n ** 17n,
  challengePeriodSeconds: 7 * DAY,
  clockSeconds: 3.5 * DAY,
  graceSeconds: DAY,
  maxBatches: 16,
  entryFeeWei: 10n ** 14n,
  maxOpen: 4_096n,
  softDeadlineSeconds: 3_600n,
  hardDeadlineSeconds: BigInt(DAY),
} as const;

/** @throws viem's errors if the chain refuses, Node's if the contracts are not built. */
export async function deployOptimisticRollup(
  clients: DeployClients,
  options: OptimisticDeployOptions,
): Promise<OptimisticDeployment> {
  const full = { ...OPTIMISTIC_DEFAULTS, ...options };
  const { entryFeeWei, maxOpen, softDeadlineSeconds, hardDeadlineSeconds, sequencer } = full;
  const artifact = async (path: string): Promise<{ abi: Abi; bytecode: Hex }> =>
    JSON.parse(await readFile(join(options.artifactsDir, "contracts", path), "utf8"));
  const account = clients.signer.account.address;
  const nonce = await clients.read.getTransactionCount({ address: account });
  // The ledger is made for the rollup's address, and the rollup for the ledger's: the third contract from here.
  const rollup = getContractAddress({ from: account, nonce: BigInt(nonce) + 2n });
  const inboxConfig = {
    sequencer,
    // Taken by the bridge, once there is one.
    exitPayer: `0x${"00".repeat(20)}` as Address,
    entryFeeWei,
    maxOpen,
    softDeadlineSeconds,
    hardDeadlineSeconds,
  };
  const inbox = await deploy(
    clients,
    await artifact("inbox/DataAvailability.sol/DataAvailability.json"),
    [inboxConfig],
  );
  const ledger = await deploy(clients, await artifact("ledger/LedgerVM.sol/LedgerVM.json"), [
    rollup,
    full.sourceDomain,
  ]);
  const config = {
    proposerBondWei: full.proposerBondWei,
    challengeDepositWei: full.challengeDepositWei,
    challengePeriodSeconds: full.challengePeriodSeconds,
    clockSeconds: full.clockSeconds,
    graceSeconds: full.graceSeconds,
    maxBatches: full.maxBatches,
  };
  const made = await deploy(
    clients,
    await artifact("optimistic/OptimisticRollup.sol/OptimisticRollup.json"),
    [ledger.address, inbox.address, config],
  );
  return {
    rollup: made.address,
    ledger: ledger.address,
    inbox: inbox.address,
    deploymentBlock: inbox.blockNumber,
  };
}
