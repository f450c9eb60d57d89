import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { openWasm, type WasmEngine } from "../../worker/engines/wasm.ts";
import { prove } from "../../worker/groth16.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { type Fixture, longFixture, longInputs } from "./fixtures.ts";

/**
 * Additions in G1 that take about 12 ms, at 125 ns each; one in G2 counts for 2.2. Work is counted
 * rather than time, which belongs to a machine.
 */
const MOST_ADDITIONS = 100_000;
/** Bytes of a key's file that take about 10 ms to load. */
const MOST_BYTES = 2 ** 20;

let long: Fixture;
let engine: WasmEngine;
beforeAll(async () => {
  long = await longFixture();
  engine = await openWasm();
});

describe("worker / looks whether to stop", () => {
  it("come often in the loading of a key", async () => {
    let looks = 0;
    const isCancelled = () => {
      looks++;
      return false;
    };
    const bytes = await readFile(long.devKey);
    await loadSharedKey(bytes, engine.kernels, { isCancelled });
    expect(looks).toBeGreaterThan(bytes.length / MOST_BYTES);
  });

  it("come often in the sums of a proof", async () => {
    const { shared, header } = await loadSharedKey({ path: long.devKey }, engine.kernels);
    const resident = engine.adopt(shared);
    const done = () => {
      const [g1, g2] = resident.slot.thread.additions;
      return g1 + 2.2 * g2;
    };
    const program = new WitnessProgram(new Uint8Array(await readFile(long.wasm)));
    const witness = program.calculate(longInputs(3));
    const before = done();
    let [last, most] = [before, 0];
    const isCancelled = () => {
      most = Math.max(most, done() - last);
      last = done();
      return false;
    };
    await prove(engine, { resident, ...header }, witness, { isCancelled });
    // The whole is many times that, or the test would show nothing.
    expect(done() - before).toBeGreaterThan(5 * MOST_ADDITIONS);
    expect(most).toBeLessThan(MOST_ADDITIONS);
  });
});
