/** The command line of `npm run bench -- store`. */
import { parseArgs } from "node:util";
import { UsageError } from "../options.ts";

export interface StoreOptions {
  /** Jobs that have ended, and that wait, in the store that is not empty. */
  readonly finished: number;
  readonly waiting: number;
  /** Of each operation in each store. */
  readonly samples: number;
  readonly latencyMs: number;
  /** Submissions a second. */
  readonly rate: number;
  /** Undefined: bench/results, or build/bench/results of a quick run. */
  readonly outDir: string | undefined;
  readonly isQuick: boolean;
}

export const STORE_USAGE = `usage: npm run bench -- store [flags]

Measures the job stores of one machine by themselves: what an operation takes in an empty store and in one
with many jobs, and how soon a submission is on disk while other threads keep all cores busy.

  --quick            a minute; rough
  --finished N       jobs that have ended (100000)
  --waiting N        jobs in the line (10000)
  --samples N        of each operation (300)
  --window SECONDS   how long submissions are timed (15)
  --rate N           submissions a second, of 100 KB (200)
  --out DIR          where the results go
  --help

`;

/**
 * @returns undefined if help was asked for.
 * @throws UsageError
 */
export function parseStoreOptions(words: readonly string[]): StoreOptions | undefined {
  const flags = parseFlags(words);
  if (flags.help) return undefined;
  const isQuick = flags.quick ?? false;
  const number = (flag: keyof typeof flags, quick: number, full: number): number => {
    const text = flags[flag];
    if (text === undefined) return isQuick ? quick : full;
    const value = Number(text);
    if (Number.isInteger(value) && value > 0) return value;
    throw new UsageError(`--${flag}: got "${text}", expected a whole number from 1`);
  };
  return {
    finished: number("finished", 5_000, 100_000),
    waiting: number("waiting", 1_000, 10_000),
    samples: number("samples", 50, 300),
    latencyMs: 1_000 * number("window", 5, 15),
    rate: number("rate", 200, 200),
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
        finished: { type: "string" },
        waiting: { type: "string" },
        samples: { type: "string" },
        window: { type: "string" },
        rate: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
