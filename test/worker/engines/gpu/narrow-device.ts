/** A device that keeps to smaller limits than it has, so that little data is cut up as much data is. */
import type { GpuDevice, GpuLimits } from "../../../../worker/gpu/device.ts";

/** The same device; a submission with a binding or a dispatch beyond the limits is refused. */
export function narrowed(device: GpuDevice, limits: Partial<GpuLimits>): GpuDevice {
  const narrow = { ...device.limits, ...limits };
  return {
    name: device.name,
    kind: device.kind,
    driver: device.driver,
    heaps: device.heaps,
    limits: narrow,
    get allocatedBytes() {
      return device.allocatedBytes;
    },
    createBuffer: (bytes) => device.createBuffer(bytes),
    createKernel: (code) => device.createKernel(code),
    upload: (bytes, to) => device.upload(bytes, to),
    download: (from, bytes) => device.download(from, bytes),
    submit: (record, watchdogMs) =>
      device.submit((commands) => {
        record({
          barrier: () => commands.barrier(),
          copy: (from, to) => commands.copy(from, to),
          clear: (slice) => commands.clear(slice),
          dispatch: (kernel, buffers, push, groups) => {
            for (const { buffer, offset = 0, bytes = buffer.bytes - offset } of buffers) {
              if (bytes > narrow.bindingBytes || offset % narrow.bindingAlignment !== 0) {
                throw new RangeError(`${kernel.code.name}: got ${bytes} bytes from ${offset}`);
              }
            }
            if (groups.some((count, i) => count > (narrow.workgroupCount[i] as number))) {
              throw new RangeError(`${kernel.code.name}: got ${groups} workgroups`);
            }
            commands.dispatch(kernel, buffers, push, groups);
          },
        });
      }, watchdogMs),
    close: () => device.close(),
  };
}
