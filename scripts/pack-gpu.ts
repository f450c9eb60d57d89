/**
 * Packs everything that the tests and the benchmark of a GPU need into one archive, for a machine that has a
 * GPU's driver and nothing else: no Node, no compiler, no network, perhaps not even Vulkan's loader.
 *
 *     npm run pack:gpu                          build/proofmill-gpu.tar.gz
 *     tar xzf proofmill-gpu.tar.gz && sh proofmill-gpu/run.sh --out results
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, glob, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { COMMIT_FILE, describeCommit } from "../bench/machine.ts";
import { smallFixture } from "../test/worker/fixtures.ts";
import { emit, matching, reach, run, threadModules, toJs } from "./emitted-code.ts";
import { CHECK_NAMES } from "./gpu/expect.ts";
import * as suite from "./gpu/suite.ts";

const root = join(import.meta.dirname, "..");
const exec = promisify(execFile);

/** What the archive may have at most: such machines take files of limited size. */
export const MOST_ARCHIVE_BYTES = 64 * 2 ** 20;

const PROGRAMS = [
  ...["run", "bench", "device-report", "reporter", "suite"].map((name) => `scripts/gpu/${name}.ts`),
  // Started by name.
  ...["ours-child", "gpu-child"].map((name) => `bench/contenders/${name}.ts`),
];

/** A test that comes to this file needs a device. */
const DEVICE_FIXTURE = "test/worker/gpu/device-fixture.js";
/**
 * What stays here all the same: it proves a circuit of thousands of constraints, so that there is time to end
 * a thread within a proof, and takes circom to make it. The engine below it is tested there by the others.
 */
const STAYS = new Set(["test/worker/hosting/vulkan-team.test.js"]);
/** And one that comes to this, a circuit with keys, which takes snarkjs and circom to make. */
const CIRCUIT_FIXTURE = "test/worker/fixtures.js";

/**
 * What becomes of a package that the packed files load: it goes along, or something of ours in its place, or
 * nothing, where it is only loaded for what is done before packing.
 */
const PACKAGES: Readonly<Record<string, "packed" | "suite" | "empty" | "none">> = {
  koffi: "packed",
  "fast-check": "packed",
  vitest: "suite",
  snarkjs: "empty",
  circom2: "none",
  circomlib: "none",
};

/**
 * By the names under which they are loaded. Vulkan's loader; what NVIDIA's driver loads although no window is
 * opened; what Node and those load. Those that the packing machine has come along, and the target's own come first.
 */
const LIBRARIES = [
  "libvulkan.so.1",
  ...["libX11.so.6", "libXext.so.6", "libxcb.so.1", "libXau.so.6", "libXdmcp.so.6"],
  ...["libbsd.so.0", "libmd.so.0"],
  ...["libEGL.so.1", "libGLX.so.0", "libGL.so.1", "libGLdispatch.so.0"],
  ...["libatomic.so.1", "libstdc++.so.6", "libgcc_s.so.1"],
];
const LIBRARY_NEEDED = "libvulkan.so.1";

/**
 * @param into  a folder, for `proofmill-gpu.tar.gz`; `proofmill-gpu` in it comes and goes.
 * @returns the archive's path.
 * @throws Error if something is missing here, a test uses what `scripts/gpu` has not, or the archive is too large.
 */
export async function packGpu(into: string): Promise<string> {
  const dir = join(into, "proofmill-gpu");
  const app = join(dir, "app");
  await rm(dir, { recursive: true, force: true });
  await mkdir(join(dir, "bin"), { recursive: true });
  await mkdir(app, { recursive: true });
  await stageCode(app);
  await copyLibraries(join(dir, "lib"));
  await copyNode(join(dir, "bin/node"));
  await copyFile(join(root, "scripts/gpu/run.sh"), join(dir, "run.sh"));
  const archive = join(into, "proofmill-gpu.tar.gz");
  // Owners are nobody's business, and gzip is everywhere.
  await run("tar", ["-C", into, "--owner=0", "--group=0", "-czf", archive, "proofmill-gpu"]);
  await rm(dir, { recursive: true });
  const { size } = await stat(archive);
  if (size > MOST_ARCHIVE_BYTES) {
    throw new Error(`${archive}: got ${size} bytes, expected at most ${MOST_ARCHIVE_BYTES}`);
  }
  return archive;
}

async function stageCode(app: string): Promise<void> {
  const tests = await matching(["test/worker/**/*.test.ts"]);
  await emit(app, [...PROGRAMS, ...tests, ...(await threadModules())], "tsconfig.json");
  const starts = PROGRAMS.map(toJs);
  for (const test of tests.map(toJs)) {
    if (STAYS.has(test)) continue;
    const { files } = await reach(app, [test]);
    if (files.has(DEVICE_FIXTURE)) starts.push(test, ...(await namedIn(app, test)));
  }
  const { files, packages } = await reach(app, starts);
  for await (const path of glob("**/*.{js,d.ts}", { cwd: app })) {
    if (!files.has(path)) await rm(join(app, path));
  }
  for (const path of files) {
    if (path.startsWith("test/")) expectKnownWords(path, await readFile(join(app, path), "utf8"));
  }
  await writeFile(join(app, "package.json"), '{ "type": "module" }\n');
  await writeFile(join(app, "bench", COMMIT_FILE), JSON.stringify(describeCommit()));
  for (const name of packages) {
    const what = PACKAGES[name];
    if (what === undefined) {
      throw new Error(`got the package ${name}, expected one of ${Object.keys(PACKAGES)}`);
    }
    if (what === "packed") await copyPackage(name, app);
    if (what === "suite")
      await writePackage(app, name, 'export * from "../../scripts/gpu/suite.js";');
    if (what === "empty") await writePackage(app, name, "export {};");
  }
  if (files.has(CIRCUIT_FIXTURE)) {
    const folder = dirname((await smallFixture()).wasm);
    await cp(folder, join(app, relative(root, folder)), { recursive: true, dereference: true });
  }
}

/** Files that a test names in the text of a program that it starts, as `at("….ts")`. */
async function namedIn(app: string, test: string): Promise<string[]> {
  const text = await readFile(join(app, test), "utf8");
  return [...text.matchAll(/\bat\("(\.[^"]+\.ts)"\)/g)].map(([, path]) =>
    toJs(join(dirname(test), path as string)),
  );
}

async function writePackage(app: string, name: string, code: string): Promise<void> {
  const dir = join(app, "node_modules", name);
  await mkdir(dir, { recursive: true });
  const manifest = { name, type: "module", exports: "./index.js" };
  await writeFile(join(dir, "package.json"), JSON.stringify(manifest));
  await writeFile(join(dir, "index.js"), `${code}\n`);
}

/** What tests say to vitest, and what there is of it in a packed build. */
const WORDS: readonly (readonly [pattern: RegExp, known: readonly string[]])[] = [
  [/\)\s*\.(?:(?:not|resolves|rejects)\s*\.\s*)?(to[A-Z]\w+)\(/g, CHECK_NAMES],
  [/\bit\.(\w+)/g, Object.keys(suite.it)],
  [/\bdescribe\.(\w+)/g, Object.keys(suite.describe)],
  [/\bexpect\.(\w+)/g, Object.keys(suite.expect)],
  [/\bvi\.(\w+)/g, Object.keys(suite.vi)],
];
/** Of strings, arrays and dates, where one follows a parenthesis. */
const NO_CHECKS =
  /^to(String|Reversed|Sorted|Spliced|LocaleString|Fixed|JSON|UpperCase|LowerCase|Array)$/;
const IMPORTED_WORDS = /import \{([^}]*)\} from "vitest"/g;

/**
 * What is not there would only be noticed on the other machine.
 *
 * @throws Error that names it.
 */
export function expectKnownWords(path: string, text: string): void {
  const refuse = (word: string) => {
    throw new Error(`${path}: got ${word}, expected what scripts/gpu/suite.ts has; add it there`);
  };
  for (const [, names] of text.matchAll(IMPORTED_WORDS)) {
    for (const name of (names as string).split(",").map((part) => part.trim())) {
      if (name !== "" && !(name in suite)) refuse(name);
    }
  }
  for (const [pattern, known] of WORDS) {
    for (const [whole, name] of text.matchAll(pattern)) {
      if (!known.includes(name as string) && !NO_CHECKS.test(name as string)) refuse(whole);
    }
  }
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** A package as it is installed here, with what it depends on; without what is for readers. */
async function copyPackage(name: string, app: string): Promise<void> {
  const [from, to] = [join(root, "node_modules", name), join(app, "node_modules", name)];
  if (existsSync(to) || !existsSync(from)) return;
  const unread = /\/musl_\w+$|\/doc$|\.(md|map|d\.ts|d\.cts|d\.mts)$/;
  await cp(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !unread.test(path.slice(from.length)),
  });
  const manifest = JSON.parse(await readFile(join(from, "package.json"), "utf8")) as Manifest;
  const needed = { ...manifest.dependencies, ...manifest.optionalDependencies };
  for (const dependency of Object.keys(needed)) await copyPackage(dependency, app);
}

async function copyLibraries(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const { stdout } = await exec("/sbin/ldconfig", ["-p"]);
  const ours = process.arch === "x64" ? "x86-64" : "AArch64";
  for (const name of LIBRARIES) {
    const line = stdout
      .split("\n")
      .find((text) => text.trim().startsWith(`${name} (`) && text.includes(ours));
    const path = line?.split(" => ")[1];
    if (path !== undefined) await copyFile(path, join(dir, name));
    else if (name === LIBRARY_NEEDED) {
      throw new Error(`got no ${name} here, expected one to pack; install libvulkan1`);
    }
  }
}

/** The Node that runs this, without symbols where there is a program that takes them out. */
async function copyNode(path: string): Promise<void> {
  await exec("strip", ["-o", path, process.execPath]).catch(() => copyFile(process.execPath, path));
  await chmod(path, 0o755);
}

if (import.meta.main) {
  const into = join(root, "build");
  await mkdir(dirname(into), { recursive: true });
  const archive = await packGpu(into);
  const { size } = await stat(archive);
  console.log(`${relative(root, archive)}: ${(size / 2 ** 20).toFixed(1)} MiB`);
}
