import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as snarkjs from "snarkjs";
import { writeDevKey } from "../../circuits/setup/dev.ts";
import type { PinnedFile } from "../../worker/task.ts";
import { chain, compile, endSnarkjs, smallPowersOfTau } from "../circuits/small-circuit.ts";

/** A compiled circuit with its keys, on disk under build/test-fixtures. */
export interface Fixture {
  readonly wasm: string;
  readonly r1cs: string;
  /** Marked as a development key. */
  readonly devKey: string;
  /** From snarkjs: powers of tau, a contribution, no mark. */
  readonly key: string;
  /** As snarkjs writes it before any contribution: delta equals gamma. */
  readonly freshKey: string;
}

/**
 * Nested arrays, bits, zeros, a logged secret and two assertions: 31 wires, 2^5 rows, one public
 * output and one public input.
 */
const SMALL = `
template Bits(n) {
    signal input in;
    signal output out[n];
    var sum = 0;
    for (var i = 0; i < n; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * 2 ** i;
    }
    sum === in;
}

template Small(n) {
    signal input factor;
    signal input rows[2][3];
    signal input secret;
    signal output product;
    component bits = Bits(n);
    bits.in <== secret;
    signal partial[7];
    partial[0] <== factor * factor;
    for (var i = 0; i < 6; i++) {
        partial[i + 1] <== partial[i] * rows[i \\ 3][i % 3];
    }
    log("secret is", secret);
    product <== partial[6] + bits.out[0];
}

component main {public [factor]} = Small(16);`;

/** The line of SMALL, as compiled, where too large a secret fails. */
export const SMALL_ASSERTION = { template: "Bits", line: 12 } as const;

/** Inputs of the small circuit; its public signals are then [3^2 * 720 + 0, 3]. */
export const smallInputs = (secret = 4660) => ({
  factor: "3",
  rows: [
    ["1", "2", "3"],
    ["4", "5", "6"],
  ],
  secret: String(secret),
});

/** Made once, then found again; the directory's name is the hash of what it is made from. */
export const smallFixture = (): Promise<Fixture> => fixture("small", SMALL, 6);

/** 6,000 constraints, 2^13 rows: large enough to be interrupted. */
export const longFixture = (): Promise<Fixture> => fixture("long", chain(6000));
export const longInputs = (factor: number) => ({ start: "5", factor: String(factor) });

/** Its witness takes as many turns of a loop as it is told. */
const PATIENT = `
function grind(turns) {
    var y = 3;
    for (var i = 0; i < turns; i++) y = y * y + i;
    return y;
}

template Patient() {
    signal input turns;
    signal y;
    y <-- grind(turns);
    signal square <== y * y;
    signal bound <== square * turns;
}

component main {public [turns]} = Patient();`;

export const patientFixture = (): Promise<Fixture> => fixture("patient", PATIENT);

async function fixture(name: string, source: string, tauLog2?: number): Promise<Fixture> {
  const version = createHash("sha256").update(`3\n${source}`).digest("hex").slice(0, 12);
  const parent = join(import.meta.dirname, "../../build/test-fixtures");
  const folder = join(parent, `${name}-${version}`);
  if (!existsSync(folder)) {
    await mkdir(parent, { recursive: true });
    // Test files run in parallel: each builds for itself, and whoever renames first wins.
    const temporary = await mkdtemp(join(parent, `${name}-`));
    await build(temporary, source, tauLog2);
    await rename(temporary, folder).catch(() => rm(temporary, { recursive: true }));
  }
  const file = (base: string) => join(folder, base);
  return {
    wasm: file("circuit.wasm"),
    r1cs: file("circuit.r1cs"),
    devKey: file("dev.zkey"),
    key: file("ceremony.zkey"),
    freshKey: file("fresh.zkey"),
  };
}

async function build(folder: string, source: string, tauLog2: number | undefined): Promise<void> {
  const circuit = await compile(source);
  try {
    await copyFile(circuit.wasmPath, join(folder, "circuit.wasm"));
    await copyFile(circuit.r1csPath, join(folder, "circuit.r1cs"));
  } finally {
    await rm(circuit.folder, { recursive: true });
  }
  const r1csPath = join(folder, "circuit.r1cs");
  await writeDevKey({ r1csPath, zkeyPath: join(folder, "dev.zkey"), seed: "worker tests" });
  if (tauLog2 === undefined) return;
  const tau = await smallPowersOfTau(folder, tauLog2);
  const fresh = join(folder, "fresh.zkey");
  const { zKey } = snarkjs;
  await zKey.newZKey(r1csPath, tau, fresh);
  await zKey.contribute(fresh, join(folder, "ceremony.zkey"), "test", "entropy of a test");
  await endSnarkjs();
}

export async function pinned(path: string): Promise<PinnedFile> {
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  return { path, sha256 };
}

/** Whether snarkjs accepts a proof, in its own JSON forms. */
export async function verifyWithSnarkjs(
  key: unknown,
  publicSignals: readonly string[],
  proof: unknown,
): Promise<boolean> {
  const signals = publicSignals as snarkjs.PublicSignals;
  return snarkjs.groth16.verify(key, signals, proof as snarkjs.Groth16Proof);
}

/** Bytes of an object as JSON, in memory of their own that can be transferred. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return new Uint8Array(bytes.buffer.slice(0, bytes.length) as ArrayBuffer);
}
