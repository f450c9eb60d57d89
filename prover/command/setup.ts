import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { compileCircuit } from "../../circuits/compile.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { setupCeremony, setupDev, writeVerifier } from "../../circuits/setup/circuit.ts";
import { DEV_SEED, type DevKeyProgress, writeDevKey } from "../../circuits/setup/dev.ts";
import { writeVerificationKey } from "../../circuits/setup/verification-key-file.ts";
import { verifierName } from "../../circuits/verifier.ts";
import {
  type Command,
  EXIT,
  type Flags,
  integerFlag,
  positionalArguments,
  requiredFlag,
  type Terminal,
  textFlag,
  UsageError,
} from "./command.ts";
import { createProgress, type Progress } from "./progress.ts";

export const setup: Command = {
  name: "setup",
  summary: "make proving key, verification key and verifier contract of a circuit",
  usage: `CIRCUIT --dev [--seed TEXT] [flags]
       proofmill setup CIRCUIT --ptau FILE --contributor NAME --beacon HEX [flags]
       proofmill setup FILE.r1cs --dev --out DIR [flags]

CIRCUIT is compiled first when its sources have changed. An .r1cs of any other circuit gets its key,
verification key and verifier without a manifest. docs/keys.md says which way is for what.
  --dev                 from a public seed, in seconds: anybody can forge proofs of this key
  --seed TEXT           another key for the same circuit (${DEV_SEED})
  --ptau FILE           phase 2 of a real set-up, from prepared powers of tau
  --ptau-blake2b HEX    the file's published hash, checked
  --trust-ptau-hash     with it: leave out the check of every pairing (hours for large files)
  --contributor NAME    contributes on this machine; repeatable
  --beacon HEX          32 bytes of public randomness that close phase 2
  --beacon-iterations N log2 of the hashes applied to it (10)
  --beacon-name TEXT    where it came from
  --circom PATH         a native circom, for circuits above about 2^20
  --out DIR             the circuit's folder (build/circuits/CIRCUIT)
  --verifier-dir DIR    where the contract goes (contracts/generated)`,
  options: {
    dev: { type: "boolean" },
    seed: { type: "string" },
    ptau: { type: "string" },
    "ptau-blake2b": { type: "string" },
    "trust-ptau-hash": { type: "boolean" },
    contributor: { type: "string", multiple: true },
    beacon: { type: "string" },
    "beacon-iterations": { type: "string" },
    "beacon-name": { type: "string" },
    circom: { type: "string" },
    out: { type: "string" },
    "verifier-dir": { type: "string" },
  },
  async run(positionals, flags, terminal) {
    const [target] = positionalArguments(positionals, ["CIRCUIT"]);
    if ((flags.dev === true) === (flags.ptau !== undefined)) {
      throw new UsageError("expected one of --dev and --ptau");
    }
    const progress = createProgress(terminal.stderr, { silent: flags.json === true });
    try {
      const made = target.endsWith(".r1cs")
        ? await setUpForeignCircuit(target, flags, progress)
        : await setUpCircuit(target, flags, progress);
      progress.end();
      report(made, flags, terminal);
      return EXIT.ok;
    } finally {
      progress.end();
    }
  },
};

/** What was made, for people and for `--json`. */
interface Made {
  readonly circuit: string;
  readonly dir: string;
  readonly keys: "dev" | "ceremony";
  readonly verifier: string;
  readonly sha256?: Readonly<Record<string, string>>;
}

async function setUpCircuit(id: string, flags: Flags, progress: Progress): Promise<Made> {
  const circuit = circuitParameters(id);
  const dir = textFlag(flags, "out") ?? join("build", "circuits", id);
  const verifierDir = textFlag(flags, "verifier-dir") ?? join("contracts", "generated");
  const circomPath = textFlag(flags, "circom");
  await compileCircuit(circuit, dir, {
    progress: (line) => progress.update(line),
    ...(circomPath !== undefined && { circomPath }),
  });
  const common = { dir, circuit, verifierDir };
  const manifest = flags.dev
    ? await setupDev({ ...common, seed: seedOf(flags), onProgress: showKeyProgress(progress) })
    : await setupCeremony({
        ...common,
        ...powersOfTauOf(flags),
        contributors: contributorsOf(flags),
        beacon: {
          randomness: requiredFlag(flags, "beacon"),
          iterationsLog2: integerFlag(flags, "beacon-iterations", { min: 10, max: 63, preset: 10 }),
          name: textFlag(flags, "beacon-name") ?? "beacon",
        },
        onLine: (line) => progress.update(line),
      });
  const { keys, sha256 } = manifest;
  return { circuit: id, dir, keys, verifier: join(verifierDir, `${verifierName(id)}.sol`), sha256 };
}

async function setUpForeignCircuit(
  r1csPath: string,
  flags: Flags,
  progress: Progress,
): Promise<Made> {
  if (!flags.dev) {
    throw new UsageError(
      "an .r1cs of another circuit takes --dev; for a real set-up see docs/keys.md",
    );
  }
  const dir = requiredFlag(flags, "out");
  await mkdir(dir, { recursive: true });
  const zkeyPath = join(dir, "circuit.zkey");
  await writeDevKey({
    r1csPath,
    zkeyPath,
    seed: seedOf(flags),
    onProgress: showKeyProgress(progress),
  });
  const key = await writeVerificationKey(zkeyPath, join(dir, "verification_key.json"));
  const circuit = basename(r1csPath, ".r1cs");
  const name = verifierName(circuit);
  await writeVerifier(key, dir, name);
  return { circuit, dir, keys: "dev", verifier: join(dir, `${name}.sol`) };
}

const seedOf = (flags: Flags): string => textFlag(flags, "seed") ?? DEV_SEED;

function contributorsOf(flags: Flags): string[] {
  const names = flags.contributor;
  if (!Array.isArray(names) || names.length === 0) throw new UsageError("--contributor is missing");
  return names.map(String);
}

function powersOfTauOf(flags: Flags) {
  const ptauBlake2b = textFlag(flags, "ptau-blake2b");
  return {
    ptauPath: requiredFlag(flags, "ptau"),
    ...(ptauBlake2b !== undefined && { ptauBlake2b }),
    trustPublishedHash: flags["trust-ptau-hash"] === true,
  };
}

function showKeyProgress(progress: Progress) {
  return ({ stage, done, total }: DevKeyProgress) =>
    progress.update(`key: ${stage}`, total > 1 ? done / total : undefined);
}

function report(made: Made, flags: Flags, { stdout }: Terminal): void {
  if (flags.json) {
    stdout.write(`${JSON.stringify(made)}\n`);
    return;
  }
  stdout.write(`circuit   ${made.circuit}\nfolder    ${made.dir}\nverifier  ${made.verifier}\n`);
  stdout.write(
    made.keys === "dev"
      ? "keys      development: anybody can forge proofs of this key\n"
      : "keys      ceremony\n",
  );
  for (const [name, hash] of Object.entries(made.sha256 ?? {})) {
    stdout.write(`sha256    ${hash}  ${name}\n`);
  }
}
