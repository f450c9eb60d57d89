// A rollup on a chain of its own. By default its verifier says yes to everything, so that blocks need no proof.

import type { WalletClient } from "@nomicfoundation/hardhat-viem/types";
import { network } from "hardhat";
import {
  type Address,
  bytesToHex,
  encodeAbiParameters,
  getAddress,
  type Hex,
  keccak256,
  numberToHex,
} from "viem";
import type { AccountKey } from "../../circuits/account.ts";
import {
  bindData,
  dataElements,
  encodeTxData,
  rollupDomain,
  transactionsHash,
} from "../../circuits/data.ts";
import { type Exit, exitSlots, exitTree, withOwners } from "../../circuits/exits.ts";
import { type L1Item, L1Kind } from "../../circuits/l1.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import type { TransferRecord } from "../../circuits/transfer.ts";
import { StateTree } from "../../circuits/tree.ts";
import type { ProofWords } from "../../worker/proof.ts";

/** Two L1 slots and three transfers: five slots, so the exit tree has empty leaves. 16 accounts. */
export const PARAMETERS: CircuitParameters = {
  id: "made-up",
  nTx: 3,
  levels: 2,
  nDeposits: 2,
  top: 1,
};

export const SOURCE_DOMAIN = 7;
export const ENTRY_FEE_WEI = 10n ** 15n;
export const MIN_DEPOSIT_GWEI = 10n ** 6n;
export const WINDOW_SECONDS = 3_600n;
export const SPACING_SECONDS = 12n;
export const GWEI = 10n ** 9n;

/** A proof that the stub accepts like any other. */
export const NO_PROOF: ProofWords = {
  pA: [1n, 2n],
  pB: [
    [3n, 4n],
    [5n, 6n],
  ],
  pC: [7n, 8n],
};

export interface DeployChoice {
  readonly parameters?: CircuitParameters;
  readonly contract?: "ZKRollup" | "WeakBindingQueue" | "WeakBindingCommitment";
  /** By default the stub. */
  readonly verifier?: "BatchTinyVerifier" | undefined;
  readonly config?: Partial<RollupConfig>;
}

export interface RollupConfig {
  readonly operator: Address;
  readonly sourceDomain: number;
  readonly nTx: number;
  readonly levels: number;
  readonly nDeposits: number;
  readonly entryFeeWei: bigint;
  readonly minDepositGwei: bigint;
  readonly inclusionWindowSeconds: bigint;
  readonly spacingSeconds: bigint;
}

/** What goes into a block; the queue gives the rest. */
export interface BlockContent {
  readonly feeIndex?: number;
  /** How many queue entries it takes, from the head. */
  readonly l1Count?: number;
  /** gwei, one for each forced exit among them. */
  readonly exitAmounts?: readonly bigint[];
  readonly transfers?: readonly TransferRecord[];
  readonly newRoot?: bigint;
}

/** Arguments of commitBlock with what a test wants to know about them. */
export interface MadeBlock {
  readonly newStateRoot: Hex;
  readonly transactionsHash: Hex;
  readonly publicSignals: readonly [bigint, bigint, bigint, bigint, bigint];
  readonly txData: Hex;
  readonly d: readonly bigint[];
  readonly exits: readonly Exit[];
  readonly tree: ReturnType<typeof exitTree>;
}

/** What commitBlock takes besides the proof. */
export type CommittedBlock = Omit<MadeBlock, "d" | "exits" | "tree">;

export type TestRollup = Awaited<ReturnType<typeof openRollup>>;

/** Users 0 to 4: deployer, operator, alice, bob, carol. */
export async function openRollup(choice: DeployChoice = {}) {
  const { parameters = PARAMETERS, contract, config, verifier } = choice;
  const connection = await network.create();
  const { viem } = connection;
  const client = await viem.getPublicClient();
  const control = await viem.getTestClient();
  const [deployer, operator, alice, bob, carol] = (await viem.getWalletClients()) as [
    WalletClient,
    WalletClient,
    WalletClient,
    WalletClient,
    WalletClient,
  ];
  // The interfaces that matter are alike: of the verifiers, and of the rollup and its weakened copies.
  const stub = await viem.deployContract((verifier ?? "StubVerifier") as "StubVerifier");
  const fullConfig: RollupConfig = {
    operator: getAddress(operator.account.address),
    sourceDomain: SOURCE_DOMAIN,
    nTx: parameters.nTx,
    levels: parameters.levels,
    nDeposits: parameters.nDeposits,
    entryFeeWei: ENTRY_FEE_WEI,
    minDepositGwei: MIN_DEPOSIT_GWEI,
    inclusionWindowSeconds: WINDOW_SECONDS,
    spacingSeconds: SPACING_SECONDS,
    ...config,
  };
  const genesis = numberToHex(new StateTree(parameters.levels).root, { size: 32 });
  const rollup = await viem.deployContract((contract ?? "ZKRollup") as "ZKRollup", [
    stub.address,
    genesis,
    fullConfig,
  ]);
  const chainId = await client.getChainId();

  /** The contract as one user calls it. */
  const as = (user: WalletClient) =>
    viem.getContractAt("ZKRollup", rollup.address, { client: { wallet: user } });

  async function accountOf(index: number): Promise<AccountKey & { address: Address }> {
    const [address, ax, ay] = await rollup.read.accounts([index]);
    return { ax, ay, owner: BigInt(address), address };
  }

  /** The next entries of the queue as the circuit takes them. */
  async function nextItems(count: number, exitAmounts: readonly bigint[]): Promise<L1Item[]> {
    const head = await rollup.read.queueHead();
    const amounts = [...exitAmounts];
    const items: L1Item[] = [];
    for (let i = 0; i < count; i++) {
      const [kind, index, amountGwei] = await rollup.read.queueItem([head + BigInt(i)]);
      const { ax, ay, owner } = await accountOf(index);
      const amount = kind === L1Kind.forcedExit ? (amounts.shift() ?? 0n) : amountGwei;
      items.push({ kind: kind as L1Kind, index, amount, key: { ax, ay, owner } });
    }
    return items;
  }

  /** A block whose signals fit; whether it makes sense is for the caller. */
  async function makeBlock(content: BlockContent = {}): Promise<MadeBlock> {
    const { feeIndex = 1, l1Count = 0, exitAmounts = [], transfers = [] } = content;
    const l1Items = await nextItems(l1Count, exitAmounts);
    const blockNumber = Number(await rollup.read.blockCount()) + 1;
    const domain = rollupDomain(chainId, rollup.address);
    const d = dataElements(parameters, { domain, blockNumber, feeIndex, l1Items, transfers });
    const { h, z, y } = bindData(parameters, d);
    const newRoot = content.newRoot ?? 1_000n + BigInt(blockNumber);
    const bytes = encodeTxData(parameters, { feeIndex, l1Items, transfers });
    const slots = exitSlots(parameters, { l1Items, transfers });
    const owners = new Map<number, Address>();
    for (const { index } of slots) owners.set(index, (await accountOf(index)).address);
    const exits = withOwners(slots, (index) => owners.get(index) as Address);
    const scope = { rollup: rollup.address, sourceDomain: fullConfig.sourceDomain, blockNumber };
    return {
      newStateRoot: numberToHex(newRoot, { size: 32 }),
      transactionsHash: transactionsHash(bytes),
      publicSignals: [BigInt(await rollup.read.currentStateRoot()), newRoot, h, z, y],
      txData: bytesToHex(bytes),
      d,
      exits,
      tree: exitTree(parameters, scope, exits),
    };
  }

  /** Sends a block; by default as the operator, and with a proof that only the stub accepts. */
  async function commit(
    block: CommittedBlock,
    user: WalletClient = operator,
    { pA, pB, pC }: ProofWords = NO_PROOF,
  ) {
    const { newStateRoot, transactionsHash: hash, publicSignals, txData } = block;
    return (await as(user)).write.commitBlock([
      newStateRoot,
      hash,
      pA,
      pB,
      pC,
      publicSignals,
      txData,
    ]);
  }

  /** Registers a user with a made-up key, and returns the account's index. */
  async function register(user: WalletClient, amountGwei = MIN_DEPOSIT_GWEI): Promise<number> {
    const index = await rollup.read.nextIndex();
    const value = ENTRY_FEE_WEI + amountGwei * GWEI;
    await (await as(user)).write.register(keyOf(index), { value });
    return index;
  }

  /** keccak256(abi.encode(ax, ay, owner)) of an account. */
  async function accountHash(index: number): Promise<Hex> {
    const [owner, ax, ay] = await rollup.read.accounts([index]);
    const types = [{ type: "uint256" }, { type: "uint256" }, { type: "address" }] as const;
    return keccak256(encodeAbiParameters(types, [ax, ay, owner]));
  }

  return {
    nextItems,
    connection,
    viem,
    client,
    control,
    deployer,
    operator,
    alice,
    bob,
    carol,
    stub,
    rollup,
    parameters,
    config: fullConfig,
    genesis,
    chainId,
    as,
    accountOf,
    makeBlock,
    commit,
    register,
    accountHash,
  };
}

/** A key for an account index; the stub does not care whether it is on the curve. */
export const keyOf = (index: number): [bigint, bigint] => [
  100n + BigInt(index),
  200n + BigInt(index),
];

/** A transfer record with an amount of 10 gwei and no fee unless told otherwise. */
export const record = (fields: Partial<TransferRecord> = {}): TransferRecord => ({
  type: 1,
  from: 1,
  to: 2,
  amount: 10n,
  fee: 0n,
  ...fields,
});
