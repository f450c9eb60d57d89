import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BenchResult, parseResult } from "../../bench/report/result.ts";
import { fakePeer, temporaryFolder } from "./small-fixture.ts";

const root = join(import.meta.dirname, "../..");
let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(() => rm(folder, { recursive: true }));

async function bench(...words: string[]) {
  const child = spawn(process.execPath, ["bench/main.ts", ...words], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout: texts[0]?.() ?? "", stderr: texts[1]?.() ?? "" };
}

describe("npm run bench", () => {
  let run: Awaited<ReturnType<typeof bench>>;
  let result: BenchResult;

  beforeAll(async () => {
    const out = join(folder, "results");
    run = await bench(
      ...["--sizes", "5,6", "--kinds", "dense,bits"],
      ...["--rounds", "1", "--window", "0", "--windows", "1"],
      ...["--contenders", "wasm,wasm-1,fake,fake-1"],
      ...["--peer-server", `fake=${await fakePeer(folder)}`, "--out", out],
    );
    result = parseResult(JSON.parse(await readFile(join(out, "latest.json"), "utf8")));
  });

  it("measures every contender on every circuit, with proofs that were all verified", () => {
    expect(run.code).toBe(0);
    expect(result.fixtures.map(({ id }) => id)).toEqual(["dense-5", "dense-6", "bits-6"]);
    const measured = result.latency.map(({ fixture, contender }) => `${fixture} ${contender}`);
    const contenders = result.contenders.map(({ id }) => id);
    expect(contenders).toEqual(expect.arrayContaining(["wasm", "wasm-1", "fake", "fake-1"]));
    const expected = result.fixtures.flatMap(({ id }) => contenders.map((c) => `${id} ${c}`));
    expect(new Set(measured)).toEqual(new Set(expected));
    // A first proof and one that counts of each, and those of the throughput.
    expect(result.verifiedProofs).toBeGreaterThan(2 * measured.length);
    expect(run.stdout).toContain(`${result.verifiedProofs} proofs, every one verified`);
  });

  it("counts proofs per second of one process and of one a core", () => {
    const rows = result.throughput.filter(({ contender }) => contender === "fake");
    expect(rows.map(({ arrangement }) => arrangement)).toEqual(["one process", "processes"]);
    expect(rows[1]?.processes).toBe(result.machine.cores);
    for (const { proofsPerSecond } of rows) expect(Math.min(...proofsPerSecond)).toBeGreaterThan(0);
  });

  it("times the yardstick's multi-scalar multiplications", () => {
    const msm = result.msm.filter(({ engine }) => engine === "ffjavascript");
    expect(msm.map(({ group, log2 }) => [group, log2])).toEqual([
      ["g1", 6],
      ["g2", 6],
    ]);
  });

  it("records machine, commit and command, without the peer's place", () => {
    expect(result.command).toContain("--peer-server fake=PATH");
    expect(JSON.stringify(result)).not.toContain(folder);
    expect(result.machine.node).toBe(process.versions.node);
  });

  it("prints the bars, and a line for what is missing", () => {
    expect(run.stdout).toMatch(/against rapidsnark +≥ 3 +not measured/);
    expect(run.stdout).toContain("rapidsnark: not measured; --peer rapidsnark=PATH");
    expect(run.stderr).not.toBe("");
  });

  it("keeps each run under its date and commit", async () => {
    const names = await readdir(join(folder, "results"));
    const { startedAt, commit } = result;
    expect(names.toSorted()).toEqual([
      `${startedAt.slice(0, 10)}-${commit.id}.json`,
      "latest.json",
    ]);
  });
});

describe("npm run bench, called wrongly", () => {
  it.each([
    [["--sizes", "x"], "--sizes"],
    [["--contenders", "nobody"], '--contenders: got "nobody"'],
  ])("says how it is called: %j", async (words, message) => {
    const { code, stderr } = await bench(...words);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain("usage: npm run bench");
  });

  it("prints its usage when asked", async () => {
    const { code, stdout } = await bench("--help");
    expect(code).toBe(0);
    expect(stdout).toContain("--peer-server NAME=PATH");
  });
});
