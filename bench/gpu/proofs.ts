/**
 * Whole proofs from witness files, on the GPU and by WebAssembly on all cores, the two taking turns. Both
 * verify each proof that they make; the first one of each is checked by bigints as well.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { referenceEngine } from "../../worker/engines/reference.ts";
import { verify } from "../../worker/groth16.ts";
import { proofFromJson, publicSignalsFromJson } from "../../worker/proof.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import type { Contender } from "../contenders/contender.ts";
import type { ProvedMessage } from "../contenders/message.ts";
import { openNodeContender } from "../contenders/node-contender.ts";
import { type Fixture, type FixtureFacts, generatedFixture } from "../fixtures/fixture.ts";
import { median } from "../statistics.ts";
import type { GpuOptions } from "./options.ts";
import type { GpuBenchResult, ProofEngine, ProofRate, ProofTime } from "./result.ts";
import { type GpuSession, rounded, WrongResult } from "./timing.ts";

const root = join(import.meta.dirname, "../..");
const FOLDERS = {
  benchDir: join(root, "build/bench"),
  circuitsDir: join(root, "build/circuits"),
};

export type ProofParts = Pick<
  GpuBenchResult,
  "fixtures" | "proofs" | "throughput" | "checkedProofs"
>;

interface Entrant {
  readonly engine: ProofEngine;
  readonly contender: Contender;
  readonly proved: ProvedMessage[];
  firstMs: number;
}

type ProofOptions = Pick<
  GpuOptions,
  "device" | "proofs" | "inFlight" | "rounds" | "windowMs" | "windows"
>;

/** Sizes (log2) of more than 2^12 on which proofs per second are counted: each takes a minute. */
const COUNTED_LOG2: readonly number[] = [14, 16, 17, 18, 20];

/** @param keep  gets what is known after each circuit. */
export async function measureProofs(
  session: Pick<GpuSession, "progress" | "miss">,
  options: ProofOptions,
  keep: (known: ProofParts) => Promise<void>,
): Promise<ProofParts> {
  let known: ProofParts = { fixtures: [], proofs: [], throughput: [], checkedProofs: 0 };
  for (const log2 of options.proofs) {
    try {
      const fixture = await generatedFixture("dense", log2, FOLDERS, session.progress);
      const part = await measureFixture(session, options, fixture);
      known = {
        fixtures: [...known.fixtures, factsOf(fixture)],
        proofs: [...known.proofs, ...part.proofs],
        throughput: [...known.throughput, ...part.throughput],
        checkedProofs: known.checkedProofs + part.proofs.length,
      };
      await keep(known);
    } catch (error) {
      session.miss(`proofs of 2^${log2}`, (error as Error).message);
    }
  }
  return known;
}

async function measureFixture(
  session: Pick<GpuSession, "progress" | "miss">,
  options: ProofOptions,
  fixture: Fixture,
): Promise<{ proofs: ProofTime[]; throughput: ProofRate[] }> {
  const entrants: Entrant[] = [];
  try {
    for (const engine of ["vulkan", "wasm"] as const) {
      session.progress(`${fixture.id}: ${engine} loads the key`);
      const contender = await open(engine, options, fixture);
      entrants.push({ engine, contender, proved: [], firstMs: 0 });
    }
    for (const entrant of entrants) {
      const first = await entrant.contender.prove();
      entrant.firstMs = rounded(first.ms);
      await check(fixture, first);
    }
    for (let round = 0; round < options.rounds; round++) {
      for (const { engine, contender, proved } of entrants) {
        session.progress(`${fixture.id}: one proof, ${engine}`, round / options.rounds);
        proved.push(await contender.prove());
      }
    }
    const isCounted = fixture.log2 <= 12 || COUNTED_LOG2.includes(fixture.log2);
    const throughput = isCounted ? await measureRates(session, options, fixture, entrants) : [];
    return { proofs: entrants.map((entrant) => timeOf(fixture, entrant)), throughput };
  } finally {
    await Promise.all(entrants.map(({ contender }) => contender.close()));
  }
}

function open(
  engine: ProofEngine,
  { device, inFlight }: ProofOptions,
  fixture: Fixture,
): Promise<Contender> {
  if (engine === "wasm") {
    return openNodeContender("ours-child", { engine, threads: "all" }, fixture, {});
  }
  const threads = Math.max(availableParallelism(), ...inFlight);
  return openNodeContender("gpu-child", { device, threads }, fixture, {});
}

function timeOf({ id }: Fixture, { engine, contender, proved, firstMs }: Entrant): ProofTime {
  const { engineName, ms } = contender.loaded;
  const last = proved.at(-1);
  const stages = Object.keys(last?.stageMs ?? {});
  const stageMs = stages.map((stage) => [
    stage,
    rounded(median(proved.map((message) => message.stageMs?.[stage] ?? 0))),
  ]);
  return {
    fixture: id,
    engine,
    engineName,
    keyLoadMs: rounded(ms),
    firstMs,
    samplesMs: proved.map((message) => rounded(message.ms)),
    ...(stages.length > 0 && { stageMs: Object.fromEntries(stageMs) }),
    ...(last?.deviceBytes !== undefined && { deviceBytes: last.deviceBytes }),
  };
}

async function measureRates(
  session: Pick<GpuSession, "progress">,
  { inFlight, windows, windowMs }: ProofOptions,
  fixture: Fixture,
  entrants: readonly Entrant[],
): Promise<ProofRate[]> {
  const rates: ProofRate[] = [];
  for (const [i, lanes] of inFlight.entries()) {
    const perEngine = entrants.map(() => [] as number[]);
    const deviceBytes: (number | undefined)[] = [];
    for (let window = 0; window < windows; window++) {
      for (const [j, { engine, contender }] of entrants.entries()) {
        const done = (i + window / windows) / inFlight.length;
        session.progress(`${fixture.id}: ${lanes} in flight, ${engine}`, done);
        const { perSecond, last } = await fillWindow(contender, lanes, windowMs);
        perEngine[j]?.push(rounded(perSecond));
        deviceBytes[j] = last.deviceBytes;
      }
    }
    rates.push(
      ...entrants.map(({ engine }, j) => ({
        fixture: fixture.id,
        engine,
        inFlight: lanes,
        proofsPerSecond: perEngine[j] ?? [],
        ...(deviceBytes[j] !== undefined && { deviceBytes: deviceBytes[j] }),
      })),
    );
  }
  return rates;
}

/**
 * Each lane proves again and again until the window is over. The rate is the sum of the lanes' own: its
 * proofs by the time until its last one, so that the end of the window cuts none off.
 */
async function fillWindow(
  contender: Contender,
  lanes: number,
  windowMs: number,
): Promise<{ perSecond: number; last: ProvedMessage }> {
  // All lanes at once, before the clock starts: memory for so many is taken then.
  const warm = await Promise.all(Array.from({ length: lanes }, () => contender.prove()));
  let last = warm[0] as ProvedMessage;
  const startedMs = performance.now();
  const rates = await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let count = 1; ; count++) {
        last = await contender.prove();
        const elapsedMs = performance.now() - startedMs;
        if (elapsedMs >= windowMs) return count / (elapsedMs / 1000);
      }
    }),
  );
  return { perSecond: rates.reduce((sum, rate) => sum + rate, 0), last };
}

/** @throws WrongResult  unless the proof verifies by bigints, which share no arithmetic with either engine. */
async function check(fixture: Fixture, { proof, publicSignals }: ProvedMessage): Promise<void> {
  const key = verificationKeyFromJson(
    JSON.parse(await readFile(fixture.verificationKeyPath, "utf8")),
  );
  const signals = publicSignalsFromJson([...publicSignals]);
  if (await verify(referenceEngine, key, signals, proofFromJson(proof))) return;
  throw new WrongResult(`${fixture.id}: got a proof that bigints refuse`);
}

function factsOf({ id, kind, log2, constraints, zkeyBytes }: Fixture): FixtureFacts {
  return { id, kind, log2, constraints, zkeyBytes };
}
