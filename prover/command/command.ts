// What a command of `proofmill` is. One file each; main.ts lists them.
import type { ParseArgsOptionsConfig } from "node:util";

/** Exit codes, documented in `proofmill help` and docs/command-line.md. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** The answer is no: the proof does not verify, the job failed. */
  no: 1,
  /** The command was called wrongly; usage is printed to stderr. */
  usage: 2,
  /** A file or a request was refused: malformed, of another circuit, not allowed. */
  refused: 3,
  /** The service cannot be reached, or did not answer in time. */
  unavailable: 4,
  /** A defect of this program. */
  defect: 70,
  /** Stopped by Ctrl-C. */
  interrupted: 130,
} as const;

/** How a command speaks to whoever called it. Results go to stdout, everything else to stderr. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Values as `parseArgs` returns them for the command's `options`. */
export type Flags = Record<string, string | boolean | (string | boolean)[] | undefined>;

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Lines after "usage: proofmill <name>"; the first holds the arguments. */
  readonly usage: string;
  readonly options: ParseArgsOptionsConfig;
  /** @returns one of `EXIT`. Throws `UsageError` when called wrongly. */
  run(positionals: readonly string[], flags: Flags, terminal: Terminal): Promise<number>;
}

/** The command line itself is wrong: unknown flag, missing argument, value out of range. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A flag's text, or undefined when it is absent. */
export function textFlag(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** A flag's text. @throws UsageError when it is absent. */
export function requiredFlag(flags: Flags, name: string): string {
  const value = textFlag(flags, name);
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

/** A flag's whole number within [min, max]. @throws UsageError for anything else. */
export function integerFlag(
  flags: Flags,
  name: string,
  { min, max, preset }: { min: number; max: number; preset: number },
): number {
  const text = textFlag(flags, name);
  if (text === undefined) return preset;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name}: got "${text}", expected a whole number from ${min} to ${max}`);
  }
  return value;
}

/** Exactly these positional arguments. @throws UsageError that names what is missing or too much. */
export function positionalArguments<const Names extends readonly string[]>(
  positionals: readonly string[],
  names: Names,
): { [K in keyof Names]: string } {
  const missing = names[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  if (positionals.length > names.length) {
    throw new UsageError(`"${positionals[names.length]}" is one argument too many`);
  }
  return [...positionals] as { [K in keyof Names]: string };
}
