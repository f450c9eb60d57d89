/**
 * From values at the n-th roots of unity to values at the odd coset, on a device: an inverse transform,
 * factors g^i / n, a transform, all in place (`kernels/spirv/transform.ts`). The tables of powers are
 * made on the device, by doubling.
 */
import { ELEMENT_BYTES, invert, mod, power, SCALAR_FIELD, toBytesLE } from "../../field.ts";
import type { GpuBuffer, GpuCommands, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import { MONTGOMERY_RADIX } from "../../kernels/spirv/field.ts";
import { gridOf } from "../../kernels/spirv/grid.ts";
import { POWERS_GROUP } from "../../kernels/spirv/powers.ts";
import { gridOfPass, type Pass, passesOf } from "../../kernels/spirv/transform.ts";
import type { QuotientKernels } from "./quotient-kernels.ts";
import { type WindowLimits, windowsOf } from "./window.ts";

/** 32 B for each element, Montgomery form. */
interface Tables {
  /** w^i for i from 0 to n / 2, w a primitive n-th root of unity. */
  readonly twiddles: GpuBuffer;
  /** g^rev(i) / n for i below n, g^2 = w, rev the reversal of log2(n) bits. */
  readonly factors: GpuBuffer;
}

/** Bytes of the tables' buffers. @param n  a power of two, at least 2. */
export function cosetBytes(n: number): { twiddles: number; factors: number } {
  return { twiddles: ELEMENT_BYTES * (n / 2 + 1), factors: ELEMENT_BYTES * n };
}

export class CosetTransform {
  readonly #n: number;
  readonly #limits: WindowLimits;
  readonly #kernels: QuotientKernels;
  readonly #tables: Tables;

  private constructor(limits: WindowLimits, kernels: QuotientKernels, n: number, tables: Tables) {
    this.#n = n;
    this.#limits = limits;
    this.#kernels = kernels;
    this.#tables = tables;
  }

  /**
   * @param n  as for `cosetBytes`; a binding takes a vector of it.
   * @throws WorkError ENGINE_UNAVAILABLE; nothing is held then.
   */
  static async load(device: GpuDevice, kernels: QuotientKernels, n: number) {
    const bytes = cosetBytes(n);
    const twiddles = device.createBuffer(bytes.twiddles);
    let factors: GpuBuffer | undefined;
    try {
      factors = device.createBuffer(bytes.factors);
      const tables = { twiddles, factors };
      await fill(device, kernels, n, tables);
      return new CosetTransform(device.limits, kernels, n, tables);
    } catch (error) {
      twiddles.free();
      factors?.free();
      throw error;
    }
  }

  /** Nothing that was submitted may still use it. Idempotent. */
  free(): void {
    for (const buffer of Object.values(this.#tables)) buffer.free();
  }

  /**
   * Ends with a barrier.
   *
   * @param slices  `count` vectors each, n x 32 B, canonical, in any form.
   */
  record(commands: GpuCommands, slices: readonly GpuSlice[], count: number): void {
    const k = Math.log2(this.#n);
    const twiddles = { buffer: this.#tables.twiddles };
    const factors = { buffer: this.#tables.factors };
    const windows = slices.flatMap((slice) =>
      windowsOf(slice, count, this.#n * ELEMENT_BYTES, this.#limits),
    );
    const pass = (name: "inFrequency" | "turn" | "inTime", pass: Pass) => {
      const push = [k, pass.rows, pass.columns, pass.low];
      for (const { slice, count } of windows) {
        const bound = name === "turn" ? [slice, twiddles, factors] : [slice, twiddles];
        commands.dispatch(this.#kernels[name], bound, push, gridOfPass(k, pass, count));
      }
      commands.barrier();
    };
    const [turn, ...above] = passesOf("inTime", k);
    for (const each of passesOf("inFrequency", k).slice(0, -1)) pass("inFrequency", each);
    pass("turn", turn as Pass);
    for (const each of above) pass("inTime", each);
  }
}

async function fill(
  device: GpuDevice,
  { extendTable }: QuotientKernels,
  n: number,
  { twiddles, factors }: Tables,
): Promise<void> {
  // The root that circom's tools use: 5 is the smallest number that is not a square modulo r.
  const g = power(5n, (SCALAR_FIELD - 1n) / BigInt(2 * n), SCALAR_FIELD);
  const powerOfG = (exponent: number) => power(g, BigInt(exponent), SCALAR_FIELD);
  await device.upload(montgomery(1n), { buffer: twiddles });
  await device.upload(montgomery(-1n), { buffer: twiddles, offset: ELEMENT_BYTES * (n / 2) });
  await device.upload(montgomery(invert(BigInt(n), SCALAR_FIELD)), { buffer: factors });
  const extend = (commands: GpuCommands, buffer: GpuBuffer, have: number, factor: bigint) => {
    const words = new Uint32Array(montgomery(factor).buffer);
    const grid = gridOf(Math.ceil(have / POWERS_GROUP));
    commands.dispatch(extendTable, [{ buffer }], [have, ...words], grid);
    commands.barrier();
  };
  await device.submit((commands) => {
    for (let have = 1; have < n / 2; have *= 2) {
      extend(commands, twiddles, have, powerOfG(2 * have));
    }
    // The bit of i that a doubling adds is rev(i)'s from the other end.
    for (let have = 1; have < n; have *= 2) {
      extend(commands, factors, have, powerOfG(n / (2 * have)));
    }
  });
}

function montgomery(value: bigint): Uint8Array {
  return toBytesLE(mod(value * MONTGOMERY_RADIX, SCALAR_FIELD));
}
