import { describe } from "vitest";
import { GpuEngine } from "../../../../worker/engines/gpu/engine.ts";
import { conformance } from "../../conformance.ts";
import { openAny, whyNoDevice } from "../../gpu/device-fixture.ts";
import { narrowed } from "./narrow-device.ts";

const reason = whyNoDevice === undefined ? "" : ` (${whyNoDevice})`;

describe.skipIf(whyNoDevice !== undefined)(`worker / engine vulkan${reason}`, () => {
  conformance({ open: async () => new GpuEngine("vulkan", await openAny()), isFast: true });
});

describe.skipIf(whyNoDevice !== undefined)(
  `worker / engine vulkan, small bindings${reason}`,
  () => {
    conformance({
      open: async () => {
        const narrow = { bindingBytes: 2 ** 18, bindingAlignment: 256 };
        return new GpuEngine("vulkan", narrowed(await openAny(), narrow));
      },
      isFast: true,
    });
  },
);
