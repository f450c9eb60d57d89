import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProvingKey } from "../../worker/backend.ts";
import { bestKernels } from "../../worker/engines/wasm.ts";
import { Ensemble } from "../../worker/ensemble.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { ProofVerifier } from "../../worker/proof-verifier.ts";
import { Team } from "../../worker/team.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import { longFixture, longInputs } from "./fixtures.ts";

const verifier = new ProofVerifier();
let wtns: Uint8Array;
let team: Team;
let ensemble: Ensemble;
let key: ProvingKey;
beforeAll(async () => {
  const long = await longFixture();
  const program = new WitnessProgram(new Uint8Array(await readFile(long.wasm)));
  wtns = encodeWtns(program.calculate(longInputs(3)));
  const { compiled } = await bestKernels();
  team = new Team(3, { engine: "wasm", kernels: compiled, program: Tower.open().machine.program });
  ensemble = new Ensemble({ engineName: "under test", team });
  key = await ensemble.loadKey({ path: long.devKey }, { allowDevKeys: true });
});
afterAll(() => ensemble.close());

async function proveSoundly(signal?: AbortSignal): Promise<void> {
  const { proof, publicSignals } = await ensemble.prove(key, wtns, signal ? { signal } : {});
  expect(await verifier.verify(key.verificationKey, publicSignals, proof)).toBe(true);
}

const helpedPieces = () => team.members.reduce((sum, each) => sum + each.helpedPieces, 0);

describe("worker / ensemble", () => {
  it("has one proof made by all threads", async () => {
    const before = helpedPieces();
    // Threads that have just started may come too late for the first.
    for (let i = 0; i < 20 && helpedPieces() === before; i++) await proveSoundly();
    expect(helpedPieces()).toBeGreaterThan(before);
  });

  it("proves a second time what a thread died over, wherever it was, and then gives up", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.nat(2), async (afterMs, victim) => {
        const proving = [proveSoundly(), proveSoundly()];
        await sleep(afterMs);
        await team.members[victim]?.end();
        await Promise.all(proving);
      }),
      { numRuns: 8 },
    );
    let isOver = false;
    const outcome = proveSoundly()
      .catch((error: unknown) => error)
      .finally(() => {
        isOver = true;
      });
    while (!isOver) {
      await Promise.all(team.members.map((member) => member.end()));
      await sleep(1);
    }
    expect(await outcome).toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    await proveSoundly();
  });

  it("stops at any moment on an abort signal, and all threads go on", async () => {
    const deaths = () => team.members.reduce((sum, { restartCount }) => sum + restartCount, 0);
    const before = deaths();
    await fc.assert(
      fc.asyncProperty(fc.nat(60), async (afterMs) => {
        const stop = new AbortController();
        const outcome = proveSoundly(stop.signal).catch((error: unknown) => error);
        await sleep(afterMs);
        stop.abort();
        const error = await outcome;
        if (error !== undefined) expect(error).toMatchObject({ code: "CANCELLED" });
        await proveSoundly();
      }),
      { numRuns: 8 },
    );
    expect(deaths()).toBe(before);
  });

  it("shows progress that does not go back", async () => {
    const seen: (readonly [string, number])[] = [];
    await ensemble.prove(key, wtns, { onProgress: (stage, done) => seen.push([stage, done]) });
    expect([...new Set(seen.map(([stage]) => stage))]).toEqual(["proving", "verifying"]);
    const done = seen.map(([stage, part]) => (stage === "proving" ? part : 1 + part));
    expect(done).toEqual([...done].sort((a, b) => a - b));
  });
});
