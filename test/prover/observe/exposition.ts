// A reader of Prometheus's text format 0.0.4, strict where scrapers are lenient: written from its
// description, to check what the service writes.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*",?)*)\\})? (\\S+)$`,
);
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$/;

/** @throws Error with the line that is not of the format, or the family that contradicts itself. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family & { samples: Sample[] }>();
  const seen = new Set<string>();
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  let help: { readonly name: string; readonly text: string } | undefined;
  let family: (Family & { samples: Sample[] }) | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const helped = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    if (helped) {
      help = { name: helped[1] as string, text: helped[2] as string };
      continue;
    }
    const typed = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
    if (typed) {
      const name = typed[1] as string;
      if (help?.name !== name || families.has(name)) throw new Error(`out of place: ${line}`);
      family = { name, help: help.text, type: typed[2] as Family["type"], samples: [] };
      families.set(name, family);
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match === null || !NUMBER.test(match[3] as string)) throw new Error(`no sample: ${line}`);
    const name = match[1] as string;
    const suffixes = family?.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!suffixes.some((suffix) => name === `${family?.name}${suffix}`)) {
      throw new Error(`not of ${family?.name}: ${line}`);
    }
    const labels = parseLabels(match[2] ?? "");
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    family?.samples.push({
      name,
      labels,
      value: Number((match[3] as string).replace("Inf", "Infinity")),
    });
  }
  for (const each of families.values()) if (each.type === "histogram") checkHistogram(each);
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [
    name,
    (value as string).replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c)),
  ]);
  const labels = Object.fromEntries(pairs);
  if (Object.keys(labels).length !== pairs.length) throw new Error(`a label twice: ${text}`);
  return labels;
}

/** Buckets grow, the last one is +Inf and equals the count. */
function checkHistogram({ name, samples }: Family): void {
  const bySeries = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    bySeries.set(key, [...(bySeries.get(key) ?? []), sample]);
  }
  for (const [key, series] of bySeries) {
    const buckets = series.filter((sample) => sample.name === `${name}_bucket`);
    const total = series.find((sample) => sample.name === `${name}_count`)?.value;
    const bounds = buckets.map(({ labels }) =>
      Number((labels.le ?? "").replace("Inf", "Infinity")),
    );
    const isRising = buckets.every(
      ({ value }, i) => i === 0 || value >= (buckets[i - 1]?.value ?? 0),
    );
    const isSorted = bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0));
    const isWhole = bounds.at(-1) === Number.POSITIVE_INFINITY && buckets.at(-1)?.value === total;
    const hasSum = series.some((sample) => sample.name === `${name}_sum`);
    if (!isRising || !isSorted || !isWhole || !hasSum) throw new Error(`histogram ${name} ${key}`);
  }
}
