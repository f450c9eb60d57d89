/**
 * The engine over ffjavascript's curve (WASM, 64-bit limbs). The first engine, for correctness and
 * as the yardstick; a much faster one of our own takes its place behind the same interface.
 *
 * Every piece of work in ffjavascript goes through its thread manager's `queueAction`. This engine
 * puts itself there: that is where it looks for a cancellation, limits what is under way, and learns
 * how much scratch memory must be wiped. Copies that ffjavascript makes on the JavaScript heap are
 * out of reach and left to the garbage collector.
 */
import { createRequire } from "node:module";
import type { Curve, CurveGroup } from "ffjavascript";
import { type Affine, type Fq2, G1, type G1Point, G2, type G2Point, type Group } from "../curve.ts";
import type {
  Checkpoint,
  Engine,
  G1Term,
  G2Term,
  ProofRun,
  ResidentKey,
  SumRequest,
  Sums,
} from "../engine.ts";
import { WorkError } from "../errors.ts";
import { ELEMENT_BYTES } from "../field.ts";
import type { Proof } from "../proof.ts";
import type { VerificationKey } from "../verification-key.ts";
import { COEFFICIENT_BYTES, G1_BYTES, G2_BYTES, readG1, readG2, type Zkey } from "../zkey.ts";
import { type RowChunk, rowChunks, sortedByConstraint } from "./ffjavascript-rows.ts";
import { TaskQueue } from "./ffjavascript-tasks.ts";
import { verifies } from "./reference.ts";

/**
 * Points in one multi-scalar multiplication. ffjavascript then works in 22 pieces of 12 bits, some
 * 50 ms (G1) or 130 ms (G2) each on a 2-core cloud machine: the delay of a cancellation. Twice the
 * points would save 8 % of the additions.
 */
const POINTS_PER_CHUNK = 2 ** 15;
const PIECES_PER_CHUNK = 22;

/** ffjavascript transforms in blocks of this size: one task each, then one task a pair and level. */
const FFT_BLOCK_LOG2 = 14;

export interface FfjavascriptOptions {
  /**
   * "one" computes in the calling thread, for a thread of a pool. "all" starts ffjavascript's own
   * threads, one a core, for a program that makes one proof at a time; `close` ends them.
   */
  readonly threads: "one" | "all";
}

/**
 * @throws WorkError ENGINE_UNAVAILABLE if WebAssembly cannot be set up.
 */
export async function openFfjavascript({ threads }: FfjavascriptOptions): Promise<Engine> {
  try {
    return new FfjavascriptEngine(await buildCurve(threads === "one"));
  } catch (cause) {
    throw new WorkError(
      "ENGINE_UNAVAILABLE",
      "engine ffjavascript: its WebAssembly did not start; is there memory left?",
      {},
      { cause },
    );
  }
}

async function buildCurve(isSingleThread: boolean): Promise<Curve> {
  const { buildBn128 } = loadLibrary();
  // With threads, ffjavascript hands out one curve for the whole process, which another user may
  // terminate under our feet. Ours is not shared.
  const globals = globalThis as { curve_bn128?: unknown };
  const shared = globals.curve_bn128;
  globals.curve_bn128 = null;
  try {
    return await buildBn128(isSingleThread);
  } finally {
    globals.curve_bn128 = shared;
  }
}

/**
 * Its dependency web-worker, loaded in a worker thread, takes the thread for one of its own: it
 * replaces the prototype of `globalThis` and fails without its own workerData. So it is loaded
 * synchronously, as on the main thread.
 */
function loadLibrary(): typeof import("ffjavascript") {
  const require = createRequire(import.meta.url);
  const threads = require("node:worker_threads") as { isMainThread: boolean };
  const { isMainThread } = threads;
  threads.isMainThread = true;
  try {
    return require("ffjavascript");
  } finally {
    threads.isMainThread = isMainThread;
  }
}

class FfjavascriptEngine implements Engine {
  readonly name = "ffjavascript";
  readonly #curve: Curve;
  readonly #queue: TaskQueue;
  #isClosed = false;

  constructor(curve: Curve) {
    this.#curve = curve;
    this.#queue = new TaskQueue(curve.tm);
  }

  async loadKey(zkey: Zkey): Promise<ResidentKey> {
    const sorted = sortedByConstraint(zkey);
    const key = { ...zkey, coefficients: sorted };
    return new FfjavascriptKey(key, rowChunks(key), this.#curve, this.#queue);
  }

  async isPairingProductOne(pairs: readonly (readonly [G1Point, G2Point])[]): Promise<boolean> {
    // ffjavascript's Miller loop knows no infinity; such a pair contributes the factor 1.
    const finite = pairs.filter(([p, q]) => !G1.isInfinity(p) && !G2.isInfinity(q));
    const { G1: g1, G2: g2 } = this.#curve;
    return this.#curve.pairingEq(
      ...finite.flatMap(([p, q]) => [
        g1.fromObject([p.x, p.y, 1n]),
        g2.fromObject([q.x, q.y, [1n, 0n]]),
      ]),
    );
  }

  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean> {
    return verifies(key, publicSignals, proof, (pairs) => this.isPairingProductOne(pairs));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#queue.idle();
    if (!this.#curve.tm.singleThread) await this.#curve.tm.terminate();
  }
}

class FfjavascriptKey implements ResidentKey {
  #key: Zkey | undefined;
  readonly #chunks: readonly RowChunk[];
  readonly #curve: Curve;
  readonly #queue: TaskQueue;

  constructor(key: Zkey, chunks: readonly RowChunk[], curve: Curve, queue: TaskQueue) {
    this.#key = key;
    this.#chunks = chunks;
    this.#curve = curve;
    this.#queue = queue;
  }

  begin(witness: Uint8Array): ProofRun {
    if (this.#key === undefined) throw new TypeError("this key was released");
    return new FfjavascriptRun(this.#key, this.#chunks, witness, this.#curve, this.#queue);
  }

  release(): void {
    this.#key = undefined;
  }
}

class FfjavascriptRun implements ProofRun {
  readonly #key: Zkey;
  readonly #chunks: readonly RowChunk[];
  readonly #witness: Uint8Array;
  readonly #curve: Curve;
  readonly #queue: TaskQueue;
  /** Buffers with something derived from the witness. */
  readonly #secrets = new Set<Uint8Array>();
  #quotient: Uint8Array | undefined;

  constructor(
    key: Zkey,
    chunks: readonly RowChunk[],
    witness: Uint8Array,
    curve: Curve,
    queue: TaskQueue,
  ) {
    this.#key = key;
    this.#chunks = chunks;
    this.#witness = witness;
    this.#curve = curve;
    this.#queue = queue;
  }

  async sums({ g1, g2 }: SumRequest, checkpoint: Checkpoint): Promise<Sums> {
    const parts = 1 + g1.length + g2.length;
    const part = (i: number) => (done: number) => checkpoint((i + done) / parts);
    if (g1.some((terms) => terms.some((term) => "section" in term && term.section === "h"))) {
      await this.quotient(part(0));
    }
    const sums = { g1: [] as G1Point[], g2: [] as G2Point[] };
    for (const [i, terms] of g1.entries()) sums.g1.push(await this.sumG1(terms, part(1 + i)));
    for (const [i, terms] of g2.entries()) {
      sums.g2.push(await this.sumG2(terms, part(1 + g1.length + i)));
    }
    return sums;
  }

  async quotient(checkpoint: Checkpoint): Promise<void> {
    const { domainSize } = this.#key;
    const log2 = Math.log2(domainSize);
    const blocks = Math.max(1, 2 ** (log2 - FFT_BLOCK_LOG2));
    const joins = Math.max(0, log2 - FFT_BLOCK_LOG2) * (blocks / 2);
    const joinChunks = Math.ceil(domainSize / POINTS_PER_CHUNK);
    const tasks = this.#chunks.length + 3 * (2 * (blocks + joins) + 1) + joinChunks;
    await this.#queue.watch(
      (done) => checkpoint(Math.min(1, done / tasks)),
      async () => {
        const [a, b, c] = await this.#rowProducts();
        const onCoset = [
          await this.#toCoset(a, log2),
          await this.#toCoset(b, log2),
          await this.#toCoset(c, log2),
        ] as const;
        this.#quotient = await this.#combine(onCoset);
        for (const values of onCoset) this.#wipe(values);
      },
    );
  }

  async sumG1(terms: readonly G1Term[], checkpoint: Checkpoint): Promise<G1Point> {
    const sections = terms.flatMap((term) => ("section" in term ? [term] : []));
    const sums = await this.#sectionSums(
      sections.map(({ section }) => ({
        bases: this.#key[section],
        scalars: this.#scalars(section),
      })),
      { group: this.#curve.G1, pointBytes: G1_BYTES, read: readG1, infinity: G1.infinity },
      checkpoint,
    );
    return combineTerms(G1, terms, sums);
  }

  async sumG2(terms: readonly G2Term[], checkpoint: Checkpoint): Promise<G2Point> {
    const sections = terms.filter((term) => "section" in term);
    const sums = await this.#sectionSums(
      sections.map(() => ({ bases: this.#key.b2, scalars: this.#witness })),
      { group: this.#curve.G2, pointBytes: G2_BYTES, read: readG2, infinity: G2.infinity },
      checkpoint,
    );
    return combineTerms<Fq2>(G2, terms, sums);
  }

  async end(): Promise<void> {
    await this.#queue.idle();
    for (const secret of this.#secrets) secret.fill(0);
    this.#secrets.clear();
    this.#quotient = undefined;
    await this.#queue.wipeScratch();
  }

  #scalars(section: "a" | "b1" | "c" | "h"): Uint8Array {
    if (section === "c") return this.#witness.subarray((this.#key.nPublic + 1) * ELEMENT_BYTES);
    if (section !== "h") return this.#witness;
    if (this.#quotient === undefined) throw new TypeError('section "h" needs the quotient first');
    return this.#quotient;
  }

  /** <A_i, w>, <B_i, w> and their products, in Montgomery form. */
  async #rowProducts(): Promise<[Uint8Array, Uint8Array, Uint8Array]> {
    const { coefficients, nVars, domainSize } = this.#key;
    const outputs = [0, 1, 2].map(() => this.#secret(new Uint8Array(domainSize * ELEMENT_BYTES)));
    for (const { firstRow, rows, firstEntry, entries } of this.#chunks) {
      const bytes = rows * ELEMENT_BYTES;
      const chunk = coefficients.subarray(
        firstEntry * COEFFICIENT_BYTES,
        (firstEntry + entries) * COEFFICIENT_BYTES,
      );
      const results = await this.#queue.run([
        { cmd: "ALLOCSET", var: 0, buff: chunk },
        { cmd: "ALLOCSET", var: 1, buff: this.#witness },
        ...[2, 3, 4].map((index) => ({ cmd: "ALLOC", var: index, len: bytes }) as const),
        {
          cmd: "CALL",
          fnName: "qap_buildABC",
          params: [
            { var: 0 },
            { val: entries },
            { var: 1 },
            { var: 2 },
            { var: 3 },
            { var: 4 },
            { val: firstRow },
            { val: rows },
            { val: 0 },
            { val: nVars },
          ],
        },
        ...[0, 1, 2].map((out) => ({ cmd: "GET", out, var: out + 2, len: bytes }) as const),
      ]);
      for (const [i, result] of results.entries()) {
        outputs[i]?.set(result, firstRow * ELEMENT_BYTES);
        result.fill(0);
      }
    }
    return outputs as [Uint8Array, Uint8Array, Uint8Array];
  }

  /** From values at the n-th roots of unity to values at those roots times one of order 2n. */
  async #toCoset(values: Uint8Array, log2: number): Promise<Uint8Array> {
    const { Fr } = this.#curve;
    const polynomial = this.#secret(await Fr.ifft(values));
    this.#wipe(values);
    const shift = Fr.w[log2 + 1] as Uint8Array;
    const shifted = this.#secret(await Fr.batchApplyKey(polynomial, Fr.one, shift));
    this.#wipe(polynomial);
    const result = this.#secret(await Fr.fft(shifted));
    this.#wipe(shifted);
    return result;
  }

  /** a b - c, out of Montgomery form. */
  async #combine(inputs: readonly [Uint8Array, Uint8Array, Uint8Array]): Promise<Uint8Array> {
    const output = this.#secret(new Uint8Array(inputs[0].length));
    const chunkBytes = POINTS_PER_CHUNK * ELEMENT_BYTES;
    for (let at = 0; at < output.length; at += chunkBytes) {
      const pieces = inputs.map((values) => values.subarray(at, at + chunkBytes));
      const len = (pieces[0] as Uint8Array).length;
      const n = { val: len / ELEMENT_BYTES };
      const [result] = (await this.#queue.run([
        ...pieces.map((buff, index) => ({ cmd: "ALLOCSET", var: index, buff }) as const),
        { cmd: "ALLOC", var: 3, len },
        {
          cmd: "CALL",
          fnName: "qap_joinABC",
          params: [{ var: 0 }, { var: 1 }, { var: 2 }, n, { var: 3 }],
        },
        { cmd: "CALL", fnName: "frm_batchFromMontgomery", params: [{ var: 3 }, n, { var: 3 }] },
        { cmd: "GET", out: 0, var: 3, len },
      ])) as [Uint8Array];
      output.set(result, at);
      result.fill(0);
    }
    return output;
  }

  async #sectionSums<T>(
    sums: readonly { readonly bases: Uint8Array; readonly scalars: Uint8Array }[],
    encoding: Encoding<T>,
    checkpoint: Checkpoint,
  ): Promise<Affine<T>[]> {
    const { group, pointBytes, read, infinity } = encoding;
    const chunksOf = (bases: Uint8Array) => Math.ceil(bases.length / pointBytes / POINTS_PER_CHUNK);
    const chunks = sums.reduce((count, { bases }) => count + chunksOf(bases), 0);
    const results: Affine<T>[] = [];
    let chunk = 0;
    for (const { bases, scalars } of sums) {
      let total = group.zero;
      for (let first = 0; first < bases.length / pointBytes; first += POINTS_PER_CHUNK) {
        const end = first + POINTS_PER_CHUNK;
        const part = await this.#queue.watch(
          (done) => checkpoint((chunk + Math.min(1, done / PIECES_PER_CHUNK)) / chunks),
          () =>
            group.multiExpAffine(
              bases.subarray(first * pointBytes, end * pointBytes),
              scalars.subarray(first * ELEMENT_BYTES, end * ELEMENT_BYTES),
            ),
        );
        total = group.add(total, part);
        chunk++;
      }
      const affine = group.toAffine(total);
      const view = new DataView(affine.buffer, affine.byteOffset, affine.byteLength);
      results.push(group.isZero(total) ? infinity : read(view, 0));
    }
    return results;
  }

  #secret(bytes: Uint8Array): Uint8Array {
    this.#secrets.add(bytes);
    return bytes;
  }

  #wipe(bytes: Uint8Array): void {
    bytes.fill(0);
    this.#secrets.delete(bytes);
  }
}

/** How one group's points look in ffjavascript and here. */
interface Encoding<T> {
  readonly group: CurveGroup;
  readonly pointBytes: number;
  readonly read: (view: DataView, at: number) => Affine<T>;
  readonly infinity: Affine<T>;
}

/** The terms' total, given the sums of those terms that are sections, in order. */
function combineTerms<T>(
  group: Group<T>,
  terms: readonly (
    | { readonly section: string; readonly factor?: bigint }
    | { readonly point: Affine<T>; readonly factor: bigint }
  )[],
  sums: readonly Affine<T>[],
): Affine<T> {
  let next = 0;
  return group.sum(
    terms.map((term) => ({
      point: "point" in term ? term.point : (sums[next++] as Affine<T>),
      factor: term.factor ?? 1n,
    })),
  );
}
