/**
 * The child programs as JavaScript, as the npm package has the prover: Node's stripping of types would
 * add 35 MB to what a process takes, and a tenth of a second to its start.
 */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { glob, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
/** Of this process: another run must not replace what its programs are about to load. */
const outDir = join(root, `build/bench/emitted/${process.pid}`);

/** Threads are started by URL, which no compiler follows: the whole folder. */
const SOURCES = ["worker/**/*.ts", "bench/contenders/*-child.ts", "bench/*.d.ts"];

export type ChildProgram = "ours-child" | "snarkjs-child" | "gpu-child";

let emitting: Promise<void> | undefined;

/** Whether this is JavaScript itself, in a packed build: then the programs lie beside it. */
const IS_EMITTED = import.meta.filename.endsWith(".js");

/**
 * Where the JavaScript of a program of this folder is; made once in a run.
 *
 * @throws Error with the compiler's words
 */
export async function emittedChild(program: ChildProgram): Promise<string> {
  if (IS_EMITTED) return join(import.meta.dirname, `${program}.js`);
  emitting ??= emit();
  await emitting;
  return join(outDir, `bench/contenders/${program}.js`);
}

async function emit(): Promise<void> {
  await mkdir(outDir, { recursive: true });
  process.once("exit", () => rmSync(outDir, { recursive: true, force: true }));
  const files = await Array.fromAsync(glob(SOURCES, { cwd: root }));
  const config = join(outDir, "tsconfig.json");
  const compilerOptions = {
    rootDir: root,
    outDir,
    noEmit: false,
    typeRoots: [join(root, "node_modules/@types")],
  };
  // Nothing but these files.
  const content = {
    extends: join(root, "tsconfig.json"),
    compilerOptions,
    files: files.map((file) => join(root, file)),
    include: [],
  };
  await writeFile(config, JSON.stringify(content));
  const tsc = join(root, "node_modules/.bin/tsc");
  await promisify(execFile)(tsc, ["-p", config]).catch((error: { stdout?: string }) => {
    throw new Error(`the benchmark's programs do not compile:\n${error.stdout ?? error}`);
  });
}
