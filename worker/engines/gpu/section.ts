/**
 * Points of a proving key on a device: in chunks that one binding holds, each with its points (affine,
 * Montgomery form, as in a zkey) and for each of them the number of its scalar. Points at infinity are
 * left out.
 */
import { ELEMENT_BYTES } from "../../field.ts";
import type { GpuBuffer, GpuDevice, GpuSlice } from "../../gpu/device.ts";
import type { GroupName } from "../../kernels/spirv/group.ts";
import { ALIGNMENT, affineBytes, mostPoints } from "./msm-plan.ts";

export interface Section {
  readonly group: GroupName;
  readonly chunks: readonly SectionChunk[];
  /** On the device. */
  readonly bytes: number;
  /** Idempotent. Nothing that was submitted may still use it. */
  free(): void;
}

/** A sum of its own. */
export interface SectionChunk {
  readonly group: GroupName;
  /** At least 1. */
  readonly count: number;
  readonly points: GpuSlice;
  /** u32 for each point: its scalar's number, less `firstScalar`. */
  readonly map: GpuSlice;
  readonly firstScalar: number;
  /** Scalars from the first to the last one, both included. */
  readonly scalars: number;
}

/** Bytes that are brought to the device at a time. Untuned. */
const UPLOAD_BYTES = 4 << 20;

/**
 * @param points  as in a zkey: x and y of each point, 64 B in G1 and 128 B in G2, (0, 0) at infinity.
 *   Trusted: on the curve, canonical.
 * @param scalarOf  The number of a point's scalar, growing from point to point; the point's own number
 *   when left out.
 * @throws WorkError ENGINE_UNAVAILABLE; nothing is held then.
 */
export async function loadSection(
  device: GpuDevice,
  group: GroupName,
  points: Uint8Array,
  scalarOf: (point: number) => number = (point) => point,
): Promise<Section> {
  const size = affineBytes(group);
  const { bufferBytes } = device.limits;
  // A buffer has the points and, from the next aligned byte on, the map.
  const inBuffer = Math.floor((bufferBytes - ALIGNMENT) / (size + 4));
  const most = Math.min(mostPoints(group, device.limits), inBuffer);
  const mostScalars = Math.floor((device.limits.bindingBytes - ALIGNMENT) / ELEMENT_BYTES);
  const chunks: SectionChunk[] = [];
  const buffers: GpuBuffer[] = [];
  const free = () => {
    for (const buffer of buffers) buffer.free();
  };
  try {
    for (const stretch of stretchesOf(points, size, most, mostScalars, scalarOf)) {
      const { kept } = stretch;
      const pointBytes = Math.ceil((size * kept) / ALIGNMENT) * ALIGNMENT;
      const buffer = device.createBuffer(pointBytes + 4 * kept);
      buffers.push(buffer);
      const firstScalar = scalarOf(stretch.first);
      const chunk: SectionChunk = {
        group,
        count: kept,
        points: { buffer, bytes: size * kept },
        map: { buffer, offset: pointBytes, bytes: 4 * kept },
        firstScalar,
        scalars: scalarOf(stretch.end - 1) - firstScalar + 1,
      };
      await upload(device, chunk, points, stretch, scalarOf);
      chunks.push(chunk);
    }
  } catch (error) {
    free();
    throw error;
  }
  return { group, chunks, bytes: buffers.reduce((sum, { bytes }) => sum + bytes, 0), free };
}

/** Points `first` to `end`, those two themselves (`end` - 1) not at infinity, `kept` of them in all. */
interface Stretch {
  readonly first: number;
  readonly end: number;
  readonly kept: number;
}

function* stretchesOf(
  points: Uint8Array,
  size: number,
  most: number,
  mostScalars: number,
  scalarOf: (point: number) => number,
): Generator<Stretch> {
  let current: Stretch | undefined;
  for (let i = 0; i < points.length / size; i++) {
    if (isInfinity(points, size * i, size)) continue;
    const hasRoom =
      current !== undefined &&
      current.kept < most &&
      scalarOf(i) - scalarOf(current.first) < mostScalars;
    if (current !== undefined && !hasRoom) yield current;
    current =
      current !== undefined && hasRoom
        ? { first: current.first, end: i + 1, kept: current.kept + 1 }
        : { first: i, end: i + 1, kept: 1 };
  }
  if (current !== undefined) yield current;
}

/** Packs what is not infinity, part by part, so that the key is not in memory a second time. */
async function upload(
  device: GpuDevice,
  chunk: SectionChunk,
  points: Uint8Array,
  { first, end }: Stretch,
  scalarOf: (point: number) => number,
): Promise<void> {
  const size = affineBytes(chunk.group);
  const capacity = Math.min(UPLOAD_BYTES / size, chunk.count);
  const packed = new Uint8Array(size * capacity);
  const map = new Uint32Array(capacity);
  let [done, filled] = [0, 0];
  const flush = async () => {
    const { buffer, offset: mapOffset = 0 } = chunk.map;
    await device.upload(packed.subarray(0, size * filled), { buffer, offset: size * done });
    const words = new Uint8Array(map.buffer, 0, 4 * filled);
    await device.upload(words, { buffer, offset: mapOffset + 4 * done });
    done += filled;
    filled = 0;
  };
  for (let i = first; i < end; i++) {
    if (isInfinity(points, size * i, size)) continue;
    packed.set(points.subarray(size * i, size * (i + 1)), size * filled);
    map[filled++] = scalarOf(i) - chunk.firstScalar;
    if (filled === capacity) await flush();
  }
  if (filled > 0) await flush();
}

/** Most points are told by their first byte. */
function isInfinity(points: Uint8Array, offset: number, size: number): boolean {
  for (let i = offset; i < offset + size; i++) if (points[i] !== 0) return false;
  return true;
}
