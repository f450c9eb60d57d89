// A rollup with the real verifier of the smallest circuit, and everything that proves its blocks.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { WalletClient } from "@nomicfoundation/hardhat-viem/types";
import { bytesToHex, numberToHex } from "viem";
import { buildBatch, type Execution, executeBatch } from "../../circuits/batch.ts";
import { challenge, dataDigest, evaluate, transactionsHash } from "../../circuits/data.ts";
import { exitTree, withOwners } from "../../circuits/exits.ts";
import type { L1Item } from "../../circuits/l1.ts";
import { loadArtefacts } from "../../circuits/manifest.ts";
import { type CircuitParameters, circuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer, Transfer } from "../../circuits/transfer.ts";
import { StateTree } from "../../circuits/tree.ts";
import { signTransfer, type Wallet, walletFromSeed } from "../../circuits/wallet.ts";
import { type Proof, type ProofWords, proofToWords } from "../../worker/proof.ts";
import { Prover } from "../../worker/prover.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import {
  type CommittedBlock,
  type DeployChoice,
  ENTRY_FEE_WEI,
  GWEI,
  openRollup,
} from "./rollup.ts";

const CIRCUIT = "batch-tiny";
const FOLDER = join(import.meta.dirname, "../../build/circuits", CIRCUIT);

export interface ProvenBlock extends CommittedBlock {
  readonly proof: ProofWords;
  readonly execution: Execution;
  readonly tree: ReturnType<typeof exitTree>;
}

/** Proves circuit inputs of the smallest circuit with its development key. */
export async function openProver() {
  const artefacts = await loadArtefacts(FOLDER, { allowDevKeys: true });
  const program = new WitnessProgram(new Uint8Array(await readFile(artefacts.wasm.path)));
  const prover = await Prover.open({ threads: "one" });
  const key = await prover.loadKey(await readFile(artefacts.zkey.path), { allowDevKeys: true });
  return {
    /** @throws WorkError WITNESS_UNSATISFIABLE if the circuit does not admit the inputs. */
    async prove(inputs: Execution["inputs"]): Promise<Proof> {
      const witness = program.calculate({ ...inputs });
      return (await prover.prove(key, encodeWtns(witness))).proof;
    },
    close: () => prover.close(),
  };
}

export type TestProver = Awaited<ReturnType<typeof openProver>>;

/** The wallet of an account index. */
export const walletOf = (index: number): Wallet =>
  walletFromSeed(new Uint8Array(32).fill(index + 1));

/** z of a block's data and h; the weakened contracts have others. */
export type ChallengeOf = (
  parameters: CircuitParameters,
  d: readonly bigint[],
  h: bigint,
) => bigint;

const soundChallenge: ChallengeOf = (parameters, d, h) => challenge(parameters, dataDigest(d), h);

export type RealRollup = Awaited<ReturnType<typeof openRealRollup>>;

export async function openRealRollup(
  prover: TestProver,
  choice: DeployChoice = {},
  challengeOf = soundChallenge,
) {
  const parameters = circuitParameters(CIRCUIT);
  const town = await openRollup({ parameters, verifier: "BatchTinyVerifier", ...choice });
  const { rollup } = town;
  /** The state after the last block that `commit` sent. */
  const state = new StateTree(parameters.levels);

  async function register(user: WalletClient, amountGwei: bigint): Promise<number> {
    const index = await rollup.read.nextIndex();
    const { ax, ay } = walletOf(index);
    const value = ENTRY_FEE_WEI + amountGwei * GWEI;
    await (await town.as(user)).write.register([ax, ay], { value });
    return index;
  }

  async function sign(transfer: Omit<Transfer, "validUntil">): Promise<SignedTransfer> {
    const { from, to } = transfer;
    const [owner] = await rollup.read.accounts([from]);
    return signTransfer({
      wallet: walletOf(from),
      owner: BigInt(owner),
      domain: await rollup.read.domain(),
      transfer: { ...transfer, validUntil: 1_000 },
      recipient: state.get(to).pkHash,
      nonce: state.get(from).nonce,
    });
  }

  /** Proves a block with these transfers and the next queue entries. */
  async function prove(content: {
    readonly transfers?: readonly SignedTransfer[];
    readonly l1Count?: number;
    readonly exitAmounts?: readonly bigint[];
    /** What the circuit is told instead of the queue's entries. */
    readonly l1Items?: readonly L1Item[];
  }): Promise<ProvenBlock> {
    const { transfers = [], l1Count = 0, exitAmounts = [] } = content;
    const l1Items = content.l1Items ?? (await town.nextItems(l1Count, exitAmounts));
    const blockNumber = Number(await rollup.read.blockCount()) + 1;
    const batch = buildBatch(parameters, state, {
      domain: await rollup.read.domain(),
      blockNumber,
      feeIndex: 1,
      l1Items,
      transfers,
    });
    const execution = executeBatch(parameters, batch);
    const { d, publicSignals } = execution;
    const [prev, next, h] = publicSignals;
    const z = challengeOf(parameters, d, h);
    const y = evaluate(d, z);
    const owners = new Map<number, `0x${string}`>();
    for (const { index } of execution.exits) {
      owners.set(index, (await town.accountOf(index)).address);
    }
    const scope = { rollup: rollup.address, sourceDomain: town.config.sourceDomain, blockNumber };
    const exits = withOwners(execution.exits, (index) => owners.get(index) as `0x${string}`);
    return {
      newStateRoot: numberToHex(execution.newRoot, { size: 32 }),
      transactionsHash: transactionsHash(execution.txData),
      publicSignals: [prev, next, h, z, y],
      txData: bytesToHex(execution.txData),
      proof: proofToWords(await prover.prove({ ...execution.inputs, z, y })),
      execution,
      tree: exitTree(parameters, scope, exits),
    };
  }

  /** Commits a proven block and follows it. */
  async function commit(block: ProvenBlock) {
    const hash = await town.commit(block, town.operator, block.proof);
    for (const [index, account] of block.execution.accounts) state.set(index, account);
    return hash;
  }

  return { ...town, state, register, sign, prove, commit, send: town.commit };
}
