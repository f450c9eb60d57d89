// Refreshes what documents repeat from elsewhere: the example's code, the costs, the benchmark's table and plots in the
// README, the settings in docs/configuration.md, what was measured of GPUs and what was counted in docs/gpu.md.
// `npm run readme`.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { estimateBlock } from "../bench/gpu/estimate.ts";
import { writeGpuPlots } from "../bench/gpu/plots.ts";
import { measuredBlock } from "../bench/gpu/readme.ts";
import { type GpuBenchResult, parseGpuResult } from "../bench/gpu/result.ts";
import { writePlots } from "../bench/report/plots.ts";
import { speedBlock } from "../bench/report/readme.ts";
import { type BenchResult, parseResult } from "../bench/report/result.ts";
import { optionsTable } from "../prover/config.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");

interface Constraints {
  readonly circuits: Readonly<
    Record<string, { constraints: number; domainLog2: number; fillPercent: number }>
  >;
}
interface Gas {
  readonly commitBlock: Readonly<
    Record<string, { transfers: number; total: number; perTransfer: number }>
  >;
}

/** Documents with parts that are made here, by path. */
export const REFRESHED = ["README.md", "docs/configuration.md", "docs/gpu.md"] as const;

/** A document as it ought to be: each part between `<!-- begin: NAME -->` and `<!-- end: NAME -->` made anew. */
export async function refreshed(path: (typeof REFRESHED)[number]): Promise<string> {
  return Object.entries(await partsOf(path)).reduce(
    (text, [name, content]) => {
      const [begin, end] = [`<!-- begin: ${name} -->`, `<!-- end: ${name} -->`];
      const [from, to] = [text.indexOf(begin), text.indexOf(end)];
      if (from < 0 || to < from) throw new Error(`${path}: expected "${begin}" and then "${end}"`);
      return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
    },
    await read(path),
  );
}

async function partsOf(path: (typeof REFRESHED)[number]): Promise<Record<string, string>> {
  if (path === "docs/configuration.md") return { settings: optionsTable() };
  if (path === "docs/gpu.md") {
    const snapshot = async (name: string) => JSON.parse(await read(`test/snapshots/${name}.json`));
    return {
      "gpu-measured": measuredBlock(await latestGpuResult()),
      "gpu-estimate": estimateBlock({
        constraints: await snapshot("constraints"),
        proofs: await snapshot("proofs"),
        quotients: await snapshot("gpu-quotient"),
      }),
    };
  }
  return {
    code: `\`\`\`ts\n${await read("docs/examples/prove.ts")}\`\`\``,
    costs: await costsTable(),
    speed: speedBlock(await latestResult()),
  };
}

/** The run that `bench/results` shows. */
async function latestResult(): Promise<BenchResult> {
  return parseResult(JSON.parse(await read("bench/results/latest.json")));
}

/** Undefined: no run on a GPU was committed. */
async function latestGpuResult(): Promise<GpuBenchResult | undefined> {
  const path = "bench/results/gpu/latest.json";
  return existsSync(join(root, path)) ? parseGpuResult(JSON.parse(await read(path))) : undefined;
}

async function costsTable(): Promise<string> {
  const { circuits } = JSON.parse(await read("test/snapshots/constraints.json")) as Constraints;
  const { commitBlock } = JSON.parse(await read("test/snapshots/gas.json")) as Gas;
  const count = (value: number) => value.toLocaleString("en");
  const rows = Object.entries(circuits).map(([id, { constraints, domainLog2, fillPercent }]) => {
    const gas = commitBlock[id];
    if (gas === undefined) throw new Error(`gas.json has no ${id}: run node scripts/gas.ts`);
    return `| \`${id}\` | ${gas.transfers} | ${count(constraints)} | 2^${domainLog2}, ${fillPercent} % | ${count(gas.total)} | ${count(gas.perTransfer)} |`;
  });
  return [
    "| circuit | transfers | constraints | domain, filled | gas of `commitBlock` | gas a transfer |",
    "|---|---:|---:|---|---:|---:|",
    ...rows,
  ].join("\n");
}

if (import.meta.main) {
  for (const path of REFRESHED) await writeFile(join(root, path), await refreshed(path));
  const gpu = await latestGpuResult();
  if (gpu !== undefined && !gpu.isQuick) await writeGpuPlots(join(root, "docs/plots"), gpu);
  const latest = await latestResult();
  if (!latest.isQuick) await writePlots(join(root, "docs/plots"), latest);
}
