/** Khronos's validation layer (Debian: vulkan-validationlayers), which also looks for missing barriers. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const EXTENSION = /\.\w+$/.exec(import.meta.url)?.[0];

/**
 * Runs an ES module in a process of its own, because the loader reads the environment once.
 *
 * @param program  names files of ours as `at("….ts")`; in a build they have another extension.
 * @returns what the program and the layer say; undefined where the layer is missing.
 */
export async function saidUnderValidation(program: string): Promise<string | undefined> {
  const env = {
    ...process.env,
    VK_INSTANCE_LAYERS: "VK_LAYER_KHRONOS_validation",
    VK_LAYER_ENABLES: "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT",
  };
  const named = program.replace(/(\bat\("[^"]+)\.ts"/g, `$1${EXTENSION}"`);
  const args = ["--input-type=module", "--eval", named];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return /VK_ERROR_LAYER_NOT_PRESENT/.test(stderr) ? undefined : `${stderr}${stdout}`;
}
