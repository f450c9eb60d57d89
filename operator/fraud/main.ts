// Starts a proposer or a challenger: checks that configuration and chain fit, then looks at the chain for ever.

import {
  type Address,
  createPublicClient,
  createWalletClient,
  getAddress,
  http,
  isAddress,
  type PublicClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { KEY_VARIABLE, readKey } from "../config.ts";
import { OperatorError } from "../errors.ts";
import { LEDGER_ABI } from "../ledger/ledger-abi.ts";
import { genesisState, stateRoot } from "../ledger/state.ts";
import type { Log } from "../log.ts";
import { TransactionSender } from "../transaction-sender.ts";
import { ChainLog } from "./chain-log.ts";
import { OPTIMISTIC_ABI } from "./optimistic-abi.ts";
import type { Roles } from "./plan.ts";
import { FraudPlayer } from "./player.ts";

export interface FraudPlayerConfig {
  /** JSON-RPC of an L1 node. */
  readonly rpcUrl: string;
  /** The OptimisticRollup contract. */
  readonly rollup: string;
  /** L1 block in which the first of its contracts was deployed. */
  readonly deploymentBlock: number;
  readonly roles: Roles;
  /** Claims ahead of the finalized chain that a proposer stakes on: one bond each. */
  readonly maxAhead?: number;
  readonly pollIntervalMs?: number;
  readonly maxFeePerGasGwei?: number;
  /** Without a receipt for so long, a transaction is sent again with a higher fee. */
  readonly resendAfterMs?: number;
}

export interface RunningFraudPlayer {
  readonly player: FraudPlayer;
  readonly account: Address;
  /** Ends after the look that is going on. What is on its way stays so, and is found again at the next start. */
  stop(): Promise<void>;
}

export interface FraudPlayerDependencies {
  readonly log: Log;
  /** Where the L1 key is looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const WEI_PER_GWEI = 1_000_000_000n;
const RPC_TIMEOUT_MS = 10_000;
const DEFAULTS = {
  maxAhead: 32, // in a challenge period so many claims, each of up to `maxBatches` batches
  // Reasons of these as in operator/config.ts.
  pollIntervalMs: 2_000,
  maxFeePerGasGwei: 200,
  resendAfterMs: 60_000,
};

/**
 * @throws OperatorError CONFIG_INVALID, CHAIN_MISMATCH
 * @throws viem's errors if the L1 node does not answer.
 */
export async function startFraudPlayer(
  config: FraudPlayerConfig,
  { log, environment }: FraudPlayerDependencies,
): Promise<RunningFraudPlayer> {
  const { rollup: given, deploymentBlock, roles } = config;
  const { maxAhead, pollIntervalMs, maxFeePerGasGwei, resendAfterMs } = { ...DEFAULTS, ...config };
  if (!isAddress(given, { strict: false })) {
    throw new OperatorError("CONFIG_INVALID", `rollup: got ${given}, expected an address.`);
  }
  const rollup = getAddress(given);
  const signerAccount = privateKeyToAccount(readKey(environment));
  const account = signerAccount.address;
  const transport = http(config.rpcUrl, { timeout: RPC_TIMEOUT_MS });
  const read = createPublicClient({ transport, cacheTime: 0 });
  const { inbox, domain, rules } = await readRollup(read, rollup);
  const chain = new ChainLog(read, { addresses: [rollup, inbox], fromBlock: deploymentBlock });
  const sender = new TransactionSender(
    { maxFeePerGasWei: BigInt(maxFeePerGasGwei) * WEI_PER_GWEI, resendAfterMs },
    {
      read,
      signer: createWalletClient({ account: signerAccount, transport }),
      abi: OPTIMISTIC_ABI,
    },
  );
  const player = new FraudPlayer(
    { rollup, account, roles, maxAhead, rules, domain },
    { read, chain, sender, log },
  );
  log.info({ account, rollup, ...roles, keyFrom: KEY_VARIABLE }, "player started");
  const stop = run(player, pollIntervalMs, log);
  return { player, account, stop };
}

/** What the contracts fixed, checked against what this program knows of ledgers. */
async function readRollup(read: PublicClient, rollup: Address) {
  const contract = { address: rollup, abi: OPTIMISTIC_ABI } as const;
  const [ledger, inbox, rules, chainId] = await Promise.all([
    read.readContract({ ...contract, functionName: "VM" }),
    read.readContract({ ...contract, functionName: "INBOX" }),
    read.readContract({ ...contract, functionName: "config" }),
    read.getChainId(),
  ]).catch((cause: Error) => {
    if (cause.name !== "ContractFunctionExecutionError") throw cause;
    const message = `there is no optimistic rollup at ${rollup} on this chain.`;
    throw new OperatorError("CHAIN_MISMATCH", message, { path: "rollup", got: rollup }, { cause });
  });
  const vm = { address: ledger, abi: LEDGER_ABI } as const;
  const [genesisRoot, sourceDomain] = await Promise.all([
    read.readContract({ ...vm, functionName: "genesisRoot" }),
    read.readContract({ ...vm, functionName: "sourceDomain" }),
  ]);
  const ours = stateRoot(genesisState());
  if (genesisRoot !== ours) {
    throw new OperatorError(
      "CHAIN_MISMATCH",
      `genesis root: the contract has ${genesisRoot}, this program ${ours}.`,
      { got: genesisRoot, expected: ours },
    );
  }
  return { inbox, rules, domain: { chainId, rollup, sourceDomain } };
}

/** Looks again and again. @returns what ends it. */
function run(player: FraudPlayer, pollIntervalMs: number, log: Log): () => Promise<void> {
  const ending = new AbortController();
  const running = (async () => {
    while (!ending.signal.aborted) {
      const wishes = await player.tick().catch((error: unknown) => {
        const { code, message } = OperatorError.from(error);
        // A node that does not answer, or a final root that is false, which nobody here can do anything about.
        if (code === "STATE_DIVERGED") log.error({ code, message }, "the final root is false");
        else log.warn({ code, message }, "could not look");
        return [];
      });
      // With work waiting, the next look follows at once: what was sent is mined in the next block at the earliest,
      // but another call may be refused or done already.
      await sleep(
        wishes.length > 1 ? Math.min(pollIntervalMs, 250) : pollIntervalMs,
        ending.signal,
      );
    }
  })();
  return async () => {
    ending.abort();
    await running;
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
