import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { BatchError } from "../../circuits/errors.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ProverClientError } from "../../prover/client-error.ts";
import {
  ERRORS,
  type ErrorCode,
  fieldError,
  isRetryable,
  ProverError,
} from "../../prover/errors.ts";
import { faultOf } from "../../prover/fault.ts";
import { decodeServiceError, toServiceError } from "../../prover/status.ts";
import { WorkError } from "../../worker/errors.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

describe("prover / errors", () => {
  it("keep the code of a worker's or batch's error, and hide what is unknown", () => {
    expect(ProverError.from(new WorkError("KEY_MALFORMED", "m")).code).toBe("KEY_MALFORMED");
    expect(ProverError.from(new BatchError("BATCH_NONCE", "p")).code).toBe("BATCH_NONCE");
    const original = new ProverError("QUEUE_FULL", "m");
    expect(ProverError.from(original)).toBe(original);
    const unknown = new SyntaxError("Unexpected token in 123456");
    const hidden = ProverError.from(unknown);
    expect(hidden).toMatchObject({ code: "BUG", cause: unknown });
    expect(hidden.message).not.toContain("123456");
  });

  it("are retried only when the service is to blame", () => {
    const retryable = codes.filter(isRetryable).sort();
    expect(retryable).toEqual([
      "CALLER_LIMIT",
      "DRAINING",
      "ENGINE_UNAVAILABLE",
      "LOADING",
      "MEMORY_SHORT",
      "QUEUE_FULL",
      "STORE_UNAVAILABLE",
      "WORKER_LOST",
    ]);
    for (const code of codes) {
      const isCallersFault = ERRORS[code].grpc === grpc.status.INVALID_ARGUMENT;
      if (isCallersFault) expect(isRetryable(code), code).toBe(false);
    }
  });

  it("reach a client with code, reason, fields and delay, whatever the code", () => {
    for (const code of codes) {
      const error = new ProverError(code, `something about ${code}`, {
        violations: [{ field: "a.b[1]", description: "got x, expected y" }],
        retryAfterMs: 1_500,
      });
      const sent = toServiceError(error);
      const decoded = decodeServiceError(sent);
      expect(decoded).toEqual({
        grpc: ERRORS[code].grpc,
        message: `something about ${code}`,
        reason: code,
        violations: error.violations,
        retryAfterMs: 1_500,
      });
      const seen = ProverClientError.fromStatus(decoded, sent);
      expect(grpc.status[seen.code]).toBe(ERRORS[code].grpc);
    }
  });

  it("stay below the 8 KiB of headers that common clients take", () => {
    const violations = Array.from({ length: 50 }, (_, i) => ({
      field: `transfer_batch.openings[${i}].${"x".repeat(200)}`,
      description: "é".repeat(2_000),
    }));
    const sent = toServiceError(new ProverError("BATCH_SHAPE", "é".repeat(5_000), { violations }));
    const details = sent.metadata.get("grpc-status-details-bin")[0] as Buffer;
    const rich = fromBinary(StatusSchema, details);
    expect(rich.details).toHaveLength(2);
    const message = encodeURIComponent(sent.details).length;
    expect(details.length * (4 / 3) + message).toBeLessThan(8_192);
    expect(toBinary(StatusSchema, rich).length).toBe(details.length);
  });

  it("are read as plain statuses when the details are missing or damaged", () => {
    const plain = toServiceError(fieldError("a", "got b"));
    plain.metadata = new grpc.Metadata();
    expect(decodeServiceError(plain)).toMatchObject({ grpc: 3, reason: undefined, violations: [] });
    plain.metadata.set("grpc-status-details-bin", Buffer.from([0xff, 0xff]));
    expect(decodeServiceError(plain)).toMatchObject({ grpc: 3, message: "a: got b" });
  });

  it("count a refusal for size as final, and one for a full queue as passing", () => {
    const tooLarge = new ProverClientError("RESOURCE_EXHAUSTED", "too large");
    expect(tooLarge.isTransient).toBe(false);
    const full = new ProverClientError("RESOURCE_EXHAUSTED", "full", { retryAfterMs: 1_000 });
    expect(full.isTransient).toBe(true);
    expect(new ProverClientError("INVALID_ARGUMENT", "bad").isTransient).toBe(false);
  });
});

describe("prover / the documentation of errors", () => {
  it("has one row for each code, with its status, retry policy and meaning", async () => {
    const text = await readFile(join(import.meta.dirname, "../../docs/api.md"), "utf8");
    for (const code of codes) {
      const { grpc: status, retry, meaning } = ERRORS[code];
      expect(text).toContain(`| \`${code}\` | ${grpc.status[status]} | ${retry} | ${meaning} |`);
    }
  });
});

describe("prover / fault", () => {
  it("says what kind of error and where, and never its text", () => {
    const cause = new SyntaxError("secret 123");
    const fault = faultOf(new Error("secret 456", { cause }));
    expect(fault.kind).toBe("Error < SyntaxError");
    expect(fault.frames.join("\n")).toContain("errors.test.ts");
    expect(JSON.stringify(fault)).not.toMatch(/secret/);
    expect(faultOf("secret")).toEqual({ kind: "string", frames: [] });
    expect(faultOf(undefined)).toEqual({ kind: "", frames: [] });
  });
});
