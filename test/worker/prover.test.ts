import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProvingKey } from "../../worker/backend.ts";
import { writeLE } from "../../worker/field.ts";
import { proofToJson, publicSignalsToJson } from "../../worker/proof.ts";
import { Prover } from "../../worker/prover.ts";
import { verificationKeyToJson } from "../../worker/verification-key.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import {
  type Fixture,
  longFixture,
  longInputs,
  smallFixture,
  smallInputs,
  verifyWithSnarkjs,
} from "./fixtures.ts";

let small: Fixture;
let wtns: Uint8Array;
let prover: Prover;
let key: ProvingKey;
beforeAll(async () => {
  small = await smallFixture();
  wtns = await witnessFile(small, smallInputs());
  prover = await Prover.open();
  key = await prover.loadKey(await readFile(small.key));
});
afterAll(async () => {
  await prover.close();
  await endSnarkjs();
});

async function witnessFile(fixture: Fixture, inputs: object): Promise<Uint8Array> {
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  return encodeWtns(program.calculate(inputs as Record<string, string>));
}

describe("worker / prover", () => {
  it("makes proofs on all cores that snarkjs accepts, and verifies them", async () => {
    // A Buffer, as files are read: its slice would share memory.
    const file = Buffer.from(wtns);
    const { proof, publicSignals } = await prover.prove(key, file);
    expect(file).toEqual(Buffer.from(wtns));
    const vk = verificationKeyToJson(key.verificationKey);
    const signals = publicSignalsToJson(publicSignals);
    expect(await verifyWithSnarkjs(vk, signals, proofToJson(proof))).toBe(true);
    expect(await prover.verify(key.verificationKey, publicSignals, proof)).toBe(true);
    expect(await prover.verify(key.verificationKey, [1n, 3n], proof)).toBe(false);
  });

  it("makes one proof after the other when called for several at once", async () => {
    const proofs = await Promise.all([1, 2, 3].map(() => prover.prove(key, wtns)));
    for (const { proof, publicSignals } of proofs) {
      expect(await prover.verify(key.verificationKey, publicSignals, proof)).toBe(true);
    }
  });

  it("refuses a development key unless it is allowed, and one without contribution always", async () => {
    const dev = await readFile(small.devKey);
    await expect(prover.loadKey(dev)).rejects.toMatchObject({ code: "KEY_REFUSED" });
    expect((await prover.loadKey(dev, { allowDevKeys: true })).isDevKey).toBe(true);
    const fresh = await readFile(small.freshKey);
    await expect(prover.loadKey(fresh, { allowDevKeys: true })).rejects.toMatchObject({
      code: "KEY_REFUSED",
    });
  });

  it("names the failing constraint if it is given the constraints", async () => {
    const wrong = wtns.slice();
    writeLE(wrong, wrong.length - 32, 77n);
    const r1cs = await readFile(small.r1cs);
    await expect(prover.prove(key, wrong, { r1cs })).rejects.toMatchObject({
      code: "WITNESS_UNSATISFIABLE",
      detail: { constraint: expect.any(Number) },
    });
  });

  it("stops on an abort signal and proves again afterwards", async () => {
    const long = await longFixture();
    const longKey = await prover.loadKey(await readFile(long.devKey), { allowDevKeys: true });
    const longWtns = await witnessFile(long, longInputs(3));
    const stop = new AbortController();
    const onProgress = (_: string, done: number) => {
      if (done > 0.3) stop.abort();
    };
    const { signal } = stop;
    await expect(prover.prove(longKey, longWtns, { signal, onProgress })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    const { proof, publicSignals } = await prover.prove(longKey, longWtns);
    expect(await prover.verify(longKey.verificationKey, publicSignals, proof)).toBe(true);
  });

  it("ends its threads: a program that closes it comes to its end", async () => {
    const module = fileURLToPath(new URL("../../worker/prover.ts", import.meta.url));
    const script = `
      import { readFileSync } from "node:fs";
      import { Prover } from ${JSON.stringify(module)};
      await using prover = await Prover.open();
      await prover.loadKey(readFileSync(${JSON.stringify(small.key)}));
      console.log("loaded");`;
    // A thread that stays would keep the process alive until it is killed here, with an error.
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module-typescript", "--eval", script],
      { timeout: 60_000 },
    );
    expect(stdout).toBe("loaded\n");
  });
});
