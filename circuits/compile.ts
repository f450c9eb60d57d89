import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CircuitError, type CircuitParameters } from "./parameters.ts";
import { PUBLIC_SIGNALS } from "./signals.ts";

/** Folder of the circuit templates. */
export const TEMPLATES = fileURLToPath(new URL("lib", import.meta.url));

export interface CompileOptions {
  /** Called with one line for each thing that happens; a compilation can take minutes. */
  readonly progress?: (line: string) => void;
  /** A native circom binary. Without it the npm package `circom2` compiles, limited to 4 GiB of memory. */
  readonly circomPath?: string;
  /** Leave the witness program out: constraint counts need the R1CS only. */
  readonly r1csOnly?: boolean;
}

export interface CompiledCircuit {
  /** Absolute path of the constraint system, circom's binary format. */
  readonly r1csPath: string;
  /** Absolute path of circom's witness program; absent when compiled with `r1csOnly`. */
  readonly wasmPath?: string;
  /** True if nothing had changed since the last compilation into this folder. */
  readonly isReused: boolean;
}

/** The main component of a circuit: `BatchTransfer` with its public signals. */
export function mainSource(parameters: CircuitParameters): string {
  const { nTx, levels, nDeposits, top } = parameters;
  return `pragma circom 2.2.0;
include "batch-transfer.circom";
component main {public [${PUBLIC_SIGNALS.join(", ")}]} = BatchTransfer(${nTx}, ${levels}, ${nDeposits}, ${top});
`;
}

/** `compileSource` for the main component of `parameters`. */
export function compileCircuit(
  parameters: CircuitParameters,
  outDir: string,
  options: CompileOptions = {},
): Promise<CompiledCircuit> {
  return compileSource(mainSource(parameters), outDir, options);
}

/**
 * Compiles a main component into `outDir/circuit.r1cs` and `outDir/circuit.wasm`.
 *
 * Both are written elsewhere first and then renamed, and `circuit.sources` (a SHA-256 over all sources, the compiler
 * and its options) last: an interrupted compilation leaves no folder that looks complete. If that hash is
 * unchanged, nothing is compiled. Other files of the folder are left alone.
 *
 * @param source  circom source that may include everything under `circuits/lib`, and `circomlib/circuits/…`.
 * @throws CircuitError  with the compiler's own words if it fails.
 */
export async function compileSource(
  source: string,
  outDir: string,
  { progress = () => {}, circomPath, r1csOnly = false }: CompileOptions = {},
): Promise<CompiledCircuit> {
  const out = resolve(outDir);
  const compiler = await findCompiler(circomPath);
  const outputs = r1csOnly ? ["circuit.r1cs"] : ["circuit.r1cs", "circuit.wasm"];
  const paths = {
    r1csPath: join(out, "circuit.r1cs"),
    ...(r1csOnly ? {} : { wasmPath: join(out, "circuit.wasm") }),
  };
  const hash = await hashSources(source, compiler.version, outputs);
  const hashPath = join(out, "circuit.sources");
  if (await isUpToDate(hashPath, hash, out, outputs)) return { ...paths, isReused: true };

  const work = join(out, `compiling-${randomUUID()}`);
  await mkdir(work, { recursive: true });
  try {
    await writeFile(join(work, "circuit.circom"), source);
    progress(`compiling with ${compiler.version}`);
    const args = [join(work, "circuit.circom"), "--r1cs", "--O2", "-o", work];
    if (!r1csOnly) args.push("--wasm");
    for (const folder of [TEMPLATES, compiler.packages]) args.push("-l", folder);
    await runCompiler(compiler.command, [...compiler.args, ...args], progress);

    await rm(hashPath, { force: true });
    await rename(join(work, "circuit.r1cs"), paths.r1csPath);
    if (!r1csOnly) {
      await rename(join(work, "circuit_js", "circuit.wasm"), join(out, "circuit.wasm"));
    }
    await writeFile(join(work, "circuit.sources"), hash);
    await rename(join(work, "circuit.sources"), hashPath);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { ...paths, isReused: false };
}

interface Compiler {
  readonly command: string;
  readonly args: readonly string[];
  /** Goes into the hash: another compiler may give other constraints. */
  readonly version: string;
  /** The folder that holds `circomlib`. circom2 does not follow a link there. */
  readonly packages: string;
}

async function findCompiler(circomPath: string | undefined): Promise<Compiler> {
  const require = createRequire(import.meta.url);
  const library = require.resolve("circomlib/package.json");
  const packages = dirname(dirname(library));
  const libraryVersion = `circomlib ${await packageVersion(library)}`;
  if (circomPath !== undefined) {
    const version = await runCompiler(circomPath, ["--version"], () => {});
    return {
      command: circomPath,
      args: [],
      version: `${version.trim()}, ${libraryVersion}`,
      packages,
    };
  }
  const manifest = require.resolve("circom2/package.json");
  return {
    command: process.execPath,
    args: [join(dirname(manifest), "cli.js")],
    version: `circom2 ${await packageVersion(manifest)}, ${libraryVersion}`,
    packages,
  };
}

async function packageVersion(manifestPath: string): Promise<string> {
  return (JSON.parse(await readFile(manifestPath, "utf8")) as { version: string }).version;
}

async function hashSources(
  source: string,
  compilerVersion: string,
  outputs: readonly string[],
): Promise<string> {
  const hash = createHash("sha256");
  // Each part with its length, so that two different lists of parts cannot give one byte sequence
  const add = (text: string) => hash.update(`${Buffer.byteLength(text)}:`).update(text);
  add(compilerVersion);
  add(outputs.join());
  add(source);
  const names = (await readdir(TEMPLATES)).filter((name) => name.endsWith(".circom")).sort();
  for (const name of names) {
    add(name);
    add(await readFile(join(TEMPLATES, name), "utf8"));
  }
  return hash.digest("hex");
}

async function isUpToDate(
  hashPath: string,
  hash: string,
  folder: string,
  outputs: readonly string[],
): Promise<boolean> {
  const stored = existsSync(hashPath) ? await readFile(hashPath, "utf8") : "";
  return stored === hash && outputs.every((name) => existsSync(join(folder, name)));
}

/** Runs the compiler, hands its lines to `progress`, and returns all that it said. */
function runCompiler(
  command: string,
  args: readonly string[],
  progress: (line: string) => void,
): Promise<string> {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const listen = (chunk: Buffer) => {
      const text = withoutColours(chunk.toString());
      said += text;
      for (const line of text.split("\n")) if (line.trim() !== "") progress(line.trim());
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", (cause) => {
      reject(new CircuitError(`Cannot run the circuit compiler ${command}.`, { cause }));
    });
    child.on("close", (exitCode) => {
      if (exitCode === 0) resolvePromise(said);
      else
        reject(new CircuitError(`The circuit compiler failed (exit ${exitCode}):\n${said.trim()}`));
    });
  });
}

function withoutColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts a colour sequence
  return text.replaceAll(/\u001b\[[0-9;]*m/g, "");
}
