import { decodeFunctionData } from "viem";
import { describe, expect, it } from "vitest";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";
import { type BuiltBatch, buildNextBatch } from "../../operator/batch-builder.ts";
import { OperatorError } from "../../operator/errors.ts";
import { Mempool } from "../../operator/mempool.ts";
import { type ProofService, ProverLink, proofRequestId } from "../../operator/prover-link.ts";
import { StubProver } from "./stub-prover.ts";
import { World } from "./world.ts";

const SCOPE = {
  chainId: 1,
  rollup: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  circuitId: "batch-tiny",
} as const;
const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

function builtBatch(amount = 5n): BuiltBatch {
  const world = new World();
  const pool = new Mempool({
    maxPending: 9,
    maxPendingPerAccount: 9,
    maxRefusals: 9,
    minFeeGwei: 0n,
    takesFees: false,
  });
  const build = (): BuiltBatch =>
    buildNextBatch(world.state, 0, () => pool.candidates()).built as BuiltBatch;
  world.register(100n);
  world.commit(build());
  pool.add(world.state, world.sign({ from: 1, to: 1, amount }));
  return build();
}

const options = (changes: object = {}) => ({
  attempt: 0,
  signal: new AbortController().signal,
  onProgress: () => {},
  ...changes,
});

describe("operator / prover link", () => {
  it("puts the proof into calldata that it makes itself, imaginary parts first", async () => {
    const prover = new StubProver();
    const built = builtBatch();
    const link = new ProverLink(SCOPE, { service: prover, log: LOG });
    const { args } = decodeFunctionData({
      abi: ROLLUP_ABI,
      data: await link.prove(built, options()),
    });
    const { execution } = built;
    expect(args?.slice(2, 6)).toEqual([
      [1n, 2n],
      [
        [3n, 4n],
        [5n, 6n],
      ],
      [7n, 8n],
      [...execution.publicSignals],
    ]);
    expect(BigInt(args?.[0] as string)).toBe(execution.newRoot);
  });

  const answers: [what: string, answer: readonly bigint[]][] = [
    ["nothing", []],
    ["seven elements", Array(7).fill(1n)],
    ["nine elements", Array(9).fill(1n)],
    ["a negative element", [...Array(7).fill(1n), -1n]],
    ["an element that is q", [...Array(7).fill(1n), Q]],
    ["an element of a thousand bits", [1n << 1_000n, ...Array(7).fill(1n)]],
  ];
  it.each(answers)("refuses %s as a proof", async (_what, answer) => {
    const prover = new StubProver();
    prover.answer = async () => answer;
    const link = new ProverLink(SCOPE, { service: prover, log: LOG });
    await expect(link.prove(builtBatch(), options())).rejects.toMatchObject({
      code: "PROOF_MALFORMED",
    });
  });

  it("gives up a job that does not end, and asks the prover to do so too", async () => {
    let isCancelled = false;
    const service: ProofService = {
      prove: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            isCancelled = true;
            reject(signal.reason);
          });
        }),
      close() {},
    };
    const link = new ProverLink(SCOPE, { service, log: LOG, proofMaxMs: 20 });
    await expect(link.prove(builtBatch(), options())).rejects.toMatchObject({
      code: "PROOF_FAILED",
    });
    expect(isCancelled).toBe(true);
  });

  it("stops asking when it is told to, also while the prover is away", async () => {
    const prover = new StubProver();
    prover.answer = async () => {
      throw new OperatorError("PROVER_UNAVAILABLE", "away.");
    };
    const abort = new AbortController();
    const stages: string[] = [];
    const link = new ProverLink(SCOPE, { service: prover, log: LOG });
    const onProgress = ({ stage }: { stage: string }) => {
      stages.push(stage);
      abort.abort();
    };
    const proof = link.prove(builtBatch(), options({ signal: abort.signal, onProgress }));
    await expect(proof).rejects.toMatchObject({ name: "AbortError" });
    expect(stages).toEqual(["prover unavailable"]);
    expect(prover.calls).toHaveLength(1);
  });

  it("names a request after everything in it, and after nothing else", () => {
    const { batch } = builtBatch();
    const id = proofRequestId(SCOPE, batch, 0);
    expect(id).toMatch(/^block-2-[0-9a-f]{32}$/);
    expect(proofRequestId(SCOPE, builtBatch().batch, 0)).toBe(id);
    const [transfer] = batch.transfers;
    if (transfer === undefined) throw new Error("no transfer");
    const { signature } = transfer;
    const others = [
      proofRequestId({ ...SCOPE, chainId: 2 }, batch, 0),
      proofRequestId({ ...SCOPE, rollup: `0x${"11".repeat(20)}` }, batch, 0),
      proofRequestId(SCOPE, batch, 1),
      proofRequestId(SCOPE, batch, 2),
      proofRequestId(SCOPE, builtBatch(6n).batch, 0),
      proofRequestId(SCOPE, { ...batch, blockNumber: 3 }, 0),
      proofRequestId(SCOPE, { ...batch, transfers: [{ ...transfer, validUntil: 9 }] }, 0),
      proofRequestId(
        SCOPE,
        { ...batch, transfers: [{ ...transfer, signature: { ...signature, s: 1n } }] },
        0,
      ),
    ];
    expect(new Set([id, ...others]).size).toBe(others.length + 1);
    for (const other of [id, ...others]) expect(other).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  });
});
