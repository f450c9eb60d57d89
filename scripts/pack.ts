/**
 * Makes the npm package: JavaScript and type declarations of what the exports and the command reach,
 * and a manifest of its own. Why there are two manifests: docs/adr/0017-npm-package.md.
 *
 *     npm run pack    build/package/, and build/proofmill-VERSION.tgz made of it
 */
import { cp, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { emit, isCode, matching, reach, run, threadModules, toDts, toJs } from "./emitted-code.ts";

const root = join(import.meta.dirname, "..");

/** What the package holds besides code; tests, test doubles and generated verifiers are left out. */
const COPIED: Readonly<Record<string, string>> = {
  LICENSE: "LICENSE",
  "CHANGELOG.md": "CHANGELOG.md",
  "docs/library.md": "README.md",
  proto: "proto",
  "prover/observe/page": "prover/observe/page",
  "contracts/bridge": "contracts/bridge",
  "contracts/channel": "contracts/channel",
  "contracts/security": "contracts/security",
  "contracts/zk": "contracts/zk",
};
const NOT_COPIED = /released\.json$/;

/**
 * Packages that are loaded if they are there: snarkjs by a ceremony's steps, circom2 and circomlib by
 * the compilation of a checkout's circuits.
 */
const NOT_DEPENDENCIES = ["snarkjs", "circom2", "circomlib"];

/** Files that start something: exports, the command, and threads. Paths below the root. */
async function entries(): Promise<{ readonly public: string[]; readonly all: string[] }> {
  const { exports, bin } = packageJson;
  const exported = await matching(Object.values(exports).filter(isCode));
  const threads = await threadModules();
  return { public: exported, all: [...new Set([...exported, ...threads, ...Object.values(bin)])] };
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

if (import.meta.main) {
  const dir = join(root, "build/package");
  await stagePackage(dir);
  console.log(relative(root, await packStaged(dir, join(root, "build"))));
}
