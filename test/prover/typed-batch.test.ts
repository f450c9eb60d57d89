import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { encodeCommitBlock } from "../../circuits/calldata.ts";
import { circuitIdHash } from "../../circuits/data.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { PUBLIC_SIGNALS } from "../../circuits/signals.ts";
import { InputKind, JobState } from "../../gen/prover/v1/job_pb.ts";
import { type SubmitRequest, transferBatchInput } from "../../prover/client.ts";
import { fromBytesBE } from "../../worker/field.ts";
import { proofFromJson } from "../../worker/proof.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import {
  accountOf,
  batchOf,
  deposit,
  forcedExit,
  signed,
  smallTree,
} from "../circuits/small-rollup.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const tiny = circuitParameters("batch-tiny");
const transfer = signed();
const example = batchOf(tiny, {
  l1Items: [deposit(6, 77n)],
  transfers: [transfer, signed({ type: 2, from: 2, to: 3, amount: 5n })],
});

let under: TestServer;
beforeAll(async () => {
  under = await startTestServer({
    PROVER_CIRCUITS_DIR: "build/circuits",
    PROVER_CIRCUITS: "batch-tiny",
  });
});
afterAll(() => under[Symbol.asyncDispose]());

let count = 0;
const requestFor = (batch: TransferBatch): SubmitRequest => ({
  requestId: `batch-${++count}`,
  circuitId: "batch-tiny",
  input: transferBatchInput(batch),
});

describe("prover / typed batch", () => {
  it("becomes a proof that verifies, with the calldata of commitBlock", async () => {
    const execution = executeBatch(tiny, example);
    const job = await under.client.prove(requestFor(example));
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, inputKind: InputKind.TRANSFER_BATCH });
    const { result } = job;
    expect(result.publicSignals.map(fromBytesBE)).toEqual(execution.publicSignals);
    const circuit = await under.client.getCircuit("batch-tiny");
    const json = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());
    const proof = proofFromJson(json(result.snarkjsProofJson));
    const key = verificationKeyFromJson(json(circuit.verificationKeyJson));
    expect(verifyWithNoble(key, execution.publicSignals, proof)).toBe(true);
    const { newRoot, txData, publicSignals } = execution;
    const calldata = encodeCommitBlock({ newRoot, txData, publicSignals, proof });
    expect(Buffer.from(result.commitBlock?.calldata ?? []).toString("hex")).toBe(calldata.slice(2));
    expect(Buffer.from(result.commitBlock?.txData ?? [])).toEqual(Buffer.from(txData));
    expect(fromBytesBE(result.commitBlock?.newRoot ?? new Uint8Array())).toBe(newRoot);
    expect(result.times).toMatchObject({ witnessMs: expect.any(Number) });
  });

  it("is described by GetCircuit", async () => {
    const { batchSize, publicSignalNames } = await under.client.getCircuit("batch-tiny");
    expect(publicSignalNames).toEqual([...PUBLIC_SIGNALS]);
    expect(batchSize).toMatchObject({ transfers: 2, l1Items: 1, levels: 2, topLevels: 1 });
    const id = Buffer.from(batchSize?.circuitIdHash ?? []).toString("hex");
    expect(`0x${id}`).toBe(circuitIdHash(tiny));
  });

  const stranger = accountOf(9, 500n);
  const strangersTree = smallTree(2);
  strangersTree.set(9, stranger);
  const withSignature = (changes: Partial<typeof transfer.signature>) => ({
    ...transfer,
    signature: { ...transfer.signature, ...changes },
  });
  const withSiblings = (batch: TransferBatch): TransferBatch => ({
    ...batch,
    openings: batch.openings.map((opening, i) =>
      i === 1 ? { ...opening, siblings: [[1n, 2n, 3n]] } : opening,
    ),
  });
  const of = (...transfers: (typeof transfer)[]) => batchOf(tiny, { transfers });

  const refusals: [what: string, batch: TransferBatch, code: string, field: string][] = [
    [
      "a signature with another s",
      of(withSignature({ s: transfer.signature.s + 1n })),
      "BATCH_SIGNATURE",
      "transfers[0].signature",
    ],
    [
      "a signature for another amount",
      of({ ...transfer, amount: 11n }),
      "BATCH_SIGNATURE",
      "transfers[0].signature",
    ],
    ["an overspend", of(signed({ amount: 1000n })), "BATCH_BALANCE", "transfers[0].amount_gwei"],
    ["a used nonce", of(transfer, transfer), "BATCH_NONCE", "transfers[1].nonce"],
    ["a later nonce", of(signed({ nonce: 1n })), "BATCH_NONCE", "transfers[0].nonce"],
    [
      "an expired transfer",
      of(signed({ validUntil: 6 })),
      "BATCH_EXPIRED",
      "transfers[0].valid_until",
    ],
    ["a path that leads elsewhere", withSiblings(of(transfer)), "BATCH_PATH", "openings[1]"],
    ["another previous root", { ...of(transfer), prevRoot: 5n }, "BATCH_PATH", "top_nodes"],
    [
      "a path that is missing",
      { ...of(transfer), openings: of(transfer).openings.slice(1) },
      "BATCH_PATH",
      "openings",
    ],
    [
      "a fee for an account that is not registered",
      batchOf(tiny, { feeIndex: 9, transfers: [transfer] }),
      "BATCH_ACCOUNT",
      "fee_index",
    ],
    [
      "an exit to an account that is not registered",
      of(signed({ type: 2, to: 9 })),
      "BATCH_ACCOUNT",
      "transfers[0].to",
    ],
    [
      "a transfer to an account that is not registered",
      of(signed({ to: 9 })),
      "BATCH_ACCOUNT",
      "transfers[0].to",
    ],
    [
      "a sender with another key",
      of(signed({ from: 1, signer: 2 })),
      "BATCH_ACCOUNT",
      "transfers[0].key",
    ],
    [
      "a forced exit of another amount",
      batchOf(tiny, { l1Items: [forcedExit(2, 1999n)] }),
      "BATCH_L1",
      "l1_items[0].amount_gwei",
    ],
    ["an index beyond the tree", { ...of(transfer), feeIndex: 16 }, "BATCH_SHAPE", "fee_index"],
  ];
  it.each(refusals)("is refused with the field's path: %s", async (_, batch, code, field) => {
    await expect(under.client.submit(requestFor(batch))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: code,
      violations: [
        { field: `transfer_batch.${field}`, description: expect.stringMatching(/^got /) },
      ],
    });
  });

  it("is refused for another circuit's size, before anything is computed", async () => {
    const batch = { ...example, topNodes: example.topNodes.slice(1) };
    await expect(under.client.submit(requestFor(batch))).rejects.toMatchObject({
      reason: "BATCH_SHAPE",
      violations: [{ field: "transfer_batch.top_nodes" }],
    });
  });

  it("leaves no job behind when it is refused", async () => {
    const bad = { ...requestFor(of(signed({ amount: 1000n }))), requestId: "refused-then-good" };
    await expect(under.client.submit(bad)).rejects.toMatchObject({ reason: "BATCH_BALANCE" });
    const good = await under.client.submit({ ...requestFor(of()), requestId: "refused-then-good" });
    expect(good.created).toBe(true);
    await under.client.cancel({ requestId: "refused-then-good" });
  });
});
