/** The kernels of sums of scalar * point, compiled when they are first needed. */
import type { GpuDevice, GpuKernel, KernelCode } from "../../gpu/device.ts";
import { accumulateEntries, accumulatePartials } from "../../kernels/spirv/accumulate.ts";
import { countDigits, scatterDigits } from "../../kernels/spirv/digits.ts";
import type { GroupName } from "../../kernels/spirv/group.ts";
import { reduceBuckets } from "../../kernels/spirv/reduce.ts";
import { scanBlocks, scanSums, scanWords } from "../../kernels/spirv/scan.ts";

const SORT = { countDigits, scanSums, scanBlocks, scanWords, scatterDigits } as const;
const POINTS = { accumulateEntries, accumulatePartials, reduceBuckets } as const;

export type SortKernel = keyof typeof SORT;
export type PointsKernel = keyof typeof POINTS;

export class MsmKernels {
  readonly #device: GpuDevice;
  readonly #compiled = new Map<string, GpuKernel>();

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Compiles all that sums in the group need, which takes seconds on some drivers. */
  prepare(group: GroupName): void {
    for (const name of Object.keys(SORT) as SortKernel[]) this.sort(name);
    for (const name of Object.keys(POINTS) as PointsKernel[]) this.points(name, group);
  }

  sort(name: SortKernel): GpuKernel {
    return this.#kernel(name, SORT[name]);
  }

  points(name: PointsKernel, group: GroupName): GpuKernel {
    return this.#kernel(`${name} ${group}`, () => POINTS[name](group));
  }

  /** Nothing that was submitted may still use them. */
  free(): void {
    for (const kernel of this.#compiled.values()) kernel.free();
    this.#compiled.clear();
  }

  #kernel(key: string, write: () => KernelCode): GpuKernel {
    let kernel = this.#compiled.get(key);
    if (kernel === undefined) {
      kernel = this.#device.createKernel(write());
      this.#compiled.set(key, kernel);
    }
    return kernel;
  }
}
