/** Tables of powers for transforms of one length, made on the device by doubling. */
import { ELEMENT_BYTES, invert, power, SCALAR_FIELD, writeLE } from "../../field.ts";
import type { GpuBuffer, GpuCommands, GpuDevice } from "../../gpu/device.ts";
import { MONTGOMERY_RADIX } from "../../kernels/spirv/field.ts";
import { gridOf } from "../../kernels/spirv/grid.ts";
import { POWERS_GROUP } from "../../kernels/spirv/powers.ts";
import type { QuotientKernels } from "./quotient-kernels.ts";

/** 32 B for each element, Montgomery form. */
export interface TransformTables {
  /** w^i for i from 0 to n / 2, w a primitive n-th root of unity. */
  readonly twiddles: GpuBuffer;
  /** g^rev(i) / n for i below n, g a primitive root of order 2 n with g^2 = w, rev of log2(n) bits. */
  readonly factors: GpuBuffer;
}

/** @param n  a power of two, at least 2. */
export function tableBytes(n: number): { twiddles: number; factors: number } {
  return { twiddles: ELEMENT_BYTES * (n / 2 + 1), factors: ELEMENT_BYTES * n };
}

/** Writes the tables into buffers of `tableBytes`. */
export async function fillTables(
  device: GpuDevice,
  { extendTable }: Pick<QuotientKernels, "extendTable">,
  n: number,
  { twiddles, factors }: TransformTables,
): Promise<void> {
  const g = rootOfUnity(2 * n);
  const powerOfG = (exponent: number) => power(g, BigInt(exponent), SCALAR_FIELD);
  await device.upload(montgomery(1n), { buffer: twiddles });
  await device.upload(montgomery(-1n), { buffer: twiddles, offset: ELEMENT_BYTES * (n / 2) });
  await device.upload(montgomery(invert(BigInt(n), SCALAR_FIELD)), { buffer: factors });
  const extend = (commands: GpuCommands, buffer: GpuBuffer, have: number, factor: bigint) => {
    const grid = gridOf(Math.ceil(have / POWERS_GROUP));
    commands.dispatch(extendTable, [{ buffer }], [have, ...wordsOf(factor)], grid);
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

/** The primitive root of unity of order 2^k that circom's tools use: a power of 5. */
function rootOfUnity(order: number): bigint {
  return power(5n, (SCALAR_FIELD - 1n) / BigInt(order), SCALAR_FIELD);
}

function montgomery(value: bigint): Uint8Array {
  const bytes = new Uint8Array(ELEMENT_BYTES);
  const residue = (value * MONTGOMERY_RADIX) % SCALAR_FIELD;
  writeLE(bytes, 0, residue < 0n ? residue + SCALAR_FIELD : residue);
  return bytes;
}

function wordsOf(value: bigint): Uint32Array {
  return new Uint32Array(montgomery(value).buffer);
}
