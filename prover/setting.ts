// What settings are made of: each parser throws an Error whose message ends the sentence "expected ...".
import { isIPv6 } from "node:net";

/** One setting, read from the environment variable of its name in `OPTIONS`. */
export interface Option<T> {
  /** @throws Error whose message ends the sentence "expected ...". */
  readonly parse: (text: string) => T;
  readonly default: T;
  /** For the table of docs/configuration.md, with the unit. */
  readonly meaning: string;
  /** What of a refused value may be shown. Undefined: all of it. */
  readonly shown?: (text: string) => string;
}

/** @param fallback  what it is when nobody sets it. */
export function option<T>(
  parse: (text: string) => T,
  fallback: NoInfer<T>,
  meaning: string,
  shown: (text: string) => string = (text) => text,
): Option<T> {
  return { parse, default: fallback, meaning, shown };
}

/** Any text. */
export function text(value: string): string {
  return value;
}

/** Separated by commas. */
export function names(value: string): readonly string[] {
  const list = value.split(",").map((name) => name.trim());
  if (list.includes("")) throw new Error("names separated by single commas");
  return list;
}

export function httpUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (!isHttp || url.username !== "" || url.password !== "") {
    throw new Error("an http or https URL without a name and password in it");
  }
  return value;
}

export function flag(value: string): boolean {
  // Not 1 or yes: a setting that lowers security must be spelt out.
  if (value !== "true" && value !== "false") throw new Error("true or false");
  return value === "true";
}

/** Whole numbers, both ends included. */
export function between(least: number, most: number): (text: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new Error(`a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]): (text: string) => T {
  return (value) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new Error(`one of ${choices.join(", ")}`);
    return choice;
  };
}

/** host:port; an IPv6 address in brackets. */
export function address(value: string): string {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const isHost = match?.[1] === undefined || isIPv6(match[1]);
  if (match === null || !isHost || Number(match[3]) > 65_535) {
    throw new Error("host:port, for example 127.0.0.1:50051 or [::1]:50051");
  }
  return value;
}
