/** JavaScript of this checkout for elsewhere: what the compiler makes of some files, and what those lead to. */
import { execFile } from "node:child_process";
import { glob, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "..");

/** Files below the checkout that fit a pattern, sorted; of declarations only those that are named. */
export async function matching(patterns: readonly string[]): Promise<string[]> {
  const found = await Array.fromAsync(glob(patterns.map(normalize), { cwd: root }));
  return found.filter((path) => !path.endsWith(".d.ts") || patterns.includes(path)).sort();
}

/** What is started by URL, which no compiler follows. */
export async function threadModules(): Promise<string[]> {
  const threads: string[] = [];
  for (const file of await matching(["{worker,prover,circuits,operator}/**/*.ts"])) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, target] of text.matchAll(/\bmoduleUrl\(\s*new URL\("([^"]+)"/g)) {
      threads.push(join(dirname(file), target as string));
    }
  }
  return threads;
}

/**
 * Compiles files and all that they import.
 *
 * @param dir    absolute path of where the JavaScript goes, in the folders of the checkout.
 * @param files  below the checkout.
 * @param base   whose options: the npm package's for older versions of Node, or the checkout's.
 * @throws Error with the compiler's words.
 */
export async function emit(
  dir: string,
  files: readonly string[],
  base: "tsconfig.package.json" | "tsconfig.json" = "tsconfig.package.json",
): Promise<void> {
  const config = `${dir}.tsconfig.json`;
  const content = {
    extends: join(root, base),
    compilerOptions: {
      noEmit: false,
      rootDir: root,
      outDir: dir,
      // The folder may lie anywhere.
      typeRoots: [join(root, "node_modules/@types")],
    },
    files: files.map((file) => join(root, file)),
    include:
      base === "tsconfig.json" ? ["*.d.ts", "*/*.d.ts"].map((all) => join(root, all)) : undefined,
  };
  await writeFile(config, JSON.stringify(content));
  try {
    await run(join(root, "node_modules/.bin/tsc"), ["-p", config]);
  } finally {
    await rm(config);
  }
}

export const isCode = (path: string): boolean => path.endsWith(".ts");
export const toJs = (path: string): string => path.replace(/\.ts$/, ".js");
export const toDts = (path: string): string => path.replace(/\.ts$/, ".d.ts");

/** Names of modules in import, export, dynamic import, require and resolve, then in URLs of threads. */
const IMPORTED =
  /(?:\bfrom\s+|\bimport\s*\(?\s*|\bimport\.meta\.resolve\(\s*|\brequire(?:\.resolve)?\(\s*|\bmoduleUrl\(new URL\(\s*)"([^"\n]+)"/g;

/** All emitted files that the given ones lead to, themselves included, and the packages they load. */
export async function reach(dir: string, starts: readonly string[]) {
  const files = new Set<string>();
  const packages = new Set<string>();
  const waiting = [...starts];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (files.has(path)) continue;
    files.add(path);
    const isDts = path.endsWith(".d.ts");
    const text = withoutComments(await readFile(join(dir, path), "utf8"));
    for (const [, name] of text.matchAll(IMPORTED)) {
      const specifier = name as string;
      if (specifier.startsWith(".")) {
        const target = join(dirname(path), specifier);
        waiting.push(isDts ? toDts(target) : toJs(target));
      } else if (!specifier.startsWith("node:")) {
        packages.add(/^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] as string);
      }
    }
  }
  return { files, packages };
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** @throws Error with all that the program has written. */
export async function run(command: string, words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(command, words, { cwd: root });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} failed:\n${stdout}${stderr}`, { cause: error });
  }
}
