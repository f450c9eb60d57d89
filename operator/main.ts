// Puts the operator together and starts it.

import { createPublicClient, createWalletClient, type Hex, http, isAddressEqual } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { circuitIdHash, rollupDomain } from "../circuits/data.ts";
import { type CircuitParameters, circuitParameters } from "../circuits/parameters.ts";
import { type Api, serveApi } from "./api.ts";
import { CommitSender } from "./commit-sender.ts";
import {
  type CheckedConfig,
  checkConfig,
  type OperatorConfig,
  proverAccess,
  readKey,
} from "./config.ts";
import { OperatorError } from "./errors.ts";
import { GrpcProofService } from "./grpc-proof-service.ts";
import { L1Client, type RollupSettings } from "./l1-client.ts";
import { L1Follower } from "./l1-follower.ts";
import type { Log } from "./log.ts";
import { Mempool } from "./mempool.ts";
import { Operator } from "./operator.ts";
import { type ProofService, ProverLink } from "./prover-link.ts";
import { RollupState } from "./state.ts";

export type { OperatorConfig } from "./config.ts";

const WEI_PER_GWEI = 1_000_000_000n;
/** Refusals remembered for receipts: about 3 MB. */
const REFUSALS_MAX = 10_000;

export interface StartDependencies {
  readonly log?: Log;
  /** Where the L1 key is looked up. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Another maker of proofs than the gRPC service at `proverAddress`. */
  readonly proofService?: ProofService;
}

export interface RunningOperator {
  readonly operator: Operator;
  /** Base URL of the users' API. */
  readonly apiUrl: string;
  /** Accepts nothing more, commits what was accepted for at most `drainMs`, then ends. Safe to repeat. */
  stop(drainMs?: number): Promise<void>;
}

/** Time for what is in flight: two proofs and a few L1 blocks. */
const DRAIN_MS = 60_000;

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Checks that configuration and chain fit, reads the state from L1, and starts loop and API.
 *
 * @throws OperatorError CONFIG_INVALID, CHAIN_MISMATCH
 * @throws viem's errors if the L1 node does not answer.
 */
export async function startOperator(
  config: OperatorConfig,
  dependencies: StartDependencies = {},
): Promise<RunningOperator> {
  const checked = checkConfig(config);
  const { log = SILENT, environment = process.env } = dependencies;
  const isCommitting =
    checked.proverAddress !== undefined || dependencies.proofService !== undefined;
  const key = isCommitting ? readKey(environment) : undefined;
  const parameters = circuitParameters(checked.circuitId);
  const transport = http(checked.rpcUrl, { timeout: checked.rpcTimeoutMs });
  const read = createPublicClient({ transport, cacheTime: 0 });
  const client = new L1Client(read, checked.rollup);

  const [chainId, settings] = await Promise.all([client.chainId(), readSettings(client)]);
  const account = key && privateKeyToAccount(key);
  checkSettings(checked, parameters, settings, chainId, account?.address);
  const origin = await client.header(checked.deploymentBlock - 1);
  const createState = (): RollupState =>
    new RollupState({
      parameters,
      domain: settings.domain,
      origin: { number: origin.number, hash: origin.hash },
      checkpoints: checked.checkpoints,
    });
  if (createState().root !== settings.genesisRoot) {
    throw mismatch("genesis root", String(settings.genesisRoot), String(createState().root));
  }

  const mempool = new Mempool({
    ...checked,
    maxRefusals: REFUSALS_MAX,
    takesFees: checked.feeIndex !== 0,
  });
  const onUndo = (state: RollupState): void => mempool.reconcile(state);
  const follower = new L1Follower(checked, { client, createState, onUndo });
  const scope = { chainId, rollup: checked.rollup, circuitId: checked.circuitId };
  const service =
    dependencies.proofService ??
    (checked.proverAddress === undefined
      ? undefined
      : new GrpcProofService(checked.proverAddress, proverAccess(checked)));
  const committer = account &&
    service && {
      link: new ProverLink(scope, { service, log }),
      sender: new CommitSender(
        {
          maxFeePerGasWei: BigInt(checked.maxFeePerGasGwei) * WEI_PER_GWEI,
          resendAfterMs: checked.resendAfterMs,
        },
        { read, signer: createWalletClient({ account, transport }), rollup: checked.rollup },
      ),
    };
  const operator = new Operator(checked, {
    follower,
    mempool,
    log,
    ...(committer && { committer }),
  });
  const api = await serveApi(
    { host: checked.apiHost, port: checked.apiPort },
    { operator, ...scope, ...checked, sourceDomain: settings.sourceDomain, log },
  );
  operator.start();
  log.info(
    { api: api.url, rollup: checked.rollup, chainId, commits: isCommitting },
    "operator started",
  );
  return running(operator, api, service, log);
}

function running(
  operator: Operator,
  api: Api,
  service: ProofService | undefined,
  log: Log,
): RunningOperator {
  let stopping: Promise<void> | undefined;
  return {
    operator,
    apiUrl: api.url,
    stop(drainMs = DRAIN_MS) {
      stopping ??= (async () => {
        // The API answers to the end: users may ask what became of their transfers.
        await operator.stop(drainMs);
        await api.close();
        service?.close();
        log.info({}, "operator stopped");
      })();
      return stopping;
    },
  };
}

async function readSettings(client: L1Client): Promise<RollupSettings> {
  try {
    return await client.settings();
  } catch (cause) {
    if ((cause as Error).name !== "ContractFunctionExecutionError") throw cause;
    throw new OperatorError(
      "CHAIN_MISMATCH",
      `there is no rollup contract at ${client.rollup} on this chain.`,
      { path: "rollup", got: client.rollup },
      { cause },
    );
  }
}

function checkSettings(
  config: CheckedConfig,
  parameters: CircuitParameters,
  settings: RollupSettings,
  chainId: number,
  account: Hex | undefined,
): void {
  if (settings.circuitId !== circuitIdHash(parameters)) {
    throw mismatch(`circuit id of ${parameters.id}`, settings.circuitId, circuitIdHash(parameters));
  }
  const domain = rollupDomain(chainId, config.rollup);
  if (settings.domain !== domain) {
    throw mismatch("domain", String(settings.domain), String(domain));
  }
  if (account !== undefined && !isAddressEqual(account, settings.operator)) {
    throw mismatch("address that may commit blocks", settings.operator, account);
  }
  if (config.feeIndex >= 4 ** parameters.levels) {
    throw new OperatorError(
      "CONFIG_INVALID",
      `feeIndex: got ${config.feeIndex}, expected below ${4 ** parameters.levels}.`,
    );
  }
}

const mismatch = (what: string, onChain: string, ours: string): OperatorError =>
  new OperatorError(
    "CHAIN_MISMATCH",
    `${what}: the contract has ${onChain}, this configuration ${ours}.`,
    { got: onChain, expected: ours },
  );
