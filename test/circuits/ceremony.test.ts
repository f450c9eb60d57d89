import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as snarkjs from "snarkjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashFile } from "../../circuits/file-hash.ts";
import { loadArtefacts, type Manifest } from "../../circuits/manifest.ts";
import { beginCeremony, contribute, verifyCeremony } from "../../circuits/setup/ceremony.ts";
import { adoptCeremonyKey, setupCeremony, setupDev } from "../../circuits/setup/circuit.ts";
import { writeDevKey } from "../../circuits/setup/dev.ts";
import { readKeyIdentity } from "../../circuits/setup/usable-key.ts";
import { proofFromJson } from "../../worker/proof.ts";
import { verifyWithNoble } from "./pairing.ts";
import {
  chain,
  compile,
  endSnarkjs,
  prove,
  type SmallCircuit,
  smallPowersOfTau,
} from "./small-circuit.ts";

const REAL = { allowDevKeys: false };
const CIRCUIT = { id: "chain", publicSignals: ["end", "start"] };
const BEACON = {
  randomness: "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
  iterationsLog2: 10,
  name: "a constant: good for tests only",
};

let circuit: SmallCircuit;
let other: SmallCircuit;
let ptauPath: string;
let work: string;
let manifest: Manifest;
const lines: string[] = [];

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ceremony-"));
  circuit = await compile(chain(50));
  other = await compile(chain(51));
  ptauPath = await smallPowersOfTau(work, 6);
  manifest = await setupCeremony({
    dir: circuit.folder,
    circuit: CIRCUIT,
    ptauPath,
    ptauBlake2b: (await hashFile(ptauPath, "blake2b512")).toUpperCase(),
    contributors: ["first", "second"],
    beacon: BEACON,
    verifierDir: work,
    onLine: (line) => lines.push(line),
  });
});
afterAll(async () => {
  for (const dir of [circuit.folder, other.folder, work]) await rm(dir, { recursive: true });
  await endSnarkjs();
});

describe("circuits / setup / ceremony", () => {
  it("makes a key that is usable without any permission, and whose proofs verify", async () => {
    const artefacts = await loadArtefacts(circuit.folder, REAL);
    expect(artefacts.keys).toBe("ceremony");
    const input = { start: 5n, factor: 7n };
    const { proof, publicSignals } = await prove(circuit, artefacts.zkey.path, input);
    const keyJson = JSON.parse(await readFile(artefacts.verificationKey.path, "utf8"));
    expect(await snarkjs.groth16.verify(keyJson, publicSignals, proof)).toBe(true);
    const { verificationKey } = await readKeyIdentity(artefacts.zkey.path);
    const signals = publicSignals.map(BigInt);
    expect(verifyWithNoble(verificationKey, signals, proofFromJson(proof))).toBe(true);
  });

  it("records powers of tau, contributions and beacon, and leaves no intermediate key", async () => {
    expect(manifest.ceremony).toEqual({
      powersOfTau: await hashFile(ptauPath, "blake2b512"),
      contributions: 3,
      beacon: BEACON.randomness,
      beaconIterationsLog2: 10,
    });
    expect((await readdir(circuit.folder)).sort()).toEqual([
      "circuit.r1cs",
      "circuit.sources",
      "circuit.wasm",
      "circuit.zkey",
      "manifest.json",
      "verification_key.json",
    ]);
    expect(await readdir(work)).toContain("ChainVerifier.sol");
  });

  it("says what it does, line by line", () => {
    expect(lines.filter((line) => !line.startsWith("snarkjs: "))).toEqual([
      "comparing the powers of tau with their published hash",
      "verifying the powers of tau",
      "making the key of phase 2",
      "contribution of first",
      "contribution of second",
      "applying the beacon",
      "verifying the key against circuit and powers of tau",
    ]);
  });

  it("can be verified by anybody with the circuit and the powers of tau, and by no other circuit", async () => {
    const { r1csPath } = circuit;
    const zkeyPath = join(circuit.folder, "circuit.zkey");
    await verifyCeremony({ r1csPath, ptauPath, zkeyPath });
    await expect(
      verifyCeremony({ r1csPath: other.r1csPath, ptauPath, zkeyPath }),
    ).rejects.toMatchObject({ name: "CeremonyError", message: /does not follow/ });
  });

  it("refuses a key that has no contribution, and a development key", async () => {
    const { r1csPath } = circuit;
    const initial = join(work, "initial.zkey");
    await beginCeremony({ r1csPath, ptauPath, zkeyPath: initial });
    await expect(verifyCeremony({ r1csPath, ptauPath, zkeyPath: initial })).rejects.toMatchObject({
      code: "KEY_REFUSED",
      message: expect.stringMatching(/gamma/),
    });

    const dev = join(work, "dev.zkey");
    await writeDevKey({ r1csPath, zkeyPath: dev, seed: "x" });
    await expect(verifyCeremony({ r1csPath, ptauPath, zkeyPath: dev })).rejects.toMatchObject({
      code: "KEY_REFUSED",
      message: expect.stringMatching(/development/),
    });
  });

  it("draws other secrets each time", async () => {
    const [first, second] = ["a", "b"].map((name) => join(work, `${name}.zkey`)) as [
      string,
      string,
    ];
    const from = join(work, "start.zkey");
    await beginCeremony({ r1csPath: circuit.r1csPath, ptauPath, zkeyPath: from });
    const hashes = [
      await contribute({ from, to: first, name: "same" }),
      await contribute({ from, to: second, name: "same" }),
    ];
    expect(hashes[0]).toMatch(/^[0-9a-f]{128}$/);
    expect(hashes[0]).not.toBe(hashes[1]);
    const delta = async (path: string) => (await readKeyIdentity(path)).verificationKey.delta2;
    expect(await delta(first)).not.toEqual(await delta(second));
  });

  it("completes a folder around a key that was made elsewhere", async () => {
    const dir = await mkdtemp(join(work, "adopted-"));
    for (const name of ["circuit.r1cs", "circuit.wasm", "circuit.zkey"]) {
      await cp(join(circuit.folder, name), join(dir, name));
    }
    const { ceremony } = manifest;
    if (ceremony === undefined) throw new Error("the manifest has no ceremony");
    const adopted = await adoptCeremonyKey({ dir, circuit: CIRCUIT, ceremony });
    expect(adopted).toEqual(manifest);
    await expect(loadArtefacts(dir, REAL)).resolves.toMatchObject({ keys: "ceremony" });
  });

  const begin = (options: Partial<Parameters<typeof beginCeremony>[0]>): Promise<void> =>
    beginCeremony({
      r1csPath: circuit.r1csPath,
      ptauPath,
      zkeyPath: join(work, "never.zkey"),
      ...options,
    });
  const ceremonyError = (message: RegExp) => ({
    name: "CeremonyError",
    message: expect.stringMatching(message),
  });

  it("refuses powers of tau with another hash than the published one", async () => {
    await expect(begin({ ptauBlake2b: "00".repeat(64) })).rejects.toMatchObject(
      ceremonyError(/got BLAKE2b [0-9a-f]{128}, expected 0000/),
    );
  });

  it("refuses damaged powers of tau", async () => {
    const damaged = join(work, "damaged.ptau");
    const bytes = await readFile(ptauPath);
    // In the middle of the first section of points.
    bytes[2000] = (bytes[2000] as number) ^ 1;
    await writeFile(damaged, bytes);
    await expect(begin({ ptauPath: damaged })).rejects.toMatchObject(ceremonyError(/invalid/));
  });

  it("leaves out the check of powers of tau only for a file whose published hash is given", async () => {
    await expect(begin({ trustPublishedHash: true })).rejects.toMatchObject(
      ceremonyError(/needs the published hash/),
    );
    const ptauBlake2b = await hashFile(ptauPath, "blake2b512");
    await begin({ trustPublishedHash: true, ptauBlake2b, zkeyPath: join(work, "trusted.zkey") });
  });

  it("refuses powers of tau that are too few for the circuit", async () => {
    const few = await smallPowersOfTau(work, 4);
    await expect(begin({ ptauPath: few })).rejects.toMatchObject(ceremonyError(/large enough/));
    expect(await readdir(work)).not.toContain("never.zkey");
  });

  it("refuses a beacon that is no 32 bytes of hexadecimal, or is hashed too seldom", async () => {
    const dir = circuit.folder;
    const setup = (beacon: typeof BEACON): Promise<unknown> =>
      setupCeremony({ dir, circuit: CIRCUIT, ptauPath, contributors: ["x"], beacon });
    await expect(setup({ ...BEACON, randomness: "0102" })).rejects.toMatchObject(
      ceremonyError(/32 bytes/),
    );
    await expect(setup({ ...BEACON, iterationsLog2: 9 })).rejects.toMatchObject(
      ceremonyError(/expected 10 to 63/),
    );
  });

  it("keeps a ceremony's key from being overwritten by a development set-up", async () => {
    await expect(setupDev({ dir: circuit.folder, circuit: CIRCUIT })).rejects.toMatchObject(
      ceremonyError(/would overwrite it/),
    );
    await expect(loadArtefacts(circuit.folder, REAL)).resolves.toBeDefined();
  });

  it("refuses to run without a contributor", async () => {
    const { folder: dir } = circuit;
    await expect(
      setupCeremony({ dir, circuit: CIRCUIT, ptauPath, contributors: [], beacon: BEACON }),
    ).rejects.toThrow(RangeError);
  });

  it("says what to install where snarkjs is missing", async () => {
    const elsewhere = await mkdtemp(join(work, "no-packages-"));
    const root = join(import.meta.dirname, "../..");
    for (const name of ["circuits", "worker", "package.json"]) {
      await cp(join(root, name), join(elsewhere, name), { recursive: true });
    }
    const program = `
      import { contribute } from "./circuits/setup/ceremony.ts";
      const step = contribute({ from: "a", to: "b", name: "c" });
      await step.catch(({ name, message }) => console.log(name, message));`;
    const run = promisify(execFile);
    const args = ["--input-type=module", "--eval", program];
    const { stdout } = await run(process.execPath, args, { cwd: elsewhere });
    expect(stdout).toBe(
      "CeremonyError a ceremony needs snarkjs, which is not installed here: npm install snarkjs@0.7\n",
    );
  });
});
