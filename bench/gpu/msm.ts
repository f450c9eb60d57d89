/** Times of sums of scalar * point, dense scalars; each sum is compared with what bigints say. */
import { type Affine, type Fq2, G1, G2, type Group } from "../../worker/curve.ts";
import { SectionSums } from "../../worker/engines/gpu/msm.ts";
import { denseMultiplications } from "../../worker/engines/gpu/msm-cost.ts";
import { MsmKernels } from "../../worker/engines/gpu/msm-kernels.ts";
import { affineBytes, planMsm, scratchBytes } from "../../worker/engines/gpu/msm-plan.ts";
import { tailG1, tailG2 } from "../../worker/engines/gpu/msm-tail.ts";
import { loadSection } from "../../worker/engines/gpu/section.ts";
import {
  BASE_FIELD,
  ELEMENT_BYTES,
  mod,
  readViewLE,
  SCALAR_FIELD,
  writeLE,
} from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { randomElements } from "./fields.ts";
import type { SumTime } from "./result.ts";
import { type GpuSession, Resident, rounded, timeSubmission, WrongResult } from "./timing.ts";

/** Of several proofs' sums, up to so many points (log2): larger ones fill a device alone. */
const SIDE_BY_SIDE = { sums: 8, mostLog2: 17 } as const;

/**
 * Distinct points (log2), repeated to the length that is wanted: so many that equal ones hardly ever meet
 * in a bucket, where they would cost another addition than others.
 */
const DISTINCT_LOG2 = 12;

/** Part of the device's memory that a measurement takes at most. */
const MEMORY_SHARE = 0.8;

const R = 2n ** 256n;

/** Points as in a zkey, and their multiples of the generator. */
interface Points {
  readonly bytes: Uint8Array;
  readonly logs: readonly bigint[];
}

/** @param sizes  log2 of how many points are summed. */
export async function measureMsm(
  session: GpuSession,
  sizes: readonly number[],
): Promise<SumTime[]> {
  const tower = Tower.open();
  const kernels = new MsmKernels(session.device);
  const times: SumTime[] = [];
  try {
    for (const [i, group] of (["g1", "g2"] as const).entries()) {
      session.progress(`sums in ${group.toUpperCase()}: compiling`, i / 2);
      kernels.prepare(group);
      const points = distinctPoints(group, 2 ** Math.min(DISTINCT_LOG2, sizes.at(-1) ?? 0));
      for (const [j, log2] of sizes.entries()) {
        for (const sums of [1, SIDE_BY_SIDE.sums]) {
          if (sums > 1 && log2 > SIDE_BY_SIDE.mostLog2) continue;
          session.progress(
            `${sums} x 2^${log2} points in ${group.toUpperCase()}`,
            (i + j / sizes.length) / 2,
          );
          const time = await timeOf(session, kernels, tower, group, points, log2, sums);
          if (time !== undefined) times.push(time);
        }
      }
    }
  } finally {
    kernels.free();
  }
  return times;
}

async function timeOf(
  session: GpuSession,
  kernels: MsmKernels,
  tower: Tower,
  group: SumTime["group"],
  points: Points,
  log2: number,
  sums: number,
): Promise<SumTime | undefined> {
  const { device, rounds } = session;
  const count = 2 ** log2;
  const plan = planMsm({ group, count }, sums, device.limits);
  const bytes =
    scratchBytes([plan], sums) + count * (affineBytes(group) + ELEMENT_BYTES * sums + 4);
  const local = Math.max(...device.heaps.filter(({ isLocal }) => isLocal).map((h) => h.bytes));
  if (bytes > MEMORY_SHARE * local) {
    const what = `${sums} x 2^${log2} points in ${group.toUpperCase()}`;
    session.miss(what, `needs ${bytes} bytes, the device has ${local}`);
    return undefined;
  }
  using resident = new Resident(device);
  const section = await loadSection(
    device,
    group,
    repeated(points.bytes, affineBytes(group), count),
  );
  try {
    const scalars = randomElements(count * sums, log2);
    const slice = { buffer: await resident.holding(scalars) };
    const take = (size: number) => ({ buffer: resident.empty(size) });
    const run = new SectionSums(kernels, device.limits, [section], sums, take);
    const inputs = [{ slice, strideBytes: ELEMENT_BYTES * count, isMontgomery: false }];
    const samplesMs: number[] = [];
    const tailMs: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const ms = await timeSubmission(device, (commands) => run.record(commands, inputs));
      const startedMs = performance.now();
      const results = await run.download(device);
      const tails = Array.from({ length: sums }, (_, proof) =>
        group === "g1"
          ? tailG1(tower, layoutOf(run), results, proof)
          : tailG2(tower, layoutOf(run), results, proof),
      );
      // The first one warms up, and is looked at.
      if (round === 0) {
        tails.forEach((sum, proof) => {
          expectSum(group, sum, points, scalars, proof * count, count);
        });
        continue;
      }
      samplesMs.push(rounded(ms));
      tailMs.push(rounded(performance.now() - startedMs));
    }
    const multiplications = sums * denseMultiplications(plan).total;
    return { group, log2, sums, multiplications, samplesMs, tailMs };
  } finally {
    section.free();
  }
}

function layoutOf({ layout }: SectionSums) {
  return layout[0] as (typeof layout)[number];
}

function distinctPoints(group: "g1" | "g2", count: number): Points {
  return group === "g1" ? chain(G1, count) : chain<Fq2>(G2, count);
}

/** first + i * step times the generator, without a pattern in their digits. */
function chain<T extends bigint | Fq2>(group: Group<T>, count: number): Points {
  const [first, step] = [SCALAR_FIELD / 7n, SCALAR_FIELD / 3n + 12_345n];
  const stride = group.multiply(group.generator, step);
  const logs: bigint[] = [];
  const values: bigint[] = [];
  let point: Affine<T> = group.multiply(group.generator, first);
  for (let i = 0; i < count; i++) {
    logs.push((first + BigInt(i) * step) % SCALAR_FIELD);
    values.push(...[point.x, point.y].flatMap((x) => x as bigint | readonly bigint[]));
    point = group.add(point, stride);
  }
  const bytes = new Uint8Array(ELEMENT_BYTES * values.length);
  values.forEach((value, i) => {
    writeLE(bytes, ELEMENT_BYTES * i, mod(value * R, BASE_FIELD));
  });
  return { bytes, logs };
}

/** As many points of `size` bytes as are wanted, from the beginning again where they end. */
function repeated(bytes: Uint8Array, size: number, count: number): Uint8Array {
  const all = new Uint8Array(size * count);
  for (let at = 0; at < all.length; at += bytes.length) {
    all.set(bytes.subarray(0, all.length - at), at);
  }
  return all;
}

function expectSum(
  group: "g1" | "g2",
  got: Affine<bigint> | Affine<Fq2>,
  { logs }: Points,
  scalars: Uint8Array,
  first: number,
  count: number,
): void {
  const view = new DataView(scalars.buffer, scalars.byteOffset + first * ELEMENT_BYTES);
  let sum = 0n;
  for (let i = 0; i < count; i++) {
    sum += readViewLE(view, i * ELEMENT_BYTES) * (logs[i % logs.length] as bigint);
  }
  const k = sum % SCALAR_FIELD;
  const expected = group === "g1" ? G1.multiply(G1.generator, k) : G2.multiply(G2.generator, k);
  if (`${got.x},${got.y}` === `${expected.x},${expected.y}`) return;
  throw new WrongResult(`2^${Math.log2(count)} points in ${group}: got another sum than bigints`);
}
