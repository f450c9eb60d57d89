/** The command line of `npm run bench -- service`. */
import { parseArgs } from "node:util";
import { UsageError } from "../options.ts";

export interface ServiceOptions {
  /** Pairs of windows in which proofs are counted: the service, then the bare engine, in turn. */
  readonly pairs: number;
  readonly windowMs: number;
  /** Windows of submissions, each with a new server and a new store. */
  readonly latencyWindows: number;
  readonly latencyMs: number;
  /** Submissions a second. */
  readonly rate: number;
  /** log2 of the circuit with which proofs are counted. */
  readonly log2: number;
  /** Undefined: bench/results, or build/bench/results of a quick run. */
  readonly outDir: string | undefined;
  readonly isQuick: boolean;
}

export const SERVICE_USAGE = `usage: npm run bench -- service [flags]

Measures the service (gRPC in, jobs in a SQLite file, verified proofs out) beside the bare engine with
the same threads, circuit and witness, and how soon a submission is accepted while every core proves.

  --quick            a minute; rough
  --pairs N          windows of the service, each with one of the bare engine (21)
  --window SECONDS   how long proofs are counted in each (8)
  --latency N        windows of submissions (4)
  --latency-window SECONDS  how long each is (15)
  --rate N           submissions a second (200)
  --log2 N           size of the circuit (15)
  --out DIR          where the results go
  --help

`;

/**
 * @returns undefined if help was asked for.
 * @throws UsageError
 */
export function parseServiceOptions(words: readonly string[]): ServiceOptions | undefined {
  const flags = parseFlags(words);
  if (flags.help) return undefined;
  const isQuick = flags.quick ?? false;
  const number = (flag: keyof typeof flags, quick: number, full: number): number => {
    const text = flags[flag];
    if (text === undefined) return isQuick ? quick : full;
    const value = Number(text);
    if (Number.isInteger(value) && value >= 0) return value;
    throw new UsageError(`--${flag}: got "${text}", expected a whole number`);
  };
  return {
    pairs: number("pairs", 2, 21),
    windowMs: 1_000 * number("window", 4, 8),
    latencyWindows: number("latency", 1, 4),
    latencyMs: 1_000 * number("latency-window", 5, 15),
    rate: number("rate", 200, 200),
    log2: number("log2", 15, 15),
    outDir: flags.out,
    isQuick,
  };
}

function parseFlags(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        quick: { type: "boolean" },
        pairs: { type: "string" },
        window: { type: "string" },
        latency: { type: "string" },
        "latency-window": { type: "string" },
        rate: { type: "string" },
        log2: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
