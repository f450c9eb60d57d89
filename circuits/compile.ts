import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, parse, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CircuitError, type CircuitParameters } from "./parameters.ts";
import { PUBLIC_SIGNALS } from "./signals.ts";

/** Folder of the circuit templates. */
export const TEMPLATES = fileURLToPath(new URL("lib", import.meta.url));

export interface CompileOptions {
  /** Called with one line for each thing that happens; a compilation can take minutes. */
  readonly progress?: (line: string) => void;
  /** A native circom binary: a path, or a name on PATH. Without it the npm package `circom2` compiles, limited to 4 GiB of memory. */
  readonly circomPath?: string;
  /** Leave the witness program out: constraint counts need the R1CS only. */
  readonly r1csOnly?: boolean;
  /** Write circom's `circuit.sym` as well: the name of each signal and its wire. For tests. */
  readonly withSymbols?: boolean;
}

export interface CompiledCircuit {
  /** Absolute path of the constraint system, circom's binary format. */
  readonly r1csPath: string;
  /** Absolute path of circom's witness program. With `r1csOnly` there is no such file. */
  readonly wasmPath: string;
  /** Absolute path of the names. Only with `withSymbols` is there such a file. */
  readonly symbolsPath: string;
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

/** True if `dir` holds what `compileCircuit` would write there. Compiles nothing. */
export async function isCompiled(
  parameters: CircuitParameters,
  dir: string,
  { circomPath }: Pick<CompileOptions, "circomPath"> = {},
): Promise<boolean> {
  const { version } = await findCompiler(circomPath);
  const hash = await hashSources(mainSource(parameters), version);
  const wanted = ["circuit.r1cs", "circuit.wasm"].map((name) => join(dir, name));
  return isUpToDate(join(dir, "circuit.sources"), hash, wanted);
}

/**
 * Compiles a main component into `outDir/circuit.r1cs` and `outDir/circuit.wasm`.
 *
 * They are written elsewhere first and then renamed, and `circuit.sources` (a SHA-256 over all sources and the
 * compiler's version) last: an interrupted compilation leaves no folder that looks complete. If that hash is
 * unchanged, nothing is compiled. Other files of the folder are left alone.
 *
 * @param source  circom source that may include everything under `circuits/lib`, and `circomlib/circuits/…`.
 * @throws CircuitError  with the compiler's own words if it fails.
 */
export async function compileSource(
  source: string,
  outDir: string,
  { progress = () => {}, circomPath, r1csOnly = false, withSymbols = false }: CompileOptions = {},
): Promise<CompiledCircuit> {
  const out = resolve(outDir);
  const paths = {
    r1csPath: join(out, "circuit.r1cs"),
    wasmPath: join(out, "circuit.wasm"),
    symbolsPath: join(out, "circuit.sym"),
  };
  const flags = ["--r1cs", ...(r1csOnly ? [] : ["--wasm"]), ...(withSymbols ? ["--sym"] : [])];
  const wanted = [
    paths.r1csPath,
    ...(r1csOnly ? [] : [paths.wasmPath]),
    ...(withSymbols ? [paths.symbolsPath] : []),
  ];
  const compiler = await findCompiler(circomPath);
  const hash = await hashSources(source, compiler.version);
  const hashPath = join(out, "circuit.sources");
  if (await isUpToDate(hashPath, hash, wanted)) return { ...paths, isReused: true };

  const work = join(out, `compiling-${randomUUID()}`);
  await mkdir(work, { recursive: true });
  try {
    await writeFile(join(work, "circuit.circom"), source);
    progress(`compiling with ${compiler.version}`);
    const libraries = [TEMPLATES, compiler.packages].flatMap((folder) => ["-l", folder]);
    const args = [join(work, "circuit.circom"), ...flags, "--O2", "-o", work, ...libraries];
    await runCompiler(compiler.command, [...compiler.args, ...args], progress);

    // The hash goes first and comes back last; with it goes what this compilation will not replace.
    const stale = Object.values(paths).filter((path) => !wanted.includes(path));
    for (const path of [hashPath, ...stale]) await rm(path, { force: true });
    if (!r1csOnly) {
      await rename(join(work, "circuit_js", "circuit.wasm"), join(work, "circuit.wasm"));
    }
    for (const path of wanted) await rename(join(work, basename(path)), path);
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
  if (!existsSync(TEMPLATES)) {
    throw new CircuitError(
      "The circom sources are in the checkout and not in the npm package: compile there, and give the files to this one.",
    );
  }
  const require = createRequire(import.meta.url);
  const library = require.resolve("circomlib/package.json");
  const packages = dirname(dirname(library));
  const libraryVersion = `circomlib ${await packageVersion(library)}`;
  if (circomPath !== undefined) {
    // A bare name is looked up on PATH.
    const command = basename(circomPath) === circomPath ? circomPath : resolve(circomPath);
    const version = await runCompiler(command, ["--version"], () => {});
    return {
      command,
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

async function hashSources(source: string, compilerVersion: string): Promise<string> {
  const hash = createHash("sha256");
  // Each part with its length, so that two different lists of parts cannot give one byte sequence
  const add = (text: string) => hash.update(`${Buffer.byteLength(text)}:`).update(text);
  add(compilerVersion);
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
  wanted: readonly string[],
): Promise<boolean> {
  const stored = existsSync(hashPath) ? await readFile(hashPath, "utf8") : "";
  return stored === hash && wanted.every((path) => existsSync(path));
}

/** Runs the compiler, hands its lines to `progress`, and returns all that it said. */
function runCompiler(
  command: string,
  args: readonly string[],
  progress: (line: string) => void,
): Promise<string> {
  return new Promise((resolvePromise, reject) => {
    // circom2 finds includes only below its working folder, so it works in the root. All paths are absolute.
    const cwd = parse(process.cwd()).root;
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
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
