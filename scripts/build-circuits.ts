/**
 * Builds circuits for development: compiles, makes development keys, generates verifier contracts,
 * and compares everything with `circuits/pins.json`. What is in place and right is left alone.
 *
 *     node scripts/build-circuits.ts [ID...] [--pin] [--circom PATH]
 *
 * Exit code: 0; 1 if something differs from its pins or fails; 2 for wrong arguments.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileCircuit } from "../circuits/compile.ts";
import { loadArtefacts, type Manifest, readManifest } from "../circuits/manifest.ts";
import { type CircuitParameters, circuitParameters } from "../circuits/parameters.ts";
import { explainDifference, PINS_PATH, type Pins, readPins, writePins } from "../circuits/pins.ts";
import { setupDev, writeVerifier } from "../circuits/setup/circuit.ts";
import { readKeyIdentity } from "../circuits/setup/usable-key.ts";
import { verifierName } from "../circuits/verifier.ts";
import { BuildDisplay } from "./build-display.ts";

/** What tests and the demo need. Larger circuits are built when they are named. */
const DEFAULT_IDS = ["batch-tiny", "batch-4"];

const root = join(import.meta.dirname, "..");
const verifierDir = join(root, "contracts/generated");

interface Build {
  readonly display: BuildDisplay;
  readonly pins: Pins;
  /** Whether pins are being rewritten: keys are then made anew, whatever lies there. */
  readonly isPinning: boolean;
  readonly circomPath: string | undefined;
  readonly tools: Readonly<Record<string, string>>;
  /** Compilations under way: each keeps one core busy. */
  compiling: number;
}

async function main(): Promise<number> {
  const circuits = parse();
  if (circuits === undefined) return 2;
  const { flags, parameters } = circuits;
  const display = new BuildDisplay(parameters.map(({ id }) => id));
  const build: Build = {
    display,
    pins: await readPins(),
    isPinning: flags.pin,
    circomPath: flags.circom,
    tools: await toolVersions(flags.circom),
    compiling: 0,
  };
  // The largest first: its compilation is the longest piece of work that cannot be divided.
  const bySize = parameters.toSorted((a, b) => b.nTx * b.levels - a.nTx * a.levels);
  const outcomes = await Promise.allSettled(bySize.map((circuit) => buildCircuit(circuit, build)));
  display.end();

  const failures = outcomes.flatMap((o) => (o.status === "rejected" ? [o.reason as Error] : []));
  for (const { message } of failures) console.error(message);
  const manifests = outcomes.flatMap((o) => (o.status === "fulfilled" ? [o.value] : []));
  const devKeys = manifests.filter(({ keys }) => keys === "dev");
  if (flags.pin && failures.length === 0) {
    const pinned = Object.fromEntries(devKeys.map((m) => [m.circuitId, m.sha256]));
    const { seed, circuits: old } = build.pins;
    await writePins({ seed, circuits: { ...old, ...pinned } });
    console.log(`pinned ${devKeys.map(({ circuitId }) => circuitId).join(", ")} in ${PINS_PATH}`);
    return 0;
  }
  const differences = devKeys.flatMap(
    (m) => explainDifference(build.pins, m.circuitId, m.sha256) ?? [],
  );
  for (const difference of differences) console.error(difference);
  if (differences.length > 0) {
    console.error(
      "If that is what you meant to do, run `npm run build:circuits -- --pin` and commit circuits/pins.json.",
    );
  }
  return failures.length + differences.length > 0 ? 1 : 0;
}

function parse() {
  try {
    const { values: flags, positionals } = parseArgs({
      allowPositionals: true,
      options: { pin: { type: "boolean", default: false }, circom: { type: "string" } },
    });
    const ids = positionals.length > 0 ? positionals : DEFAULT_IDS;
    return { flags, parameters: [...new Set(ids)].map(circuitParameters) };
  } catch (error) {
    console.error((error as Error).message);
    console.error("usage: node scripts/build-circuits.ts [ID...] [--pin] [--circom PATH]");
    return undefined;
  }
}

async function buildCircuit(circuit: CircuitParameters, build: Build): Promise<Manifest> {
  const { id } = circuit;
  const { display, circomPath, tools } = build;
  const dir = join(root, "build/circuits", id);
  display.say(id, "compiling");
  build.compiling++;
  try {
    await compileCircuit(circuit, dir, circomPath === undefined ? {} : { circomPath });
  } finally {
    build.compiling--;
  }
  const existing = await finishedManifest(dir, build);
  if (existing !== undefined) {
    await writeVerifier(
      await readKeyIdentity(join(dir, "circuit.zkey")),
      verifierDir,
      verifierName(id),
    );
    display.say(id, `${summary(existing)}, unchanged`);
    return existing;
  }
  const manifest = await setupDev({
    dir,
    circuit,
    verifierDir,
    seed: build.pins.seed,
    tools,
    threads: Math.max(1, availableParallelism() - build.compiling),
    onProgress: (progress) => display.keyProgress(id, progress),
  });
  display.say(id, summary(manifest));
  return manifest;
}

/** The manifest of a folder that needs no set-up: everything in it fits, and its pins if it has any. */
async function finishedManifest(dir: string, build: Build): Promise<Manifest | undefined> {
  try {
    await loadArtefacts(dir, { allowDevKeys: true });
  } catch {
    return undefined;
  }
  const manifest = await readManifest(dir);
  if (manifest.keys === "ceremony") return manifest;
  const isOfSeed = manifest.seed === build.pins.seed;
  const fits = explainDifference(build.pins, manifest.circuitId, manifest.sha256) === undefined;
  return isOfSeed && fits && !build.isPinning ? manifest : undefined;
}

function summary({ constraints, domainLog2, keys }: Manifest): string {
  const percent = Math.round((100 * constraints) / 2 ** domainLog2);
  const count = constraints.toLocaleString("en");
  return `${count} constraints, ${percent} % of 2^${domainLog2}, ${keys} key`;
}

async function toolVersions(circomPath: string | undefined): Promise<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const versionOf = async (name: string): Promise<string> => {
    const json = JSON.parse(await readFile(require.resolve(`${name}/package.json`), "utf8"));
    return String(json.version);
  };
  const own = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return {
    proofmill: String(own.version),
    ...(circomPath === undefined ? { circom2: await versionOf("circom2") } : { circom: "native" }),
    circomlib: await versionOf("circomlib"),
  };
}

process.exitCode = await main();
