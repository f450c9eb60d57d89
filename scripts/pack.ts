/**
 * Makes the npm package: JavaScript and type declarations of what the exports and the command reach,
 * and a manifest of its own. Why there are two manifests: docs/adr/0017-npm-package.md.
 *
 *     npm run pack    build/package/, and build/proofmill-VERSION.tgz made of it
 */
import { execFile } from "node:child_process";
import { cp, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, normalize, relative } from "node:path";
import { promisify } from "node:util";
import packageJson from "../package.json" with { type: "json" };

const root = join(import.meta.dirname, "..");

/** What the package holds besides code; tests, test doubles and generated verifiers are left out. */
const COPIED: Readonly<Record<string, string>> = {
  LICENSE: "LICENSE",
  "CHANGELOG.md": "CHANGELOG.md",
  "docs/library.md": "README.md",
  proto: "proto",
  "prover/observe/page": "prover/observe/page",
  "contracts/bridge": "contracts/bridge",
  "contracts/security": "contracts/security",
  "contracts/zk": "contracts/zk",
};
const NOT_COPIED = /released\.json$/;

/**
 * Packages that are loaded if they are there: snarkjs by a ceremony's steps, circom2 and circomlib by
 * the compilation of a checkout's circuits.
 */
const NOT_DEPENDENCIES = ["snarkjs", "circom2", "circomlib"];

const isCode = (path: string): boolean => path.endsWith(".ts");

/** Files that start something: exports, the command, and threads. Paths below the root. */
async function entries(): Promise<{ readonly public: string[]; readonly all: string[] }> {
  const { exports, bin } = packageJson;
  const exported = await matching(Object.values(exports).filter(isCode));
  const threads: string[] = [];
  for (const file of await matching(["{worker,prover,circuits,operator}/**/*.ts"])) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, target] of text.matchAll(/\bmoduleUrl\(\s*new URL\("([^"]+)"/g)) {
      threads.push(join(dirname(file), target as string));
    }
  }
  return { public: exported, all: [...new Set([...exported, ...threads, ...Object.values(bin)])] };
}

async function matching(patterns: readonly string[]): Promise<string[]> {
  const found = await Array.fromAsync(glob(patterns.map(normalize), { cwd: root }));
  return found.filter((path) => !path.endsWith(".d.ts") || patterns.includes(path)).sort();
}

/**
 * Writes the package's content into `dir`, which is emptied first.
 *
 * @param dir  absolute path.
 * @throws Error with the compiler's words, or with the name of an import that is no dependency.
 */
export async function stagePackage(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const { public: exported, all } = await entries();
  await emit(dir, all);
  const code = await reach(dir, all.map(toJs));
  const types = await reach(dir, exported.map(toDts));
  for await (const path of glob("**/*.{js,d.ts}", { cwd: dir })) {
    if (!code.files.has(path) && !types.files.has(path)) await rm(join(dir, path));
  }
  for (const path of types.files) await rewriteDts(join(dir, path));
  for (const [from, to] of Object.entries(COPIED)) {
    const filter = (path: string) => !NOT_COPIED.test(path);
    await cp(join(root, from), join(dir, to), { recursive: true, filter });
  }
  const manifest = publishedManifest(new Set([...code.packages, ...types.packages]));
  await writeFile(join(dir, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

async function emit(dir: string, files: readonly string[]): Promise<void> {
  const config = `${dir}.tsconfig.json`;
  const content = {
    extends: join(root, "tsconfig.package.json"),
    compilerOptions: {
      rootDir: root,
      outDir: dir,
      // The folder may lie anywhere.
      typeRoots: [join(root, "node_modules/@types")],
    },
    files: files.map((file) => join(root, file)),
  };
  await writeFile(config, JSON.stringify(content));
  try {
    await run(join(root, "node_modules/.bin/tsc"), ["-p", config]);
  } finally {
    await rm(config);
  }
}

const toJs = (path: string): string => path.replace(/\.ts$/, ".js");
const toDts = (path: string): string => path.replace(/\.ts$/, ".d.ts");

/** Names of modules in import, export, dynamic import, require and resolve, then in URLs of threads. */
const IMPORTED =
  /(?:\bfrom\s+|\bimport\s*\(?\s*|\bimport\.meta\.resolve\(\s*|\brequire(?:\.resolve)?\(\s*|\bmoduleUrl\(new URL\(\s*)"([^"\n]+)"/g;

/** All emitted files that the given ones lead to, themselves included, and the packages they load. */
async function reach(dir: string, starts: readonly string[]) {
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

/** The compiler leaves `.ts` in declarations, where older compilers look for the source itself. */
async function rewriteDts(path: string): Promise<void> {
  const text = await readFile(path, "utf8");
  const rewritten = text.replace(/(\bfrom |\bimport\()"(\.[^"]+)\.ts"/g, '$1"$2.js"');
  await writeFile(path, rewritten);
}

/** The manifest without what only a checkout needs: scripts, tools, Node binaries. */
function publishedManifest(packages: ReadonlySet<string>) {
  const { name, version, description, license, type, engines, bin, exports } = packageJson;
  const versions: Readonly<Record<string, string>> = packageJson.dependencies;
  const needed = [...packages].filter((name) => !NOT_DEPENDENCIES.includes(name)).sort();
  const missing = needed.filter((name) => versions[name] === undefined);
  if (missing.length > 0) {
    throw new Error(`${missing.join(", ")}: imported by the package, not in "dependencies"`);
  }
  return {
    name,
    version,
    description,
    keywords: ["groth16", "circom", "zk-snark", "prover", "rollup", "snarkjs"],
    license,
    type,
    engines,
    bin: Object.fromEntries(Object.entries(bin).map(([command, path]) => [command, toJs(path)])),
    exports: Object.fromEntries(
      Object.entries(exports).map(([subpath, target]) => [
        subpath,
        isCode(target) ? { types: toDts(target), default: toJs(target) } : target,
      ]),
    ),
    dependencies: Object.fromEntries(needed.map((name) => [name, versions[name]])),
    // What the contracts import; whoever compiles them has it.
    peerDependencies: {
      "@openzeppelin/contracts": `^${packageJson.devDependencies["@openzeppelin/contracts"]}`,
    },
    peerDependenciesMeta: { "@openzeppelin/contracts": { optional: true } },
  };
}

/**
 * Packs a staged folder.
 *
 * @returns the tarball's path.
 */
export async function packStaged(dir: string, into: string): Promise<string> {
  await run("npm", ["pack", dir, "--pack-destination", into, "--loglevel", "error"]);
  return join(into, `${packageJson.name}-${packageJson.version}.tgz`);
}

async function run(command: string, words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(command, words, { cwd: root });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

if (import.meta.main) {
  const dir = join(root, "build/package");
  await stagePackage(dir);
  console.log(relative(root, await packStaged(dir, join(root, "build"))));
}
