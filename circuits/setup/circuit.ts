/**
 * The set-up of a circuit's folder: a key, made one way or the other, and all that follows from it.
 *
 * The folder holds `circuit.r1cs` and `circuit.wasm` (from `compileCircuit`) and receives
 * `circuit.zkey`, `verification_key.json` and, last, `manifest.json`. The verifier contract goes to
 * a folder of its own. Every file is written whole or not at all.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../worker/binfile.ts";
import { parseR1cs, type R1cs } from "../../worker/r1cs.ts";
import {
  type Ceremony,
  FILE_NAMES,
  hashArtefacts,
  MANIFEST_NAME,
  type Manifest,
  writeManifest,
} from "../manifest.ts";
import type { CircuitParameters } from "../parameters.ts";
import { PUBLIC_SIGNALS } from "../signals.ts";
import { verifierName, verifierSource } from "../verifier.ts";
import {
  type Beacon,
  beginCeremony,
  CeremonyError,
  checkBeacon,
  contribute,
  finishCeremony,
  type OnLine,
  type PowersOfTau,
} from "./ceremony.ts";
import { DEV_SEED, type DevKeyProgress, writeDevKey } from "./dev.ts";
import { domainLog2 } from "./evaluation.ts";
import { assertUsableKey, type KeyIdentity, readKeyIdentity } from "./usable-key.ts";
import { writeVerificationKey } from "./verification-key-file.ts";

/** A circuit that is not a transfer batch: its name and those of its public signals, in order. */
export interface OtherCircuit {
  readonly id: string;
  readonly publicSignals: readonly string[];
}

export interface SetupOptions {
  /** The circuit's folder. */
  readonly dir: string;
  readonly circuit: CircuitParameters | OtherCircuit;
  /** Where the verifier contract goes, as `<Name>Verifier.sol`; none is written when left out. */
  readonly verifierDir?: string;
  /** Name to version of what compiled the circuit, for the manifest. */
  readonly tools?: Readonly<Record<string, string>>;
}

export interface DevSetupOptions extends SetupOptions {
  /** Public; `DEV_SEED` when left out. */
  readonly seed?: string;
  /** Threads to use; as many as there are cores (at most 16) when left out. */
  readonly threads?: number;
  readonly onProgress?: (progress: DevKeyProgress) => void;
}

/**
 * Makes a folder usable for development: see `writeDevKey`. The result is refused wherever dev keys
 * are not allowed by name. Deterministic: the same circuit and seed give the same bytes.
 *
 * @throws WorkError KEY_MALFORMED if the R1CS is; RangeError if it has not the circuit's signals;
 *   CeremonyError if the folder holds keys of a ceremony, which nobody could make again.
 */
export async function setupDev(options: DevSetupOptions): Promise<Manifest> {
  const { dir, seed = DEV_SEED, threads, onProgress } = options;
  await refuseCeremonyKeys(dir);
  await forgetManifest(dir);
  const r1cs = await writeDevKey({
    r1csPath: join(dir, FILE_NAMES.r1cs),
    zkeyPath: join(dir, FILE_NAMES.zkey),
    seed,
    ...(threads !== undefined && { threads }),
    ...(onProgress && { onProgress }),
  });
  return finish(options, r1cs, { keys: "dev", seed });
}

export interface CeremonySetupOptions extends SetupOptions, PowersOfTau {
  /** Who contributes on this machine, one after the other. At least one. */
  readonly contributors: readonly string[];
  readonly beacon: Beacon;
  readonly onLine?: OnLine;
}

/**
 * Runs a whole ceremony on this machine. That is as good as this machine: for value that belongs to
 * others, take the steps of `ceremony.ts` on the contributors' own machines (docs/keys.md) and
 * close with `adoptCeremonyKey`.
 *
 * @throws CeremonyError; WorkError KEY_REFUSED
 */
export async function setupCeremony(options: CeremonySetupOptions): Promise<Manifest> {
  const { dir, contributors, beacon, onLine } = options;
  if (contributors.length === 0) throw new RangeError("contributors: expected at least one name");
  checkBeacon(beacon);
  const r1csPath = join(dir, FILE_NAMES.r1cs);
  const steps = [...contributors.keys(), contributors.length].map((i) =>
    join(dir, `phase2-${i}.zkey.tmp`),
  );
  await forgetManifest(dir);
  try {
    await beginCeremony({ ...options, r1csPath, zkeyPath: steps[0] as string }, onLine);
    for (const [i, name] of contributors.entries()) {
      await contribute({ from: steps[i] as string, to: steps[i + 1] as string, name }, onLine);
    }
    const from = steps.at(-1) as string;
    const zkeyPath = join(dir, FILE_NAMES.zkey);
    const ceremony = await finishCeremony({ ...options, r1csPath, from, zkeyPath, beacon }, onLine);
    return await finish(options, await readR1cs(dir), { keys: "ceremony", ceremony });
  } finally {
    await Promise.all(steps.map((path) => rm(path, { force: true })));
  }
}

/**
 * Completes the folder around a `circuit.zkey` that `finishCeremony` has made, or that another
 * coordinator published and `verifyCeremony` has accepted.
 */
export async function adoptCeremonyKey(
  options: SetupOptions & { readonly ceremony: Ceremony },
): Promise<Manifest> {
  const { dir, ceremony } = options;
  await forgetManifest(dir);
  assertUsableKey(await readKeyIdentity(join(dir, FILE_NAMES.zkey)), { allowDevKeys: false });
  return finish(options, await readR1cs(dir), { keys: "ceremony", ceremony });
}

/**
 * Writes the verifier contract `name` of a key to `dir/name.sol`. A file that is already the same is
 * left alone, so that nothing is compiled again.
 *
 * @throws WorkError KEY_REFUSED, KEY_MALFORMED as `verifierSource`
 */
export async function writeVerifier(key: KeyIdentity, dir: string, name: string): Promise<void> {
  const source = verifierSource(key.verificationKey, { name, isDevKey: key.isDevKey });
  const path = join(dir, `${name}.sol`);
  const existing = await readFile(path, "utf8").catch(() => undefined);
  if (existing === source) return;
  await mkdir(dir, { recursive: true });
  await writeWhole(path, [Buffer.from(source)]);
}

async function refuseCeremonyKeys(dir: string): Promise<void> {
  const zkeyPath = join(dir, FILE_NAMES.zkey);
  const key = await readKeyIdentity(zkeyPath).catch(() => undefined);
  if (key !== undefined && !key.isDevKey) {
    throw new CeremonyError(
      `${zkeyPath}: is not a development key, and a development set-up would overwrite it. ` +
        "Move it away, or use another folder",
    );
  }
}

/** Until the new manifest is written the folder is unfinished, and says so. */
async function forgetManifest(dir: string): Promise<void> {
  await rm(join(dir, MANIFEST_NAME), { force: true });
}

/** Everything that follows from the key in `dir`. */
async function finish(
  { dir, circuit, verifierDir, tools = {} }: SetupOptions,
  r1cs: R1cs,
  origin: Pick<Manifest, "keys" | "seed" | "ceremony">,
): Promise<Manifest> {
  const { id, publicSignals, parameters } = describe(circuit);
  if (publicSignals.length !== r1cs.nPublic) {
    throw new RangeError(
      `${id}: got ${publicSignals.length} names of public signals, expected ${r1cs.nPublic}`,
    );
  }
  const key = await writeVerificationKey(
    join(dir, FILE_NAMES.zkey),
    join(dir, FILE_NAMES.verificationKey),
  );
  if (verifierDir !== undefined) await writeVerifier(key, verifierDir, verifierName(id));
  const manifest: Manifest = {
    formatVersion: 1,
    circuitId: id,
    ...(parameters && { parameters }),
    constraints: r1cs.nConstraints,
    wires: r1cs.nWires,
    domainLog2: domainLog2(r1cs),
    publicSignals,
    ...origin,
    sha256: await hashArtefacts(dir),
    tools,
  };
  await writeManifest(dir, manifest);
  return manifest;
}

async function readR1cs(dir: string): Promise<R1cs> {
  return parseR1cs(await readFile(join(dir, FILE_NAMES.r1cs)));
}

function describe(circuit: CircuitParameters | OtherCircuit): OtherCircuit & {
  readonly parameters?: Omit<CircuitParameters, "id">;
} {
  if ("publicSignals" in circuit) return circuit;
  const { id, ...parameters } = circuit;
  return { id, publicSignals: PUBLIC_SIGNALS, parameters };
}
