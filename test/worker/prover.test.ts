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

  it("makes as many proofs as it is asked for at once, also more than there are threads", async () => {
    const proofs = await Promise.all(Array.from({ length: 7 }, () => prover.prove(key, wtns)));
    for (const { proof, publicSignals } of proofs) {
      expect(await prover.verify(key.verificationKey, publicSignals, proof)).toBe(true);
    }
  });

  it("proves in the calling thread, and with a number of threads", async () => {
    for (const threads of ["one", 1, 2] as const) {
      await using own = await Prover.open({ threads });
      const ownKey = await own.loadKey({ path: small.key });
      const { proof, publicSignals } = await own.prove(ownKey, wtns);
      expect(publicSignals).toEqual([6480n, 3n]);
      expect(await own.verify(ownKey.verificationKey, publicSignals, proof)).toBe(true);
    }
    for (const threads of [0, 1.5, 257]) {
      await expect(Prover.open({ threads })).rejects.toThrow(RangeError);
    }
  });

  it("takes only keys of its own that were not released", async () => {
    await using own = await Prover.open({ threads: 1 });
    const released = await own.loadKey({ path: small.key });
    const proving = own.prove(released, wtns);
    const releasing = released.release();
    await expect(own.prove(released, wtns)).rejects.toThrow(TypeError);
    await expect(own.prove(key, wtns)).rejects.toThrow(TypeError);
    // What was asked for before still has its key.
    expect((await proving).publicSignals).toEqual([6480n, 3n]);
    await releasing;
    await released.release();
    const again = await own.loadKey({ path: small.key });
    expect((await own.prove(again, wtns)).publicSignals).toEqual([6480n, 3n]);
  });

  it("finishes what it was asked for when it is closed, and takes no more", async () => {
    const own = await Prover.open({ threads: 2 });
    const ownKey = await own.loadKey({ path: small.key });
    const proving = [1, 2, 3, 4].map(() => own.prove(ownKey, wtns));
    const closing = own.close();
    await expect(own.prove(ownKey, wtns)).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    await expect(own.loadKey({ path: small.key })).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
    });
    for (const { publicSignals } of await Promise.all(proving)) {
      expect(publicSignals).toEqual([6480n, 3n]);
    }
    await closing;
    await own.close();
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

  it("leaves the line on an abort signal, and does not begin when it came before", async () => {
    await using own = await Prover.open({ threads: 1 });
    const ownKey = await own.loadKey({ path: small.key });
    const stop = new AbortController();
    const proofs = [undefined, stop.signal, undefined].map((signal) =>
      own.prove(ownKey, wtns, signal && { signal }),
    );
    const aborted = expect(proofs[1]).rejects.toMatchObject({ code: "CANCELLED" });
    stop.abort();
    await aborted;
    await expect(own.prove(ownKey, wtns, { signal: stop.signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    for (const proof of [proofs[0], proofs[2]]) {
      expect((await proof)?.publicSignals).toEqual([6480n, 3n]);
    }
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
