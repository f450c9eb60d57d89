import { type Flags, UsageError } from "./command.ts";

/** The labels of all `--label NAME=VALUE`. @throws UsageError */
export function labelsOf(flags: Flags): Record<string, string> {
  const pairs = words(flags.label).map((word): [string, string] => {
    const at = word.indexOf("=");
    if (at < 1) throw new UsageError(`--label: got "${word}", expected NAME=VALUE`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}

/** All values of a flag that can be given several times. */
export const words = (value: Flags[string]): string[] =>
  Array.isArray(value) ? value.map(String) : [];
