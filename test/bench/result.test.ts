import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plots } from "../../bench/report/plots.ts";
import { parseResult } from "../../bench/report/result.ts";
import { sampleResult } from "./sample-result.ts";

const root = join(import.meta.dirname, "../..");
const resultsDir = join(root, "bench/results");

type Parsed = ReturnType<typeof JSON.parse>;

const read = async (name: string) => JSON.parse(await readFile(join(resultsDir, name), "utf8"));

describe("parseResult", () => {
  it("takes what a run gives, through JSON", () => {
    const result = sampleResult();
    expect(parseResult(JSON.parse(JSON.stringify(result)))).toEqual(result);
  });

  it.each<[message: string, spoil: (json: Parsed) => unknown]>([
    ["result.formatVersion: got 2, expected one of 1", (json) => (json.formatVersion = 2)],
    ["result.minutes: got null, expected a number", (json) => (json.minutes = null)],
    ["result.commit.id: got undefined, expected a string", (json) => delete json.commit.id],
    [
      "result.machine.loadAverage: got 1, expected an array",
      (json) => (json.machine.loadAverage = 1),
    ],
    ['expected no field "more"', (json) => (json.more = 1)],
    ["result.missing[0]: got 1, expected a string", (json) => json.missing.push(1)],
    ["result.latency[1].stageMs.sum: got", (json) => (json.latency[1].stageMs = { sum: "x" })],
    ["expected one of one process, processes", (json) => (json.throughput[0].arrangement = "x")],
    ["result.fixtures[0]: got [], expected an object", (json) => (json.fixtures[0] = [])],
  ])("refuses another form and says where: %s", (message, spoil) => {
    const json = JSON.parse(JSON.stringify(sampleResult()));
    spoil(json);
    expect(() => parseResult(json)).toThrow(message);
  });

  it("refuses what is no object at all", () => {
    for (const json of [7, null, []]) expect(() => parseResult(json)).toThrow("result: got");
  });
});

describe("bench/results", () => {
  it("holds results of today's form, the latest one under two names", async () => {
    const names = (await readdir(resultsDir)).filter((name) => name.endsWith(".json"));
    expect(names).toContain("latest.json");
    const results = await Promise.all(
      names.map(async (name) => ({ name, result: parseResult(await read(name)) })),
    );
    const latest = results.find(({ name }) => name === "latest.json")?.result;
    const others = results.filter(({ name }) => name !== "latest.json");
    expect(others.map(({ result }) => result.startedAt)).toContain(latest?.startedAt);
    for (const { name, result } of others) {
      expect(name).toBe(`${result.startedAt.slice(0, 10)}-${result.commit.id}.json`);
    }
  });

  it("says nothing of where files lay on the machine", async () => {
    const names = await readdir(resultsDir, { recursive: true });
    for (const name of names.filter((each) => each.endsWith(".json"))) {
      expect(await readFile(join(resultsDir, name), "utf8")).not.toMatch(
        /\/(?:tmp|home|work|root)\//,
      );
    }
  });

  it("has its plots in docs/plots, unless it is a quick one; npm run readme renews them", async () => {
    const latest = parseResult(await read("latest.json"));
    const expected = latest.isQuick ? {} : plots(latest);
    for (const [name, svg] of Object.entries(expected)) {
      expect(await readFile(join(root, "docs/plots", name), "utf8"), name).toBe(svg);
    }
  });
});
