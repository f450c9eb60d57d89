import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { output, run } from "./process.ts";

const NAME = "localhost/proofmill-base";
const SUITE = "bookworm";
/** What the Dockerfile would install: to strip Node, and what Node loads beside the C library. */
const PACKAGES = ["binutils", "libatomic1", "libstdc++6"];

/**
 * The image to build on, if it is not there yet: Debian's smallest system, with the Node and the npm that run this.
 *
 * @returns its name.
 */
export async function makeBase(): Promise<string> {
  const known = await output("buildah", ["images", "--noheading", "--format", "{{.Name}}"]);
  if (known.split("\n").includes(NAME)) return NAME;
  const folder = await mkdtemp(join(tmpdir(), "proofmill-base-"));
  try {
    const include = `--include=${PACKAGES.join(",")}`;
    await run("debootstrap", ["--variant=minbase", include, SUITE, folder]);
    const local = (...path: string[]) => join(folder, "usr/local", ...path);
    await cp(process.execPath, local("bin/node"));
    // `npm` of a project is npm itself, of the system a link into the folder of all global packages.
    const npm = dirname(dirname(await output("realpath", [await output("which", ["npm"])])));
    await cp(npm, local("lib/node_modules/npm"), { recursive: true });
    for (const name of ["npm", "npx"]) {
      await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, local("bin", name));
    }
    const container = await output("buildah", ["from", "scratch"]);
    try {
      await run("buildah", ["add", container, folder, "/"]);
      const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
      await run("buildah", ["config", "--env", path, container]);
      await run("buildah", ["commit", container, NAME]);
    } finally {
      await run("buildah", ["rm", container]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return NAME;
}
