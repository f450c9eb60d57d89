/**
 * What a proof's quotient costs on a device, counted over the dispatches that are written down for it:
 * the same on every machine, and no device is needed. Each coefficient of the key's matrices costs one
 * multiplication more.
 */
import { QuotientKey } from "../worker/engines/gpu/quotient.ts";
import { QUOTIENT_KERNELS, type QuotientKernels } from "../worker/engines/gpu/quotient-kernels.ts";
import { planRows } from "../worker/engines/gpu/row-plan.ts";
import type { GpuCommands, GpuDevice, GpuKernel, GpuSlice } from "../worker/gpu/device.ts";

/** Domains of the snapshot, log2. */
const SIZES = [12, 13, 14, 15, 16, 17, 18, 19, 20] as const;

/** Of one proof. */
export interface QuotientCosts {
  /** In Fr; in layers of other strides than 1 those by 1, too, because the device makes them. */
  readonly multiplications: {
    /** In the layers of three inverse transforms and three transforms. */
    readonly transforms: number;
    /** By the factors of the coset. */
    readonly coset: number;
    /** The products of the rows' values, and those of the quotient. */
    readonly pointwise: number;
    readonly total: number;
  };
  readonly dispatches: number;
  /** After which all of a device waits for its last workgroup. */
  readonly barriers: number;
}

export async function snapshotQuotientCosts(): Promise<Record<string, QuotientCosts>> {
  const costs: Record<string, QuotientCosts> = {};
  for (const log2 of SIZES) costs[`2^${log2}`] = await quotientCosts(2 ** log2);
  return costs;
}

/** @param domain  a power of two, up to 2^26. */
export async function quotientCosts(domain: number): Promise<QuotientCosts> {
  const limits = { bindingBytes: 2 ** 31, bindingAlignment: 256 };
  const buffer = (bytes: number) => ({ bytes, free() {} });
  const device = {
    limits,
    createBuffer: buffer,
    upload: async () => undefined,
    submit: async () => undefined,
  } as unknown as GpuDevice;
  const kernels = Object.fromEntries(
    QUOTIENT_KERNELS.map((name) => [name, { code: { name } } as GpuKernel]),
  ) as QuotientKernels;
  const matrices = { coefficients: new Uint8Array(0), domainSize: domain, nVars: 1 };
  const key = await QuotientKey.load(device, kernels, planRows(matrices, limits));
  const counter = new Counter();
  const slice = (bytes: number): GpuSlice => ({ buffer: buffer(bytes) });
  key.record(counter, {
    proofs: 1,
    witness: slice(32),
    scratch: key.scratchBytes(1).map(slice),
    output: slice(32 * domain),
  });
  const { transforms, coset, pointwise, dispatches, barriers } = counter;
  const total = transforms + coset + pointwise;
  if (total !== key.multiplications) {
    throw new Error(`the engine expects ${key.multiplications} multiplications, ${total} are made`);
  }
  return { multiplications: { transforms, coset, pointwise, total }, dispatches, barriers };
}

class Counter implements GpuCommands {
  transforms = 0;
  coset = 0;
  pointwise = 0;
  dispatches = 0;
  barriers = 0;

  dispatch(
    kernel: GpuKernel,
    _: readonly GpuSlice[],
    push: readonly number[],
    [x, y, z]: readonly number[],
  ): void {
    this.dispatches++;
    const { name } = kernel.code;
    if (name === "multiply" || name === "multiplySubtract") {
      this.pointwise += push[0] as number;
      return;
    }
    if (name !== "inFrequency" && name !== "turn" && name !== "inTime") {
      throw new Error(`got a dispatch of ${name}, expected none; count what it does`);
    }
    const [, rows, columns, low] = push as [number, number, number, number];
    const tiles = (x as number) * (y as number) * (z as number);
    const elements = tiles * 2 ** (rows + columns);
    const inOneOrder = low === 0 ? rows - 1 : rows;
    const layers = name === "turn" ? 2 * inOneOrder : inOneOrder;
    this.transforms += (layers * elements) / 2;
    if (name === "turn") this.coset += elements;
  }

  barrier(): void {
    this.barriers++;
  }

  copy(): void {}

  clear(): void {}
}
