#!/usr/bin/env node
// The whole system on one machine in a few minutes: a local chain, the contracts, the proving service and the
// operator, each in its own process, and people who move money. Exit code 0 only if everything was as expected.

import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  createPublicClient,
  createWalletClient,
  formatEther,
  http,
  type PublicClient,
  toHex,
} from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { WEI_PER_GWEI } from "../circuits/exits.ts";
import { circuitParameters } from "../circuits/parameters.ts";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { TransferType } from "../circuits/transfer.ts";
import { type Deployment, deployRollup } from "../operator/deploy.ts";
import { startOperator } from "../operator/main.ts";
import { UserClient } from "../operator/user-client.ts";
import { attackApi, attackContract, attackProver, attackWithdrawals } from "./demo/attacks.ts";
import { type Commit, findCommit } from "./demo/blocks.ts";
import { Children, ROOT } from "./demo/children.ts";
import { Screen } from "./demo/screen.ts";

const CIRCUIT = circuitParameters("batch-4");
/** Hardhat's public development accounts. */
const MNEMONIC = "test test test test test test test test test test test junk";
const FEE_GWEI = 2_000n;
const POLL_MS = 100;
/** The build takes most of it on a slow machine. */
const TIME_LIMIT_MS = 600_000;

const screen = new Screen();
const children = new Children();
const gas = new Map<string, bigint>();

const account = (index: number): HDAccount => mnemonicToAccount(MNEMONIC, { addressIndex: index });
const gwei = (ether: number): bigint => BigInt(Math.round(ether * 1e9));
const ether = (amountGwei: bigint): string => `${formatEther(amountGwei * WEI_PER_GWEI)} ETH`;
const count = (value: bigint | number): string => value.toLocaleString("en");
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Stage {
  readonly read: PublicClient;
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly proverAddress: string;
  readonly apiUrl: string;
}

/** Builds what is not there: circuit and keys take most of the demo's time, once. */
async function build(): Promise<void> {
  screen.chapter("Build");
  const has = (path: string): boolean => existsSync(join(ROOT, path));
  if (!has("gen/prover/v1/prover_pb.ts")) {
    screen.busy("generating the protocol's types");
    await children.run("buf", ["generate"]);
  }
  screen.settle();
  // Looks at what is there, and does only what is missing.
  await children.run(process.execPath, ["scripts/build-circuits.ts", CIRCUIT.id], {
    isShown: true,
  });
  screen.busy("compiling the contracts");
  await children.run("hardhat", ["build", "--quiet"]);
  screen.say("protocol, circuit with development keys, contracts");
}

async function start(): Promise<Stage> {
  screen.chapter("Start");
  screen.busy("starting a local chain and the proving service");
  const [rpcUrl, port] = await Promise.all([
    children.serve("chain", "rpcUrl", ["scripts/demo/chain.ts"]),
    children.serve("prover", "port", [
      ...["prover/command/main.ts", "serve", "--circuits", CIRCUIT.id, "--allow-dev-keys"],
      ...["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "warn"],
    ]),
  ]);
  const read = createPublicClient({ transport: http(rpcUrl), pollingInterval: POLL_MS });
  screen.say(`a chain of its own (chain id ${await read.getChainId()})`, rpcUrl);
  const proverAddress = `127.0.0.1:${port}`;
  screen.say("the proving service", `grpc://${proverAddress}`);

  screen.busy("deploying the contracts");
  const signer = createWalletClient({ account: account(0), transport: http(rpcUrl) });
  const deployment = await deployRollup(
    { read, signer },
    {
      artifactsDir: join(ROOT, "artifacts"),
      parameters: CIRCUIT,
      operator: account(0).address,
    },
  );
  gas.set("deploy the verifier", deployment.gasUsed.verifier);
  gas.set("deploy ZKRollup", deployment.gasUsed.rollup);
  screen.say("verifier and ZKRollup deployed", deployment.rollup);

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
    { OPERATOR_L1_PRIVATE_KEY: toHex(account(0).getHdKey().privateKey as Uint8Array) },
  );
  screen.say("the operator, with the users' API", apiUrl);
  return { read, rpcUrl, deployment, proverAddress, apiUrl };
}

/** Waits for a block, showing its proof grow, then says what it cost. */
async function watchBlock(
  stage: Stage,
  observer: UserClient,
  number: number,
  content: string,
): Promise<Commit> {
  for (;;) {
    const status = await observer.get("/v1/status");
    if (Number(status.nextBlockNumber) > number) break;
    const block = status.block as {
      phase: string;
      progress?: { stage: string; percent: number };
    } | null;
    const isProving = block?.phase === "proving";
    const progress = isProving ? block.progress : undefined;
    const what = isProving
      ? (progress?.stage ?? "asking for a proof")
      : (block?.phase ?? "waiting");
    screen.busy(`block ${number}: ${what}`, progress && progress.percent / 100);
    await sleep(POLL_MS);
  }
  const commit = await findCommit(stage.read, stage.deployment.rollup, number);
  gas.set(`commitBlock ${number}: ${content}`, commit.gasUsed);
  screen.say(`block ${number} is on L1: ${content}`, `${count(commit.gasUsed)} gas`);
  return commit;
}

async function play(stage: Stage): Promise<void> {
  const { read, rpcUrl, apiUrl, deployment } = stage;
  const { rollup } = deployment;
  const open = (index: number): Promise<UserClient> =>
    UserClient.open({ rpcUrl, rollup, apiUrl, account: account(index) });
  const [operator, alice, bob] = await Promise.all([open(0), open(1), open(2)]);
  const startWei = await Promise.all(
    [alice, bob].map(({ owner }) => read.getBalance({ address: owner })),
  );

  screen.chapter("Deposits: L1 registers accounts and queues the money");
  const deposits: [name: string, user: UserClient, amountGwei: bigint][] = [
    ["Operator", operator, gwei(0.01)],
    ["Alice", alice, gwei(1)],
    ["Bob", bob, gwei(0.5)],
  ];
  for (const [name, user, amount] of deposits) {
    const { index, receipt } = await user.register(amount);
    gas.set("register", receipt.gasUsed);
    screen.say(`${name} is account ${index} and deposits ${ether(amount)}`);
  }

  screen.chapter("Transfers: signed for the rollup, sent to the operator");
  const fee = { feeGwei: FEE_GWEI };
  // The operator has yet to see the last registration.
  while (Number((await alice.get("/v1/status")).accounts) < 3) await sleep(POLL_MS);
  const payment = { to: 2, amountGwei: gwei(0.1), ...fee };
  const bobsTransfer = await bob.sign(TransferType.transfer, payment);
  const transfers = [
    await alice.transfer({ to: 3, amountGwei: gwei(0.25), ...fee }),
    await alice.transfer({ to: 3, amountGwei: gwei(0.05), ...fee }),
    await bob.submit(bobsTransfer),
  ];
  const exitId = await bob.exit({ to: 3, amountGwei: gwei(0.3), ...fee });
  screen.say(`Alice pays Bob ${ether(gwei(0.25))} and ${ether(gwei(0.05))}`);
  screen.say(`Bob pays Alice ${ether(gwei(0.1))} and takes ${ether(gwei(0.3))} out to L1`);

  screen.chapter("Blocks: proven over gRPC, verified on L1");
  await watchBlock(stage, alice, 1, "the operator's deposit");
  const second = await watchBlock(stage, alice, 2, "Alice's deposit");
  const third = await watchBlock(stage, alice, 3, "Bob's deposit, 3 transfers, 1 exit");
  const receipts = await Promise.all([...transfers, exitId].map((id) => alice.waitForBlock(id)));
  screen.expect(
    receipts.every(({ blockNumber }) => blockNumber === 3),
    "all four transfers are in block 3",
  );

  screen.chapter("Withdrawals: out of the rollup, with and without the operator's consent");
  const exit = receipts[3] as { blockNumber: number; slot: number };
  const before = await read.getBalance({ address: bob.owner });
  const [withdrawal, payout] = await bob.withdraw(exit.blockNumber, exit.slot);
  if (!withdrawal || !payout) throw new Error("no receipts");
  gas.set("withdraw", withdrawal.gasUsed);
  gas.set("withdrawCredit", payout.gasUsed);
  const costWei = [withdrawal, payout].reduce(
    (sum, r) => sum + r.gasUsed * r.effectiveGasPrice,
    0n,
  );
  const gained = (await read.getBalance({ address: bob.owner })) - before + costWei;
  screen.expect(
    gained === gwei(0.3) * WEI_PER_GWEI,
    `Bob is paid ${formatEther(gained)} ETH on L1`,
  );
  gas.set("requestExit", (await alice.requestExit(2)).gasUsed);
  screen.say("Alice forces her whole balance out through L1");

  screen.chapter("Attacks, while block 4 is being proven: each must be refused");
  const follower = await startOperator({
    ...{ rpcUrl, rollup, deploymentBlock: deployment.deploymentBlock, circuitId: CIRCUIT.id },
    ...{ apiPort: 0, confirmations: 0, pollIntervalMs: POLL_MS },
  });
  try {
    const { operator: copy } = follower;
    while (!copy.isReady || copy.state.nextBlockNumber < 4) await sleep(POLL_MS);
    await attackApi(screen, alice, bobsTransfer, 3);
    await attackProver(screen, stage.proverAddress, copy.state, bobsTransfer);
    await attackContract(screen, read, rollup, { real: third, other: second, stranger: bob.owner });
    await attackWithdrawals(screen, bob, alice, exit);
    await watchBlock(stage, alice, 4, "1 forced exit");
    const [forced] = (await alice.get(`/v1/exits?owner=${alice.owner}`)).exits as {
      blockNumber: number;
      slot: number;
      amountWei: string;
    }[];
    const expectedWei = (gwei(1 - 0.3 + 0.1) - 2n * FEE_GWEI) * WEI_PER_GWEI;
    screen.expect(
      forced?.blockNumber === 4 && BigInt(forced.amountWei) === expectedWei,
      `Alice's forced exit is worth ${formatEther(BigInt(forced?.amountWei ?? 0))} ETH`,
    );
    await alice.withdraw(forced?.blockNumber ?? 0, forced?.slot ?? 0);

    screen.chapter("Result");
    while (copy.state.nextBlockNumber < 5) await sleep(POLL_MS);
    const root = await read.readContract({
      ...{ address: rollup, abi: ROLLUP_ABI, functionName: "currentStateRoot" },
    });
    screen.expect(
      BigInt(root as string) === copy.state.root,
      "a process that knows only the chain has rebuilt the same state",
      root as string,
    );
    const inside = [1, 2, 3].map((index) => copy.state.account(index).balance);
    const left = gwei(0.01 + 1 + 0.5 - 0.3) - expectedWei / WEI_PER_GWEI;
    const sum = inside.reduce((total, balance) => total + balance, 0n);
    screen.expect(sum === left, "what went in is what is in, and what came out");
    const endWei = await Promise.all(
      [alice, bob].map(({ owner }) => read.getBalance({ address: owner })),
    );
    const changeOnL1 = (i: number): string => {
      const wei = (endWei[i] ?? 0n) - (startWei[i] ?? 0n);
      return `${(Number(wei / WEI_PER_GWEI) / 1e9).toFixed(6)} ETH`;
    };
    screen.table(
      ["account", "deposited", "in the rollup", "on L1, gas paid"],
      deposits.map(([name, , amount], i) => [
        name,
        ether(amount),
        ether(inside[i] ?? 0n),
        i === 0 ? "pays for blocks" : changeOnL1(i - 1),
      ]),
    );
    screen.table(
      ["transaction on L1", "gas"],
      [...gas].map(([what, used]) => [what, count(used)]),
    );
  } finally {
    await follower.stop(0);
  }
}

async function main(): Promise<number> {
  screen.title(
    "Proofmill",
    "signed transfers in, proven blocks out: the whole system on this machine",
  );
  try {
    await build();
    await Promise.race([start().then(play), children.failed]);
    return screen.conclude() ? 0 : 1;
  } catch (error) {
    screen.settle();
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await children.close();
  }
}

const INTERRUPTED = 130;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    screen.settle();
    void children.close().finally(() => process.exit(INTERRUPTED));
  });
}
const timer = setTimeout(() => {
  console.error(`\nnot finished after ${TIME_LIMIT_MS / 1000} s`);
  process.exit(1);
}, TIME_LIMIT_MS);
timer.unref();
process.exit(await main());
