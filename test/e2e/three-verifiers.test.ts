// One block through the real parts: the chain, the service in its own process, and the contract. Then the proof is
// shown to three verifiers that share no code: snarkjs, noble's pairing, and the contract on chain.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as snarkjs from "snarkjs";
import { decodeFunctionData, encodeFunctionData, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildBatch } from "../../circuits/batch.ts";
import { rollupDomain } from "../../circuits/data.ts";
import { L1Kind } from "../../circuits/l1.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import { StateTree } from "../../circuits/tree.ts";
import { walletFromSeed } from "../../circuits/wallet.ts";
import { type Deployment, deployRollup } from "../../operator/deploy.ts";
import { type ProvedJob, ProverClient, transferBatchInput } from "../../prover/client.ts";
import { G1 } from "../../worker/curve.ts";
import { type Proof, proofFromJson, proofToJson } from "../../worker/proof.ts";
import { type VerificationKey, verificationKeyFromJson } from "../../worker/verification-key.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import {
  ARTIFACTS_DIR,
  developmentAccount,
  startChain,
  type TestChain,
} from "../operator/chain.ts";
import { root, startService } from "../prover/command/run-command.ts";

const PARAMETERS = circuitParameters("batch-tiny");
const DEPOSIT_GWEI = 5_000_000n;
const ENTRY_FEE_WEI = 10n ** 14n;

let chain: TestChain;
let deployment: Deployment;
let service: Awaited<ReturnType<typeof startService>>;
let client: ProverClient;
let job: ProvedJob;
let key: VerificationKey;
let keyJson: unknown;
let proof: Proof;
let signals: bigint[];

beforeAll(async () => {
  service = await startService("--circuits", PARAMETERS.id, "--allow-dev-keys", "--threads", "1");
  chain = await startChain();
  deployment = await deployRollup(
    { read: chain.read, signer: chain.signer(0) },
    {
      artifactsDir: ARTIFACTS_DIR,
      parameters: PARAMETERS,
      operator: developmentAccount(0).address,
      entryFeeWei: ENTRY_FEE_WEI,
    },
  );
  const wallet = walletFromSeed(new Uint8Array(32).fill(7));
  const owner = developmentAccount(1);
  await chain.read.waitForTransactionReceipt({
    hash: await chain.signer(1).writeContract({
      address: deployment.rollup,
      abi: ROLLUP_ABI,
      functionName: "register",
      args: [wallet.ax, wallet.ay],
      value: ENTRY_FEE_WEI + DEPOSIT_GWEI * 10n ** 9n,
      account: owner,
      chain: null,
    }),
  });
  const accountKey = { ax: wallet.ax, ay: wallet.ay, owner: BigInt(owner.address) };
  const batch = buildBatch(PARAMETERS, new StateTree(PARAMETERS.levels), {
    domain: rollupDomain(await chain.read.getChainId(), deployment.rollup),
    blockNumber: 1,
    feeIndex: 0,
    l1Items: [{ kind: L1Kind.deposit, index: 1, amount: DEPOSIT_GWEI, key: accountKey }],
    transfers: [],
  });
  client = new ProverClient({ address: service.address });
  job = await client.prove({
    requestId: "block-1",
    circuitId: PARAMETERS.id,
    input: transferBatchInput(batch),
  });
  proof = proofFromJson(JSON.parse(Buffer.from(job.result.snarkjsProofJson).toString()));
  signals = job.result.publicSignals.map((bytes) =>
    BigInt(`0x${Buffer.from(bytes).toString("hex")}`),
  );
  const path = join(root, "build/circuits", PARAMETERS.id, "verification_key.json");
  keyJson = JSON.parse(await readFile(path, "utf8"));
  key = verificationKeyFromJson(keyJson);
});
afterAll(async () => {
  client.close();
  await service.stop();
  await chain.close();
  await endSnarkjs();
});

const bySnarkjs = (p: Proof, publicSignals: readonly bigint[]) =>
  snarkjs.groth16.verify(
    keyJson as object,
    publicSignals.map(String),
    proofToJson(p) as unknown as snarkjs.Groth16Proof,
  );

/** commitBlock with these parts, simulated: whether the contract accepts. */
async function byContract(p: Proof, publicSignals: readonly bigint[]): Promise<boolean> {
  const calldata = `0x${Buffer.from(job.result.commitBlock?.calldata ?? []).toString("hex")}`;
  const { args } = decodeFunctionData({ abi: ROLLUP_ABI, data: calldata as Hex });
  const [newRoot, transactionsHash, , , , , txData] = args as readonly unknown[];
  const data = encodeFunctionData({
    abi: ROLLUP_ABI,
    functionName: "commitBlock",
    args: [
      newRoot,
      transactionsHash,
      [p.a.x, p.a.y],
      [
        [p.b.x[1], p.b.x[0]],
        [p.b.y[1], p.b.y[0]],
      ],
      [p.c.x, p.c.y],
      publicSignals,
      txData,
    ] as never,
  });
  const account = developmentAccount(0).address;
  return chain.read.call({ to: deployment.rollup, data, account }).then(
    () => true,
    () => false,
  );
}

describe("a proof of the service", () => {
  it("is accepted by snarkjs, by noble's pairing and by the contract", async () => {
    expect(await bySnarkjs(proof, signals)).toBe(true);
    expect(verifyWithNoble(key, signals, proof)).toBe(true);
    expect(await byContract(proof, signals)).toBe(true);
  });

  it("is refused by each of them when a point is another one", async () => {
    const tampered: readonly Proof[] = [
      { ...proof, a: G1.negate(proof.a) },
      { ...proof, a: proof.c, c: proof.a },
      { ...proof, b: key.delta2 },
      { ...proof, c: G1.sum([{ point: proof.c, factor: 2n }]) },
    ];
    for (const [i, other] of tampered.entries()) {
      expect(await bySnarkjs(other, signals), `snarkjs, case ${i}`).toBe(false);
      expect(verifyWithNoble(key, signals, other), `noble, case ${i}`).toBe(false);
      expect(await byContract(other, signals), `contract, case ${i}`).toBe(false);
    }
  });

  it("is refused by each of them when any one public signal changes by one", async () => {
    for (const i of signals.keys()) {
      const other = signals.map((signal, k) => (k === i ? signal + 1n : signal));
      expect(await bySnarkjs(proof, other), `snarkjs, signal ${i}`).toBe(false);
      expect(verifyWithNoble(key, other, proof), `noble, signal ${i}`).toBe(false);
      expect(await byContract(proof, other), `contract, signal ${i}`).toBe(false);
    }
  });

  it("commits its block with the service's calldata, once", async () => {
    const data = `0x${Buffer.from(job.result.commitBlock?.calldata ?? []).toString("hex")}` as Hex;
    const commit = async () => {
      const hash = await chain
        .signer(0)
        .sendTransaction({ to: deployment.rollup, data, chain: null, gas: 2_000_000n });
      return (await chain.read.waitForTransactionReceipt({ hash })).status;
    };
    const currentRoot = () =>
      chain.read.readContract({
        address: deployment.rollup,
        abi: ROLLUP_ABI,
        functionName: "currentStateRoot",
      });
    expect(await commit()).toBe("success");
    expect(BigInt(await currentRoot())).toBe(signals[1]);
    const second = await commit().catch((error: Error) => error.message);
    expect(second).not.toBe("success");
    expect(BigInt(await currentRoot())).toBe(signals[1]);
  });
});
