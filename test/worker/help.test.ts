import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { reserveSlots } from "../../worker/engines/wasm/arena.ts";
import { type LoadedKey, loadSharedKey } from "../../worker/engines/wasm/key-load.ts";
import { crewOf, stopPieces } from "../../worker/engines/wasm/pieces.ts";
import { openWasm, type WasmEngine, type WasmKey } from "../../worker/engines/wasm.ts";
import { prove } from "../../worker/groth16.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { longFixture, longInputs } from "./fixtures.ts";

/** All of it in this thread: a helper's turn comes where its leader looks whether to stop. */
let engine: WasmEngine;
let key: LoadedKey;
let leader: WasmKey;
let helper: WasmKey;
let program: WitnessProgram;
beforeAll(async () => {
  const long = await longFixture();
  program = new WitnessProgram(new Uint8Array(await readFile(long.wasm)));
  engine = await openWasm();
  key = await loadSharedKey({ path: long.devKey }, engine.kernels);
  reserveSlots(key.shared, 2);
  leader = engine.adopt(key.shared, 0);
  helper = engine.adopt(key.shared, 1);
});

/** Proves with the leader; something happens when it looks for the first time, or a later one. */
async function proveWhile(happen: () => void, look = 1): Promise<void> {
  let looks = 0;
  const isCancelled = () => {
    if (++looks === look) happen();
    return false;
  };
  const { header } = key;
  const witness = program.calculate(longInputs(3));
  const { proof, publicSignals } = await prove(engine, { resident: leader, ...header }, witness, {
    isCancelled,
    threads: 2,
  });
  expect(looks).toBeGreaterThanOrEqual(look);
  expect(verifyWithNoble(header.verificationKey, publicSignals, proof)).toBe(true);
}

const always = () => true;

/** Whether anything is left where a thread has had numbers of the witness. */
function hasScalars({ slot }: WasmKey): boolean {
  const { stage, gather } = slot.thread;
  const end = Math.max(gather.wires, gather.coefficients) + 8 * slot.fields.fr.limbs;
  const bytes = new Uint8Array(key.shared.memory.buffer, stage, end - stage);
  return bytes.some((byte) => byte !== 0);
}

describe("worker / help with a proof", () => {
  it("may be all the work", async () => {
    let pieces = 0;
    await proveWhile(() => {
      pieces = helper.help(0, always);
    });
    expect(pieces).toBeGreaterThan(10);
  });

  it("may be some pieces, from any moment on", async () => {
    for (const [count, look] of [
      [1, 1],
      [3, 1],
      [2, 9],
      [5, 30],
    ] as const) {
      let left = count;
      let pieces = 0;
      await proveWhile(() => {
        pieces = helper.help(0, () => left-- > 0);
      }, look);
      expect(pieces).toBeLessThanOrEqual(count);
    }
  });

  it("leaves nothing of the witness where the helper computed", async () => {
    await proveWhile(() => {
      helper.help(0, always);
      expect(hasScalars(helper)).toBe(false);
    });
    expect(hasScalars(leader)).toBe(false);
  });

  it("comes to nothing when there is no proof, or it is not wanted", async () => {
    let looks = 0;
    expect(helper.help(0, () => looks++ < 2)).toBe(0);
    await proveWhile(() => {
      expect(helper.help(0, () => false)).toBe(0);
    });
  });

  it("is done without when the helper dies inside, whatever it had taken", async () => {
    for (const look of [1, 4, 20]) {
      await proveWhile(() => {
        const { control } = leader.slot.proof;
        const crew = crewOf(key.shared, leader.slot.proof);
        expect(crew.enter(1, always)).toBe(true);
        // The next piece is its own, for ever.
        Atomics.add(new Int32Array(key.shared.memory.buffer, control), 0, 1);
        crew.bury(1);
      }, look);
    }
  });

  it("is done without when the helper fails", async () => {
    for (const look of [1, 4, 20]) {
      // What a helper does when a piece throws.
      await proveWhile(() => stopPieces(key.shared, leader.slot.proof), look);
    }
  });

  it("ends with the proof when that is cancelled", async () => {
    let looks = 0;
    const witness = program.calculate(longInputs(3));
    const cancelled = prove(engine, { resident: leader, ...key.header }, witness, {
      isCancelled: () => ++looks > 5,
    });
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
    let turns = 0;
    expect(helper.help(0, () => turns++ < 2)).toBe(0);
    expect(witness.every((byte) => byte === 0)).toBe(true);
  });
});
