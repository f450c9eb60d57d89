/** A reporter of Node's test runner: one JSON of all tests, for a program that reads it. */

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name: string;
    readonly nesting: number;
    readonly skip?: string | boolean;
    readonly details?: {
      readonly duration_ms: number;
      readonly type?: string;
      readonly error?: { readonly cause?: unknown; readonly message: string };
    };
  };
}

export interface TestOutcome {
  /** Names of the suites that it is in, then its own; of a file that crashed its path. */
  readonly name: readonly string[];
  readonly state: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it was skipped, or what it said. */
  readonly why?: string;
}

export interface Conformance {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly tests: readonly TestOutcome[];
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncIterable<string> {
  const path: string[] = [];
  const tests: TestOutcome[] = [];
  for await (const { type, data } of events) {
    if (type === "test:start") path[data.nesting] = data.name;
    if (type !== "test:pass" && type !== "test:fail") continue;
    const outcome = outcomeOf(type, data, path.slice(0, data.nesting));
    if (outcome !== undefined) tests.push(outcome);
  }
  const count = (state: TestOutcome["state"]) =>
    tests.filter((outcome) => outcome.state === state).length;
  const [passed, failed, skipped] = [count("passed"), count("failed"), count("skipped")];
  const all: Conformance = { passed, failed, skipped, tests };
  yield `${JSON.stringify(all, null, 1)}\n`;
}

/** @returns undefined for a suite that only says what its tests have said. */
function outcomeOf(
  type: string,
  { name, skip, details }: TestEvent["data"],
  suites: readonly string[],
): TestOutcome | undefined {
  const isSkipped = skip !== undefined && skip !== false;
  if (details?.type === "suite" && !isSkipped && !isOwnFailure(type, details.error)) {
    return undefined;
  }
  const cause = details?.error?.cause;
  const message = cause instanceof Error ? cause.message : String(cause ?? details?.error?.message);
  return {
    name: [...suites, name],
    state: isSkipped ? "skipped" : type === "test:pass" ? "passed" : "failed",
    ms: Math.round(details?.duration_ms ?? 0),
    ...(typeof skip === "string" && skip !== "" && { why: skip }),
    ...(type === "test:fail" && { why: message.slice(0, 2_000) }),
  };
}

/** Of a suite: a hook that failed, say, and not one of its tests. */
function isOwnFailure(type: string, error: { readonly cause?: unknown } | undefined): boolean {
  return type === "test:fail" && !/subtests? failed/.test(String(error?.cause));
}
