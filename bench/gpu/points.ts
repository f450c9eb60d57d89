/** Additions per second in G1 and G2; some of the sums are compared with bigints. */
import { FQ2, type Fq2, G1, G2 } from "../../worker/curve.ts";
import { BASE_FIELD, ELEMENT_BYTES, invert, mod, readLE, writeLE } from "../../worker/field.ts";
import type { GpuCommands } from "../../worker/gpu/device.ts";
import { additionChain, CHAIN_GROUP, MOST_ADDITIONS } from "./chain-kernels.ts";
import type { PointRate } from "./result.ts";
import { fillingTurns, type GpuSession, Resident, sample, WrongResult } from "./timing.ts";

/**
 * Multiplications in Fq of an addition: 8 M + 2 S of an affine point, 12 M + 2 S of one in XYZZ. In Fq2
 * M is three of Fq's and S two (`worker/kernels/spirv/quadratic.ts`).
 */
export const ADDITION_COST = {
  g1: { affine: 8 + 2, xyzz: 12 + 2 },
  g2: { affine: 3 * 8 + 2 * 2, xyzz: 3 * 12 + 2 * 2 },
} as const;

/** Distinct points; invocations take them in turn. */
const POINTS = 16;

const R = 2n ** 256n;

/** Either group with coordinates as lists, so that one code serves both. */
interface Coordinates {
  readonly x: readonly bigint[];
  readonly y: readonly bigint[];
}

/** The multiple of the generator. */
function multiple(group: "g1" | "g2", k: bigint): Coordinates {
  if (group === "g2") return G2.multiply(G2.generator, k);
  const { x, y } = G1.multiply(G1.generator, k);
  return { x: [x], y: [y] };
}

/** @param sizes  log2 of the invocations. */
export async function measurePoints(
  session: GpuSession,
  sizes: readonly number[],
): Promise<PointRate[]> {
  const kinds = (["g1", "g2"] as const).flatMap((group) =>
    (["affine", "xyzz"] as const).map((addition) => ({ group, addition })),
  );
  const rates: PointRate[] = [];
  for (const { group, addition } of kinds) {
    session.progress(
      `additions (${addition}) in ${group.toUpperCase()}: compiling`,
      rates.length / (kinds.length * sizes.length),
    );
    const kernel = session.device.createKernel(additionChain(addition, group));
    try {
      for (const log2 of sizes) {
        session.progress(
          `additions (${addition}) in ${group.toUpperCase()}, 2^${log2} sums`,
          rates.length / (kinds.length * sizes.length),
        );
        rates.push(await rateOf(session, kernel, group, addition, 2 ** log2));
      }
    } finally {
      kernel.free();
    }
  }
  return rates;
}

async function rateOf(
  session: GpuSession,
  kernel: ReturnType<GpuSession["device"]["createKernel"]>,
  group: PointRate["group"],
  addition: PointRate["addition"],
  invocations: number,
): Promise<PointRate> {
  const { device } = session;
  using resident = new Resident(device);
  // Known multiples of the generator, so that the sum is one, too; no two that could meet.
  const [starts, steps] = [10n ** 40n, 10n ** 60n].map((base) =>
    Array.from({ length: POINTS }, (_, i) => base + BigInt(i)),
  ) as [bigint[], bigint[]];
  const one = group === "g1" ? [1n] : [1n, 0n];
  const encode = (multiples: readonly bigint[], isXyzz: boolean): Uint8Array =>
    repeated(
      encoded(
        multiples.flatMap((k) => {
          const { x, y } = multiple(group, k);
          return [...x, ...y, ...(isXyzz ? [...one, ...one] : [])];
        }),
      ),
      invocations / POINTS,
    );
  const first = encode(starts, true);
  const sums = await resident.holding(first);
  const points = await resident.holding(encode(steps, addition === "xyzz"));
  const groups = [Math.ceil(invocations / CHAIN_GROUP), 1, 1] as const;
  const buffers = [{ buffer: sums }, { buffer: points }];
  const record = (turns: number) => (commands: GpuCommands) =>
    commands.dispatch(kernel, buffers, [invocations, turns], groups);
  const turns = await fillingTurns(session, record, MOST_ADDITIONS);
  const samplesMs = await sample(session, record(turns));

  await device.upload(first, { buffer: sums });
  await device.submit(record(turns));
  const last = new Uint8Array(first.length / (invocations / POINTS));
  await device.download({ buffer: sums, offset: first.length - last.length }, last);
  for (const i of [0, POINTS - 1]) {
    const k = (starts[i] as bigint) + BigInt(turns) * (steps[i] as bigint);
    const expected = multiple(group, k);
    const got = affine(group, last, i);
    if (`${got.x},${got.y}` === `${expected.x},${expected.y}`) continue;
    throw new WrongResult(`additions in ${group}: got another sum than bigints`);
  }
  const multiplications = ADDITION_COST[group][addition];
  return { group, addition, invocations, turns, multiplications, samplesMs };
}

/** In Montgomery form. */
function encoded(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(ELEMENT_BYTES * values.length);
  values.forEach((value, i) => {
    writeLE(bytes, ELEMENT_BYTES * i, mod(value * R, BASE_FIELD));
  });
  return bytes;
}

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length);
  return all;
}

/** Point `i` of a list in XYZZ coordinates. */
function affine(group: "g1" | "g2", bytes: Uint8Array, i: number): Coordinates {
  const degree = group === "g1" ? 1 : 2;
  const inverseR = invert(R % BASE_FIELD, BASE_FIELD);
  const coordinate = (j: number): Fq2 => {
    const at = (d: number) =>
      (readLE(bytes, ELEMENT_BYTES * (degree * (4 * i + j) + d)) * inverseR) % BASE_FIELD;
    return [at(0), degree === 1 ? 0n : at(1)];
  };
  const over = (numerator: number, denominator: number) =>
    FQ2.multiply(coordinate(numerator), FQ2.invert(coordinate(denominator))).slice(0, degree);
  return { x: over(0, 2), y: over(1, 3) };
}
