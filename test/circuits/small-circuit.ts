import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as snarkjs from "snarkjs";
import { compileSource } from "../../circuits/compile.ts";

/** A circuit written in a test and compiled to a folder of its own, which the test removes. */
export interface SmallCircuit {
  readonly folder: string;
  readonly r1csPath: string;
  readonly wasmPath: string;
}

/**
 * `unused` is public and no constraint uses it; `a` never stands on a right side and `b` never on a
 * left side, so that each is missing from one matrix of the key.
 */
export const MULTIPLIER = `
  template Multiplier() {
    signal input a;
    signal input b;
    signal input unused;
    signal output product;
    product <== a * b;
  }
  component main {public [a, unused]} = Multiplier();`;

/** n constraints, one public output and one public input. */
export const chain = (n: number): string => `
  template Chain(n) {
    signal input start;
    signal input factor;
    signal output end;
    signal x[n + 1];
    x[0] <== start;
    for (var i = 0; i < n; i++) x[i + 1] <== x[i] * (factor + i) + 3 * x[0];
    end <== x[n];
  }
  component main {public [start]} = Chain(${n});`;

export async function compile(source: string): Promise<SmallCircuit> {
  const folder = await mkdtemp(join(tmpdir(), "small-circuit-"));
  const { r1csPath, wasmPath } = await compileSource(`pragma circom 2.1.9;\n${source}`, folder);
  return { folder, r1csPath, wasmPath: wasmPath as string };
}

/** Proves with snarkjs, the prover whose format the keys have. */
export async function prove(
  circuit: SmallCircuit,
  zkeyPath: string,
  input: Record<string, bigint | bigint[]>,
): Promise<{ proof: snarkjs.Groth16Proof; publicSignals: string[] }> {
  const single = { singleThread: true };
  const { groth16 } = snarkjs;
  const zkey = new Uint8Array(await readFile(zkeyPath));
  const made = await groth16.fullProve(input, circuit.wasmPath, zkey, null, undefined, single);
  return { proof: made.proof, publicSignals: made.publicSignals.map(String) };
}

/**
 * Makes a powers-of-tau file for circuits of up to 2^log2 rows, with one contribution. Its secret is
 * known to this process, so it is good for tests only.
 *
 * @returns the path of the file, prepared for phase 2.
 */
export async function smallPowersOfTau(folder: string, log2: number): Promise<string> {
  const { curves, powersOfTau } = snarkjs as typeof snarkjs & {
    curves: { getCurveFromName(name: string): Promise<unknown> };
  };
  const [empty, contributed, prepared] = ["empty", "contributed", "prepared"].map((name) =>
    join(folder, `${name}-${log2}.ptau`),
  ) as [string, string, string];
  await powersOfTau.newAccumulator(await curves.getCurveFromName("bn128"), log2, empty);
  await powersOfTau.contribute(empty, contributed, "test", "entropy of a test");
  await powersOfTau.preparePhase2(contributed, prepared);
  return prepared;
}

/** Ends the threads that snarkjs keeps for its curve; without this the process stays. */
export async function endSnarkjs(): Promise<void> {
  const { curve_bn128: curve } = globalThis as { curve_bn128?: { terminate(): Promise<void> } };
  await curve?.terminate();
}
