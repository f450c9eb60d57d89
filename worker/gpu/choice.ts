/** Which of the machine's devices is taken. */
import type { GpuKind } from "./device.ts";
import { gpuError, INSTALL_DRIVER } from "./failure.ts";

/** What a choice needs to know of a device. */
export interface Candidate {
  readonly name: string;
  readonly kind: GpuKind;
  /** Of Vulkan, such as 1.3. */
  readonly version: readonly [major: number, minor: number];
  readonly hasInt64: boolean;
  /** Of the first queue family that computes. */
  readonly queueFamily: number | undefined;
}

/** Faster first. A software device proves slower than the WebAssembly engine: only by name. */
const PREFERENCE: readonly GpuKind[] = ["discrete", "virtual", "integrated"];

/**
 * @param name  Part of a device's name, case ignored; also finds a software device. Without it, the
 *   first of the best kind, and no software device.
 * @throws WorkError ENGINE_UNAVAILABLE, "device" or "feature", with the devices that there are.
 */
export function chooseDevice<T extends Candidate>(candidates: readonly T[], name?: string): T {
  if (candidates.length === 0) {
    throw gpuError("device", `got no Vulkan device, expected one; ${INSTALL_DRIVER}`);
  }
  const found = candidates.map(describe).join("; ");
  const chosen =
    name === undefined
      ? PREFERENCE.flatMap((kind) => candidates.filter((c) => c.kind === kind))
      : candidates.filter((c) => c.name.toLowerCase().includes(name.toLowerCase()));
  const [first] = chosen;
  if (first === undefined) {
    throw gpuError(
      "device",
      name === undefined
        ? `got only software devices (${found}), expected a GPU; install its driver, or ask for the software device by name`
        : `got ${found}, expected a device with "${name}" in its name; name one of these`,
      { devices: found },
    );
  }
  const usable = chosen.find((c) => whatLacks(c) === undefined);
  if (usable === undefined) {
    throw gpuError(
      "feature",
      `${first.name}: got ${whatLacks(first)}; update the driver or use another device (${found})`,
      { devices: found },
    );
  }
  return usable;
}

function whatLacks({ version: [major, minor], hasInt64, queueFamily }: Candidate) {
  if (major < 1 || (major === 1 && minor < 1)) return `Vulkan ${major}.${minor}, expected 1.1`;
  if (!hasInt64) return "no shaderInt64, expected 64-bit integers in kernels";
  if (queueFamily === undefined) return "no queue that computes, expected one";
  return undefined;
}

const describe = ({ name, kind }: Candidate): string => `${name}, ${kind}`;
