import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as snarkjs from "snarkjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  calculateWitness,
  fullProve,
  groth16,
  type LoadedKey,
  loadKey,
  type ProofWithSignals,
  prove,
  solidityCallData,
  verifierArguments,
  verify,
} from "../../worker/library.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import { type Fixture, smallFixture, smallInputs, verifyWithSnarkjs } from "./fixtures.ts";

let small: Fixture;
let key: LoadedKey;
let wtns: Uint8Array;
let proved: ProofWithSignals;
beforeAll(async () => {
  small = await smallFixture();
  key = await loadKey(small.key);
  wtns = await calculateWitness(smallInputs(), small.wasm);
  proved = await prove(key, wtns);
});
afterAll(async () => {
  await key.close();
  await endSnarkjs();
});

describe("worker / library", () => {
  it("finishes the proofs that were asked for before it is closed, and takes no more", async () => {
    for (const threads of [2, "one"] as const) {
      const own = await loadKey(small.key, { threads });
      const path = join(tmpdir(), `asked-${process.pid}.wtns`);
      await writeFile(path, wtns);
      try {
        const asked = [prove(own, wtns), prove(own, path)];
        const closing = own.close();
        const late = prove(own, wtns);
        await expect(late).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
        for (const { publicSignals, proof } of await Promise.all(asked)) {
          expect(await verify(own.verificationKey, publicSignals, proof)).toBe(true);
        }
        await closing;
        await own.close();
      } finally {
        await rm(path);
      }
    }
  });

  it("calculates the witness that snarkjs calculates, to the last byte", async () => {
    const theirs = { type: "mem" } as unknown as string & { data: Uint8Array };
    await snarkjs.wtns.calculate(smallInputs() as never, small.wasm, theirs);
    // snarkjs's buffer is longer than its file.
    expect(Buffer.from(wtns)).toEqual(Buffer.from(theirs.data).subarray(0, wtns.length));
  });

  it("proves what snarkjs verifies, and verifies what snarkjs proves", async () => {
    const { proof, publicSignals } = proved;
    expect(await verifyWithSnarkjs(key.verificationKey, publicSignals, proof)).toBe(true);
    expect(await verify(key.verificationKey, publicSignals, proof)).toBe(true);

    const theirKey = await snarkjs.zKey.exportVerificationKey(small.key);
    const theirs = await snarkjs.groth16.prove(small.key, wtns);
    expect(theirs.publicSignals).toEqual(publicSignals);
    expect(await verify(theirKey as object, theirs.publicSignals, theirs.proof)).toBe(true);
    const [first, ...rest] = publicSignals;
    expect(await verify(key.verificationKey, [...rest, first as string], proof)).toBe(false);
  });

  it("gives snarkjs's JSON: the same fields, forms and verification key", async () => {
    const theirs = await snarkjs.groth16.prove(small.key, wtns);
    const shape = (value: unknown): unknown =>
      Array.isArray(value) ? value.map(shape) : /^\d+$/.test(String(value)) ? "number" : value;
    const shapeOf = (proof: object) =>
      Object.fromEntries(Object.entries(proof).map(([name, value]) => [name, shape(value)]));
    expect(shapeOf(proved.proof)).toEqual(shapeOf(theirs.proof));
    expect(await snarkjs.zKey.exportVerificationKey(small.key)).toMatchObject(
      structuredClone(key.verificationKey),
    );
  });

  it("takes paths, URLs, bytes and snarkjs's memory files, and leaves given bytes as they are", async () => {
    const path = join(tmpdir(), `library-${process.pid}.wtns`);
    await writeFile(path, wtns);
    const before = Buffer.from(wtns);
    for (const source of [path, pathToFileURL(path), wtns, { type: "mem", data: wtns } as const]) {
      const { publicSignals } = await prove(key, source);
      expect(publicSignals).toEqual(proved.publicSignals);
    }
    expect(Buffer.from(wtns)).toEqual(before);
    expect(await readFile(path)).toEqual(before);
    await rm(path);
    await expect(prove(key, 7 as never)).rejects.toThrow(TypeError);
    await expect(prove(key, "nowhere/absent.wtns")).rejects.toMatchObject({
      code: "ARTEFACT_MISMATCH",
      message: expect.stringContaining("absent.wtns cannot be read (ENOENT)"),
    });
    await expect(prove(key, "/dev/null")).rejects.toMatchObject({
      code: "ARTEFACT_MISMATCH",
      message: expect.stringContaining("null cannot be read (a device)"),
    });
  });

  it("has snarkjs's calls under snarkjs's names, each from files alone", async () => {
    const theirs = groth16 satisfies Pick<
      Record<keyof typeof snarkjs.groth16, unknown>,
      "prove" | "fullProve" | "verify" | "exportSolidityCallData"
    >;
    const one = await theirs.prove(small.key, wtns);
    const two = await theirs.fullProve(smallInputs(), small.wasm, await readFile(small.key));
    for (const { proof, publicSignals } of [one, two]) {
      expect(await theirs.verify(key.verificationKey, publicSignals, proof)).toBe(true);
    }
  });

  it("refuses what must not be proved: development keys unless allowed, inputs that break a rule", async () => {
    await expect(loadKey(small.devKey)).rejects.toMatchObject({ code: "KEY_REFUSED" });
    await expect(prove(small.devKey, wtns)).rejects.toMatchObject({ code: "KEY_REFUSED" });
    const { proof } = await prove(small.devKey, wtns, { allowDevKeys: true });
    expect(proof.protocol).toBe("groth16");
    await expect(fullProve(smallInputs(70_000), small.wasm, key)).rejects.toMatchObject({
      code: "WITNESS_UNSATISFIABLE",
    });
  });

  it("calls every malformed proof invalid, and throws only for the key", async () => {
    const { proof, publicSignals } = proved;
    const vk = key.verificationKey;
    const [first, ...rest] = publicSignals;
    const above = String(
      BigInt(first as string) +
        21888242871839275222246405745257275088548364400416034343698204186575808495617n,
    );
    for (const [signals, points] of [
      [[above, ...rest], proof],
      [[`0${first}`, ...rest], proof],
      [[[first], ...rest], proof],
      [rest, proof],
      ["no list", proof],
      [null, proof],
      [publicSignals, { ...proof, pi_a: ["1", "1", "1"] }],
      [publicSignals, { ...proof, pi_b: proof.pi_a }],
      [publicSignals, { ...proof, curve: "bls12381" }],
      [publicSignals, {}],
      [publicSignals, null],
    ]) {
      expect(await verify(vk, signals as never, points as never)).toBe(false);
    }
    expect(await verify(vk, publicSignals.map(BigInt), proof)).toBe(true);
    await expect(verify({ ...vk, nPublic: 7 }, publicSignals, proof)).rejects.toMatchObject({
      code: "KEY_MALFORMED",
    });
  });

  it("writes the calldata that snarkjs writes, and arguments for viem and ethers", async () => {
    const { proof, publicSignals } = proved;
    const theirs = await snarkjs.groth16.exportSolidityCallData(proof, publicSignals);
    const text = solidityCallData(proof, publicSignals);
    expect(JSON.parse(`[${text}]`)).toEqual(JSON.parse(`[${theirs}]`));
    const words = (value: unknown): unknown =>
      typeof value === "bigint"
        ? `0x${value.toString(16).padStart(64, "0")}`
        : (value as unknown[]).map(words);
    expect(words(verifierArguments(proof, publicSignals))).toEqual(JSON.parse(`[${text}]`));
    expect(() => solidityCallData({}, publicSignals)).toThrow("proof");
  });
});
