import { afterAll, describe } from "vitest";
import type { GpuDevice } from "../../../worker/gpu/device.ts";
import { openAny, whyNoDevice } from "./device-fixture.ts";

/** Describes a unit that needs a device; skipped, with the reason in its name, where there is none. */
export function describeOnDevice(unit: string, suite: (device: () => Promise<GpuDevice>) => void) {
  const reason = whyNoDevice === undefined ? "" : ` (${whyNoDevice})`;
  describe.skipIf(whyNoDevice !== undefined)(`${unit}${reason}`, () => {
    let opened: Promise<GpuDevice> | undefined;
    afterAll(async () => {
      await (await opened)?.close();
    });
    suite(() => {
      opened ??= openAny();
      return opened;
    });
  });
}
