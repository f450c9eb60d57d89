import { describe, expect, it } from "vitest";
import { IntakePool } from "../../prover/intake-pool.ts";
import { encodeWtns } from "../../worker/wtns.ts";

describe("prover / intake", () => {
  it("forgets what waits for a thread when its caller has gone", async () => {
    const pool = new IntakePool({ threads: 1, waitingMax: 1, waitingMaxBytes: 1_000 });
    const leave = new AbortController();
    const check = (signal = new AbortController().signal) => {
      // More than is checked without a thread.
      const task = { kind: "wtns", bytes: new Uint8Array(4_200_000), wireCount: 1 } as const;
      return pool.check(task, 900, signal);
    };
    const asked = [check(), check(leave.signal), check()];
    leave.abort();
    asked.push(check(leave.signal), check());
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.map((each) => each.status === "rejected" && each.reason.code)).toEqual([
      "WITNESS_MALFORMED",
      "CANCELLED",
      "QUEUE_FULL",
      "CANCELLED",
      "WITNESS_MALFORMED",
    ]);
    expect(pool.waitingCount).toBe(0);
    await pool.close();
  });

  it("checks a small witness at once, though every thread is busy", async () => {
    const pool = new IntakePool({ threads: 0, waitingMax: 0, waitingMaxBytes: 0 });
    const file = encodeWtns(Uint8Array.of(1, ...new Array(31).fill(0)));
    const check = (wireCount: number, signal: AbortSignal) =>
      pool.check({ kind: "wtns", bytes: new Uint8Array(file), wireCount }, file.length, signal);
    const open = new AbortController().signal;
    expect(await check(1, open)).toEqual({ format: "wtns", bytes: file, commit: undefined });
    await expect(check(2, open)).rejects.toMatchObject({
      code: "WITNESS_MALFORMED",
      violations: [expect.objectContaining({ field: "wtns" })],
    });
    await expect(check(1, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
    await pool.close();
  });

  it("keeps of a large message the input alone: the rest counts against no limit", async () => {
    const pool = new IntakePool({ threads: 1, waitingMax: 1, waitingMaxBytes: 1_000 });
    const file = encodeWtns(Uint8Array.of(1, ...new Array(31).fill(0)));
    const message = new Uint8Array(1_000_000);
    message.set(file, 7);
    const bytes = message.subarray(7, 7 + file.length);
    const task = { kind: "wtns", bytes, wireCount: 1 } as const;
    const input = await pool.check(task, file.length, new AbortController().signal);
    expect(input.bytes).toEqual(file);
    expect(input.bytes.buffer.byteLength).toBe(file.length);
    await pool.close();
  });
});
