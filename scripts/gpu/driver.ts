/**
 * What a bare machine may lack so that a Vulkan program finds its GPU: libraries, which come along, and the
 * file that tells Vulkan's loader where the driver is.
 */
import { existsSync, globSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Whether this machine has a library of that name, with all that it needs. */
export type IsLoadable = (name: string) => boolean;

export interface DriverSetup {
  /** Libraries that this machine has not and that are taken from those that came along. */
  readonly borrowed: readonly string[];
  /** The files by which the loader finds drivers, where it looks by itself. */
  readonly drivers: readonly string[];
  /** The file that it is told of because it would not find it; undefined: none. */
  readonly added?: string;
  /** For the programs that use the device. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Vulkan's loader, section "Driver Discovery on Linux": the folders without those of a user. */
const ICD_FOLDERS = [
  "/etc/vulkan/icd.d",
  "/etc/xdg/vulkan/icd.d",
  "/usr/local/etc/vulkan/icd.d",
  "/usr/local/share/vulkan/icd.d",
  "/usr/share/vulkan/icd.d",
];

/** Where drivers stand that are mounted into containers and machines from elsewhere. */
const UNUSUAL = [
  "/usr/local/nvidia/share/vulkan/icd.d/*.json",
  "/usr/local/nvidia/vulkan/icd.d/*.json",
];

/** And where its libraries are then. */
const MOUNTED = ["/usr/local/nvidia/lib64", "/usr/local/nvidia/lib"];

/** The driver's libraries with a Vulkan entry: by the window system's, or where there is none. */
const NVIDIA = ["libGLX_nvidia.so.0", "libEGL_nvidia.so.0"];

/** A device of the kind NVIDIA's driver makes. */
const NVIDIA_DEVICE = "/dev/nvidiactl";

/**
 * @param libraries  a folder with libraries that may be borrowed.
 * @param folder     where files for this run may be written.
 */
export async function setUpDriver(
  isThere: IsLoadable,
  libraries: string,
  folder: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<DriverSetup> {
  const lent = join(folder, "libraries");
  await mkdir(lent, { recursive: true });
  const borrowed: string[] = [];
  for (const name of (await readdir(libraries)).sort()) {
    if (isThere(name)) continue;
    await symlink(join(libraries, name), join(lent, name)).catch(() => {});
    borrowed.push(name);
  }
  const paths = [
    ...(borrowed.length > 0 ? [lent] : []),
    ...listOf(environment.LD_LIBRARY_PATH),
    ...MOUNTED.filter((path) => existsSync(path)),
  ];
  const drivers = ICD_FOLDERS.flatMap((dir) => globSync(join(dir, "*.json")));
  const isGiven = environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES;
  const added = isGiven === undefined ? await missingDriver(drivers, folder) : undefined;
  return {
    borrowed,
    drivers,
    ...(added !== undefined && { added }),
    environment: {
      ...(paths.length > 0 && { LD_LIBRARY_PATH: paths.join(delimiter) }),
      // The second name is that of loaders before 1.3.207.
      ...(added !== undefined && { VK_DRIVER_FILES: added, VK_ICD_FILENAMES: added }),
    },
  };
}

/** NVIDIA's driver, if the device is here and nothing names it. */
async function missingDriver(
  drivers: readonly string[],
  folder: string,
): Promise<string | undefined> {
  if (!existsSync(NVIDIA_DEVICE)) return undefined;
  const texts = await Promise.all(drivers.map((path) => readFile(path, "utf8").catch(() => "")));
  if (texts.some((text) => text.includes("nvidia"))) return undefined;
  const [elsewhere] = UNUSUAL.flatMap((pattern) => globSync(pattern));
  if (elsewhere !== undefined) return elsewhere;
  // A container whose capabilities lack "graphics" has the libraries at best.
  const library = NVIDIA.flatMap((name) =>
    globSync(`/usr/{lib,lib64,lib/*,local/nvidia/lib*}/${name}`),
  ).at(0);
  if (library === undefined) return undefined;
  const path = join(folder, "nvidia_icd.json");
  const icd = {
    file_format_version: "1.0.0",
    ICD: { library_path: library, api_version: "1.3.0" },
  };
  await writeFile(path, JSON.stringify(icd));
  return path;
}

/** Node loads any library, and then refuses it because it is no module of Node's. */
export const isLoadable: IsLoadable = (name) => {
  try {
    process.dlopen({ exports: {} }, name);
    return true;
  } catch (error) {
    return !/cannot open shared object/.test((error as Error).message);
  }
};

function listOf(path: string | undefined): string[] {
  return (path ?? "").split(delimiter).filter((part) => part !== "");
}
