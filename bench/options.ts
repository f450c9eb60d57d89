/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import type { NativePeer } from "./contenders/native.ts";
import type { FixtureKind } from "./fixtures/fixture.ts";

export const MEASURES = ["latency", "inputs", "throughput", "msm"] as const;
export type Measure = (typeof MEASURES)[number];

const KINDS = ["dense", "bits", "batch"] as const satisfies readonly FixtureKind[];

export interface Options {
  /** log2 of the generated circuits' domains, ascending; batch circuits outside their range are left out. */
  readonly sizes: readonly number[];
  readonly kinds: readonly FixtureKind[];
  readonly measures: readonly Measure[];
  /** Proofs of each contender after its first. */
  readonly rounds: number;
  /** How long the cores are kept busy to count proofs. */
  readonly windowMs: number;
  readonly windows: number;
  /** A contender that has used so much time on a fixture sits out the rest of its rounds. */
  readonly budgetMs: number;
  /** Proofs after the first that even the slowest contender makes, where `rounds` allows. */
  readonly minSamples: number;
  readonly peers: readonly NativePeer[];
  /** Ids of `contenders/list.ts`; undefined: all. */
  readonly contenders: readonly string[] | undefined;
  /** Where the results go; undefined: the committed ones, or build/bench/results of a quick run. */
  readonly outDir: string | undefined;
  readonly isQuick: boolean;
}

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const USAGE = `usage: npm run bench -- [flags]
       npm run bench -- service [flags]
       npm run bench -- store [flags]
       npm run bench -- --engine vulkan [flags]      (its own flags: --engine vulkan --help)

  --peer NAME=PATH         a native prover, called as PATH ZKEY WTNS PROOF PUBLIC
  --peer-server NAME=PATH  one that keeps its key: PATH ZKEY, prints "ready MS", then reads lines
                           "WTNS PROOF PUBLIC" and prints milliseconds. Both may be given several times
  --quick                  a minute or two instead of about an hour; rough
  --sizes 12-18            log2 of the generated circuits' sizes; also 12,14,16
  --large                  2^19 and 2^20 as well
  --kinds dense,bits,batch which circuits
  --measure LIST           of ${MEASURES.join(",")}
  --contenders LIST        only these
  --rounds N               proofs of each contender and circuit
  --window SECONDS         how long proofs per second are counted
  --windows N              how often
  --out DIR                where the results go
  --help

Results go to bench/results, plots to docs/plots; "npm run readme" then renews the README's table.
`;

const SIZES = { min: 4, max: 22 } as const;
const LARGE_SIZES = [19, 20];

/**
 * @returns undefined if help was asked for.
 * @throws UsageError
 */
export function parseOptions(words: readonly string[]): Options | undefined {
  const flags = parseFlags(words);
  if (flags.help) return undefined;
  const isQuick = flags.quick ?? false;
  const sizes = [
    ...parseSizes("--sizes", flags.sizes ?? (isQuick ? "12,13,15" : "12-18")),
    ...(flags.large ? LARGE_SIZES : []),
  ];
  return {
    sizes: ascending(sizes),
    kinds: parseList("--kinds", flags.kinds ?? (isQuick ? "dense,batch" : KINDS.join()), KINDS),
    measures: parseList("--measure", flags.measure ?? MEASURES.join(), MEASURES),
    rounds: parseNumber("--rounds", flags.rounds ?? (isQuick ? "2" : "7"), { min: 1, whole: true }),
    windowMs: 1000 * parseNumber("--window", flags.window ?? (isQuick ? "3" : "20"), { min: 0 }),
    windows: parseNumber("--windows", flags.windows ?? (isQuick ? "1" : "3"), {
      min: 1,
      whole: true,
    }),
    budgetMs: isQuick ? 5_000 : 60_000,
    minSamples: isQuick ? 0 : 2,
    peers: parsePeers(flags.peer ?? [], flags["peer-server"] ?? []),
    contenders: flags.contenders?.split(","),
    outDir: flags.out,
    isQuick,
  };
}

/** The command for the results' file: where things lie on one machine is nothing to others. */
export function recordedCommand(words: readonly string[]): string {
  const shown = words.map((word, i) => {
    if (words[i - 1] === "--out") return "DIR";
    return word
      .replace(/^--out=.*$/, "--out=DIR")
      .replace(/^(--peer(?:-server)?=)?([a-z][a-z0-9-]*)=.*$/, "$1$2=PATH");
  });
  return ["npm run bench --", ...shown].join(" ");
}

function parseFlags(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        peer: { type: "string", multiple: true },
        "peer-server": { type: "string", multiple: true },
        quick: { type: "boolean" },
        large: { type: "boolean" },
        sizes: { type: "string" },
        kinds: { type: "string" },
        measure: { type: "string" },
        contenders: { type: "string" },
        rounds: { type: "string" },
        window: { type: "string" },
        windows: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * "12-18", "12,14", "16": each once, ascending.
 *
 * @throws UsageError
 */
export function parseSizes(flag: string, text: string): number[] {
  const sizes = text.split(",").flatMap((part) => {
    const match = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (!(from >= SIZES.min && to <= SIZES.max && from <= to)) {
      throw new UsageError(
        `${flag}: got "${part}", expected log2 of a size in ${SIZES.min}..${SIZES.max}, or a range such as 12-18`,
      );
    }
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return ascending(sizes);
}

function ascending(sizes: readonly number[]): number[] {
  return [...new Set(sizes)].toSorted((a, b) => a - b);
}

function parseList<T extends string>(flag: string, text: string, known: readonly T[]): T[] {
  const words = text.split(",");
  const strange = words.find((word) => !(known as readonly string[]).includes(word));
  if (strange !== undefined) {
    throw new UsageError(`${flag}: got "${strange}", expected some of ${known.join(",")}`);
  }
  return known.filter((word) => words.includes(word));
}

/** @throws UsageError */
export function parseNumber(
  flag: string,
  text: string,
  { min, whole = false }: { min: number; whole?: boolean },
): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min) || (whole && !Number.isInteger(value))) {
    throw new UsageError(
      `${flag}: got "${text}", expected a ${whole ? "whole " : ""}number from ${min}`,
    );
  }
  return value;
}

function parsePeers(commands: readonly string[], servers: readonly string[]): NativePeer[] {
  const parse = (flag: string, protocol: NativePeer["protocol"], text: string): NativePeer => {
    const [, name, path] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
    if (name === undefined || path === undefined) {
      throw new UsageError(`${flag}: got "${text}", expected NAME=PATH`);
    }
    return { name, path, protocol };
  };
  const peers = [
    ...servers.map((text) => parse("--peer-server", "server", text)),
    ...commands.map((text) => parse("--peer", "command", text)),
  ];
  // Both forms of one prover: the server is the one whose key load is apart.
  return peers.filter(({ name }, i) => peers.findIndex((peer) => peer.name === name) === i);
}
