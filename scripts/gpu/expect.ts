/**
 * `expect` as the tests of the GPU use it, for where their test runner is too large to be carried. What
 * is not here throws when a test asks for it, so that no check is left out silently.
 */
import { AssertionError } from "node:assert";
import { inspect } from "node:util";

/** Something that decides by itself whether it equals a value. */
class Pattern {
  readonly text: string;
  readonly matches: (value: unknown) => boolean;

  constructor(text: string, matches: (value: unknown) => boolean) {
    this.text = text;
    this.matches = matches;
  }

  [inspect.custom](): string {
    return this.text;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

/**
 * Whether two values have the same content. Fields that are undefined count as missing.
 *
 * @param isPart  whether objects on the left may have more fields than those on the right.
 */
export function equals(got: unknown, expected: unknown, isPart = false): boolean {
  if (expected instanceof Pattern) return expected.matches(got);
  if (Object.is(got, expected)) return true;
  if (!isFields(got) || !isFields(expected)) return false;
  const [kind, ours] = [expected, got].map((value) => Object.prototype.toString.call(value));
  // A part may be asked for of anything with fields, an error for one.
  if (kind !== ours && !(isPart && kind === "[object Object]")) return false;
  if (expected instanceof Error) return (got as unknown as Error).message === expected.message;
  if (expected instanceof Map || expected instanceof Set) {
    return equals([...(got as unknown as Iterable<unknown>)], [...expected], isPart);
  }
  const isList = Array.isArray(expected) || ArrayBuffer.isView(expected);
  const [mine, theirs] = [got, expected].map((value) =>
    Object.keys(value).filter((key) => isList || value[key] !== undefined),
  ) as [string[], string[]];
  if ((isList || !isPart) && mine.length !== theirs.length) return false;
  return theirs.every((key) => key in got && equals(got[key], expected[key], isPart));
}

function contains(got: unknown, part: unknown): boolean {
  if (typeof got === "string") return got.includes(part as string);
  return [...(got as Iterable<unknown>)].includes(part);
}

/** Of an error's message, or all of it: a text, a pattern, a class, an error, or anything at all. */
function isThrown(error: unknown, expected: unknown): boolean {
  const message = isFields(error) ? String(error.message) : String(error);
  if (expected === undefined) return true;
  if (typeof expected === "string") return message.includes(expected);
  if (expected instanceof RegExp) return expected.test(message);
  if (typeof expected === "function") return error instanceof expected;
  return equals(error, expected);
}

type Check = (got: never, expected: never, more: never) => boolean;

const CHECKS = {
  toBe: (got: unknown, expected: unknown) => Object.is(got, expected),
  toEqual: (got: unknown, expected: unknown) => equals(got, expected),
  toStrictEqual: (got: unknown, expected: unknown) => equals(got, expected),
  toMatchObject: (got: unknown, expected: unknown) => equals(got, expected, true),
  toMatch: (got: string, expected: string | RegExp) =>
    typeof expected === "string" ? got.includes(expected) : expected.test(got),
  toContain: contains,
  toContainEqual: (got: Iterable<unknown>, expected: unknown) =>
    [...got].some((one) => equals(one, expected)),
  toHaveLength: (got: { length: number }, expected: number) => got.length === expected,
  toHaveProperty: (got: object, name: string) => name in got,
  toBeGreaterThan: (got: number, expected: number) => got > expected,
  toBeGreaterThanOrEqual: (got: number, expected: number) => got >= expected,
  toBeLessThan: (got: number, expected: number) => got < expected,
  toBeLessThanOrEqual: (got: number, expected: number) => got <= expected,
  toBeCloseTo: (got: number, expected: number, digits = 2) =>
    Math.abs(got - expected) < 10 ** -digits / 2,
  toBeDefined: (got: unknown) => got !== undefined,
  toBeUndefined: (got: unknown) => got === undefined,
  toBeNull: (got: unknown) => got === null,
  toBeTruthy: (got: unknown) => Boolean(got),
  toBeFalsy: (got: unknown) => !got,
  toBeInstanceOf: (got: unknown, expected: new () => unknown) => got instanceof expected,
} satisfies Record<string, Check>;

/** The names that can follow `expect(...)`, for the packing's look at what the tests use. */
export const CHECK_NAMES: readonly string[] = [...Object.keys(CHECKS), "toThrow"];

function judge(
  isGood: boolean,
  { name, got, expected, message, isNot }: Claim & { name: string; expected: unknown[] },
): void {
  if (isGood !== isNot) return;
  const words = [
    ...(message === undefined ? [] : [`${message}:`]),
    `expected ${inspect(got, { depth: 4, maxArrayLength: 10 })}`,
    `${isNot ? "not " : ""}${name}`,
    expected.map((one) => inspect(one, { depth: 4, maxArrayLength: 10 })).join(", "),
  ];
  throw new AssertionError({ message: words.join(" ") });
}

interface Claim {
  readonly got: unknown;
  readonly message: string | undefined;
  readonly isNot: boolean;
}

function claim(all: Claim): object {
  const { got } = all;
  const checks: Record<string, unknown> = {
    toThrow: (expected: unknown) => {
      let thrown: unknown[] = [];
      try {
        (got as () => unknown)();
      } catch (error) {
        thrown = [error];
      }
      const isGood = thrown.length > 0 && isThrown(thrown[0], expected);
      judge(isGood, { ...all, got: thrown[0], name: "toThrow", expected: [expected] });
    },
  };
  for (const [name, check] of Object.entries(CHECKS)) {
    checks[name] = (...expected: unknown[]) =>
      judge((check as (...all: unknown[]) => boolean)(got, ...expected), {
        ...all,
        name,
        expected,
      });
  }
  return strict(checks, {
    get not() {
      return claim({ ...all, isNot: true });
    },
    get resolves() {
      return later(async () => claim({ ...all, got: await got }));
    },
    get rejects() {
      return later(async () => {
        const thrown = await Promise.resolve(got).then(
          (value) => {
            judge(false, { ...all, got: value, isNot: false, name: "rejects", expected: [] });
          },
          (error: unknown) => ({ error }),
        );
        const error = thrown?.error;
        const claims = claim({ ...all, got: error }) as Record<string, unknown>;
        const raise = () => {
          throw error;
        };
        const throwing = claim({ ...all, got: raise }) as Record<string, unknown>;
        return { ...claims, toThrow: throwing.toThrow };
      });
    },
  });
}

/** Every check of what is only known later. */
function later(known: () => Promise<object>): object {
  const check =
    (name: string) =>
    async (...expected: unknown[]) => {
      const checks = (await known()) as Record<string, (...all: unknown[]) => void>;
      checks[name]?.(...expected);
    };
  return strict(Object.fromEntries(CHECK_NAMES.map((name) => [name, check(name)])), {});
}

/** Asking for what is not there is an error, not `undefined`. */
function strict(own: object, more: object): object {
  const all = Object.defineProperties(own, Object.getOwnPropertyDescriptors(more));
  return new Proxy(all, {
    get(target, name) {
      // Whoever awaits it asks for "then".
      if (name in target || name === "then" || typeof name === "symbol")
        return Reflect.get(target, name);
      throw new TypeError(`expect(...).${name}: not in scripts/gpu/expect.ts, add it there`);
    },
  });
}

export const expect = Object.assign(
  (got: unknown, message?: string): object => claim({ got, message, isNot: false }),
  {
    anything: () => new Pattern("anything", (value) => value !== undefined && value !== null),
    objectContaining: (fields: Fields) =>
      new Pattern(
        `containing ${inspect(fields)}`,
        (value) =>
          isFields(value) &&
          Object.entries(fields).every(([key, field]) => key in value && equals(value[key], field)),
      ),
    arrayContaining: (list: readonly unknown[]) =>
      new Pattern(
        `containing ${inspect(list)}`,
        (value) =>
          Array.isArray(value) && list.every((one) => value.some((other) => equals(other, one))),
      ),
    stringMatching: (pattern: string | RegExp) =>
      new Pattern(
        String(pattern),
        (value) => typeof value === "string" && new RegExp(pattern).test(value),
      ),
    stringContaining: (part: string) =>
      new Pattern(part, (value) => typeof value === "string" && value.includes(part)),
    fail: (message = "failed"): never => {
      throw new AssertionError({ message });
    },
  },
);
