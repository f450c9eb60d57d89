/** Multiplications per second in Fq and Fr; some of the products are compared with bigints. */
import { BASE_FIELD, ELEMENT_BYTES, invert, readLE, SCALAR_FIELD } from "../../worker/field.ts";
import type { GpuCommands } from "../../worker/gpu/device.ts";
import { CHAIN_GROUP, MOST_PRODUCTS, productChain } from "./chain-kernels.ts";
import type { FieldRate } from "./result.ts";
import { fillingTurns, type GpuSession, Resident, sample, WrongResult } from "./timing.ts";

const FIELDS = { Fq: BASE_FIELD, Fr: SCALAR_FIELD } as const;

/** Chains in an invocation: one waits for itself, several can overlap and need more registers. */
const CHAINS = [1, 2] as const;

const R = 2n ** 256n;

/** @param sizes  log2 of the invocations. */
export async function measureFields(
  session: GpuSession,
  sizes: readonly number[],
): Promise<FieldRate[]> {
  const rates: FieldRate[] = [];
  const count = 2 * CHAINS.length * sizes.length;
  for (const field of ["Fq", "Fr"] as const) {
    for (const chains of CHAINS) {
      for (const log2 of sizes) {
        session.progress(
          `multiplications in ${field}, ${chains} x 2^${log2} chains`,
          rates.length / count,
        );
        rates.push(await rateOf(session, field, chains, 2 ** log2));
      }
    }
  }
  return rates;
}

async function rateOf(
  session: GpuSession,
  field: FieldRate["field"],
  chains: number,
  invocations: number,
): Promise<FieldRate> {
  const { device } = session;
  const modulus = FIELDS[field];
  const kernel = device.createKernel(productChain(modulus, chains));
  using resident = new Resident(device);
  try {
    const first = randomElements(chains * invocations, 1);
    const factors = randomElements(chains * invocations, 2);
    const [values, by] = [await resident.holding(first), await resident.holding(factors)];
    const groups = [Math.ceil(invocations / CHAIN_GROUP), 1, 1] as const;
    const record = (turns: number) => (commands: GpuCommands) =>
      commands.dispatch(kernel, [{ buffer: values }, { buffer: by }], [invocations, turns], groups);
    const turns = await fillingTurns(session, record, MOST_PRODUCTS);
    const samplesMs = await sample(session, record(turns));

    await device.upload(first, { buffer: values });
    await device.submit(record(turns));
    const last = new Uint8Array(first.length);
    await device.download({ buffer: values }, last);
    for (const i of [0, 1, chains * invocations - 1]) {
      const at = (bytes: Uint8Array) => readLE(bytes, i * ELEMENT_BYTES);
      const power = powerOf((at(factors) * invert(R % modulus, modulus)) % modulus, turns, modulus);
      if (at(last) === (at(first) * power) % modulus) continue;
      throw new WrongResult(`multiplications in ${field}: got another product than bigints`);
    }
    return { field, chains, invocations, turns, samplesMs };
  } finally {
    kernel.free();
  }
}

/** Below 2^253, and so canonical in both fields; dense. Repeatable. */
export function randomElements(count: number, seed: number): Uint8Array {
  const words = new Uint32Array(count * (ELEMENT_BYTES / 4));
  // Marsaglia's xorshift32: nothing here has to be hard to guess.
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = i % 8 === 7 ? state & 0x1fff_ffff : state;
  }
  return new Uint8Array(words.buffer);
}

function powerOf(base: bigint, exponent: number, modulus: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0; rest >>>= 1) {
    if (rest % 2 === 1) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
