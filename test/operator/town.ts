// A chain with a rollup on it, an operator, and people with accounts: what tests of the whole operator begin with.

import { type Address, numberToHex, parseAbi } from "viem";
import { expect } from "vitest";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { OperatorConfig } from "../../operator/config.ts";
import { type Deployment, deployRollup } from "../../operator/deploy.ts";
import { type RunningOperator, startOperator } from "../../operator/main.ts";
import type { ProofService } from "../../operator/prover-link.ts";
import { UserClient } from "../../operator/user-client.ts";
import {
  ARTIFACTS_DIR,
  deployStubRollup,
  developmentAccount,
  developmentKey,
  startChain,
  type TestChain,
} from "./chain.ts";

const OPERATOR = 0;

export class Town {
  readonly chain: TestChain;
  readonly deployment: Deployment;
  readonly #running: RunningOperator[] = [];

  private constructor(chain: TestChain, deployment: Deployment) {
    this.chain = chain;
    this.deployment = deployment;
  }

  /** @param verifier "stub" says yes to everything; "real" is the generated one of the circuit. */
  static async found(verifier: "stub" | "real", circuitId = "batch-tiny"): Promise<Town> {
    const chain = await startChain();
    const parameters = circuitParameters(circuitId);
    const deployment =
      verifier === "stub"
        ? await deployStubRollup(chain, parameters)
        : await deployRollup(
            { read: chain.read, signer: chain.signer(OPERATOR) },
            {
              artifactsDir: ARTIFACTS_DIR,
              parameters,
              operator: developmentAccount(OPERATOR).address,
            },
          );
    return new Town(chain, deployment);
  }

  get rollup(): Address {
    return this.deployment.rollup;
  }

  /** Only with the stub: what its verifier says from now on. */
  async setVerifierAnswer(
    answer: boolean,
    { maxPriorityFeePerGas = 10n ** 9n, wait = true } = {},
  ): Promise<void> {
    const hash = await this.chain.signer(9).writeContract({
      address: this.deployment.verifier,
      abi: parseAbi(["function set(bool answer)"]),
      functionName: "set",
      args: [answer],
      account: developmentAccount(9),
      chain: null,
      maxPriorityFeePerGas,
      maxFeePerGas: maxPriorityFeePerGas + 10n ** 10n,
    });
    if (wait) await this.chain.read.waitForTransactionReceipt({ hash });
  }

  config(overrides: Partial<OperatorConfig> = {}): OperatorConfig {
    return {
      rpcUrl: this.chain.rpcUrl,
      rollup: this.rollup,
      deploymentBlock: this.deployment.deploymentBlock,
      circuitId: "batch-tiny",
      apiPort: 0,
      confirmations: 0,
      pollIntervalMs: 20,
      maxBatchWaitMs: 0,
      resendAfterMs: 1_000,
      ...overrides,
    };
  }

  /** An operator that commits, with this maker of proofs or with the prover that the configuration names. */
  async operate(
    proofService: ProofService | undefined,
    overrides: Partial<OperatorConfig> = {},
  ): Promise<RunningOperator> {
    const running = await startOperator(this.config(overrides), {
      ...(proofService && { proofService }),
      environment: { OPERATOR_L1_PRIVATE_KEY: developmentKey(OPERATOR) },
    });
    this.#running.push(running);
    await until(() => running.operator.isReady);
    return running;
  }

  /** A second process as far as state goes: only the chain's RPC, an empty memory, no key. */
  async follow(overrides: Partial<OperatorConfig> = {}): Promise<RunningOperator> {
    const running = await startOperator(this.config(overrides));
    this.#running.push(running);
    await until(() => running.operator.isReady);
    return running;
  }

  /** Development account `account` as a user of this operator. */
  async user(account: number, { apiUrl }: Pick<RunningOperator, "apiUrl">): Promise<UserClient> {
    return UserClient.open({
      rpcUrl: this.chain.rpcUrl,
      rollup: this.rollup,
      apiUrl,
      account: developmentAccount(account),
    });
  }

  async close(): Promise<void> {
    for (const running of this.#running) await running.stop(0);
    await this.chain.close();
  }
}

/** Everything of a state that two processes must agree upon. */
function pictureOf({ operator: { state } }: RunningOperator) {
  const indices = Array.from({ length: state.registeredCount }, (_, i) => i + 1);
  const blocks = Array.from({ length: state.nextBlockNumber - 1 }, (_, i) => state.block(i + 1));
  return {
    root: numberToHex(state.root, { size: 32 }),
    l1: state.l1,
    queueHead: state.queueHead,
    waiting: state.waitingItems(),
    registered: indices.map((index) => state.registered(index)),
    accounts: indices.map((index) => state.account(index)),
    blocks,
  };
}

/** Two processes that look at one chain have one state. */
export async function expectSameState(one: RunningOperator, other: RunningOperator): Promise<void> {
  await until(() => one.operator.state.l1.hash === other.operator.state.l1.hash);
  expect(pictureOf(one)).toEqual(pictureOf(other));
}

/** Waits for what must come true; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
