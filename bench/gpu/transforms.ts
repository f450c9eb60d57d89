/** Times of transforms, one alone and several side by side; some of the values are compared with bigints. */
import { rootOfUnity } from "../../worker/engines/wasm/quotient.ts";
import { ELEMENT_BYTES, invert, readLE, SCALAR_FIELD, writeLE } from "../../worker/field.ts";
import type { GpuBuffer, GpuCommands, GpuKernel } from "../../worker/gpu/device.ts";
import {
  gridOfPass,
  passesOf,
  type TransformOrder,
  transform,
} from "../../worker/kernels/spirv/transform.ts";
import { randomElements } from "./fields.ts";
import type { TransformTime } from "./result.ts";
import { type GpuSession, Resident, sample, WrongResult } from "./timing.ts";

/** Of several proofs' vectors. */
const SIDE_BY_SIDE = 8;
const ORDERS = ["inFrequency", "inTime"] as const satisfies readonly TransformOrder[];

const P = SCALAR_FIELD;
const R = 2n ** 256n;

/** @param sizes  log2 of the lengths. */
export async function measureTransforms(
  session: GpuSession,
  sizes: readonly number[],
): Promise<TransformTime[]> {
  const { device } = session;
  const times: TransformTime[] = [];
  for (const [i, order] of ORDERS.entries()) {
    const kernel = device.createKernel(transform(order));
    try {
      for (const [j, log2] of sizes.entries()) {
        session.progress(`transforms ${order}, 2^${log2}`, (i + j / sizes.length) / ORDERS.length);
        times.push(...(await timesOf(session, kernel, order, log2)));
      }
    } finally {
      kernel.free();
    }
  }
  return times;
}

async function timesOf(
  session: GpuSession,
  kernel: GpuKernel,
  order: TransformOrder,
  log2: number,
): Promise<TransformTime[]> {
  const { device } = session;
  const n = 2 ** log2;
  const times: TransformTime[] = [];
  using resident = new Resident(device);
  const twiddles = await resident.holding(powersOf(rootOfUnity(n), n / 2 + 1));
  for (const vectors of [1, SIDE_BY_SIDE]) {
    const bytes = vectors * n * ELEMENT_BYTES;
    if (bytes > device.limits.bindingBytes) {
      session.miss(
        `${vectors} x 2^${log2} transforms ${order}`,
        `${bytes} bytes, the device binds ${device.limits.bindingBytes} at a time`,
      );
      continue;
    }
    using own = new Resident(device);
    const data = await own.holding(randomElements(vectors * n, log2));
    const record = recorded(kernel, order, log2, vectors, data, twiddles);
    await device.submit(record);
    const samplesMs = await sample(session, record);
    await check(session, order, log2, data, record);
    times.push({
      order,
      log2,
      vectors,
      multiplications: (vectors * n * (log2 - 1)) / 2,
      samplesMs,
    });
  }
  return times;
}

function recorded(
  kernel: GpuKernel,
  order: TransformOrder,
  log2: number,
  vectors: number,
  data: GpuBuffer,
  twiddles: GpuBuffer,
): (commands: GpuCommands) => void {
  return (commands) => {
    for (const pass of passesOf(order, log2)) {
      const push = [log2, pass.rows, pass.columns, pass.low];
      const buffers = [{ buffer: data }, { buffer: twiddles }];
      commands.dispatch(kernel, buffers, push, gridOfPass(log2, pass, vectors));
      commands.barrier();
    }
  };
}

/** Of a + b X + c X^(n-1) in the first vector: its values at some roots of unity. */
async function check(
  { device }: GpuSession,
  order: TransformOrder,
  log2: number,
  data: GpuBuffer,
  record: (commands: GpuCommands) => void,
): Promise<void> {
  const n = 2 ** log2;
  const root = order === "inTime" ? rootOfUnity(n) : invert(rootOfUnity(n), P);
  const place = (i: number) => bitReversed(i, log2);
  const [coefficientAt, valueAt] =
    order === "inFrequency" ? [(i: number) => i, place] : [place, (i: number) => i];
  const coefficients = [3n ** 150n, 5n ** 100n, 7n ** 90n].map((c) => c % P);
  const vector = new Uint8Array(n * ELEMENT_BYTES);
  [0, 1, n - 1].forEach((i, j) => {
    writeLE(vector, coefficientAt(i) * ELEMENT_BYTES, coefficients[j] as bigint);
  });
  await device.upload(vector, { buffer: data });
  await device.submit(record);
  await device.download({ buffer: data }, vector);
  const [a, b, c] = coefficients as [bigint, bigint, bigint];
  for (const i of [0, 1, 2, n / 2 + 1, n - 1]) {
    const x = powerOf(root, i);
    const expected = (a + b * x + c * invert(x, P)) % P;
    if (readLE(vector, valueAt(i) * ELEMENT_BYTES) === expected) continue;
    throw new WrongResult(`transform ${order} of 2^${log2}: got another value than bigints`);
  }
}

/** 1, root, root^2, ... in Montgomery form. */
function powersOf(root: bigint, count: number): Uint8Array {
  const bytes = new Uint8Array(count * ELEMENT_BYTES);
  let power = R % P;
  for (let i = 0; i < count; i++) {
    writeLE(bytes, i * ELEMENT_BYTES, power);
    power = (power * root) % P;
  }
  return bytes;
}

function bitReversed(i: number, bits: number): number {
  let reversed = 0;
  for (let bit = 0; bit < bits; bit++) reversed = 2 * reversed + ((i >>> bit) & 1);
  return reversed;
}

function powerOf(root: bigint, exponent: number): bigint {
  let [result, square] = [1n, root];
  for (let rest = exponent; rest > 0; rest >>>= 1) {
    if (rest % 2 === 1) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
