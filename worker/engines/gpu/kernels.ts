/** All kernels of the engine, compiled for one device. */
import type { GpuDevice } from "../../gpu/device.ts";
import { MsmKernels } from "./msm-kernels.ts";
import { createQuotientKernels, type QuotientKernels } from "./quotient-kernels.ts";

export class Kernels {
  readonly quotient: QuotientKernels;
  readonly msm: MsmKernels;

  /** Compiles, on the calling thread. They end with the device. */
  constructor(device: GpuDevice) {
    this.quotient = createQuotientKernels(device);
    this.msm = new MsmKernels(device);
    this.msm.prepare("g1");
    this.msm.prepare("g2");
  }
}
