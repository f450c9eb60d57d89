import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildBatch, type TransferBatch as TwinBatch } from "../../circuits/batch.ts";
import { BatchError } from "../../circuits/errors.ts";
import { NOOP_TRANSFER } from "../../circuits/inputs.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import {
  L1ItemKind,
  type TransferBatch,
  TransferBatchSchema,
  TransferKind,
} from "../../gen/prover/v1/batch_pb.ts";
import { SubmitProofRequestSchema } from "../../gen/prover/v1/prover_pb.ts";
import { batchField, batchRefusal, decodeBatch } from "../../prover/batch-decoder.ts";
import { encodeBatch } from "../../prover/batch-encoder.ts";
import type { ProverError } from "../../prover/errors.ts";
import { SCALAR_FIELD, toBytesBE } from "../../worker/field.ts";
import { type Path, placesIn } from "../circuits/places.ts";
import { randomBatch } from "../circuits/random-batch.ts";
import { batchOf, deposit, signed } from "../circuits/small-rollup.ts";

const tiny = circuitParameters("batch-tiny");
const overTheWire = (batch: TwinBatch): TransferBatch =>
  fromBinary(TransferBatchSchema, toBinary(TransferBatchSchema, encodeBatch(batch)));
const example = batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] });

describe("prover / batch codec", () => {
  it("gives back every batch that it has encoded", () => {
    fc.assert(
      fc.property(randomBatch(tiny), ({ before, request }) => {
        const batch = buildBatch(tiny, before, request);
        expect(decodeBatch(tiny, overTheWire(batch))).toEqual(batch);
      }),
      { numRuns: 25 },
    );
  });

  it("keeps a no-op between transfers in its slot", () => {
    const batch = batchOf(tiny, { transfers: [NOOP_TRANSFER, signed()] });
    expect(decodeBatch(tiny, overTheWire(batch))).toEqual(batch);
  });

  it("names, for every place of the twin's batch, a field that the proto has", () => {
    const places = [...placesIn(example)].map(([path]) => pathText(path));
    expect(places.length).toBeGreaterThan(50);
    for (const place of places)
      expect(fieldExists(batchField(place)), batchField(place)).toBe(true);
    expect(batchField("transfers[2].signature.r8x")).toBe(
      "transfer_batch.transfers[2].signature.r8_x",
    );
    expect(batchField("openings[1].siblings[2][1]")).toBe("transfer_batch.openings[1].siblings[7]");
    expect(batchField("openings[1].siblings[2]")).toBe("transfer_batch.openings[1].siblings[6]");
    expect(batchField("batch")).toBe("transfer_batch");
  });

  it("turns the twin's refusal into the caller's terms", () => {
    const error = new BatchError("BATCH_NONCE", "transfers[1].nonce", { got: 3, expected: 4 });
    expect(batchRefusal(error)).toMatchObject({
      code: "BATCH_NONCE",
      message: "transfer_batch.transfers[1].nonce: got 3, expected 4",
      violations: [
        { field: "transfer_batch.transfers[1].nonce", description: "got 3, expected 4" },
      ],
    });
  });
});

describe("prover / batch decoder", () => {
  const refusals: [what: string, change: (batch: TransferBatch) => void, field: string][] = [
    ["a domain of 31 bytes", (b) => (b.domain = b.domain.subarray(1)), "domain"],
    ["a previous root equal to r", (b) => (b.prevRoot = toBytesBE(SCALAR_FIELD)), "prev_root"],
    ["no previous root", (b) => (b.prevRoot = new Uint8Array()), "prev_root"],
    ["a top node too few", (b) => b.topNodes.pop(), "top_nodes"],
    ["a top node of 33 bytes", (b) => b.topNodes.splice(2, 1, new Uint8Array(33)), "top_nodes[2]"],
    ["no openings", (b) => b.openings.splice(0), "openings"],
    [
      "more openings than the circuit has paths",
      (b) => b.openings.push(...b.openings, ...b.openings),
      "openings",
    ],
    ["a sibling too few", (b) => opening(b).siblings.pop(), "openings[1].siblings"],
    [
      "a sibling equal to r",
      (b) => opening(b).siblings.splice(2, 1, toBytesBE(SCALAR_FIELD)),
      "openings[1].siblings[2]",
    ],
    [
      "a pkHash that is not there",
      (b) => (account(b).pkHash = new Uint8Array()),
      "openings[1].account.pk_hash",
    ],
    ["two L1 items where one fits", (b) => b.l1Items.push(...b.l1Items), "l1_items"],
    ["an L1 item without a kind", (b) => (item(b).kind = 0), "l1_items[0].kind"],
    ["an L1 item without a key", (b) => delete item(b).key, "l1_items[0].key"],
    ["an owner of 32 bytes", (b) => (key(b).owner = toBytesBE(1n)), "l1_items[0].key.owner"],
    ["three transfers where two fit", (b) => tripled(b), "transfers"],
    ["a transfer without a kind", (b) => (transfer(b).kind = 0), "transfers[0].kind"],
    ["a transfer of an unknown kind", (b) => (transfer(b).kind = 7 as 1), "transfers[0].kind"],
    [
      "a transfer without a signature",
      (b) => delete transfer(b).signature,
      "transfers[0].signature",
    ],
    [
      "an s equal to r",
      (b) => (signature(b).s = toBytesBE(SCALAR_FIELD)),
      "transfers[0].signature.s",
    ],
    [
      "an R8 of no bytes",
      (b) => (signature(b).r8Y = new Uint8Array()),
      "transfers[0].signature.r8_y",
    ],
    [
      "a recipient of 64 bytes",
      (b) => (transfer(b).recipient = new Uint8Array(64)),
      "transfers[0].recipient",
    ],
    ["a no-op with content", (b) => (transfer(b).kind = TransferKind.NOOP), "transfers[0]"],
  ];
  it.each(refusals)("refuses %s with the field's path", (_, change, field) => {
    const batch = overTheWire(example);
    change(batch);
    expect(refusalOf(batch)).toMatchObject({
      code: "BATCH_SHAPE",
      violations: [
        { field: `transfer_batch.${field}`, description: expect.stringMatching(/got|expected/) },
      ],
    });
  });

  it("reports several faults at once, and eight at most", () => {
    const batch = overTheWire(example);
    batch.topNodes = batch.topNodes.map(() => new Uint8Array(3));
    batch.domain = new Uint8Array();
    for (const each of batch.openings) each.siblings = each.siblings.map(() => new Uint8Array(1));
    const { violations } = refusalOf(batch);
    expect(violations).toHaveLength(8);
    expect(violations[0]?.field).toBe("transfer_batch.domain");
  });

  it("takes an absent account for the empty one", () => {
    const batch = overTheWire(example);
    const empty = batch.openings.find(({ account }) => account === undefined);
    expect(empty).toBeDefined();
    expect(decodeBatch(tiny, batch)).toEqual(example);
  });

  it("knows the kinds of the proto", () => {
    expect(Object.values(L1ItemKind)).toEqual([0, 1, 2]);
    expect(Object.values(TransferKind)).toEqual([0, 1, 2, 3]);
  });
});

const opening = (batch: TransferBatch) => batch.openings[1] as TransferBatch["openings"][0];
const item = (batch: TransferBatch) => batch.l1Items[0] as TransferBatch["l1Items"][0];
const transfer = (batch: TransferBatch) => batch.transfers[0] as TransferBatch["transfers"][0];
const key = (batch: TransferBatch) =>
  item(batch).key as NonNullable<ReturnType<typeof item>["key"]>;
const signature = (batch: TransferBatch) =>
  transfer(batch).signature as NonNullable<ReturnType<typeof transfer>["signature"]>;
const account = (batch: TransferBatch) =>
  opening(batch).account as NonNullable<ReturnType<typeof opening>["account"]>;
const tripled = (batch: TransferBatch) =>
  batch.transfers.push(...batch.transfers, ...batch.transfers);

function refusalOf(batch: TransferBatch): ProverError {
  try {
    decodeBatch(tiny, batch);
  } catch (error) {
    return error as ProverError;
  }
  throw new Error("the batch was accepted");
}

/** ["transfers", 0, "key"] as transfers[0].key. */
function pathText(path: Path): string {
  return path
    .map((part) => (/^\d+$/.test(String(part)) ? `[${part}]` : `.${part}`))
    .join("")
    .replace(/^\./, "");
}

function fieldExists(path: string): boolean {
  let message: DescMessage | undefined = SubmitProofRequestSchema;
  for (const part of path.split(".")) {
    const [, name, position] = /^(\w+)(\[\d+\])?$/.exec(part) ?? [];
    const field: DescMessage["fields"][0] | undefined = message?.fields.find(
      (candidate) => candidate.name === name,
    );
    if (field === undefined) return false;
    if (position !== undefined && field.fieldKind !== "list") return false;
    message = field.message;
  }
  return true;
}
