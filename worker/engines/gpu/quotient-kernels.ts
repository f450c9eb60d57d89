/** The kernels that the quotient takes, compiled once for a device and shared by its keys. */
import { SCALAR_FIELD } from "../../field.ts";
import type { GpuDevice, GpuKernel, KernelCode } from "../../gpu/device.ts";
import { elementwise } from "../../kernels/spirv/elementwise.ts";
import { extendTable } from "../../kernels/spirv/powers.ts";
import { partialSums, rowSums } from "../../kernels/spirv/rows.ts";
import { transform } from "../../kernels/spirv/transform.ts";

const CODES = {
  rowSums: () => rowSums(),
  partialSums: () => partialSums(),
  multiply: () => elementwise("multiply", SCALAR_FIELD),
  multiplySubtract: () => elementwise("multiplySubtract", SCALAR_FIELD),
  fromMontgomery: () => elementwise("fromMontgomery", SCALAR_FIELD),
  inFrequency: () => transform("inFrequency"),
  turn: () => transform("turn"),
  inTime: () => transform("inTime"),
  extendTable: () => extendTable(),
} satisfies Record<string, () => KernelCode>;

export type QuotientKernelName = keyof typeof CODES;
export const QUOTIENT_KERNELS = Object.keys(CODES) as QuotientKernelName[];
export type QuotientKernels = Readonly<Record<QuotientKernelName, GpuKernel>>;

/** Compiles: on the calling thread, up to a second for all of them on a software device. */
export function createQuotientKernels(device: GpuDevice): QuotientKernels {
  const made = Object.entries(CODES).map(([name, code]) => [name, device.createKernel(code())]);
  return Object.fromEntries(made);
}

export function freeQuotientKernels(kernels: QuotientKernels): void {
  for (const kernel of Object.values(kernels)) kernel.free();
}
