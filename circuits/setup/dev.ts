/**
 * Groth16 keys for development: valid, made in seconds, and worthless as protection.
 *
 * A real key comes from a ceremony in which nobody learns the trapdoor (`ceremony.ts`). Here the
 * trapdoor follows from a public seed, so every point of the key is a known multiple of a generator
 * and the same seed gives the same bytes on every machine. The key carries a mark
 * by which it is refused wherever development was not asked for by name: see `usable-key.ts`.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { parseR1cs, type R1cs } from "../../worker/r1cs.ts";
import { DEV_KEY_MARKER } from "../../worker/zkey.ts";
import { domainLog2, evaluateKey, evaluateQuotientBases, type Trapdoor } from "./evaluation.ts";
import { GeneratorPool } from "./generator-pool.ts";
import { type KeyPoints, writeZkey } from "./zkey.ts";

/** The seed of the keys that the build makes and whose hashes are committed. */
export const DEV_SEED = "proofmill-dev";

export interface DevKeyProgress {
  /** What is being computed: points of the key by section, after reading and before writing. */
  readonly stage: "read" | "evaluate" | "h" | "a" | "b1" | "c" | "b2" | "write";
  /** Steps done in this stage: points where points are computed, else 0 or 1. */
  readonly done: number;
  readonly total: number;
}

/** About what part of the whole work each stage is, for progress bars; the sum is 1. Not tuned. */
export const STAGE_SHARE: Readonly<Record<DevKeyProgress["stage"], number>> = {
  read: 0.01,
  evaluate: 0.06,
  h: 0.16,
  a: 0.16,
  b1: 0.12,
  c: 0.16,
  b2: 0.31,
  write: 0.02,
};

export interface DevKeyOptions {
  readonly r1csPath: string;
  readonly zkeyPath: string;
  /** Public; any text. */
  readonly seed: string;
  /** Threads to use; as many as there are cores (at most 16) when left out. */
  readonly threads?: number;
  readonly onProgress?: (progress: DevKeyProgress) => void;
}

/**
 * Writes a development key for a circuit, whole or not at all. Deterministic in the R1CS and seed.
 *
 * @throws WorkError KEY_MALFORMED if the R1CS is; system errors of reading and writing.
 */
export async function writeDevKey(options: DevKeyOptions): Promise<void> {
  const { r1csPath, zkeyPath, seed, threads, onProgress = () => {} } = options;
  onProgress({ stage: "read", done: 0, total: 1 });
  const r1cs = parseR1cs(await readFile(r1csPath));
  onProgress({ stage: "read", done: 1, total: 1 });
  const points = await computePoints(r1cs, trapdoorOf(seed), threads, onProgress);
  onProgress({ stage: "write", done: 0, total: 1 });
  await writeZkey(zkeyPath, r1cs, points, DEV_KEY_MARKER);
  onProgress({ stage: "write", done: 1, total: 1 });
}

/** The secrets of a development key, from its seed. Uniform up to a bias of 2^-256. */
export function trapdoorOf(seed: string): Trapdoor {
  const secret = (name: string): bigint => {
    const digest = createHash("sha512")
      .update(JSON.stringify(["proofmill development key", seed, name]))
      .digest("hex");
    return BigInt(`0x${digest}`) % SCALAR_FIELD;
  };
  const [tau, alpha, beta, delta] = [
    secret("tau"),
    secret("alpha"),
    secret("beta"),
    secret("delta"),
  ];
  return { tau, alpha, beta, delta };
}

async function computePoints(
  r1cs: R1cs,
  trapdoor: Trapdoor,
  threads: number | undefined,
  onProgress: (progress: DevKeyProgress) => void,
): Promise<KeyPoints> {
  const { alpha, beta, delta } = trapdoor;
  const log2 = domainLog2(r1cs);
  await using pool = new GeneratorPool({ g1: 4 * 2 ** log2, g2: 2 ** log2 }, threads);
  const counted = async (
    stage: DevKeyProgress["stage"],
    group: "g1" | "g2",
    scalars: readonly bigint[],
  ): Promise<Uint8Array> => {
    const total = scalars.length;
    onProgress({ stage, done: 0, total });
    return pool.multiply(group, scalars, (done) => onProgress({ stage, done, total }));
  };

  // The quotient's bases need no matrix: the threads work on them while this one evaluates.
  const quotient = counted("h", "g1", evaluateQuotientBases(log2, trapdoor));
  // If the evaluation fails first, that error is the one to report.
  quotient.catch(() => {});
  onProgress({ stage: "evaluate", done: 0, total: 1 });
  const scalars = evaluateKey(r1cs, trapdoor);
  onProgress({ stage: "evaluate", done: 1, total: 1 });
  const h = await quotient;
  const a = await counted("a", "g1", scalars.a);
  const b1 = await counted("b1", "g1", scalars.b);
  const c = await counted("c", "g1", scalars.c);
  const b2 = await counted("b2", "g2", scalars.b);
  const publicInputs = await pool.multiply("g1", scalars.publicInputs);
  const [alpha1, beta1, delta1] = split(await pool.multiply("g1", [alpha, beta, delta]));
  const [beta2, gamma2, delta2] = split(await pool.multiply("g2", [beta, GAMMA, delta]));
  return { alpha1, beta1, delta1, beta2, gamma2, delta2, publicInputs, a, b1, b2, c, h };
}

/** As in every circom key: gamma2 is the generator. Delta must then not be 1; see `trapdoorOf`. */
const GAMMA = 1n;

function split(points: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const size = points.length / 3;
  return [points.slice(0, size), points.slice(size, 2 * size), points.slice(2 * size)];
}
