import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, and those above it, unless it is there. Not mkdir's own `recursive`, which goes round
 * for ever where the system says of a folder whose parent exists that it has none, as /proc does.
 *
 * @param mode  of folders that are made.
 * @throws Error of Node.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdirUnlessThere(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path), mode);
    await mkdirUnlessThere(path, mode);
  }
}

async function mkdirUnlessThere(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
