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
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { G1, G2 } from "../../worker/curve.ts";
import type { KernelOptions } from "../../worker/engines/wasm/choice.ts";
import { openWasm } from "../../worker/engines/wasm.ts";
import { WorkError } from "../../worker/errors.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { parseR1cs, type R1cs } from "../../worker/r1cs.ts";
import { DEV_KEY_MARKER } from "../../worker/zkey.ts";
import type { KeyScalars, Trapdoor } from "./evaluation.ts";
import { type PointTask, type SetupMemory, setupMemory } from "./memory.ts";
import { type PointSection, pointSections, pointTasks } from "./point-sections.ts";
import type { SectionWriter } from "./section-file.ts";
import { SetupThreads } from "./threads.ts";
import { createZkey, type HeaderPoints, writeCoefficients } from "./zkey.ts";

/** The seed of the keys that the build makes and whose hashes are committed. */
export const DEV_SEED = "proofmill-dev";

/** Points of the key by section. */
type PointStage = PointSection["name"];

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
  evaluate: 0.2,
  h: 0.05,
  a: 0.1,
  b2: 0.2,
  b1: 0.1,
  c: 0.1,
  ic: 0,
  write: 0.05,
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
 * Memory, beside the R1CS: about 360 B (520 B on plain SIMD) for each wire with its point of the
 * domain. Points go to the file as they are computed.
 *
 * @returns the circuit.
 * @throws WorkError KEY_MALFORMED if the R1CS is; KEY_REFUSED if the circuit needs more memory than
 *   the kernels address (4 GiB: above 2^22 rows) or the machine has; ENGINE_UNAVAILABLE; system
 *   errors of reading and writing.
 */
export async function writeDevKey(options: DevKeyOptions): Promise<R1cs> {
  const { r1csPath, zkeyPath, seed, onProgress = () => {} } = options;
  const { threads = Math.min(availableParallelism(), MAX_THREADS) } = options;
  onProgress({ stage: "read", done: 0, total: 1 });
  const r1cs = parseR1cs(await readWhole(r1csPath));
  onProgress({ stage: "read", done: 1, total: 1 });
  const { kernels } = await openWasm(options.kernels);
  const trapdoor = trapdoorOf(seed);
  const tower = Tower.open();
  const memory = setupMemory(kernels, r1cs, trapdoor, threads, tower);
  const file = await createZkey(zkeyPath, r1cs, headerPoints(trapdoor, tower), DEV_KEY_MARKER);
  try {
    await writeSections(file, r1cs, memory, threads, onProgress);
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

/**
 * Lets threads compute points as soon as their scalars are there; meanwhile this one evaluates, then
 * writes the key's matrices.
 */
async function writeSections(
  file: SectionWriter,
  r1cs: R1cs,
  { shared, evaluation }: SetupMemory,
  threadCount: number,
  onProgress: OnProgress,
): Promise<void> {
  const sections = pointSections(r1cs, evaluation.scalars);
  const tasksBySection = sections.map((section) => pointTasks(section, file));
  const tasks = tasksBySection.flat();
  const sectionOf = tasksBySection.flatMap((list, i) => list.map(() => i));
  const progress = new PointProgress(sections, onProgress);
  const data = { shared, descriptor: file.descriptor, tasks };
  // None that would have nothing to do.
  const count = Math.max(1, Math.min(threadCount, Math.floor(tasks.length / 2)));
  const threads = new SetupThreads(data, count, (task) => {
    progress.add(sectionOf[task] as number, (tasks[task] as PointTask).count);
  });
  try {
    const steps = evaluation.steps();
    const there = new Set<keyof KeyScalars>();
    for (const [i, { run, gives }] of steps.entries()) {
      onProgress({ stage: "evaluate", done: i, total: steps.length });
      run();
      for (const scalars of gives) there.add(scalars);
      const missing = sections.findIndex(({ needs }) => !there.has(needs));
      const ready = missing < 0 ? tasksBySection : tasksBySection.slice(0, missing);
      threads.allow(ready.flat().length);
      // Messages of the threads come in.
      await setImmediate();
    }
    onProgress({ stage: "evaluate", done: steps.length, total: steps.length });
    progress.show();
    for (const _ of writeCoefficients(file, r1cs)) await setImmediate();
    await threads.finished;
  } finally {
    await threads.close();
  }
}

/** Reports sections one after the other, though their tasks may end in another order. */
class PointProgress {
  readonly #onProgress: OnProgress;
  readonly #sections: readonly { readonly stage: PointStage; readonly total: number }[];
  readonly #done: number[];
  #isShown = false;
  #current = 0;

  constructor(sections: readonly PointSection[], onProgress: OnProgress) {
    this.#sections = sections.map(({ name, count }) => ({ stage: name, total: count }));
    this.#done = sections.map(() => 0);
    this.#onProgress = onProgress;
  }

  /** Nothing is reported before: another stage is. */
  show(): void {
    this.#isShown = true;
    this.#report();
  }

  add(section: number, points: number): void {
    this.#done[section] = (this.#done[section] as number) + points;
    if (this.#isShown) this.#report();
  }

  #report(): void {
    for (; ; this.#current++) {
      const current = this.#sections[this.#current];
      if (current === undefined) return;
      const done = this.#done[this.#current] as number;
      this.#onProgress({ ...current, done });
      if (done < current.total) return;
    }
  }
}

/**
 * Like `readFile`, which refuses more than 2 GiB.
 *
 * @throws WorkError KEY_REFUSED if the file is so large that the kernels cannot have room for it.
 */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size > MAX_R1CS_BYTES) {
      throw new WorkError(
        "KEY_REFUSED",
        `${basename(path)}: got ${size} bytes, expected at most ${MAX_R1CS_BYTES}. A larger circuit needs a ceremony (docs/keys.md), or has to be split`,
      );
    }
    const bytes = new Uint8Array(size);
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
const MAX_READ_BYTES = 2 ** 30;
/** A rollup's circuit of 2^22 rows has about 3 GiB; one of 2^23 hardly fits the kernels' memory. */
const MAX_R1CS_BYTES = 2 ** 32;
