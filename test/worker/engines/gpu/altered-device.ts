/** Devices that have less than the machine's, or fail at a chosen moment. */
import type { GpuDevice, GpuLimits } from "../../../../worker/gpu/device.ts";
import { type GpuFailure, gpuError } from "../../../../worker/gpu/failure.ts";

export interface Alteration {
  /** Lower limits. A slice that is bound to a kernel and is larger fails the dispatch. */
  readonly limits?: Partial<GpuLimits>;
  /** Bytes of all buffers together. */
  readonly memoryBytes?: number;
  /** Asked before each submission: what to fail with instead, if with anything. */
  readonly fault?: () => GpuFailure | undefined;
}

/** The same device under other conditions; closing it closes the device. */
export function altered(device: GpuDevice, alteration: Alteration): GpuDevice {
  const { memoryBytes = Number.POSITIVE_INFINITY, fault = () => undefined } = alteration;
  const limits = { ...device.limits, ...alteration.limits };
  let failure: GpuFailure | undefined;
  const expectWhole = () => {
    if (failure !== undefined) throw gpuError(failure, `the test's device: ${failure}`);
  };
  return {
    name: device.name,
    kind: device.kind,
    driver: device.driver,
    heaps: device.heaps.map(({ bytes, isLocal }) => {
      return { bytes: Math.min(bytes, memoryBytes), isLocal };
    }),
    limits,
    get allocatedBytes() {
      return device.allocatedBytes;
    },
    createBuffer: (bytes) => {
      expectWhole();
      if (device.allocatedBytes + bytes > memoryBytes || bytes > limits.bufferBytes) {
        throw gpuError("memory", `got ${bytes} bytes, expected less`);
      }
      return device.createBuffer(bytes);
    },
    createKernel: (code) => device.createKernel(code),
    upload: async (bytes, to) => {
      expectWhole();
      return device.upload(bytes, to);
    },
    download: async (from, bytes) => {
      expectWhole();
      return device.download(from, bytes);
    },
    submit: async (record, watchdogMs) => {
      expectWhole();
      failure = fault();
      expectWhole();
      return device.submit((commands) => {
        record({
          barrier: () => commands.barrier(),
          copy: (from, to) => commands.copy(from, to),
          clear: (slice) => commands.clear(slice),
          dispatch: (kernel, buffers, push, groups) => {
            for (const { buffer, offset = 0, bytes = buffer.bytes - offset } of buffers) {
              if (bytes > limits.bindingBytes || offset % limits.bindingAlignment !== 0) {
                throw new RangeError(
                  `${kernel.code.name}: got a binding of ${bytes} bytes at ${offset}`,
                );
              }
            }
            commands.dispatch(kernel, buffers, push, groups);
          },
        });
      }, watchdogMs);
    },
    close: () => device.close(),
  };
}
