/** A device that has less memory than the machine's, fails at a chosen moment, or shows what it holds. */
import type { GpuBuffer, GpuDevice } from "../../../../worker/gpu/device.ts";
import { type GpuFailure, gpuError } from "../../../../worker/gpu/failure.ts";

export interface Alteration {
  /** Asked before each submission: what to fail with from then on, if with anything. */
  readonly fault?: () => GpuFailure | undefined;
  /** Of all buffers together; `isHonest`: the heaps say so, too. */
  readonly memory?: { readonly bytes: number; readonly isHonest: boolean };
}

/** @returns the device, and the buffers that it has now. */
export function alteredDevice(device: GpuDevice, { fault, memory }: Alteration) {
  const buffers = new Set<GpuBuffer>();
  let failure: GpuFailure | undefined;
  const whole = <T>(act: () => T): T => {
    if (failure !== undefined) throw gpuError(failure, `the test's device: ${failure}`);
    return act();
  };
  const { name, kind, driver, limits } = device;
  const heaps = memory?.isHonest ? [{ bytes: memory.bytes, isLocal: true }] : device.heaps;
  const altered: GpuDevice = {
    ...{ name, kind, driver, limits, heaps },
    get allocatedBytes() {
      return device.allocatedBytes;
    },
    createBuffer: (bytes) =>
      whole(() => {
        if (memory !== undefined && device.allocatedBytes + bytes > memory.bytes) {
          throw gpuError("memory", "the test's device is full");
        }
        const buffer = device.createBuffer(bytes);
        const free = buffer.free;
        buffers.add(buffer);
        return Object.assign(buffer, {
          free: () => {
            buffers.delete(buffer);
            free();
          },
        });
      }),
    createKernel: (code) => whole(() => device.createKernel(code)),
    upload: async (bytes, to) => whole(() => device.upload(bytes, to)),
    download: async (from, bytes) => whole(() => device.download(from, bytes)),
    submit: async (record, watchdogMs) => {
      failure ??= fault?.();
      return whole(() => device.submit(record, watchdogMs));
    },
    close: () => device.close(),
  };
  return { device: altered, buffers };
}
