// Small circuits to serve in tests: compiled and set up once, then kept in build/.
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileSource } from "../../circuits/compile.ts";
import { setupDev } from "../../circuits/setup/circuit.ts";
import { ProgramBinary } from "../../worker/witness/binary.ts";

interface SmallCircuit {
  readonly id: string;
  readonly publicSignals: readonly string[];
  readonly source: string;
  /** Whether the worker is kept from making the witness program interruptible. */
  readonly isDeaf?: boolean;
}

/** Satisfiable only if product = a * b. Proves in a few milliseconds. */
const PRODUCT: SmallCircuit = {
  id: "product",
  publicSignals: ["product"],
  source: `pragma circom 2.2.0;
    template Product() {
      signal input a;
      signal input b;
      signal input product;
      product === a * b;
    }
    component main {public [product]} = Product();`,
};

/** 2^15 rows. Takes half a second to prove: time to watch it, cancel it, or kill its thread. */
const CHAIN: SmallCircuit = {
  id: "chain",
  publicSignals: ["end", "start"],
  source: `pragma circom 2.2.0;
    template Chain(n) {
      signal input start;
      signal output end;
      signal x[n + 1];
      x[0] <== start;
      for (var i = 0; i < n; i++) x[i + 1] <== x[i] * (x[i] + i);
      end <== x[n];
    }
    component main {public [start]} = Chain(30000);`,
};

/** Its witness program runs for as many steps as it is told, and does not look for a cancellation. */
const STUBBORN: SmallCircuit = {
  id: "stubborn",
  isDeaf: true,
  publicSignals: ["steps"],
  source: `pragma circom 2.2.0;
    function grind(steps) {
      var y = 3;
      for (var i = 0; i < steps; i++) y = y * y + i;
      return y;
    }
    template Stubborn() {
      signal input steps;
      signal y;
      y <-- grind(steps);
      signal square <== y * y;
      signal bound <== square * steps;
    }
    component main {public [steps]} = Stubborn();`,
};

/** Takes inputs of several megabytes. */
const WIDE: SmallCircuit = {
  id: "wide",
  publicSignals: ["product"],
  source: `pragma circom 2.2.0;
    template Wide(n) {
      signal input x[n];
      signal output product;
      signal y[n + 1];
      y[0] <== 1;
      for (var i = 0; i < n; i++) y[i + 1] <== y[i] * x[i];
      product <== y[n];
    }
    component main = Wide(20000);`,
};

const CIRCUITS = [PRODUCT, CHAIN, STUBBORN];
const root = join(import.meta.dirname, "../..");
const setupDir = join(root, "circuits/setup");

/** A folder with the artefacts of those that nearly every test needs, one folder each. */
export function smallCircuits(): Promise<string> {
  return folderOf(CIRCUITS);
}

/** A folder with the circuit "wide": `x` is 20,000 numbers. */
export function wideCircuit(): Promise<string> {
  return folderOf([WIDE]);
}

async function folderOf(circuits: readonly SmallCircuit[]): Promise<string> {
  const parent = join(root, "build/test-circuits");
  const dir = join(parent, await fingerprint(circuits));
  if (existsSync(dir)) return dir;
  // Test files run in parallel: each builds apart, and the first to finish wins.
  const draft = join(parent, `draft-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  for (const circuit of circuits) {
    const circuitDir = join(draft, circuit.id);
    const { wasmPath } = await compileSource(circuit.source, circuitDir);
    if (circuit.isDeaf) await deafen(wasmPath);
    await setupDev({ dir: circuitDir, circuit, threads: 1 });
  }
  await rename(draft, dir).catch(() => rm(draft, { recursive: true }));
  return dir;
}

/** Gives a program a variable that it does not use; circom's have none, so it is left as it is. */
async function deafen(wasmPath: string): Promise<void> {
  const binary = new ProgramBinary(await readFile(wasmPath));
  binary.addGlobal(0);
  await writeFile(wasmPath, binary.encode());
}

/** Changes when the circuits do, or the set-up. */
async function fingerprint(circuits: readonly SmallCircuit[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(circuits));
  const files = (await readdir(setupDir)).sort().map((name) => join(setupDir, name));
  for (const file of [...files, join(root, "circuits/manifest.ts")]) {
    hash.update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}
