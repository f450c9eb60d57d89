// Mesa's Vulkan driver for the processor in a folder of its own, with the libraries that it needs: as a driver that is
// mounted into a container. None of it is part of an image.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const DRIVER = `/usr/lib/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu/libvulkan_lvp.so`;

/** Undefined where the driver is here. */
export const whyNoDriver = existsSync(DRIVER) ? undefined : "mesa-vulkan-drivers is not installed";

/** Of the C library and the compiler's, which an image has itself. */
const OF_THE_IMAGE =
  /^(ld-linux|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libatomic)[.-]/;

/**
 * @param folder  is made, and is then mounted on `/driver`.
 * @returns what has to stand in the container's environment.
 */
export async function softwareDriver(folder: string): Promise<Record<string, string>> {
  await mkdir(folder);
  const { stdout } = await promisify(execFile)("ldd", [DRIVER]);
  const needed = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path]) => path as string);
  for (const path of [DRIVER, ...needed]) {
    const name = basename(path);
    if (!OF_THE_IMAGE.test(name)) await copyFile(path, join(folder, name));
  }
  const icd = { library_path: `/driver/${basename(DRIVER)}`, api_version: "1.1.0" };
  const file = JSON.stringify({ file_format_version: "1.0.0", ICD: icd });
  await writeFile(join(folder, "icd.json"), file);
  return { LD_LIBRARY_PATH: "/driver", VK_DRIVER_FILES: "/driver/icd.json" };
}
