// Puts a rollup on a chain: the circuit's verifier, then ZKRollup with it. For the demo, tests and first steps.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  getAddress,
  type Hex,
  numberToHex,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import type { CircuitParameters } from "../circuits/parameters.ts";
import { StateTree } from "../circuits/tree.ts";
import { verifierName } from "../circuits/verifier.ts";

export interface DeployOptions {
  /** Folder of the compiler's output, as Hardhat writes it. */
  readonly artifactsDir: string;
  readonly parameters: CircuitParameters;
  /** The address that may commit blocks. */
  readonly operator: Address;
  /** The rollup's number in messages; L1 has 0. */
  readonly sourceDomain?: number;
  readonly entryFeeWei?: bigint;
  readonly minDepositGwei?: bigint;
  readonly inclusionWindowSeconds?: bigint;
  readonly spacingSeconds?: bigint;
  /** Another contract in the verifier's place. */
  readonly verifier?: Address;
}

export interface Deployment {
  readonly rollup: Address;
  readonly verifier: Address;
  /** L1 block of the rollup's contract: nothing of it is to be found before. */
  readonly deploymentBlock: number;
  readonly gasUsed: { readonly rollup: bigint; readonly verifier: bigint };
}

export interface DeployClients {
  readonly read: PublicClient;
  readonly signer: WalletClient<Transport, Chain | undefined, Account>;
}

/** 0.0001 ether: enough that filling the queue costs something, little beside the gas of a deposit. */
const ENTRY_FEE_WEI = 10n ** 14n;
/** 0.001 ether. */
const MIN_DEPOSIT_GWEI = 10n ** 6n;
const INCLUSION_WINDOW_SECONDS = 3_600n;
/** Ethereum's slot: with one L1 slot a rollup block each slot must be enough. */
const SPACING_SECONDS = 12n;

/** @throws viem's errors if the chain refuses, Node's if the contracts are not built. */
export async function deployRollup(
  clients: DeployClients,
  options: DeployOptions,
): Promise<Deployment> {
  const { parameters } = options;
  const verifier = options.verifier
    ? { address: options.verifier, gasUsed: 0n }
    : await deploy(clients, await artifactOf(options, verifierPath(parameters.id)), []);
  const config = {
    operator: options.operator,
    sourceDomain: options.sourceDomain ?? 1,
    nTx: parameters.nTx,
    levels: parameters.levels,
    nDeposits: parameters.nDeposits,
    entryFeeWei: options.entryFeeWei ?? ENTRY_FEE_WEI,
    minDepositGwei: options.minDepositGwei ?? MIN_DEPOSIT_GWEI,
    inclusionWindowSeconds: options.inclusionWindowSeconds ?? INCLUSION_WINDOW_SECONDS,
    spacingSeconds: options.spacingSeconds ?? SPACING_SECONDS,
  };
  const genesisRoot = numberToHex(new StateTree(parameters.levels).root, { size: 32 });
  const artifact = await artifactOf(options, "contracts/zk/ZKRollup.sol/ZKRollup.json");
  const rollup = await deploy(clients, artifact, [verifier.address, genesisRoot, config]);
  return {
    rollup: rollup.address,
    verifier: verifier.address,
    deploymentBlock: rollup.blockNumber,
    gasUsed: { rollup: rollup.gasUsed, verifier: verifier.gasUsed },
  };
}

function verifierPath(circuitId: string): string {
  const name = verifierName(circuitId);
  return `contracts/generated/${name}.sol/${name}.json`;
}

interface Artifact {
  readonly abi: Abi;
  readonly bytecode: Hex;
}

async function artifactOf({ artifactsDir }: DeployOptions, path: string): Promise<Artifact> {
  return JSON.parse(await readFile(join(artifactsDir, path), "utf8")) as Artifact;
}

/** Deploys one contract and waits for it. */
export async function deploy(
  { read, signer }: DeployClients,
  { abi, bytecode }: Artifact,
  args: readonly unknown[],
): Promise<{ address: Address; blockNumber: number; gasUsed: bigint }> {
  const hash = await signer.deployContract({
    abi,
    bytecode,
    args,
    account: signer.account,
    chain: signer.chain ?? null,
  });
  const receipt = await read.waitForTransactionReceipt({ hash, pollingInterval: 100 });
  if (receipt.status !== "success" || !receipt.contractAddress) {
    throw new Error(`deployment ${hash} was mined and reverted.`);
  }
  return {
    address: getAddress(receipt.contractAddress),
    blockNumber: Number(receipt.blockNumber),
    gasUsed: receipt.gasUsed,
  };
}
