/** Points whose discrete logarithms are known, and sums over them on a device. */
import { type Affine, type Fq2, G1, G2, type Group } from "../../../../worker/curve.ts";
import { type SectionScalars, SectionSums } from "../../../../worker/engines/gpu/msm.ts";
import type { MsmKernels } from "../../../../worker/engines/gpu/msm-kernels.ts";
import { type SectionResults, tailG1, tailG2 } from "../../../../worker/engines/gpu/msm-tail.ts";
import { loadSection, type Section } from "../../../../worker/engines/gpu/section.ts";
import { BASE_FIELD, mod, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import type { GpuBuffer, GpuDevice } from "../../../../worker/gpu/device.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import { Tower } from "../../../../worker/kernels/tower.ts";

export type Point = Affine<bigint> | Affine<Fq2>;

const MONTGOMERY = 1n << 256n;
const tower = Tower.open();
/** For a software device whose processor has other work, too. */
const PATIENCE_MS = 100_000;

/** As in a zkey. */
export interface KnownPoints {
  readonly group: GroupName;
  readonly bytes: Uint8Array;
  /** point_i = logs_i * generator; 0 at infinity. */
  readonly logs: readonly bigint[];
}

const chains = new Map<GroupName, { point: Point; log: bigint }[]>();

/** `count` points without a pattern in their logarithms. */
export function chainOf(group: GroupName, count: number): { point: Point; log: bigint }[] {
  return group === "g1" ? chain(G1, group, count) : chain<Fq2>(G2, group, count);
}

function chain<T>(group: Group<T>, name: GroupName, count: number) {
  const known = (chains.get(name) ?? []) as { point: Affine<T>; log: bigint }[];
  chains.set(name, known as { point: Point; log: bigint }[]);
  const first = SCALAR_FIELD / 7n;
  const step = SCALAR_FIELD / 3n + 12_345n;
  const stride = group.multiply(group.generator, step);
  while (known.length < count) {
    const last = known.at(-1);
    known.push(
      last === undefined
        ? { point: group.multiply(group.generator, first), log: first }
        : { point: group.add(last.point, stride), log: mod(last.log + step, SCALAR_FIELD) },
    );
  }
  return known.slice(0, count) as { point: Point; log: bigint }[];
}

/**
 * Points by what they are: i the i-th of a chain, -i its opposite, "infinity".
 *
 * @param choice  i from 1 on.
 */
export function knownPoints(
  group: GroupName,
  choice: readonly (number | "infinity")[],
): KnownPoints {
  const most = choice.reduce<number>((m, c) => Math.max(m, c === "infinity" ? 0 : Math.abs(c)), 0);
  const known = chainOf(group, most);
  const size = group === "g1" ? 64 : 128;
  const bytes = new Uint8Array(size * choice.length);
  const logs = choice.map((c, i) => {
    if (c === "infinity") return 0n;
    const { point, log } = known[Math.abs(c) - 1] as { point: Point; log: bigint };
    const y = [point.y].flat() as bigint[];
    const coordinates = [...([point.x].flat() as bigint[]), ...(c < 0 ? y.map((v) => -v) : y)];
    coordinates.forEach((value, k) => {
      writeLE(bytes, size * i + 32 * k, mod(value * MONTGOMERY, BASE_FIELD));
    });
    return c < 0 ? SCALAR_FIELD - log : log;
  });
  return { group, bytes, logs };
}

/** The slow twin: by the logarithms. */
export function expectedSum({ group, logs }: KnownPoints, scalars: readonly bigint[]): Point {
  const sum = logs.reduce((total, log, i) => total + log * (scalars[i] ?? 0n), 0n) % SCALAR_FIELD;
  return group === "g1" ? G1.multiply(G1.generator, sum) : G2.multiply(G2.generator, sum);
}

/** Scalars of P proofs, one vector after the other. */
export function scalarBytes(
  proofs: readonly (readonly bigint[])[],
  isMontgomery: boolean,
): Uint8Array {
  const [first = []] = proofs;
  const bytes = new Uint8Array(32 * first.length * proofs.length);
  proofs.flat().forEach((value, i) => {
    writeLE(bytes, 32 * i, isMontgomery ? mod(value * MONTGOMERY, SCALAR_FIELD) : value);
  });
  return bytes;
}

export function pointOf(section: SectionResults, results: Uint8Array, proof: number): Point {
  return section.group === "g1"
    ? tailG1(tower, section, results, proof)
    : tailG2(tower, section, results, proof);
}

export interface SumCase {
  readonly points: KnownPoints;
  /** For each proof, as many as points. */
  readonly scalars: readonly (readonly bigint[])[];
  readonly isMontgomery?: boolean;
}

/** The sums of all cases in one submission: for each case, for each proof. */
export async function sumsOn(
  device: GpuDevice,
  kernels: MsmKernels,
  cases: readonly SumCase[],
): Promise<Point[][]> {
  const proofs = cases[0]?.scalars.length ?? 1;
  const buffers: GpuBuffer[] = [];
  const take = (bytes: number) => {
    const buffer = device.createBuffer(bytes);
    buffers.push(buffer);
    return { buffer };
  };
  const sections: Section[] = [];
  try {
    const scalars: SectionScalars[] = [];
    for (const { points, scalars: values, isMontgomery = false } of cases) {
      sections.push(await loadSection(device, points.group, points.bytes));
      const bytes = scalarBytes(values, isMontgomery);
      const slice = take(Math.max(32, bytes.length));
      await device.upload(bytes, slice);
      scalars.push({ slice, strideBytes: bytes.length / proofs, isMontgomery });
    }
    const sums = new SectionSums(kernels, device.limits, sections, proofs, take);
    await device.submit((commands) => sums.record(commands, scalars), PATIENCE_MS);
    const results = await sums.download(device);
    return sums.layout.map((section) =>
      Array.from({ length: proofs }, (_, proof) => pointOf(section, results, proof)),
    );
  } finally {
    for (const section of sections) section.free();
    for (const buffer of buffers) buffer.free();
  }
}
