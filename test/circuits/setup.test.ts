import { createHash } from "node:crypto";
import { open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as snarkjs from "snarkjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateCircuit } from "../../bench/fixtures/generated-circuit.ts";
import { encodeR1cs } from "../../bench/fixtures/r1cs-file.ts";
import {
  DEV_SEED,
  type DevKeyProgress,
  STAGE_SHARE,
  trapdoorOf,
  writeDevKey,
} from "../../circuits/setup/dev.ts";
import { setupMemory } from "../../circuits/setup/memory.ts";
import { SetupThreads } from "../../circuits/setup/threads.ts";
import { assertUsableKey, isDevKey, readKeyIdentity } from "../../circuits/setup/usable-key.ts";
import { readSections } from "../../worker/binfile.ts";
import { G1, type G1Point, G2, type G2Point } from "../../worker/curve.ts";
import type { KernelOptions } from "../../worker/engines/wasm/choice.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { mod, SCALAR_FIELD } from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { proofFromJson } from "../../worker/proof.ts";
import { parseR1cs } from "../../worker/r1cs.ts";
import { verificationKeyFromJson, verificationKeyToJson } from "../../worker/verification-key.ts";
import { parseZkey, readG1, readG2 } from "../../worker/zkey.ts";
import { type Pair, pairingProductIsOne, verifyWithNoble } from "./pairing.ts";
import { twinLagrangeValues } from "./setup-twin.ts";
import {
  chain,
  compile,
  endSnarkjs,
  MULTIPLIER,
  prove,
  type SmallCircuit,
  smallPowersOfTau,
} from "./small-circuit.ts";

/** The ways to compute that a processor and a Node may have. */
const PATHS: KernelOptions[] = [{}, { kernels: "fma", revectorize: false }, { kernels: "extmul" }];

const FORMAT = { magic: "zkey", version: 1, code: "KEY_MALFORMED" } as const;
const R = SCALAR_FIELD;

let multiplier: SmallCircuit;
let long: SmallCircuit;
beforeAll(async () => {
  multiplier = await compile(MULTIPLIER);
  long = await compile(chain(1500));
});
afterAll(async () => {
  await rm(multiplier.folder, { recursive: true });
  await rm(long.folder, { recursive: true });
  await endSnarkjs();
});

async function devKey(circuit: SmallCircuit, seed: string, threads = 2): Promise<string> {
  const name = createHash("sha256").update(`${seed}/${threads}`).digest("hex").slice(0, 12);
  const zkeyPath = join(circuit.folder, `${name}.zkey`);
  await writeDevKey({ r1csPath: circuit.r1csPath, zkeyPath, seed, threads });
  return zkeyPath;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe("circuits / setup / threads", () => {
  /** Threads with one task, whose scalar is 0, for an open file's number. */
  async function begin(descriptor: number, done: number[]): Promise<SetupThreads> {
    const r1cs = parseR1cs(await readFile(multiplier.r1csPath));
    const { kernels } = await openWasm();
    const { shared } = setupMemory(kernels, r1cs, trapdoorOf("x"), 2, Tower.open());
    const task = { degree: 1, scalars: shared.arenas, count: 1, position: 0 } as const;
    return new SetupThreads({ shared, descriptor, tasks: [task] }, 2, (i) => done.push(i));
  }

  it("write nothing before they are allowed to, then say what they have written", async () => {
    const file = await open(join(multiplier.folder, "points"), "w+");
    const done: number[] = [];
    const threads = await begin(file.fd, done);
    await setTimeout(300);
    expect([(await file.stat()).size, done]).toEqual([0, []]);
    threads.allow(1);
    await threads.finished;
    expect([await file.readFile(), done]).toEqual([Buffer.alloc(64), [0]]);
    await threads.close();
    await file.close();
  });

  it("reject with what fails in one of them, and can be closed at any time", async () => {
    const threads = await begin(0x7fff_ffff, []);
    threads.allow(1);
    await expect(threads.finished).rejects.toMatchObject({ code: "EBADF" });
    await threads.close();

    const waiting = await begin(0x7fff_ffff, []);
    await waiting.close();
    await expect(waiting.finished).rejects.toThrow(/ended/);
  });
});

describe("circuits / setup / dev", () => {
  const cases = [
    { name: "the multiplier", circuit: () => multiplier, input: { a: 6n, b: 7n, unused: 5n } },
    { name: "1,500 constraints", circuit: () => long, input: { start: 3n, factor: R - 9n } },
  ];

  it.each(cases)("makes a key for $name whose proofs verify", async ({ circuit, input }) => {
    const zkeyPath = await devKey(circuit(), "proves");
    const { proof, publicSignals } = await prove(circuit(), zkeyPath, input);
    const keyJson = await snarkjs.zKey.exportVerificationKey(zkeyPath);
    expect(await snarkjs.groth16.verify(keyJson, publicSignals, proof)).toBe(true);

    const { verificationKey: key } = await readKeyIdentity(zkeyPath);
    const signals = publicSignals.map(BigInt);
    expect(verifyWithNoble(key, signals, proofFromJson(proof))).toBe(true);
    for (const [i, signal] of signals.entries()) {
      const changed = signals.with(i, mod(signal + 1n, R));
      expect(verifyWithNoble(key, changed, proofFromJson(proof)), `signal ${i}`).toBe(false);
    }
  });

  it("has the same verification key as snarkjs reads from the file", async () => {
    const zkeyPath = await devKey(multiplier, "same");
    const { verificationKey } = await readKeyIdentity(zkeyPath);
    const exported = await snarkjs.zKey.exportVerificationKey(zkeyPath);
    expect(exported).toMatchObject(verificationKeyToJson(verificationKey));
    expect(verificationKeyFromJson(verificationKeyToJson(verificationKey))).toEqual(
      verificationKey,
    );
  });

  it("gives the same bytes for the same seed, whatever the number of threads", async () => {
    const [first, second, other] = await Promise.all([
      devKey(multiplier, "seed", 1).then((path) => readFile(path)),
      devKey(multiplier, "seed", 3).then((path) => readFile(path)),
      devKey(multiplier, "Seed", 1).then((path) => readFile(path)),
    ]);
    expect(first.equals(second)).toBe(true);
    expect(first.equals(other)).toBe(false);
  });

  it("derives secrets that differ from one another and from 0 and 1", () => {
    const { tau, alpha, beta, delta } = trapdoorOf("any");
    expect(new Set([0n, 1n, tau, alpha, beta, delta]).size).toBe(6);
    expect(trapdoorOf("other").tau).not.toBe(tau);
  });

  it("writes what the worker's strict reader accepts, marked as a development key", async () => {
    const zkey = parseZkey(await readFile(await devKey(long, "strict")));
    expect(zkey).toMatchObject({ isDevKey: true, nPublic: 2, domainSize: 2048 });
  });

  it("satisfies the key's own equations, by pairings", async () => {
    const zkey = parseZkey(await readFile(await devKey(multiplier, "laws")));
    const { alpha1, beta2, gamma2, delta2, ic } = zkey.verificationKey;
    const g1 = (section: Uint8Array, i: number): G1Point => readG1(viewOf(section), 64 * i);
    const g2 = (section: Uint8Array, i: number): G2Point => readG2(viewOf(section), 128 * i);
    const equal = (left: Pair, ...right: Pair[]): boolean =>
      pairingProductIsOne([[G1.negate(left[0]), left[1]], ...right]);

    expect(equal([zkey.beta1, G2.generator], [G1.generator, beta2])).toBe(true);
    expect(equal([zkey.delta1, G2.generator], [G1.generator, delta2])).toBe(true);
    // C at tau by its definition: product <== a * b is row 0, and wire 1 its only entry in C.
    const r1cs = parseR1cs(await readFile(multiplier.r1csPath));
    expect([...r1cs.c.wire]).toEqual([1]);
    const entry = r1cs.coefficients[r1cs.c.coefficient[0] as number] as bigint;
    const [row0] = twinLagrangeValues(Math.log2(zkey.domainSize), trapdoorOf("laws").tau);
    const cAtTau = (wire: number): bigint => (wire === 1 ? mod(entry * (row0 as bigint), R) : 0n);
    for (let wire = 0; wire < zkey.nVars; wire++) {
      const [a, b1, b2] = [g1(zkey.a, wire), g1(zkey.b1, wire), g2(zkey.b2, wire)];
      expect(equal([b1, G2.generator], [G1.generator, b2]), `B of wire ${wire}`).toBe(true);
      const isPublic = wire <= zkey.nPublic;
      const k = isPublic ? (ic[wire] as G1Point) : g1(zkey.c, wire - zkey.nPublic - 1);
      const cTerm = G1.multiply(G1.generator, cAtTau(wire));
      const law = equal(
        [k, isPublic ? gamma2 : delta2],
        [a, beta2],
        [alpha1, b2],
        [cTerm, G2.generator],
      );
      expect(law, `beta A + alpha B + C of wire ${wire}`).toBe(true);
    }
  });

  it("reports progress stage by stage up to the last point", async () => {
    const seen: DevKeyProgress[] = [];
    const zkeyPath = join(long.folder, "progress.zkey");
    const onProgress = (progress: DevKeyProgress): void => void seen.push(progress);
    await writeDevKey({ r1csPath: long.r1csPath, zkeyPath, seed: "p", onProgress });
    const last = new Map(seen.map(({ stage, done, total }) => [stage, { done, total }]));
    const stages = seen.map(({ stage }) => stage).filter((stage, i, all) => stage !== all[i - 1]);
    expect(stages, "each once, in this order").toEqual(Object.keys(STAGE_SHARE));
    expect(Object.values(STAGE_SHARE).reduce((sum, share) => sum + share)).toBeCloseTo(1);
    for (const [stage, { done, total }] of last) expect(done, stage).toBe(total);
    expect(last.get("h")?.total).toBe(2048);
  });

  it("leaves nothing behind when it fails", async () => {
    const before = await readdir(multiplier.folder);
    const bad = multiplier.wasmPath;
    const zkeyPath = join(multiplier.folder, "never.zkey");
    await expect(writeDevKey({ r1csPath: bad, zkeyPath, seed: "x" })).rejects.toMatchObject({
      code: "KEY_MALFORMED",
    });
    const nowhere = join(multiplier.folder, "no-such-folder", "key.zkey");
    await expect(
      writeDevKey({ r1csPath: multiplier.r1csPath, zkeyPath: nowhere, seed: "x" }),
    ).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(multiplier.folder)).toEqual(before);
  });

  it.each([
    ["dense", 3, "bb5b7ba48e2cc87512ab132b4b6eb422b3813c6cd8e26dfc2fe456a9d0370c3e"],
    ["bits", 9, "f0e666487120045a81845284e9b247c423ad29a0edf879be01e66690a0d750d3"],
    ["dense", 10, "1e4b5c6ec940056f17a00356ae994fced4f9ce2f108a30ee2d90f2d6bd2abaec"],
  ] as const)(
    "gives a %s circuit of 2^%i rows the bytes that it always had",
    async (kind, log2, hash) => {
      // Computed first with the curve arithmetic of wasmcurves: keys are pinned by their hashes.
      const r1csPath = join(multiplier.folder, `${kind}-${log2}.r1cs`);
      await writeFile(r1csPath, encodeR1cs(generateCircuit(kind, log2)));
      for (const [i, kernels] of PATHS.entries()) {
        const zkeyPath = join(multiplier.folder, `${kind}-${log2}-${i}.zkey`);
        await writeDevKey({ r1csPath, zkeyPath, seed: DEV_SEED, kernels });
        const bytes = await readFile(zkeyPath);
        expect(createHash("sha256").update(bytes).digest("hex")).toBe(hash);
      }
    },
  );

  it("refuses an R1CS of more than 4 GiB unread", async () => {
    const r1csPath = join(multiplier.folder, "large.r1cs");
    await writeFile(r1csPath, "r1cs");
    await truncate(r1csPath, 2 ** 32 + 1);
    const zkeyPath = join(multiplier.folder, "large.zkey");
    await expect(writeDevKey({ r1csPath, zkeyPath, seed: "x" })).rejects.toMatchObject({
      code: "KEY_REFUSED",
      message: expect.stringMatching(/4294967297 bytes, expected at most 4294967296/),
    });
    await rm(r1csPath);
  });

  it("refuses a circuit that the kernels' memory does not hold, before any file is made", async () => {
    const before = await readdir(multiplier.folder);
    const r1cs = parseR1cs(await readFile(multiplier.r1csPath));
    const wide = { ...r1cs, nWires: 2 ** 25 };
    const { kernels } = await openWasm();
    expect(() => setupMemory(kernels, wide, trapdoorOf("x"), 1, Tower.open())).toThrow(
      expect.objectContaining({ code: "KEY_REFUSED", message: expect.stringMatching(/4096 MiB/) }),
    );
    expect(await readdir(multiplier.folder)).toEqual(before);
  });
});

describe("circuits / setup against snarkjs's own", () => {
  let initial: string;

  beforeAll(async () => {
    initial = join(multiplier.folder, "initial.zkey");
    const prepared = await smallPowersOfTau(multiplier.folder, 4);
    await snarkjs.zKey.newZKey(multiplier.r1csPath, prepared, initial);
  });

  it("has the same sections, sizes, coefficients and points at infinity", async () => {
    const ours = readSections(await readFile(await devKey(multiplier, "twin")), FORMAT);
    const theirs = readSections(await readFile(initial), FORMAT);
    const sizes = (sections: Map<number, Uint8Array>): [number, number][] =>
      [...sections].map(([type, bytes]): [number, number] => [type, bytes.length]).sort();
    expect(sizes(ours)).toEqual(sizes(theirs));

    const entries = (section: Uint8Array | undefined): string[] =>
      Array.from({ length: (section?.length ?? 0) / 44 }, (_, i) =>
        Buffer.from(section as Uint8Array).toString("hex", 4 + 44 * i, 48 + 44 * i),
      ).sort();
    expect(entries(ours.get(4)).length).toBe(6);
    expect(entries(ours.get(4))).toEqual(entries(theirs.get(4)));

    const infinities = (section: Uint8Array | undefined, stride: number): boolean[] =>
      Array.from({ length: (section?.length ?? 0) / stride }, (_, i) =>
        (section as Uint8Array).subarray(stride * i, stride * (i + 1)).every((byte) => byte === 0),
      );
    for (const [type, stride] of [
      [3, 64],
      [5, 64],
      [6, 64],
      [7, 128],
      [8, 64],
    ] as const) {
      const [got, expected] = [ours, theirs].map((s) => infinities(s.get(type), stride));
      expect(got, `section ${type}`).toEqual(expected);
    }
    expect(infinities(ours.get(6), 64)).toContain(true);
  });

  it("refuses snarkjs's key without a contribution under every policy", async () => {
    const key = await readKeyIdentity(initial);
    expect(key.isDevKey).toBe(false);
    for (const allowDevKeys of [false, true]) {
      expect(() => assertUsableKey(key, { allowDevKeys })).toThrow(
        expect.objectContaining({ code: "KEY_REFUSED", message: expect.stringMatching(/gamma/) }),
      );
    }
  });
});

describe("circuits / setup / usable key", () => {
  it("refuses a development key unless it is allowed by name", async () => {
    const zkeyPath = await devKey(multiplier, "policy");
    const key = await readKeyIdentity(zkeyPath);
    expect(key.isDevKey).toBe(true);
    expect(() => assertUsableKey(key, { allowDevKeys: true })).not.toThrow();
    expect(() => assertUsableKey(key, { allowDevKeys: false })).toThrow(
      expect.objectContaining({ code: "KEY_REFUSED", message: expect.stringMatching(/forge/) }),
    );
    const sections = readSections(await readFile(zkeyPath), FORMAT);
    expect(isDevKey(sections.get(10) as Uint8Array)).toBe(true);
    expect(isDevKey(new Uint8Array(68))).toBe(false);
  });

  it("refuses a key whose delta is at infinity or outside the subgroup", async () => {
    const key = await readKeyIdentity(await devKey(multiplier, "policy"));
    const infinity: G2Point = { x: [0n, 0n], y: [0n, 0n] };
    const bad = { ...key, verificationKey: { ...key.verificationKey, delta2: infinity } };
    expect(() => assertUsableKey(bad, { allowDevKeys: true })).toThrow(
      expect.objectContaining({ code: "KEY_MALFORMED" }),
    );
  });

  it("refuses files that are not Groth16 keys", async () => {
    const path = join(multiplier.folder, "not-a.zkey");
    await writeFile(path, (await readFile(await devKey(multiplier, "policy"))).subarray(0, 900));
    await expect(readKeyIdentity(path)).rejects.toMatchObject({ code: "KEY_MALFORMED" });
    await expect(readKeyIdentity(multiplier.r1csPath)).rejects.toMatchObject({
      code: "KEY_MALFORMED",
    });
  });
});
