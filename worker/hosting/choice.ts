/** Whether proofs are made on a device, and which: the choice at the start. */
import { WorkError } from "../errors.ts";
import { gpuError } from "../gpu/failure.ts";
import type { DeviceFacts, Opener } from "./hosted.ts";
import { DeviceKeeper } from "./keeper.ts";
import { probe } from "./probe.ts";
import { vulkanOpener } from "./vulkan-opener.ts";

export interface DeviceWish {
  /** "auto" takes a GPU that passes its self-test, and never a software device. */
  readonly engine: "auto" | "vulkan";
  /** Part of a device's name; empty: the best one. */
  readonly gpuDevice: string;
  readonly keysMax: number;
  /** As in ThreadData. */
  readonly niceness?: number;
  /** What takes the place of Vulkan, and is not tried in another process first: for tests. */
  readonly opener?: Opener | undefined;
}

/**
 * Opens a device for this process.
 *
 * @returns its keeper; or, for "auto", why proofs are not made on one.
 * @throws WorkError ENGINE_UNAVAILABLE, for "vulkan"
 */
export async function chooseDevice(wish: DeviceWish): Promise<DeviceKeeper | WorkError> {
  const isAuto = wish.engine === "auto";
  try {
    const opener = wish.opener ?? vulkanOpener(wish.gpuDevice);
    if (wish.opener === undefined) {
      const device = await probedOnce(opener);
      if (isAuto) refuseSoftware(device);
    }
    const { keysMax, niceness = 0 } = wish;
    const keeper = await DeviceKeeper.open({ opener, keysMax, niceness, mayGiveUp: isAuto });
    try {
      if (isAuto) refuseSoftware(keeper.device);
    } catch (error) {
      await keeper.close();
      throw error;
    }
    return keeper;
  } catch (error) {
    if (!isAuto || !(error instanceof WorkError)) throw error;
    return error;
  }
}

const probed = new Map<string, Promise<DeviceFacts | undefined>>();

/** What a machine has does not change while a program runs, as a rule; and each look takes a process. */
function probedOnce(opener: Opener): Promise<DeviceFacts | undefined> {
  const name = JSON.stringify(opener);
  const known = probed.get(name) ?? probe(opener);
  probed.set(name, known);
  return known;
}

/** @throws WorkError ENGINE_UNAVAILABLE */
function refuseSoftware(device: DeviceFacts | undefined): void {
  if (device?.kind !== "software") return;
  throw gpuError(
    "device",
    `only a software device (${device.name}), which is slower than the engine wasm; to take it all the same, ask for the engine vulkan`,
  );
}
