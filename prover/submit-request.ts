import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { TransferBatch as TwinBatch } from "../circuits/batch.ts";
import { TransferBatchSchema } from "../gen/prover/v1/batch_pb.ts";
import { JobPriority as ProtoPriority } from "../gen/prover/v1/job_pb.ts";
import type { SubmitProofRequest } from "../gen/prover/v1/prover_pb.ts";
import { decodeBatch } from "./batch-decoder.ts";
import type { CircuitRegistry, ServedCircuit } from "./circuits.ts";
import { fieldError } from "./errors.ts";
import type { IntakeTask } from "./intake.ts";
import type { InputKind, JobPriority } from "./job.ts";
import { Violations } from "./violations.ts";

/** A submission whose form is right; what its input says is the intake's to judge. */
export interface Submission {
  readonly requestId: string;
  readonly circuit: ServedCircuit;
  readonly inputKind: InputKind;
  /** Hex. */
  readonly contentSha256: string;
  readonly priority: JobPriority;
  readonly labels: Readonly<Record<string, string>>;
  readonly expireMs: number | undefined;
  /** Bytes of the input as it was sent. */
  readonly contentBytes: number;
  /** What the intake is to check, and takes with it: the request's bytes are gone then. */
  readonly check: IntakeTask;
}

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;
export const LABELS_MAX = 16;
const LABEL_NAME_BYTES_MAX = 63;
const LABEL_VALUE_BYTES_MAX = 255;
/** The end of what a protobuf Timestamp can say: a job with a later one could not be shown. */
const TIME_MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const PRIORITY: Readonly<Record<number, JobPriority>> = {
  [ProtoPriority.UNSPECIFIED]: "NORMAL",
  [ProtoPriority.LOW]: "LOW",
  [ProtoPriority.NORMAL]: "NORMAL",
  [ProtoPriority.HIGH]: "HIGH",
};

/**
 * @param nowMs  Unix ms; an expiry must lie after it.
 * @throws ProverError REQUEST_MALFORMED, CIRCUIT_UNKNOWN, BATCH_SHAPE
 */
export function decodeSubmit(
  request: SubmitProofRequest,
  circuits: CircuitRegistry,
  nowMs: number,
): Submission {
  const faults = new Violations("REQUEST_MALFORMED");
  const { requestId, labels } = request;
  if (!REQUEST_ID.test(requestId)) {
    faults.add(
      "request_id",
      `got ${requestId.length} characters, expected 1 to 128 of A-Z a-z 0-9 . _ : -`,
    );
  }
  const priority = PRIORITY[request.priority];
  if (priority === undefined) {
    faults.add("priority", `got ${request.priority}, expected LOW (1), NORMAL (2) or HIGH (3)`);
  }
  checkLabels(labels, faults);
  const expireMs = request.expireTime === undefined ? undefined : timestampMs(request.expireTime);
  if (expireMs !== undefined && !(expireMs > nowMs)) {
    faults.add("expire_time", `got a time ${Math.round(nowMs - expireMs)} ms in the past`);
  } else if (expireMs !== undefined && expireMs > TIME_MAX_MS) {
    faults.add(
      "expire_time",
      "got a time after the year 9999; leave it unset for a job that never expires",
    );
  }
  faults.check();

  const circuit = circuits.get(request.circuitId);
  const { inputKind, content, check } = decodeInput(request, circuit);
  return {
    requestId,
    circuit,
    inputKind,
    contentSha256: contentHash(circuit.id, inputKind, content),
    priority: priority as JobPriority,
    labels,
    expireMs,
    contentBytes: content.length,
    check,
  };
}

function decodeInput(
  { input }: SubmitProofRequest,
  circuit: ServedCircuit,
): { inputKind: InputKind; content: Uint8Array; check: IntakeTask } {
  switch (input.case) {
    case "transferBatch": {
      const { parameters } = circuit;
      if (parameters === undefined) {
        throw fieldError(
          "transfer_batch",
          `got a batch for circuit ${circuit.id}, which is not one of transfers; send input_json or wtns`,
        );
      }
      const batch: TwinBatch = decodeBatch(parameters, input.value);
      return {
        inputKind: "TRANSFER_BATCH",
        content: toBinary(TransferBatchSchema, input.value, { writeUnknownFields: false }),
        check: { kind: "batch", parameters, batch },
      };
    }
    case "inputJson":
      return {
        inputKind: "JSON",
        content: input.value,
        check: { kind: "json", bytes: input.value, wasm: circuit.artefacts.wasm },
      };
    case "wtns":
      return {
        inputKind: "WTNS",
        content: input.value,
        check: { kind: "wtns", bytes: input.value, wireCount: circuit.wireCount },
      };
    default:
      throw fieldError(
        "input",
        "got none, expected one of transfer_batch, input_json and wtns (is the client's proto older?)",
      );
  }
}

function checkLabels(labels: Readonly<Record<string, string>>, faults: Violations): void {
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) {
    faults.add("labels", `got ${entries.length}, expected at most ${LABELS_MAX}`);
    return;
  }
  for (const [name, value] of entries) {
    const nameBytes = Buffer.byteLength(name);
    const valueBytes = Buffer.byteLength(value);
    if (nameBytes < 1 || nameBytes > LABEL_NAME_BYTES_MAX) {
      faults.add(
        "labels",
        `got a name of ${nameBytes} bytes, expected 1 to ${LABEL_NAME_BYTES_MAX}`,
      );
    } else if (valueBytes > LABEL_VALUE_BYTES_MAX) {
      faults.add(
        `labels["${name}"]`,
        `got ${valueBytes} bytes, expected at most ${LABEL_VALUE_BYTES_MAX}`,
      );
    }
  }
}

/** What a request id stands for. Priority, expiry and labels of a repetition do not count. */
function contentHash(circuitId: string, kind: InputKind, content: Uint8Array): string {
  return createHash("sha256")
    .update(`proofmill.content.v1\0${circuitId}\0${kind}\0`)
    .update(content)
    .digest("hex");
}
