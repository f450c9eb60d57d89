/** Khronos's validator for SPIR-V (Debian: spirv-tools), where it is installed. */
import { spawnSync } from "node:child_process";
import { expect } from "vitest";
import type { KernelCode } from "../../../../worker/gpu/device.ts";

/** Whether the validator is here; where not, `expectValid` says so once and checks nothing. */
const isInstalled = spawnSync("spirv-val", ["--version"]).error === undefined;
if (!isInstalled) console.warn("spirv-val is not installed: kernels are not validated");

export function expectValid({ name, words }: KernelCode): void {
  if (!isInstalled) return;
  const { stdout, stderr } = spawnSync("spirv-val", ["--target-env", "vulkan1.1", "-"], {
    input: new Uint8Array(words.buffer),
  });
  expect(`${stdout}${stderr}`, name).toBe("");
}
