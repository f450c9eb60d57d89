// A chain of its own for a test: Hardhat's EDR behind a real JSON-RPC server.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { network } from "hardhat";
import {
  type Abi,
  type Account,
  type Chain,
  createPublicClient,
  createTestClient,
  createWalletClient,
  type Hex,
  http,
  type PublicClient,
  type TestClient,
  type Transport,
  toHex,
  type WalletClient,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import {
  type Deployment,
  type DeployOptions,
  deploy,
  deployRollup,
} from "../../operator/deploy.ts";

/** Hardhat's well-known development accounts; each holds 10,000 ether of nothing. */
const MNEMONIC = "test test test test test test test test test test test junk";
export const ARTIFACTS_DIR = join(import.meta.dirname, "../../artifacts");

export const developmentAccount = (index: number) =>
  mnemonicToAccount(MNEMONIC, { addressIndex: index });

export function developmentKey(index: number): Hex {
  const { privateKey } = developmentAccount(index).getHdKey();
  if (!privateKey) throw new Error("no key");
  return toHex(privateKey);
}

export interface TestChain {
  readonly rpcUrl: string;
  readonly read: PublicClient;
  readonly control: TestClient;
  /** Signs as development account `index`. */
  signer(index: number): WalletClient<Transport, Chain | undefined, Account>;
  /** Replaces the last `depth` blocks by `depth + 1` empty ones; transactions in them are gone. */
  reorganise(fork: Hex): Promise<void>;
  close(): Promise<void>;
}

export async function startChain(): Promise<TestChain> {
  const server = await network.createServer({ network: "default" }, "127.0.0.1", 0);
  const { address, port } = await server.listen();
  const rpcUrl = `http://${address}:${port}`;
  const read = createPublicClient({ transport: http(rpcUrl), cacheTime: 0, pollingInterval: 20 });
  const control = createTestClient({ mode: "hardhat", transport: http(rpcUrl) });
  return {
    rpcUrl,
    read,
    control,
    signer: (index) =>
      createWalletClient({ account: developmentAccount(index), transport: http(rpcUrl) }),
    async reorganise(fork) {
      const before = await read.getBlock();
      await control.revert({ id: fork });
      const { number, timestamp } = await read.getBlock();
      // Another time makes other blocks; one more than before makes the new chain the longer one.
      await control.setNextBlockTimestamp({ timestamp: timestamp + 1_000n });
      for (let n = number; n <= before.number; n++) await control.mine({ blocks: 1 });
    },
    close: () => server.close(),
  };
}

/** A rollup whose verifier says yes to everything: for what has nothing to do with proofs. */
export async function deployStubRollup(
  chain: TestChain,
  parameters: CircuitParameters,
  options: Partial<DeployOptions> = {},
): Promise<Deployment> {
  const clients = { read: chain.read, signer: chain.signer(0) };
  const path = join(ARTIFACTS_DIR, "contracts/test/StubVerifier.sol/StubVerifier.json");
  const artifact = JSON.parse(await readFile(path, "utf8")) as { abi: Abi; bytecode: Hex };
  const verifier = await deploy(clients, artifact, []);
  return deployRollup(clients, {
    artifactsDir: ARTIFACTS_DIR,
    parameters,
    operator: developmentAccount(0).address,
    verifier: verifier.address,
    ...options,
  });
}
