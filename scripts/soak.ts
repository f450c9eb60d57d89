/**
 * Soaks the service: a mixed load with random faults for minutes, on one SQLite file. The first third
 * of the time has restarts, by kill -9 and in order; the rest has one process, whose memory, open files
 * and store must not grow. Fails if a job is lost or doubled, or something grows.
 *
 *   npm run soak -- --minutes 10 [--seed N] [--out DIR]
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { SeededRandom } from "../test/prover/seeded-random.ts";
import { ServedProcess } from "../test/prover/served-process.ts";
import { SoakLoad } from "./soak/load.ts";
import { soakPlot } from "./soak/plot.ts";
import { MEASURES, type Sample, takeSample } from "./soak/samples.ts";
import { trendOf } from "./soak/trend.ts";

const LANES = 6;
/** Part of the time in which the service is restarted now and then. */
const RESTARTS_PART = 1 / 3;
/** Part of the rest that is left out of the trends: caches fill, retention begins. */
const WARM_PART = 1 / 3;
const SAMPLE_MS = 1_000;
const REPORT_EVERY = 10;
/** Fewer say nothing about a trend. */
const TREND_SAMPLES_MIN = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../build/soak") },
  },
});
const seconds = 60 * Number(values.minutes);
if (!(seconds > 0))
  throw new Error(`--minutes: got "${values.minutes}", expected a number above 0`);
const random = new SeededRandom(values.seed === undefined ? undefined : Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), "soak-"));
const port = await freePort();
const options = {
  store: `sqlite:${join(folder, "jobs.sqlite")}`,
  // Garbage is collected soon, unlike in service: otherwise it would look like growth for an hour.
  nodeArgs: ["--heap-growing-percent=30"],
  settings: {
    PROVER_LISTEN: `127.0.0.1:${port}`,
    PROVER_CIRCUITS: "product,chain,stubborn",
    // Each kill takes one from what runs.
    PROVER_ATTEMPTS_MAX: "10",
    // So few that retention is at work in a short run; every caller looks at its job soon.
    PROVER_KEEP_FINISHED_MAX: "300",
    PROVER_DRAIN_MS: "2000",
  },
};

const startedMs = performance.now();
const elapsed = () => (performance.now() - startedMs) / 1_000;
const restartsUntil = seconds * RESTARTS_PART;
const samples: Sample[] = [];
const restarts: number[] = [];
const load = new SoakLoad(`127.0.0.1:${port}`, { random });
let served = await ServedProcess.start(options);
let lastStart = elapsed();
const lanes = Promise.all(Array.from({ length: LANES }, () => load.lane()));
let nextRestart = elapsed() + 5 + random.below(15);
process.stdout.write(`soak of ${seconds} s, seed ${random.seed}\n`);

while (elapsed() < seconds) {
  await sleep(SAMPLE_MS);
  if (elapsed() < restartsUntil && elapsed() > nextRestart) {
    restarts.push(elapsed());
    const signal = random.chance(0.5) ? "SIGKILL" : "SIGTERM";
    process.stdout.write(`${Math.round(elapsed())} s: ${signal} and a new start\n`);
    await served.end(signal);
    await served[Symbol.asyncDispose]();
    served = await ServedProcess.start(options);
    lastStart = elapsed();
    nextRestart = elapsed() + 10 + random.below(20);
  }
  const sample = await takeSample(served, folder, elapsed());
  samples.push(sample);
  if (samples.length % REPORT_EVERY === 0) process.stdout.write(`${lineOf(sample)}\n`);
}
load.stop();
await lanes;
const ids = new Set<string>();
for await (const { requestId } of served.client.list({ pageSize: 500 })) {
  if (ids.has(requestId)) load.doubled++;
  ids.add(requestId);
}
const stopped = await served.end("SIGTERM");
await served[Symbol.asyncDispose]();
await rm(folder, { recursive: true });

const steadyFrom = lastStart + (elapsed() - lastStart) * WARM_PART;
const steady = samples.filter(({ at }) => at >= steadyFrom);
const problems = [...load.faults];
if (load.ends.lost > 0) problems.push(`${load.ends.lost} jobs lost`);
if (load.doubled > 0) problems.push(`${load.doubled} jobs doubled`);
if (stopped.code !== 0) problems.push(`it stopped with ${stopped.signal ?? stopped.code}`);
const trends = steady.length < TREND_SAMPLES_MIN ? [] : MEASURES.map(judge);
problems.push(...trends.flatMap(({ problem }) => problem ?? []));

await mkdir(values.out, { recursive: true });
const report = {
  ...{ seconds: Math.round(elapsed()), seed: random.seed, restarts: restarts.length },
  ...{ jobs: load.jobs, ends: load.ends, doubled: load.doubled, trends, problems, samples },
};
await writeFile(join(values.out, "soak.json"), `${JSON.stringify(report, null, 1)}\n`);
await writeFile(join(values.out, "soak.svg"), soakPlot(samples, { steadyFrom, restarts }));

const { lost, ...ends } = load.ends;
const how = Object.entries(ends).map(([name, count]) => `${count} ${name}`);
process.stdout.write(
  `FAULT soak of ${Math.round(elapsed())} s: ${restarts.length} restarts, ${load.jobs} jobs (${how.join(", ")}), ${lost} lost, ${load.doubled} doubled (seed ${random.seed})\n`,
);
for (const { text } of trends) process.stdout.write(`${text}\n`);
if (trends.length === 0) process.stdout.write("too short to judge trends\n");
for (const problem of problems) process.stdout.write(`PROBLEM ${problem}\n`);
process.stdout.write(`written to ${values.out}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function judge({ name, unit, mayGrowBy }: (typeof MEASURES)[number]) {
  const { median, growth } = trendOf(steady.map((sample) => [sample.at, sample[name]] as const));
  const most = Math.max(mayGrowBy.least, mayGrowBy.part * median);
  const shown = (value: number) =>
    unit === "MB" ? `${(value / 1e6).toFixed(1)} MB` : `${value.toFixed(1)}`;
  const text = `${name}: median ${shown(median)}, trend ${shown(growth)} in ${Math.round((steady.at(-1)?.at ?? 0) - steadyFrom)} s (at most ${shown(most)})`;
  return { name, median, growth, text, problem: growth > most ? `grows: ${text}` : undefined };
}

function lineOf({ at, residentBytes, heapBytes, openFiles, storeBytes }: Sample): string {
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return `${Math.round(at)} s: ${load.jobs} jobs ended (${load.ends.lost} lost, ${load.doubled} doubled), resident ${mb(residentBytes)}, heap ${mb(heapBytes)}, ${openFiles} files open, store ${mb(storeBytes)}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port: free } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return free;
}
