// Refreshes what the README repeats from elsewhere: the example's code, the settings, the costs, the benchmark's table
// and plots. `npm run readme`.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
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

/** The README as it ought to be: each part between `<!-- begin: NAME -->` and `<!-- end: NAME -->` made anew. */
export async function refreshed(text: string): Promise<string> {
  const parts: Record<string, string> = {
    code: `\`\`\`ts\n${await read("docs/examples/prove.ts")}\`\`\``,
    costs: await costsTable(),
    settings: optionsTable(),
    speed: speedBlock(await latestResult()),
  };
  return Object.entries(parts).reduce((readme, [name, content]) => {
    const [begin, end] = [`<!-- begin: ${name} -->`, `<!-- end: ${name} -->`];
    const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`README.md: expected "${begin}" and then "${end}"`);
    return `${readme.slice(0, from + begin.length)}\n${content}\n${readme.slice(to)}`;
  }, text);
}

/** The run that `bench/results` shows. */
async function latestResult(): Promise<BenchResult> {
  return parseResult(JSON.parse(await read("bench/results/latest.json")));
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
  const path = join(root, "README.md");
  await writeFile(path, await refreshed(await readFile(path, "utf8")));
  const latest = await latestResult();
  if (!latest.isQuick) await writePlots(join(root, "docs/plots"), latest);
}
