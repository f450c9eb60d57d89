/** The command line of `npm run bench -- --engine vulkan`. */
import { parseArgs } from "node:util";
import { parseNumber, parseSizes, UsageError } from "../options.ts";

export const GPU_MEASURES = ["fields", "points", "transforms", "msm", "proofs"] as const;
export type GpuMeasure = (typeof GPU_MEASURES)[number];

export interface GpuOptions {
  /** Part of a device's name; undefined: the machine's GPU, and never a software device. */
  readonly device: string | undefined;
  readonly measures: readonly GpuMeasure[];
  /** Samples of each time, after one that warms up. */
  readonly rounds: number;
  /** How long a submission shall take at least where a rate is measured: its start costs then little. */
  readonly fillMs: number;
  /** log2 of how many invocations share the work, where a rate is measured. */
  readonly invocations: readonly number[];
  /** log2 of the transforms' lengths. */
  readonly transforms: readonly number[];
  /** log2 of how many points are summed. */
  readonly msm: readonly number[];
  /** log2 of the circuits' domains. */
  readonly proofs: readonly number[];
  /** Proofs that are asked for at the same time. */
  readonly inFlight: readonly number[];
  readonly windowMs: number;
  readonly windows: number;
  /** Undefined: bench/results/gpu, or build/bench/results/gpu of a quick run or a software device. */
  readonly outDir: string | undefined;
  readonly isQuick: boolean;
}

export const GPU_USAGE = `usage: npm run bench -- --engine vulkan [flags]
       npm run bench -- gpu [flags]

Measures a GPU: multiplications, additions of points, transforms, sums of points, and whole proofs
beside the WebAssembly engine on the same machine, the two taking turns.

  --device NAME       part of a device's name; the only way to a software device
  --quick             small sizes and few samples: for a software device, or to see that it runs
  --measure LIST      of ${GPU_MEASURES.join(",")}
  --transforms 12-20  log2 of the transforms' lengths
  --msm 14-20         log2 of how many points are summed
  --sizes 12-18       log2 of the circuits' sizes
  --in-flight LIST    proofs at the same time (1,2,4,8,16)
  --rounds N          samples of each time
  --window SECONDS    how long proofs per second are counted
  --out DIR           where the results go
  --help

Results go to bench/results/gpu, plots to docs/plots; of a quick run or a software device to
build/bench/results/gpu, without plots. What was measured is written after every step.
`;

/** @returns whether the words ask for this benchmark, and the words without what says so. */
export function gpuWords(words: readonly string[]): readonly string[] | undefined {
  if (words[0] === "gpu") return words.slice(1);
  const at = words.findIndex((word) => word === "--engine" || word.startsWith("--engine="));
  const flag = words[at];
  if (flag === undefined) return undefined;
  const engine = flag === "--engine" ? words[at + 1] : flag.slice("--engine=".length);
  if (engine !== "vulkan") {
    throw new UsageError(
      `--engine: got "${engine ?? ""}", expected vulkan; all others are measured without this flag`,
    );
  }
  return words.toSpliced(at, flag === "--engine" ? 2 : 1);
}

/**
 * @returns undefined if help was asked for.
 * @throws UsageError
 */
export function parseGpuOptions(words: readonly string[]): GpuOptions | undefined {
  const flags = parseFlags(words);
  if (flags.help) return undefined;
  const isQuick = flags.quick ?? false;
  const sizes = (flag: "transforms" | "msm" | "sizes", quick: string, full: string) =>
    parseSizes(`--${flag}`, flags[flag] ?? (isQuick ? quick : full));
  return {
    device: flags.device,
    measures: parseMeasures(flags.measure),
    rounds: parseNumber("--rounds", flags.rounds ?? (isQuick ? "2" : "9"), { min: 1, whole: true }),
    fillMs: isQuick ? 10 : 50,
    invocations: isQuick ? [9, 11] : [14, 16, 18, 20],
    transforms: sizes("transforms", "10,12", "12-20"),
    msm: sizes("msm", "8,10", "14-20"),
    proofs: sizes("sizes", "6,8", "12-18"),
    inFlight: parseInFlight(flags["in-flight"] ?? (isQuick ? "1,2" : "1,2,4,8,16")),
    windowMs: 1000 * parseNumber("--window", flags.window ?? (isQuick ? "1" : "3"), { min: 0 }),
    windows: isQuick ? 1 : 2,
    outDir: flags.out,
    isQuick,
  };
}

function parseMeasures(text: string | undefined): readonly GpuMeasure[] {
  const words = text?.split(",") ?? GPU_MEASURES;
  const strange = words.find((word) => !(GPU_MEASURES as readonly string[]).includes(word));
  if (strange !== undefined) {
    throw new UsageError(`--measure: got "${strange}", expected some of ${GPU_MEASURES.join(",")}`);
  }
  return GPU_MEASURES.filter((measure) => words.includes(measure));
}

function parseInFlight(text: string): number[] {
  return text.split(",").map((word) => parseNumber("--in-flight", word, { min: 1, whole: true }));
}

function parseFlags(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        device: { type: "string" },
        quick: { type: "boolean" },
        measure: { type: "string" },
        transforms: { type: "string" },
        msm: { type: "string" },
        sizes: { type: "string" },
        "in-flight": { type: "string" },
        rounds: { type: "string" },
        window: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
