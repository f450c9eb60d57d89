/** An engine that fails as devices do, when it is told: the module that an `Opener` of the tests names. */
import { setTimeout as sleep } from "node:timers/promises";
import { G1 } from "../../../worker/curve.ts";
import type { Engine, ResidentKey } from "../../../worker/engine.ts";
import { openEngine } from "../../../worker/engines/open.ts";
import { type GpuFailure, gpuError } from "../../../worker/gpu/failure.ts";
import type { Hosted, Opener } from "../../../worker/hosting/hosted.ts";

const FAILURES: readonly (GpuFailure | "death" | "fault" | "wrong" | "stuck")[] = [
  "wrong",
  "stuck",
  "lost",
  "hang",
  "memory",
  "driver",
  "death",
  "fault",
  "device",
  "library",
];

interface FakeOptions {
  readonly engine: "reference" | "wasm";
  readonly takesManyRuns: boolean;
  readonly kind: "discrete" | "software";
  readonly words: SharedArrayBuffer;
}

const WORDS = {
  /** 1 + the index of a failure; 0: none. */
  openFailure: 0,
  sumsFailure: 1,
  /** Failures of sums that are left; each counts. */
  sumsFailureCount: 2,
  delayMs: 3,
  /** Keys that fit into memory at the same time. */
  keysMax: 4,
  openCount: 5,
  loadCount: 6,
  keyCount: 7,
  runningCount: 8,
  runningMost: 9,
  endCount: 10,
  isDeaf: 11,
  stuck: 11,
} as const;

/** What a test tells such an engine, in whichever thread it is, and sees of it. */
export class FakeDevice {
  readonly opener: Opener;
  readonly #words: Int32Array;

  constructor(options: Partial<Omit<FakeOptions, "words">> = {}) {
    const words = new SharedArrayBuffer(4 * Object.keys(WORDS).length);
    this.#words = new Int32Array(words);
    this.#words[WORDS.keysMax] = 1000;
    const { engine = "reference", takesManyRuns = true, kind = "discrete" } = options;
    this.opener = { module: import.meta.url, options: { engine, takesManyRuns, kind, words } };
  }

  /** From now on it cannot be opened. */
  refuse(failure: GpuFailure | undefined): void {
    this.#words[WORDS.openFailure] = failure === undefined ? 0 : 1 + FAILURES.indexOf(failure);
  }

  /** The next sums fail, so many times. */
  fail(failure: (typeof FAILURES)[number], count = 1): void {
    this.#words[WORDS.sumsFailure] = 1 + FAILURES.indexOf(failure);
    this.#words[WORDS.sumsFailureCount] = count;
  }

  /** What is stuck goes on. */
  free(): void {
    Atomics.store(this.#words, WORDS.stuck, 1);
    Atomics.notify(this.#words, WORDS.stuck);
  }

  /** How long sums take at least. */
  set delayMs(ms: number) {
    this.#words[WORDS.delayMs] = ms;
  }

  /** Whether sums go on when they are cancelled, as on a device. */
  set isDeaf(isDeaf: boolean) {
    this.#words[WORDS.isDeaf] = Number(isDeaf);
  }

  set keysMax(count: number) {
    this.#words[WORDS.keysMax] = count;
  }

  seen(word: keyof typeof WORDS): number {
    return Atomics.load(this.#words, WORDS[word]);
  }
}

export default async function open(options: unknown): Promise<Hosted> {
  const { engine: name, takesManyRuns, kind, words } = options as FakeOptions;
  const shared = new Int32Array(words);
  const read = (word: keyof typeof WORDS) => Atomics.load(shared, WORDS[word]);
  const add = (word: keyof typeof WORDS, n = 1) => Atomics.add(shared, WORDS[word], n) + n;
  add("openCount");
  const refusal = FAILURES[read("openFailure") - 1];
  if (refusal !== undefined) throw gpuError(refusal as GpuFailure, "fake: got told not to open");
  // Another thread's count went with it.
  Atomics.store(shared, WORDS.keyCount, 0);
  const engine = await openEngine({ engine: name });
  let jobs = 0;

  /** @returns whether sums shall be wrong. */
  const failIfTold = (): boolean => {
    const failure = FAILURES[read("sumsFailure") - 1];
    if (failure === undefined || Atomics.sub(shared, WORDS.sumsFailureCount, 1) <= 0) return false;
    if (failure === "wrong") return true;
    // Within a call that does not return for a while.
    if (failure === "stuck") Atomics.wait(shared, WORDS.stuck, 0, 60_000);
    if (failure === "death") process.exit(1);
    if (failure === "fault") throw new TypeError("fake: got told to be at fault");
    throw gpuError(failure as GpuFailure, `fake: got told to fail (${failure})`);
  };

  const faulty = (key: ResidentKey, openRuns = new Set<object>()): ResidentKey => ({
    begin(witness, threads) {
      const run = key.begin(witness, threads);
      openRuns.add(run);
      return {
        async sums(request, checkpoint) {
          const running = add("runningCount");
          if (running > read("runningMost")) Atomics.store(shared, WORDS.runningMost, running);
          try {
            for (let left = read("delayMs"); left > 0; left -= 5) {
              if (read("isDeaf") === 0) checkpoint(0);
              await sleep(5);
            }
            const isWrong = failIfTold();
            jobs++;
            const sums = await run.sums(request, checkpoint);
            return isWrong ? { ...sums, g1: sums.g1.map((point) => G1.negate(point)) } : sums;
          } finally {
            add("runningCount", -1);
          }
        },
        async end() {
          await run.end();
          openRuns.delete(run);
          add("endCount");
        },
      };
    },
    release() {
      if (openRuns.size > 0) throw new TypeError(`fake: got ${openRuns.size} open runs`);
      key.release();
      add("keyCount", -1);
    },
  });

  const hosted: Engine = {
    name: "fake (test)",
    async loadKey(zkey) {
      add("loadCount");
      if (read("keyCount") >= read("keysMax")) throw gpuError("memory", "fake: got no memory");
      const key = faulty(await engine.loadKey(zkey));
      add("keyCount");
      return key;
    },
    verify: engine.verify.bind(engine),
    close: () => engine.close(),
  };
  return {
    engine: hosted,
    takesManyRuns,
    device: { name: "fake", kind, driver: "1", memoryBytes: 2 ** 30 },
    use: () => ({ allocatedBytes: 1000 * read("keyCount"), batches: jobs, jobs }),
  };
}
