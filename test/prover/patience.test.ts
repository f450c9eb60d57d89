import { afterEach, describe, expect, it, vi } from "vitest";
import { CallScope } from "../../prover/call-scope.ts";
import { ProverClientError } from "../../prover/client-error.ts";
import { Patience } from "../../prover/patience.ts";

const AWAY = new ProverClientError("UNAVAILABLE", "away");

afterEach(() => vi.restoreAllMocks());

/** Patience of ten seconds, whose pauses end when the test says so. */
function patienceOf10s() {
  let nowMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const scope = new CallScope({});
  const pauses: number[] = [];
  vi.spyOn(scope, "pause").mockImplementation(async (ms) => {
    pauses.push(ms);
    nowMs += ms;
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { patience: new Patience(10_000, scope), pauses, pass };
}

describe("prover / patience", () => {
  it("pauses twice as long each time, and gives up when its time is over", async () => {
    const { patience, pauses } = patienceOf10s();
    const failing = (async () => {
      while (true) await patience.after(AWAY);
    })();
    await expect(failing).rejects.toBe(AWAY);
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200]);
  });

  it("waits for as long as it is told to", async () => {
    const { patience, pauses } = patienceOf10s();
    await patience.after(new ProverClientError("RESOURCE_EXHAUSTED", "", { retryAfterMs: 7_000 }));
    expect(pauses).toEqual([7_000]);
  });

  it("begins anew after a call that stood, although it said nothing", async () => {
    const { patience, pauses, pass } = patienceOf10s();
    await patience.after(AWAY);
    patience.opened();
    pass(60_000);
    await patience.after(AWAY);
    expect(pauses).toEqual([100, 100]);
  });

  it("does not take for a success that a call was taken and refused at once", async () => {
    const { patience, pauses } = patienceOf10s();
    for (let i = 0; i < 4; i++) {
      patience.opened();
      await patience.after(AWAY);
    }
    expect(pauses).toEqual([100, 200, 400, 800]);
  });
});

describe("prover / call scope", () => {
  it("is over at once when it has no time, or is aborted beforehand", () => {
    expect(() => new CallScope({ timeoutMs: 0 }).throwIfOver()).toThrow(/within its 0 ms/);
    const reason = new Error("enough");
    const scope = new CallScope({ signal: AbortSignal.abort(reason) });
    expect(scope.signal.reason).toMatchObject({ code: "CANCELLED", cause: reason });
  });

  it("names the last failure when its time is up during a pause", async () => {
    const scope = new CallScope({ timeoutMs: 20 });
    await expect(scope.pause(60_000, AWAY)).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringContaining("away"),
      cause: AWAY,
    });
    scope.end();
  });

  it("leaves nothing behind when it has ended", () => {
    const outer = new AbortController();
    const scope = new CallScope({ signal: outer.signal, timeoutMs: 2 ** 40 });
    scope.end();
    outer.abort();
    expect(scope.signal.aborted).toBe(false);
  });
});
