/**
 * Runs the GPU's tests and its benchmark from a packed build (`scripts/pack-gpu.ts`), on a machine that has
 * nothing but a driver, and leaves JSON in one folder:
 *
 *     environment.json   the machine, its drivers, what it lacked, the device
 *     conformance.json   every test with its outcome
 *     latest.json        the benchmark's result, and the same under its date and commit
 *     summary.txt        what the benchmark printed
 */
import { spawn } from "node:child_process";
import { createWriteStream, globSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeCommit, describeMachine } from "../../bench/machine.ts";
import { isLoadable, setUpDriver } from "./driver.ts";
import type { Conformance } from "./reporter.ts";

const app = join(import.meta.dirname, "../..");

const USAGE = `usage: sh run.sh [flags] [-- flags of the benchmark]

  --out DIR         where the results go; default ./results
  --device NAME     part of the device's name; the only way to a software device
  --quick           a small benchmark
  --only PART       conformance or bench
  --tests TEXT      only test files with this in their path
  --minutes N       ends the benchmark after so long; what it has measured stays
  --help

The benchmark's own flags: sh run.sh --only bench -- --help
`;

interface Ended {
  readonly code: number;
  readonly stdout: string;
}

const { values: flags, positionals: benchFlags } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "results" },
    device: { type: "string" },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    tests: { type: "string", default: "" },
    minutes: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), "proofmill-gpu-"));
  try {
    const { environment, ...driver } = await setUpDriver(isLoadable, join(app, "../lib"), folder);
    const variables = {
      ...process.env,
      ...environment,
      ...(flags.device !== undefined && { PROOFMILL_TEST_DEVICE: flags.device }),
    };
    const device = await describeDevice(variables);
    const facts = { machine: describeMachine(), commit: describeCommit(), ...driver, environment };
    const nvidia = await run("nvidia-smi", [], variables, false).catch(() => undefined);
    const all = { ...facts, nvidiaSmi: nvidia?.stdout.split("\n") ?? "not here", device };
    await writeFile(join(out, "environment.json"), `${JSON.stringify(all, null, 1)}\n`);
    if ("error" in device) {
      process.stderr.write(`no device: ${device.error}\n`);
      return 1;
    }
    process.stdout.write(`${device.name}, ${device.kind}\n`);
    const parts = flags.only === undefined ? ["conformance", "bench"] : [flags.only];
    let isGood = true;
    if (parts.includes("conformance")) isGood = await conformance(out, variables);
    if (parts.includes("bench")) isGood = (await bench(out, variables)) && isGood;
    process.stdout.write(`results in ${out}\n`);
    return isGood ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function describeDevice(
  variables: NodeJS.ProcessEnv,
): Promise<{ error: string } | { name: string; kind: string }> {
  const words = [join(import.meta.dirname, "device-report.js"), flags.device];
  const { stdout, code } = await run(process.execPath, words.filter(isGiven), variables, false);
  // A driver may crash, or write something before.
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? JSON.parse(line) : { error: `the driver ended it: exit ${code}` };
}

/** @returns whether no test failed, and some were run. */
async function conformance(out: string, variables: NodeJS.ProcessEnv): Promise<boolean> {
  const path = join(out, "conformance.json");
  const files = globSync("test/**/*.test.js", { cwd: app }).filter((file) =>
    file.includes(flags.tests),
  );
  // One file after the other, each in a process of its own: a crash ends one of them.
  const words = [
    ...["--test", "--test-concurrency=1"],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    `--test-reporter=${join(import.meta.dirname, "reporter.js")}`,
    `--test-reporter-destination=${path}`,
    ...files.map((file) => join(app, file)),
  ];
  await run(process.execPath, words, variables, true);
  const { passed, failed, skipped } = JSON.parse(await readFile(path, "utf8")) as Conformance;
  process.stdout.write(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed === 0 && passed > 0;
}

async function bench(out: string, variables: NodeJS.ProcessEnv): Promise<boolean> {
  const words = [
    join(import.meta.dirname, "bench.js"),
    ...["--out", out],
    ...(flags.quick ? ["--quick"] : []),
    ...(flags.device === undefined ? [] : ["--device", flags.device]),
    ...benchFlags,
  ];
  const limitMs = flags.minutes === undefined ? undefined : 60_000 * Number(flags.minutes);
  const summary = join(out, "summary.txt");
  const { code } = await run(process.execPath, words, variables, true, { limitMs, copy: summary });
  return code === 0;
}

/** @param isShown  whether what it writes is seen at once. */
async function run(
  program: string,
  words: readonly string[],
  variables: NodeJS.ProcessEnv,
  isShown: boolean,
  { limitMs, copy }: { limitMs?: number | undefined; copy?: string } = {},
): Promise<Ended> {
  const child = spawn(program, words, {
    cwd: app,
    env: variables,
    stdio: ["ignore", "pipe", "inherit"],
    ...(limitMs !== undefined && { timeout: limitMs }),
  });
  const file = copy === undefined ? undefined : createWriteStream(copy);
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    file?.write(text);
    if (isShown) process.stdout.write(text);
  });
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => {
      const ended = { code: code ?? (signal === null ? 1 : 128), stdout };
      if (file === undefined) done(ended);
      else file.end(() => done(ended));
    });
  });
}

function isGiven(word: string | undefined): word is string {
  return word !== undefined;
}
