/**
 * Groth16 keys for development: valid, made in seconds, and worthless as protection.
 *
 * A real key comes from a ceremony in which nobody learns the trapdoor (`ceremony.ts`). Here the
 * trapdoor follows from a public seed, so every point of the key is a known multiple of a generator
 * and the same seed gives the same bytes on every machine. The key carries a mark
 * by which it is refused wherever development was not asked for by name: see `usable-key.ts`.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { G1, G2 } from "../../worker/curve.ts";
import type { KernelOptions } from "../../worker/engines/wasm/choice.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { ELEMENT_BYTES, SCALAR_FIELD } from "../../worker/field.ts";
import type { Degree } from "../../worker/kernels/curve.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { parseR1cs, type R1cs } from "../../worker/r1cs.ts";
import { DEV_KEY_MARKER, ZKEY_SECTION } from "../../worker/zkey.ts";
import { domainLog2, type Evaluation, type KeyScalars, type Trapdoor } from "./evaluation.ts";
import { setupMemory } from "./memory.ts";
import { type PointRun, SetupPool, taskCount } from "./pool.ts";
import type { SectionWriter } from "./section-file.ts";
import { createZkey, type HeaderPoints, writeCoefficients } from "./zkey.ts";

/** The seed of the keys that the build makes and whose hashes are committed. */
export const DEV_SEED = "proofmill-dev";

/** Points of the key by section. */
type PointStage = "h" | "b2" | "a" | "b1" | "c";

export interface DevKeyProgress {
  /** What is being computed: points of the key by section, after reading and before writing. */
  readonly stage: "read" | "evaluate" | PointStage | "write";
  /** Steps done in this stage: points where points are computed. */
  readonly done: number;
  readonly total: number;
}

type OnProgress = (progress: DevKeyProgress) => void;

/** About what part of the whole work each stage is, for progress bars; the sum is 1. Not tuned. */
export const STAGE_SHARE: Readonly<Record<DevKeyProgress["stage"], number>> = {
  read: 0.2,
  evaluate: 0.1,
  h: 0.1,
  b2: 0.2,
  a: 0.1,
  b1: 0.1,
  c: 0.1,
  write: 0.1,
};

export interface DevKeyOptions {
  readonly r1csPath: string;
  readonly zkeyPath: string;
  /** Public; any text. */
  readonly seed: string;
  /** Threads to use; as many as there are cores (at most 16) when left out. */
  readonly threads?: number;
  /** Which kernels to compute with; the fastest that work here when left out. */
  readonly kernels?: KernelOptions;
  readonly onProgress?: OnProgress;
}

/** More threads than this wait for the one that evaluates at the sizes of this project. */
const MAX_THREADS = 16;

/**
 * Writes a development key for a circuit, whole or not at all. Deterministic in the R1CS and seed.
 *
 * Memory: about 400 B for each wire and for each point of the domain, beside the R1CS; points go to
 * the file as they are computed.
 *
 * @returns the circuit.
 * @throws WorkError KEY_MALFORMED if the R1CS is; KEY_REFUSED if the circuit needs more memory than
 *   the kernels address (4 GiB: above 2^22 rows) or the machine has; ENGINE_UNAVAILABLE; system
 *   errors of reading and writing.
 */
export async function writeDevKey(options: DevKeyOptions): Promise<R1cs> {
  const { r1csPath, zkeyPath, seed, onProgress = () => {} } = options;
  onProgress({ stage: "read", done: 0, total: 1 });
  const r1cs = parseR1cs(await readWhole(r1csPath));
  onProgress({ stage: "read", done: 1, total: 1 });
  const { kernels } = await openWasm(options.kernels);
  const trapdoor = trapdoorOf(seed);
  const threads = threadsFor(r1cs, options.threads);
  const tower = Tower.open();
  const { shared, evaluation } = setupMemory(kernels, r1cs, trapdoor, threads, tower);
  const file = await createZkey(zkeyPath, r1cs, headerPoints(trapdoor, tower), DEV_KEY_MARKER);
  try {
    const pool = new SetupPool({ shared, descriptor: file.descriptor }, threads);
    try {
      await writePoints(pool, file, r1cs, evaluation, onProgress);
    } finally {
      await pool.close();
    }
    onProgress({ stage: "write", done: 0, total: 1 });
    await file.commit();
    onProgress({ stage: "write", done: 1, total: 1 });
  } finally {
    await file.discard();
  }
  return r1cs;
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

/** As in every circom key: gamma2 is the generator. Delta must then not be 1; see `trapdoorOf`. */
const GAMMA = 1n;

function headerPoints({ alpha, beta, delta }: Trapdoor, tower: Tower): HeaderPoints {
  const inG1 = (factor: bigint) => tower.sumOfMultiplesG1([{ point: G1.generator, factor }]);
  const inG2 = (factor: bigint) => tower.sumOfMultiplesG2([{ point: G2.generator, factor }]);
  return {
    alpha1: inG1(alpha),
    beta1: inG1(beta),
    delta1: inG1(delta),
    beta2: inG2(beta),
    gamma2: inG2(GAMMA),
    delta2: inG2(delta),
  };
}

/** As many as asked for, but none that would have nothing to do. */
function threadsFor(r1cs: R1cs, wanted = Math.min(availableParallelism(), MAX_THREADS)): number {
  const tasks = 4 * taskCount(r1cs.nWires) + taskCount(2 ** domainLog2(r1cs));
  return Math.max(1, Math.min(wanted, Math.floor(tasks / 2)));
}

/**
 * Lets the threads compute points as soon as their scalars are there; meanwhile this one evaluates,
 * then writes the key's matrices.
 */
async function writePoints(
  pool: SetupPool,
  file: SectionWriter,
  r1cs: R1cs,
  evaluation: Evaluation,
  onProgress: OnProgress,
): Promise<void> {
  const { quotient, wires, publicInputs } = pointRuns(r1cs, evaluation.scalars, file);
  const progress = new PointProgress([quotient, ...wires], onProgress);
  const runs: Promise<void>[] = [];
  const start = (work: Promise<void>): void => {
    // Of several failures the first one that is awaited below is reported.
    work.catch(() => {});
    runs.push(work);
  };
  const tables = pool.writeTables();
  const writeRun = (run: StagedRun) =>
    start(tables.then(() => pool.writePoints(run, (points) => progress.add(run.stage, points))));

  const steps = evaluation.steps();
  for (const [i, step] of steps.entries()) {
    onProgress({ stage: "evaluate", done: i, total: steps.length });
    step();
    if (i === 0) writeRun(quotient);
    await setImmediate();
  }
  onProgress({ stage: "evaluate", done: steps.length, total: steps.length });
  for (const run of wires) writeRun(run);
  start(tables.then(() => pool.writePoints(publicInputs, () => {})));
  for (const _ of writeCoefficients(file, r1cs)) await setImmediate();
  await Promise.all(runs);
}

interface StagedRun extends PointRun {
  readonly stage: PointStage;
}

/** Which scalars belong to which sections of the file; the longest first. */
function pointRuns(r1cs: R1cs, scalars: KeyScalars, file: SectionWriter) {
  const { nWires, nPublic } = r1cs;
  const privateWires = nWires - nPublic - 1;
  const at = (section: keyof typeof ZKEY_SECTION) => file.offsetOf(ZKEY_SECTION[section]);
  const run = (stage: PointStage, degree: Degree, scalars: number, count: number): StagedRun => ({
    stage,
    degree,
    scalars,
    count,
    position: at(stage),
  });
  return {
    quotient: run("h", 1, scalars.h, 2 ** domainLog2(r1cs)),
    wires: [
      run("b2", 2, scalars.b, nWires),
      run("a", 1, scalars.a, nWires),
      run("b1", 1, scalars.b, nWires),
      run("c", 1, scalars.c + ELEMENT_BYTES * (nPublic + 1), privateWires),
    ],
    publicInputs: {
      degree: 1,
      scalars: scalars.publicInputs,
      count: nPublic + 1,
      position: at("ic"),
    } as const,
  };
}

/** Reports sections one after the other, though their tasks may end in another order. */
class PointProgress {
  readonly #onProgress: OnProgress;
  readonly #sections: readonly { readonly stage: PointStage; readonly total: number }[];
  readonly #done = new Map<PointStage, number>();
  #current = 0;

  constructor(runs: readonly StagedRun[], onProgress: OnProgress) {
    this.#sections = runs.map(({ stage, count }) => ({ stage, total: count }));
    this.#onProgress = onProgress;
  }

  add(stage: PointStage, points: number): void {
    this.#done.set(stage, (this.#done.get(stage) ?? 0) + points);
    for (; ; this.#current++) {
      const section = this.#sections[this.#current];
      if (section === undefined) return;
      const done = this.#done.get(section.stage) ?? 0;
      this.#onProgress({ ...section, done });
      if (done < section.total) return;
    }
  }
}

/** A file of any size: `readFile` refuses more than 2 GiB. */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const bytes = new Uint8Array((await file.stat()).size);
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, MAX_READ_BYTES);
      const { bytesRead } = await file.read(bytes, done, length, done);
      if (bytesRead === 0) throw new Error(`${path}: became shorter while it was read`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Node takes less than 2 GiB in one call. */
const MAX_READ_BYTES = 1 << 30;
