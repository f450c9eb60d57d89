import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gpuBars } from "../../bench/gpu/bars.ts";
import {
  circuitSizes,
  estimateBlock,
  type GpuProofCost,
  gpuProofCost,
} from "../../bench/gpu/estimate.ts";
import { type GpuOptions, gpuWords, parseGpuOptions } from "../../bench/gpu/options.ts";
import { gpuPlots } from "../../bench/gpu/plots.ts";
import { bestRate, productsPerSecond } from "../../bench/gpu/rates.ts";
import { measuredBlock } from "../../bench/gpu/readme.ts";
import { type GpuBenchResult, parseGpuResult, SOFTWARE_WARNING } from "../../bench/gpu/result.ts";
import { runGpuBench } from "../../bench/gpu/run.ts";
import { gpuSummary } from "../../bench/gpu/summary.ts";
import { UsageError } from "../../bench/options.ts";
import { writeResult } from "../../bench/output.ts";
import type { GpuKind } from "../../worker/gpu/device.ts";
import { openAny, whyNoDevice } from "../worker/gpu/device-fixture.ts";
import { elementsOf } from "./markup.ts";
import { sampleGpuResult, sampleSoftwareResult } from "./sample-gpu-result.ts";

const root = join(import.meta.dirname, "../..");
const parse = (...words: string[]): GpuOptions => parseGpuOptions(words) as GpuOptions;

describe("bench / gpu / options", () => {
  it("are asked for by the engine's name or as a command, and by nothing else", () => {
    expect(gpuWords(["--engine", "vulkan", "--quick"])).toEqual(["--quick"]);
    expect(gpuWords(["--quick", "--engine=vulkan", "--device", "x"])).toEqual([
      ...["--quick", "--device", "x"],
    ]);
    expect(gpuWords(["gpu", "--help"])).toEqual(["--help"]);
    expect(gpuWords(["--quick"])).toBeUndefined();
    expect(() => gpuWords(["--engine", "wasm"])).toThrow(UsageError);
    expect(() => gpuWords(["--engine"])).toThrow('--engine: got ""');
  });

  it("take the sizes that the bars name when nothing is said, and no device by name", () => {
    const options = parse();
    expect(options.device).toBeUndefined();
    expect([options.transforms.at(0), options.transforms.at(-1)]).toEqual([12, 20]);
    expect([options.msm.at(0), options.msm.at(-1)]).toEqual([14, 20]);
    expect([options.proofs.at(0), options.proofs.at(-1)]).toEqual([12, 18]);
    expect(options.inFlight).toEqual([1, 2, 4, 8, 16]);
    expect(parse("--help")).toBeUndefined();
  });

  it("take less of everything in a quick run", () => {
    const [quick, full] = [parse("--quick"), parse()];
    for (const key of ["rounds", "windowMs", "fillMs"] as const) {
      expect(quick[key], key).toBeLessThan(full[key]);
    }
    for (const key of ["transforms", "msm", "proofs", "invocations", "inFlight"] as const) {
      expect(quick[key].at(-1), key).toBeLessThan(full[key].at(-1) as number);
    }
  });

  it.each([
    [["--measure", "fields,all"], '--measure: got "all"'],
    [["--msm", "99"], '--msm: got "99"'],
    [["--in-flight", "1,0"], '--in-flight: got "0"'],
    [["--fast"], "--fast"],
  ])("refuse %j", (words, message) => {
    expect(() => parse(...words)).toThrow(UsageError);
    expect(() => parse(...words)).toThrow(message);
  });
});

describe("bench / gpu / result", () => {
  it("is read as it was written", () => {
    const sample = sampleGpuResult();
    expect(parseGpuResult(JSON.parse(JSON.stringify(sample)))).toEqual(sample);
  });

  it("is refused with another form, or where a software device is not marked", () => {
    const { msm: _, ...incomplete } = sampleGpuResult();
    expect(() => parseGpuResult(incomplete)).toThrow("result.msm");
    const software = sampleSoftwareResult();
    expect(parseGpuResult(software)).toBe(software);
    const { warning: __, ...unwarned } = software;
    for (const bad of [unwarned, { ...software, isSoftware: false }]) {
      expect(() => parseGpuResult(bad)).toThrow("software");
    }
    expect(() => parseGpuResult({ ...sampleGpuResult(), isSoftware: true })).toThrow("discrete");
  });
});

describe("bench / gpu / summary", () => {
  it("shows rates, the part of the multiplication rate that is used, and ratios to wasm", () => {
    const text = gpuSummary(sampleGpuResult());
    expect(text).toMatch(/Fq, best +10,000\n/);
    expect(text).toMatch(/Fq, 2 chains each +2\^18 +52\.4 +10,000\n/);
    expect(text).toMatch(/G1, affine +2\^18 +52\.4 +500 +50\.0 %/);
    expect(text).toMatch(/2\^20, inTime, 8 side by side +16\.0 +16\.0 +2\.00 +52\.4 %/);
    expect(text).toMatch(/2\^20 in G1 +20\.0 +20\.0 +2\.00 +100 +50\.0 %/);
    expect(text).toMatch(/dense-17, vulkan \(Made-up GPU\) +20\.0 +20\.0 +10\.0 +500 +250/);
    expect(text).toMatch(/dense-17, vulkan, 16 in flight +82\.0 +10\.0/);
    expect(text.toLowerCase()).not.toContain("software");
  });

  it("marks a software device above, below and in every table", () => {
    const text = gpuSummary(sampleSoftwareResult());
    expect(text.split("\n")[0]).toBe(SOFTWARE_WARNING);
    expect(text.split("\n").at(-1)).toBe(SOFTWARE_WARNING);
    const tables = text.split("\n\n").filter((part) => part.includes("──"));
    expect(tables.length).toBe(7);
    for (const table of tables) expect(table.split("\n")[0]).toContain("[SOFTWARE DEVICE]");
  });

  it("says what is missing, and that a run was cut short", () => {
    const text = gpuSummary(sampleGpuResult({ missing: ["msm: not here"], isComplete: false }));
    expect(text).toContain("Not measured\nmsm: not here");
    expect(text).toContain("did not come to its end");
  });
});

describe("bench / gpu / bars", () => {
  const states = (result: GpuBenchResult) => gpuBars(result).map(({ state }) => state);

  it("are judged on hardware: proofs by WebAssembly's, sums by the multiplication rate", () => {
    const bars = gpuBars(sampleGpuResult());
    expect(bars.map(({ value }) => value)).toEqual([10, 50, undefined, 20]);
    expect(states(sampleGpuResult())).toEqual(["met", "met", "not measured", "met"]);
    const slow = sampleGpuResult();
    const worse = {
      ...slow,
      throughput: slow.throughput.map((row) => ({ ...row, proofsPerSecond: [1] })),
      msm: slow.msm.map((row) => ({ ...row, samplesMs: [26] })),
    };
    expect(states(worse)).toEqual(["not met", "not met", "not measured", "not met"]);
  });

  it("are not judged on a software device, and never met where nothing was measured", () => {
    expect(new Set(states(sampleSoftwareResult()))).toEqual(
      new Set(["not judged: software device", "not measured"]),
    );
    expect(new Set(states(sampleGpuResult({ msm: [], throughput: [], fields: [] })))).toEqual(
      new Set(["not measured"]),
    );
  });
});

describe("bench / gpu / plots", () => {
  const sample = (isSoftware: boolean): GpuBenchResult => {
    const result = isSoftware ? sampleSoftwareResult() : sampleGpuResult();
    const [fixture] = result.fixtures;
    const smaller = { ...fixture, id: "dense-16", log2: 16 } as (typeof result.fixtures)[number];
    const also = (row: (typeof result.proofs)[number]) => ({ ...row, fixture: "dense-16" });
    return {
      ...result,
      fixtures: [...result.fixtures, smaller],
      proofs: [...result.proofs, ...result.proofs.map(also)],
      msm: [...result.msm, ...result.msm.map((row) => ({ ...row, log2: 14 }))],
    };
  };

  it("are well-formed, and show both engines", () => {
    const files = gpuPlots(sample(false));
    expect(Object.keys(files)).toEqual(["gpu-proofs.svg", "gpu-sums.svg"]);
    for (const svg of Object.values(files)) expect(elementsOf(svg)[0]).toBe("svg");
    for (const word of ["Made-up GPU", "WebAssembly"])
      expect(files["gpu-proofs.svg"]).toContain(word);
    expect(measuredBlock(sample(false))).toContain("plots/gpu-proofs.svg");
  });

  it("say of a software device what it is", () => {
    for (const svg of Object.values(gpuPlots(sample(true)))) {
      expect(svg).toContain("[SOFTWARE DEVICE, not a GPU]");
    }
  });

  it("are left out where a run has no numbers for them", () => {
    expect(gpuPlots({ ...sample(false), proofs: [], msm: [] })).toEqual({});
  });
});

describe("bench / gpu / estimate", async () => {
  const snapshot = async (name: string) =>
    JSON.parse(await readFile(join(root, `test/snapshots/${name}.json`), "utf8"));
  const snapshots = {
    constraints: await snapshot("constraints"),
    proofs: await snapshot("proofs"),
    quotients: await snapshot("gpu-quotient"),
  };
  const costs = new Map(
    circuitSizes(snapshots).map((size) => [size.id, gpuProofCost(size, snapshots.quotients)]),
  );
  const costOf = (id: string) => costs.get(id) as GpuProofCost;

  it("adds up the committed counts: four sums in G1, one in G2, the quotient", async () => {
    const sums = await snapshot("gpu-sums");
    const { quotient, sumsG1, sumsG2, total } = costOf("dense-20");
    expect(sumsG1).toBe(4 * sums["g1 2^20"].total);
    expect(sumsG2).toBe(sums["g2 2^20"].total);
    const { sparseProducts } = snapshots.proofs["dense-10"].quotient;
    const products = Math.round((sparseProducts * (2 ** 20 - 3)) / (2 ** 10 - 3));
    expect(quotient).toBe(snapshots.quotients["2^20"].multiplications.total + products);
    expect(total).toBe(quotient + sumsG1 + sumsG2);
  });

  it("has every circuit of the table, and costs that grow with its size", () => {
    const ids = Object.keys(snapshots.constraints.circuits);
    expect([...costs.keys()].slice(0, ids.length)).toEqual(ids);
    const totals = ids.map((id) => costOf(id).total);
    expect(totals).toEqual(totals.toSorted((a, b) => a - b));
  });

  it("says what follows at given rates", () => {
    const row = estimateBlock(snapshots)
      .split("\n")
      .find((line) => line.startsWith("| `dense-17`")) as string;
    const cells = row.split("|").map((cell) => cell.trim());
    const { total } = costOf("dense-17");
    expect(Number(cells[7])).toBeCloseTo((1000 * total) / 40e9, 1);
    expect(Number(cells[8])).toBeCloseTo((1000 * total) / (25e9 * 0.4), 0);
  });
});

describe("bench / gpu / documentation", () => {
  it("shows hardware with its ratio to wasm, and says that there was none", () => {
    const text = measuredBlock(sampleGpuResult());
    expect(text).toContain("Made-up GPU");
    expect(text).toContain("10.0 G multiplications a second in Fq");
    expect(text).toContain("| sum of 2^20 points in G1 | 20.0 |  |");
    expect(text).toContain("| one proof, `dense-17` | 20.0 | 10.0 |");
    expect(measuredBlock(undefined)).toContain("No run on a GPU");
  });

  it("refuses a software device", () => {
    expect(() => measuredBlock(sampleSoftwareResult())).toThrow("software device");
  });
});

describe.skipIf(whyNoDevice !== undefined)(
  `bench / gpu / run${whyNoDevice ? ` (${whyNoDevice})` : ""}`,
  () => {
    let device: { readonly name: string; readonly kind: GpuKind };
    let folder: string;
    let result: GpuBenchResult;
    const kept: GpuBenchResult[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "proofmill-gpu-bench-"));
      const any = await openAny();
      device = { name: any.name, kind: any.kind };
      await any.close();
      const words = ["--quick", "--device", device.name, "--rounds", "1", "--transforms", "4,10"];
      const options = parse(...words, "--msm", "6", "--sizes", "5", "--in-flight", "1,3");
      result = await runGpuBench(
        { ...options, invocations: [6, 8], fillMs: 1 },
        "npm run bench -- --engine vulkan",
        () => {},
        async (known) => void kept.push(known),
      );
      await writeResult(folder, result);
    });
    afterAll(() => rm(folder, { recursive: true }));

    it("measures what was asked for, and compares results with bigints on the way", () => {
      expect(result.missing).toEqual([]);
      expect(result.fields.length).toBe(2 * 2 * 2);
      expect(result.points.map(({ group, addition }) => `${group} ${addition}`)).toEqual([
        ...["g1 affine", "g1 affine", "g1 xyzz", "g1 xyzz"],
        ...["g2 affine", "g2 affine", "g2 xyzz", "g2 xyzz"],
      ]);
      expect(result.transforms.map(({ log2, vectors }) => [log2, vectors])).toEqual([
        ...[
          [4, 1],
          [4, 8],
          [10, 1],
          [10, 8],
        ],
        ...[
          [4, 1],
          [4, 8],
          [10, 1],
          [10, 8],
        ],
      ]);
      expect(result.msm.map(({ group, log2, sums }) => [group, log2, sums])).toEqual([
        ["g1", 6, 1],
        ["g1", 6, 8],
        ["g2", 6, 1],
        ["g2", 6, 8],
      ]);
      for (const rate of result.fields) expect(productsPerSecond(rate)).toBeGreaterThan(0);
      expect(bestRate(result, "Fr")).toBeGreaterThan(0);
    });

    it("makes proofs on the device and by WebAssembly, in turn and several at once", () => {
      expect(result.fixtures.map(({ id }) => id)).toEqual(["dense-5"]);
      expect(result.proofs.map(({ engine }) => engine)).toEqual(["vulkan", "wasm"]);
      expect(result.proofs[0]?.engineName).toContain(device.name);
      expect(result.proofs[0]?.deviceBytes).toBeGreaterThan(0);
      expect(result.throughput.map(({ engine, inFlight }) => `${engine} ${inFlight}`)).toEqual([
        ...["vulkan 1", "wasm 1", "vulkan 3", "wasm 3"],
      ]);
      for (const { proofsPerSecond } of result.throughput) {
        expect(Math.min(...proofsPerSecond)).toBeGreaterThan(0);
      }
      // By bigints, beside what each engine verifies itself.
      expect(result.checkedProofs).toBe(2);
    });

    it("keeps what is known after every measurement, in a form that is read again", async () => {
      expect(kept.map(({ isComplete }) => isComplete)).toEqual([
        false,
        false,
        false,
        false,
        false,
        false,
        true,
      ]);
      expect(kept[0]?.transforms).toEqual([]);
      const text = await readFile(join(folder, "latest.json"), "utf8");
      expect(parseGpuResult(JSON.parse(text))).toEqual(result);
    });

    it("marks a software device, and no other", () => {
      const isSoftware = device.kind === "software";
      expect(result.isSoftware).toBe(isSoftware);
      expect(gpuSummary(result).includes(SOFTWARE_WARNING)).toBe(isSoftware);
    });
  },
);
