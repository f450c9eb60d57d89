/**
 * Builds the image where there is no container engine and no registry of images: with Debian's buildah, as root, on a
 * base made of Debian's packages. Elsewhere `docker build -t proofmill .` does the same.
 *
 *     node scripts/image.ts [--tag NAME] [--base IMAGE] [--circuits "ID..."] [--target gpu]
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { makeBase } from "./image/base.ts";
import { npmConfiguration } from "./image/npm-configuration.ts";
import { output, run } from "./image/process.ts";

const root = join(import.meta.dirname, "..");

export interface ImageOptions {
  readonly tag: string;
  /** An image with npm on Debian. Undefined: one made here, once. */
  readonly base?: string | undefined;
  /** Circuits to build in, with development keys, separated by spaces. */
  readonly circuits?: string | undefined;
  /** "gpu": with Vulkan's loader. */
  readonly target?: string | undefined;
  /** Whether what several images have in common is built once: its layers are kept. */
  readonly keepsLayers?: boolean;
}

/**
 * @returns the size of the image's files in bytes.
 * @throws Error with the builder's last words.
 */
export async function buildImage({
  tag,
  base,
  circuits = "",
  target,
  keepsLayers = false,
}: ImageOptions): Promise<number> {
  const from = base ?? (await makeBase());
  const folder = await mkdtemp(join(tmpdir(), "proofmill-image-"));
  try {
    const npm = await npmConfiguration();
    const secret = join(folder, "npmrc");
    await writeFile(secret, npm.text, { mode: 0o600 });
    // Volumes and secrets are there while the image is built, and in none of its layers.
    const volumes = [`${npm.cacheDir}:/root/.npm`];
    if (npm.cafile !== undefined) volumes.push(`${dirname(npm.cafile)}:${dirname(npm.cafile)}:ro`);
    if (target === "gpu") volumes.push(`${await downloadGpuPackages(folder)}:${APT_ARCHIVES}`);
    await run("buildah", [
      "bud",
      ...(target === undefined ? [] : ["--target", target]),
      ...(keepsLayers ? ["--layers"] : []),
      // A health check is in Docker's format only.
      ...["--format", "docker", "--isolation", "chroot", "--network", "host", "--pull-never"],
      ...["--build-arg", `BASE=${from}`, "--build-arg", `CIRCUITS=${circuits}`],
      ...["--secret", `id=npmrc,src=${secret}`],
      ...volumes.flatMap((volume) => ["--volume", volume]),
      ...["--tag", tag, root],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
  const images = await output("buildah", ["images", "--json", tag]);
  return sizeOf((JSON.parse(images) as { size: string }[])[0]?.size ?? "");
}

/** Where the Dockerfile looks for packages before it downloads them. */
const APT_ARCHIVES = "/var/cache/apt/archives";

/**
 * The packages that the target "gpu" unpacks, as this machine's apt gets them: inside of the builder apt may not know
 * the way. They are those of this machine's system, which ought to be the base's.
 */
async function downloadGpuPackages(folder: string): Promise<string> {
  const dockerfile = await readFile(join(root, "Dockerfile"), "utf8");
  const [, names = ""] = /for package in (libvulkan1[^;]*);/.exec(dockerfile) ?? [];
  const into = join(folder, "archives");
  await mkdir(into);
  await run("apt-get", ["download", ...names.split(" ")], into);
  return into;
}

/** "153 MB", as buildah writes sizes. */
function sizeOf(text: string): number {
  const [, number, unit] = /^([\d.]+) (B|KB|MB|GB)$/.exec(text) ?? [];
  return Number(number) * { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[unit as "B" | "KB" | "MB" | "GB"];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      tag: { type: "string", default: "localhost/proofmill" },
      base: { type: "string" },
      circuits: { type: "string" },
      target: { type: "string" },
    },
  });
  const bytes = await buildImage(values);
  console.log(`${values.tag}: ${Math.round(bytes / 1e6)} MB`);
}
