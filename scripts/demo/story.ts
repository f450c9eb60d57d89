// Three people, four blocks, and a dozen attempts at other people's money.

import { formatEther, type Hex } from "viem";
import { WEI_PER_GWEI } from "../../circuits/exits.ts";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import { type SignedTransfer, TransferType } from "../../circuits/transfer.ts";
import { type RunningOperator, startOperator } from "../../operator/main.ts";
import { UserClient } from "../../operator/user-client.ts";
import { attackApi, attackContract, attackProver, attackWithdrawals } from "./attacks.ts";
import { type Commit, findCommit } from "./blocks.ts";
import type { Screen } from "./screen.ts";
import { account, CIRCUIT, FEE_GWEI, POLL_MS, type Stage } from "./stage.ts";

const gwei = (ether: number): bigint => BigInt(Math.round(ether * 1e9));
const ether = (amountGwei: bigint): string => `${formatEther(amountGwei * WEI_PER_GWEI)} ETH`;
const count = (value: bigint): string => value.toLocaleString("en");
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Accounts in the order of their registration; index 0 is never one. */
const OPERATOR = 1;
const ALICE = 2;
const BOB = 3;
const DEPOSITS_GWEI = { Operator: gwei(0.01), Alice: gwei(1), Bob: gwei(0.5) } as const;
const ALICE_PAYS_GWEI = [gwei(0.25), gwei(0.05)] as const;
const BOB_PAYS_GWEI = gwei(0.1);
const BOB_TAKES_OUT_GWEI = gwei(0.3);

const toBob = ALICE_PAYS_GWEI[0] + ALICE_PAYS_GWEI[1];
/** What Alice has when she forces her exit, and what is in the rollup at the end. */
const ALICE_EXIT_GWEI = DEPOSITS_GWEI.Alice - toBob + BOB_PAYS_GWEI - 2n * FEE_GWEI;
const END_GWEI = {
  Operator: DEPOSITS_GWEI.Operator + 4n * FEE_GWEI,
  Alice: 0n,
  Bob: DEPOSITS_GWEI.Bob + toBob - BOB_PAYS_GWEI - BOB_TAKES_OUT_GWEI - 2n * FEE_GWEI,
} as const;

interface ExitPlace {
  readonly blockNumber: number;
  readonly slot: number;
}

interface Cast {
  readonly operator: UserClient;
  readonly alice: UserClient;
  readonly bob: UserClient;
}

export class Story {
  readonly #stage: Stage;
  readonly #screen: Screen;
  readonly #cast: Cast;
  /** A process that knows nothing but the chain. */
  readonly #follower: RunningOperator;
  readonly #gas = new Map<string, bigint>();

  private constructor(stage: Stage, screen: Screen, cast: Cast, follower: RunningOperator) {
    this.#stage = stage;
    this.#screen = screen;
    this.#cast = cast;
    this.#follower = follower;
    this.#gas.set("deploy the verifier", stage.deployment.gasUsed.verifier);
    this.#gas.set("deploy ZKRollup", stage.deployment.gasUsed.rollup);
  }

  static async play(stage: Stage, screen: Screen): Promise<void> {
    const { rpcUrl, apiUrl, deployment } = stage;
    const { rollup, deploymentBlock } = deployment;
    const open = (index: number): Promise<UserClient> =>
      UserClient.open({ rpcUrl, rollup, apiUrl, account: account(index) });
    const [operator, alice, bob] = await Promise.all([open(0), open(1), open(2)]);
    const follower = await startOperator({
      ...{ rpcUrl, rollup, deploymentBlock, circuitId: CIRCUIT.id },
      ...{ apiPort: 0, confirmations: 0, pollIntervalMs: POLL_MS },
    });
    try {
      const story = new Story(stage, screen, { operator, alice, bob }, follower);
      const startWei = await story.#balancesOnL1();
      await story.#deposit();
      const { bobsTransfer, ids } = await story.#pay();
      const { second, third, exit } = await story.#makeBlocks(ids);
      await story.#withdraw(exit);
      await story.#attack(bobsTransfer, { second, third, exit });
      await story.#forcedExit();
      await story.#result(startWei);
    } finally {
      await follower.stop(0);
    }
  }

  async #deposit(): Promise<void> {
    this.#screen.chapter("Deposits: L1 registers accounts and queues the money");
    const { operator, alice, bob } = this.#cast;
    const users = [
      ["Operator", operator],
      ["Alice", alice],
      ["Bob", bob],
    ] as const;
    for (const [name, user] of users) {
      const amount = DEPOSITS_GWEI[name];
      const { index, receipt } = await user.register(amount);
      this.#gas.set("register", receipt.gasUsed);
      this.#screen.say(`${name} is account ${index} and deposits ${ether(amount)}`);
    }
  }

  async #pay() {
    const { alice, bob } = this.#cast;
    this.#screen.chapter("Transfers: signed for the rollup, sent to the operator");
    const feeGwei = FEE_GWEI;
    // The operator has yet to see the last registration.
    while (Number((await alice.get("/v1/status")).accounts) < BOB) await sleep(POLL_MS);
    const [first, second] = ALICE_PAYS_GWEI;
    const payment = { to: ALICE, amountGwei: BOB_PAYS_GWEI, feeGwei };
    const bobsTransfer = await bob.sign(TransferType.transfer, payment);
    const ids = [
      await alice.transfer({ to: BOB, amountGwei: first, feeGwei }),
      await alice.transfer({ to: BOB, amountGwei: second, feeGwei }),
      await bob.submit(bobsTransfer),
      await bob.exit({ to: BOB, amountGwei: BOB_TAKES_OUT_GWEI, feeGwei }),
    ] as const;
    this.#screen.say(`Alice pays Bob ${ether(first)} and ${ether(second)}`);
    this.#screen.say(
      `Bob pays Alice ${ether(BOB_PAYS_GWEI)} and takes ${ether(BOB_TAKES_OUT_GWEI)} out to L1`,
    );
    return { bobsTransfer, ids };
  }

  async #makeBlocks(ids: readonly Hex[]) {
    this.#screen.chapter("Blocks: proven over gRPC, verified on L1");
    await this.#watchBlock(1, "the operator's deposit");
    const second = await this.#watchBlock(2, "Alice's deposit");
    const third = await this.#watchBlock(3, "Bob's deposit, 3 transfers, 1 exit");
    const receipts = await Promise.all(ids.map((id) => this.#cast.alice.waitForBlock(id)));
    const isTogether = receipts.every(({ blockNumber }) => blockNumber === 3);
    this.#screen.expect(isTogether, "all four transfers are in block 3");
    return { second, third, exit: receipts.at(-1) as ExitPlace };
  }

  /** Waits for a block, showing its proof grow, then says what it cost. */
  async #watchBlock(number: number, content: string): Promise<Commit> {
    for (;;) {
      const status = await this.#cast.alice.get("/v1/status");
      if (Number(status.nextBlockNumber) > number) break;
      const block = status.block as {
        phase: string;
        progress?: { stage: string; percent: number };
      } | null;
      const isProving = block?.phase === "proving";
      const progress = isProving ? block.progress : undefined;
      const what = isProving ? (progress?.stage ?? "asking for a proof") : block?.phase;
      this.#screen.busy(
        `block ${number}: ${what ?? "waiting"}`,
        progress && progress.percent / 100,
      );
      await sleep(POLL_MS);
    }
    const { read, deployment } = this.#stage;
    const commit = await findCommit(read, deployment.rollup, number);
    this.#gas.set(`commitBlock ${number}: ${content}`, commit.gasUsed);
    this.#screen.say(`block ${number} is on L1: ${content}`, `${count(commit.gasUsed)} gas`);
    return commit;
  }

  async #withdraw(exit: ExitPlace): Promise<void> {
    const { alice, bob } = this.#cast;
    const { read } = this.#stage;
    this.#screen.chapter("Withdrawals: out of the rollup, with and without the operator's consent");
    const before = await read.getBalance({ address: bob.owner });
    const receipts = await bob.withdraw(exit.blockNumber, exit.slot);
    this.#gas.set("withdraw", receipts[0]?.gasUsed ?? 0n);
    this.#gas.set("withdrawCredit", receipts[1]?.gasUsed ?? 0n);
    const costWei = receipts.reduce((sum, r) => sum + r.gasUsed * r.effectiveGasPrice, 0n);
    const gainedWei = (await read.getBalance({ address: bob.owner })) - before + costWei;
    this.#screen.expect(
      gainedWei === BOB_TAKES_OUT_GWEI * WEI_PER_GWEI,
      `Bob is paid ${formatEther(gainedWei)} ETH on L1`,
    );
    this.#gas.set("requestExit", (await alice.requestExit(ALICE)).gasUsed);
    this.#screen.say("Alice forces her whole balance out through L1");
  }

  async #attack(
    bobsTransfer: SignedTransfer,
    { second, third, exit }: { second: Commit; third: Commit; exit: ExitPlace },
  ): Promise<void> {
    const { alice, bob } = this.#cast;
    const { read, deployment, proverAddress } = this.#stage;
    const { operator: copy } = this.#follower;
    const screen = this.#screen;
    screen.chapter("Attacks, while block 4 is being proven: each must be refused");
    while (!copy.isReady || copy.state.nextBlockNumber < 4) await sleep(POLL_MS);
    await attackApi(screen, alice, bobsTransfer, 3);
    await attackProver(screen, proverAddress, copy.state, bobsTransfer);
    const blocks = { real: third, other: second, stranger: bob.owner };
    await attackContract(screen, read, deployment.rollup, blocks);
    await attackWithdrawals(screen, bob, alice, exit);
  }

  async #forcedExit(): Promise<void> {
    const { alice } = this.#cast;
    await this.#watchBlock(4, "1 forced exit");
    const { exits } = await alice.get(`/v1/exits?owner=${alice.owner}`);
    const [exit] = exits as (ExitPlace & { amountWei: string })[];
    const amountWei = BigInt(exit?.amountWei ?? 0);
    this.#screen.expect(
      exit?.blockNumber === 4 && amountWei === ALICE_EXIT_GWEI * WEI_PER_GWEI,
      `Alice takes out ${formatEther(amountWei)} ETH, all she had`,
    );
    await alice.withdraw(4, exit?.slot ?? 0);
  }

  async #result(startWei: readonly bigint[]): Promise<void> {
    const { read, deployment } = this.#stage;
    const { operator: copy } = this.#follower;
    this.#screen.chapter("Result");
    while (copy.state.nextBlockNumber < 5) await sleep(POLL_MS);
    const root = await read.readContract({
      address: deployment.rollup,
      abi: ROLLUP_ABI,
      functionName: "currentStateRoot",
    });
    this.#screen.expect(
      BigInt(root) === copy.state.root,
      "a process that knows only the chain has rebuilt the same state",
      root,
    );
    const [operator, alice, bob] = [OPERATOR, ALICE, BOB].map(
      (index) => copy.state.account(index).balance,
    );
    const inside = { Operator: operator, Alice: alice, Bob: bob };
    const names = ["Operator", "Alice", "Bob"] as const;
    this.#screen.expect(
      names.every((name) => inside[name] === END_GWEI[name]),
      "every balance is right to the last gwei",
    );
    const endWei = await this.#balancesOnL1();
    const changeOnL1 = (person: number): string => {
      const changeWei = (endWei[person] ?? 0n) - (startWei[person] ?? 0n);
      return `${(Number(changeWei / WEI_PER_GWEI) / 1e9).toFixed(6)} ETH`;
    };
    this.#screen.table(
      ["account", "deposited", "in the rollup", "on L1, gas paid"],
      names.map((name, i) => [
        name,
        ether(DEPOSITS_GWEI[name]),
        ether(inside[name] ?? 0n),
        name === "Operator" ? "pays for blocks" : changeOnL1(i - 1),
      ]),
    );
    this.#screen.table(
      ["transaction on L1", "gas"],
      [...this.#gas].map(([what, used]) => [what, count(used)]),
    );
  }

  /** Of Alice and Bob. */
  #balancesOnL1(): Promise<bigint[]> {
    const { alice, bob } = this.#cast;
    const { read } = this.#stage;
    return Promise.all([alice, bob].map(({ owner }) => read.getBalance({ address: owner })));
  }
}
