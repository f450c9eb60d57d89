/**
 * What a packed build's tests import in place of their test runner: the same words over Node's own one.
 * Only what the tests of the GPU use; the packing refuses a test that uses more.
 */
import * as node from "node:test";
import { format } from "node:util";

export { expect } from "./expect.ts";

/** As long as the slowest kernels may take to compile. */
const TIMEOUT_MS = 300_000;

type Body = (...words: never[]) => unknown;
/** Of vitest: milliseconds, or an object that has them. */
type Limit = number | { readonly timeout?: number };

/** Thrown by a test that skips itself, and by what is not here: the test is skipped, with the reason. */
class Skipped extends Error {}

/** What a test without a row gets. */
const CONTEXT = {
  skip: (why = ""): never => {
    throw new Skipped(why);
  },
};

function test(isSkipped: boolean, name: string, body: Body, limit?: Limit): void {
  const timeout = (typeof limit === "number" ? limit : limit?.timeout) ?? TIMEOUT_MS;
  node.test(name, { skip: isSkipped, timeout: Math.max(timeout, TIMEOUT_MS) }, async (context) => {
    try {
      await body(CONTEXT as never);
    } catch (error) {
      if (!(error instanceof Skipped)) throw error;
      context.skip(error.message);
    }
  });
}

const each =
  (rows: readonly unknown[]) =>
  (name: string, body: Body, limit?: Limit): void => {
    for (const row of rows) {
      const words = (Array.isArray(row) ? row : [row]) as never[];
      test(false, format(name, ...words), () => body(...words), limit);
    }
  };

const plain = (name: string, body: Body, limit?: Limit) => test(false, name, body, limit);
const none = (name: string, body: Body, limit?: Limit) => test(true, name, body, limit);

export const it = Object.assign(plain, {
  each,
  skip: none,
  skipIf: (condition: unknown) => (condition ? none : plain),
  runIf: (condition: unknown) => (condition ? plain : none),
});

function suite(isSkipped: boolean, name: string, body: () => void): void {
  node.describe(name, { skip: isSkipped }, body);
}

export const describe = Object.assign(
  (name: string, body: () => void) => suite(false, name, body),
  {
    skipIf: (condition: unknown) => (name: string, body: () => void) =>
      suite(Boolean(condition), name, body),
    each:
      (rows: readonly unknown[]) =>
      (name: string, body: Body): void => {
        for (const row of rows) {
          const words = (Array.isArray(row) ? row : [row]) as never[];
          suite(false, format(name, ...words), () => body(...words));
        }
      },
  },
);

/** A timeout as the second argument is vitest's; Node's default is none. */
export const beforeAll = (body: () => unknown): void =>
  node.before(async () => void (await body()));
export const afterAll = (body: () => unknown): void => node.after(async () => void (await body()));
export const beforeEach = (body: () => unknown): void =>
  node.beforeEach(async () => void (await body()));
export const afterEach = (body: () => unknown): void =>
  node.afterEach(async () => void (await body()));

const notHere = (what: string) => () => {
  throw new Skipped(`${what} is not in a packed build`);
};

export const vi = {
  doMock: notHere("replacing a module"),
  doUnmock: () => {},
};
