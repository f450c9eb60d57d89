import { expect } from "vitest";
import type { GpuCommands, GpuDevice } from "../../../worker/gpu/device.ts";

type Narrowed = { readonly bindingBytes: number; readonly bindingAlignment: number };

/** The same device with narrower limits for bindings, which every dispatch is held to. */
export function limitedDevice(device: GpuDevice, narrowed: Narrowed): GpuDevice {
  const limits = { ...device.limits, ...narrowed };
  const checked = (commands: GpuCommands): GpuCommands => ({
    dispatch(kernel, buffers, push, groups) {
      for (const { buffer, offset = 0, bytes = buffer.bytes - offset } of buffers) {
        expect(bytes, kernel.code.name).toBeLessThanOrEqual(narrowed.bindingBytes);
        expect(offset % narrowed.bindingAlignment, kernel.code.name).toBe(0);
      }
      commands.dispatch(kernel, buffers, push, groups);
    },
    barrier: () => commands.barrier(),
    copy: (from, to) => commands.copy(from, to),
    clear: (slice) => commands.clear(slice),
  });
  return {
    name: device.name,
    kind: device.kind,
    driver: device.driver,
    limits,
    heaps: device.heaps,
    get allocatedBytes() {
      return device.allocatedBytes;
    },
    createBuffer: (bytes) => device.createBuffer(bytes),
    createKernel: (code) => device.createKernel(code),
    upload: (bytes, to) => device.upload(bytes, to),
    download: (from, bytes) => device.download(from, bytes),
    submit: (record, watchdogMs) =>
      device.submit((commands) => record(checked(commands)), watchdogMs),
    close: () => device.close(),
  };
}
