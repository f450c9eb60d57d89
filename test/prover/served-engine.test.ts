import { describe, expect, it } from "vitest";
import { ServedEngine } from "../../prover/engine.ts";
import type { WorkError } from "../../worker/errors.ts";
import type { HostThread } from "../../worker/hosting/host-thread.ts";
import type { DeviceKeeper } from "../../worker/hosting/keeper.ts";
import type { Failed, ProveResult } from "../../worker/task.ts";

const KEY = "a".repeat(64);
const OTHER = "b".repeat(64);
const PROVED = { kind: "proved" } as ProveResult;
const failed = (code: Failed["code"]): Failed => ({
  kind: "failed",
  code,
  message: "",
  detail: {},
});

/** An engine with a device that notes what it is reported for. */
function served(mayFallBack = true) {
  const host = {} as HostThread;
  const reports: WorkError[] = [];
  const keeper = {
    host,
    engineName: "fake",
    state: { kind: "ready" },
    onChange: () => {},
    report: (_: HostThread, error: WorkError) => reports.push(error),
  } as unknown as DeviceKeeper;
  const data = { engine: mayFallBack ? "reference" : "linked" } as ServedEngine["data"];
  return { engine: new ServedEngine({ name: "local", refused: [], data }, keeper), host, reports };
}

describe("prover / a proof of a device that does not verify", () => {
  it("is the device's fault if the threads' own verifies", () => {
    const { engine, host, reports } = served();
    expect(engine.doubt(host, KEY)).toBe(true);
    expect(engine.placeFor(KEY)).toBe("local");
    expect(engine.placeFor(OTHER)).toBe(host);
    engine.judge(OTHER, PROVED);
    expect(reports).toEqual([]);
    engine.judge(KEY, PROVED);
    expect(reports).toMatchObject([{ code: "ENGINE_UNAVAILABLE", detail: { gpu: "driver" } }]);
    engine.judge(KEY, PROVED);
    expect(reports).toHaveLength(1);
  });

  it("is the key's fault if the threads' own does not, and the device stays", () => {
    const { engine, host, reports } = served();
    engine.doubt(host, KEY);
    engine.judge(KEY, failed("PROOF_REJECTED"));
    expect(reports).toEqual([]);
    expect(engine.placeFor(KEY)).toBe(host);
  });

  it("stays open after an attempt that tells nothing", () => {
    const { engine, host, reports } = served();
    engine.doubt(host, KEY);
    engine.judge(KEY, failed("CANCELLED"));
    engine.judge(KEY, failed("WITNESS_UNSATISFIABLE"));
    engine.judge(KEY, { kind: "warm", engine: "local", isDevKey: true } as never);
    expect(engine.placeFor(KEY)).toBe("local");
    engine.judge(KEY, PROVED);
    expect(reports).toHaveLength(1);
  });

  it("is the job's failure where no other engine is", () => {
    const { engine, host, reports } = served(false);
    expect(engine.doubt(host, KEY)).toBe(false);
    expect(engine.placeFor(KEY)).toBe(host);
    expect(reports).toEqual([]);
  });
});
