// What the play needs: everything built, and chain, prover and operator running, each in its own process.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { createPublicClient, createWalletClient, http, type PublicClient, toHex } from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { type Deployment, deployRollup } from "../../operator/deploy.ts";
import { type Children, ROOT } from "./children.ts";
import type { Screen } from "./screen.ts";

export const CIRCUIT = circuitParameters("batch-4");
export const POLL_MS = 100;
/** What the operator asks for one transfer. */
export const FEE_GWEI = 2_000n;
/** Hardhat's public development accounts. */
const MNEMONIC = "test test test test test test test test test test test junk";

export interface Stage {
  readonly read: PublicClient;
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  /** host:port of the gRPC service. */
  readonly proverAddress: string;
  /** Of the operator. */
  readonly apiUrl: string;
}

/** One of the chain's rich accounts; the operator has number 0. */
export const account = (index: number): HDAccount =>
  mnemonicToAccount(MNEMONIC, { addressIndex: index });

/** Builds what is not there: compiling the circuit and making its keys takes most of a first run's time. */
export async function build(screen: Screen, children: Children): Promise<void> {
  screen.chapter("Build");
  if (!existsSync(join(ROOT, "gen/prover/v1/prover_pb.ts"))) {
    screen.busy("generating the protocol's types");
    await children.run("buf", ["generate"]);
  }
  screen.settle();
  // It looks at what is there, does what is missing, and shows its own progress.
  const words = ["scripts/build-circuits.ts", CIRCUIT.id];
  await children.run(process.execPath, words, { isShown: true });
  screen.busy("compiling the contracts");
  await children.run("hardhat", ["build", "--quiet"]);
  screen.say("protocol, circuit with development keys, contracts");
}

/** Starts the processes one upon the other. */
export async function start(screen: Screen, children: Children): Promise<Stage> {
  screen.chapter("Start");
  screen.busy("starting a local chain and the proving service");
  const [rpcUrl, port] = await Promise.all([
    children.serve("chain", "rpcUrl", ["scripts/demo/chain.ts"]),
    children.serve("prover", "port", [
      ...["prover/command/main.ts", "serve", "--circuits", CIRCUIT.id, "--allow-dev-keys"],
      ...["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "warn"],
      // Its chain is new in each run, and so are its jobs.
      ...["--store", "memory"],
    ]),
  ]);
  const read = createPublicClient({ transport: http(rpcUrl), pollingInterval: POLL_MS });
  screen.say(`a chain of its own (chain id ${await read.getChainId()})`, rpcUrl);
  const proverAddress = `127.0.0.1:${port}`;
  screen.say("the proving service", `grpc://${proverAddress}`);

  screen.busy("deploying the contracts");
  const signer = createWalletClient({ account: account(0), transport: http(rpcUrl) });
  const artifactsDir = join(ROOT, "artifacts");
  const plan = { artifactsDir, parameters: CIRCUIT, operator: account(0).address };
  const deployment = await deployRollup({ read, signer }, plan);
  screen.say("verifier and ZKRollup deployed", deployment.rollup);

  const key = toHex(account(0).getHdKey().privateKey as Uint8Array);
  const apiUrl = await children.serve(
    "operator",
    "api",
    [
      ...["prover/command/main.ts", "operate", "--rpc", rpcUrl, "--rollup", deployment.rollup],
      ...["--from-block", String(deployment.deploymentBlock), "--circuit", CIRCUIT.id],
      ...["--prover", proverAddress, "--api-port", "0", "--confirmations", "0"],
      ...["--poll-ms", String(POLL_MS), "--batch-wait-ms", "0", "--log-level", "silent"],
      ...["--fee-index", "1", "--min-fee-gwei", String(FEE_GWEI)],
    ],
    { OPERATOR_L1_PRIVATE_KEY: key },
  );
  screen.say("the operator, with the users' API", apiUrl);
  return { read, rpcUrl, deployment, proverAddress, apiUrl };
}
