import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseGpuResult } from "../../bench/gpu/result.ts";
import { isLoadable, setUpDriver } from "../../scripts/gpu/driver.ts";
import { CHECK_NAMES, expect as packed } from "../../scripts/gpu/expect.ts";
import type { Conformance } from "../../scripts/gpu/reporter.ts";
import { expectKnownWords, MOST_ARCHIVE_BYTES, packGpu } from "../../scripts/pack-gpu.ts";
import { openAny, whyNoDevice } from "../worker/gpu/device-fixture.ts";

const exec = promisify(execFile);

type Words = (...expected: unknown[]) => void;
type Checks = Record<string, Words> & { not: Record<string, Words> };

/** Whether a check is content. */
function isGood(
  claim: unknown,
  name: string,
  expected: readonly unknown[],
  isNot = false,
): boolean {
  const checks = claim as Checks;
  try {
    (isNot ? checks.not : checks)[name]?.(...expected);
    return true;
  } catch {
    return false;
  }
}

describe("scripts / gpu / expect", () => {
  const thrower = () => {
    throw new TypeError("got 1, expected 2");
  };
  const bytes = (...values: number[]) => new Uint8Array(values);
  const claims: readonly [got: unknown, name: string, ...expected: unknown[]][] = [
    [1, "toBe", 1],
    [Number.NaN, "toBe", Number.NaN],
    [0, "toBe", -0],
    [[1], "toBe", [1]],
    [[1, { a: 2n }], "toEqual", [1, { a: 2n }]],
    [[1, { a: 2n }], "toEqual", [1, { a: 3n }]],
    [[1, 2], "toEqual", [1]],
    [{ a: 1, b: undefined }, "toEqual", { a: 1 }],
    [{ a: 1 }, "toEqual", { a: 1, b: undefined }],
    [{ a: 1, b: 2 }, "toEqual", { a: 1 }],
    [bytes(1, 2), "toEqual", bytes(1, 2)],
    [bytes(1, 2), "toEqual", bytes(1, 3)],
    [bytes(1), "toEqual", [1]],
    [new Set([1, 2]), "toEqual", new Set([1, 2])],
    [new Map([[1, 2]]), "toEqual", new Map([[1, 3]])],
    [new Error("a"), "toEqual", new Error("a")],
    [new Error("a"), "toEqual", new Error("b")],
    [null, "toEqual", undefined],
    [{ a: 1, b: { c: 1, d: 2 } }, "toMatchObject", { b: { c: 1 } }],
    [{ a: 1, b: { c: 1 } }, "toMatchObject", { b: { c: 2 } }],
    [{ a: [1, 2] }, "toMatchObject", { a: [1] }],
    [Object.assign(new TypeError("x"), { a: { b: 1, c: 2 } }), "toMatchObject", { a: { b: 1 } }],
    [new TypeError("x"), "toMatchObject", { message: "x" }],
    [new TypeError("x"), "toMatchObject", { message: "y" }],
    ["abc", "toMatch", /b/],
    ["abc", "toMatch", "d"],
    ["abc", "toContain", "bc"],
    [[1, 2], "toContain", 3],
    [[{ a: 1 }], "toContainEqual", { a: 1 }],
    [[1, 2], "toHaveLength", 2],
    [[1, 2], "toHaveLength", 3],
    [{ a: 1 }, "toHaveProperty", "b"],
    [2, "toBeGreaterThan", 2],
    [2, "toBeGreaterThanOrEqual", 2],
    [2, "toBeLessThan", 2],
    [3n, "toBeLessThanOrEqual", 4n],
    [0.3, "toBeCloseTo", 0.301],
    [0.3, "toBeCloseTo", 0.32],
    [undefined, "toBeDefined"],
    [undefined, "toBeUndefined"],
    [null, "toBeNull"],
    ["", "toBeTruthy"],
    ["", "toBeFalsy"],
    [new TypeError(), "toBeInstanceOf", Error],
    [thrower, "toThrow"],
    [thrower, "toThrow", "expected 2"],
    [thrower, "toThrow", "expected 3"],
    [thrower, "toThrow", /^got 1/],
    [thrower, "toThrow", TypeError],
    [thrower, "toThrow", RangeError],
    [() => 1, "toThrow"],
  ];

  it("judges as vitest does", () => {
    for (const [got, name, ...expected] of claims) {
      for (const isNot of [false, true]) {
        const theirs = isGood(expect(got), name, expected, isNot);
        const what = `${String(got)} ${isNot ? "not " : ""}${name} ${String(expected)}`;
        expect(isGood(packed(got), name, expected, isNot), what).toBe(theirs);
      }
    }
    const tried = new Set(claims.map(([, name]) => name));
    expect(CHECK_NAMES.filter((name) => !tried.has(name))).toEqual(["toStrictEqual"]);
  });

  it("knows patterns inside of values, as vitest does", () => {
    const got = { a: "text", list: [1, { b: 2 }], more: 1 };
    for (const make of [
      (e: typeof expect) => e.objectContaining({ a: e.stringMatching(/^te/) }),
      (e: typeof expect) => e.objectContaining({ a: e.stringContaining("no") }),
      (e: typeof expect) => e.objectContaining({ list: e.arrayContaining([{ b: 2 }]) }),
      (e: typeof expect) => e.objectContaining({ none: e.anything() }),
      (e: typeof expect) => ({ a: "text", list: e.anything(), more: 1 }),
    ]) {
      const [theirs, ours] = [make(expect), make(packed as unknown as typeof expect)];
      expect(isGood(packed(got), "toEqual", [ours])).toBe(isGood(expect(got), "toEqual", [theirs]));
    }
  });

  it("waits for promises, and judges what they were refused with", async () => {
    const claim = packed as unknown as typeof expect;
    const refused = () => Promise.reject(new TypeError("no"));
    await claim(refused()).rejects.toThrow("no");
    await claim(refused()).rejects.toEqual(claim.objectContaining({ message: "no" }));
    await claim(Promise.resolve(1)).resolves.toBe(1);
    await expect(claim(refused()).rejects.toThrow("yes")).rejects.toThrow("toThrow");
    await expect(claim(Promise.resolve(1)).rejects.toThrow()).rejects.toThrow("rejects");
    await expect(claim(Promise.resolve(1)).resolves.toBe(2)).rejects.toThrow("toBe");
  });

  it("refuses a check that it does not have, rather than pass", () => {
    expect(() => (packed(1) as Checks).toBeEven).toThrow("add it there");
  });
});

describe("the packing of tests", () => {
  it("knows what they may say to vitest", () => {
    const text = `import { describe, expect, it, vi } from "vitest";
      it.each([1])("x", () => expect(1).not.toBe(String(2).toUpperCase()));`;
    expect(() => expectKnownWords("a.test.js", text)).not.toThrow();
  });

  it.each([
    ["expect(1).toBeEven()", "toBeEven"],
    ["expect(p).resolves.toBeOdd(1)", "toBeOdd"],
    ["it.concurrent('x', run)", "it.concurrent"],
    ["vi.useFakeTimers()", "vi.useFakeTimers"],
    ['import { expect, onTestFinished } from "vitest";', "onTestFinished"],
  ])("refuses %s", (text, word) => {
    expect(() => expectKnownWords("a.test.js", text)).toThrow(word);
  });
});

describe("scripts / gpu / driver", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "proofmill-driver-"));
    await mkdir(join(folder, "lib"));
    for (const name of ["libhere.so.1", "libgone.so.1"]) {
      await writeFile(join(folder, "lib", name), "");
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  const isThere = (name: string) => name !== "libgone.so.1";

  it("tells a library that is there from one that is not", () => {
    expect(isLoadable("libc.so.6")).toBe(true);
    expect(isLoadable("libgone.so.1")).toBe(false);
  });

  it("lends only the libraries that the machine lacks, before its own paths", async () => {
    const setup = await setUpDriver(isThere, join(folder, "lib"), join(folder, "run"), {
      LD_LIBRARY_PATH: "/elsewhere",
    });
    expect(setup.borrowed).toEqual(["libgone.so.1"]);
    const [lent, ...rest] = (setup.environment.LD_LIBRARY_PATH ?? "").split(":");
    expect(rest).toEqual(["/elsewhere"]);
    expect(await readdir(lent as string)).toEqual(["libgone.so.1"]);
  });

  it("changes nothing where nothing is missing", async () => {
    const setup = await setUpDriver(() => true, join(folder, "lib"), join(folder, "whole"), {
      VK_DRIVER_FILES: "/given.json",
    });
    expect(setup).toMatchObject({ borrowed: [], environment: {} });
    expect(setup).not.toHaveProperty("added");
  });
});

const missing =
  process.env.IMAGE === "1"
    ? (whyNoDevice ?? (existsSync("/sbin/ldconfig") ? undefined : "no ldconfig"))
    : "IMAGE=1 is not set";

describe.skipIf(missing !== undefined)(`npm run pack:gpu${missing ? ` (${missing})` : ""}`, () => {
  let folder: string;
  let archive: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "proofmill-pack-gpu-"));
    archive = await packGpu(folder);
    await mkdir(join(folder, "bare"));
    await exec("tar", ["-C", join(folder, "bare"), "-xzf", archive]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Without Node in the path and without any variable of ours. */
  const bare = (...words: string[]) =>
    exec("sh", ["proofmill-gpu/run.sh", "--out", "results", ...words], {
      cwd: join(folder, "bare"),
      env: { PATH: "/usr/bin:/bin" },
    });
  const results = async (name: string) =>
    JSON.parse(await readFile(join(folder, "bare/results", name), "utf8"));

  it("fits into what such machines take", async () => {
    expect((await stat(archive)).size).toBeLessThan(MOST_ARCHIVE_BYTES);
  });

  it("runs tests and benchmark with an empty environment, and leaves JSON", async () => {
    const device = await openAny();
    const [{ name }, isSoftware] = [device, device.kind === "software"];
    await device.close();
    const { stdout } = await bare(
      ...["--device", name, "--quick", "--tests", "spirv/elementwise"],
      ...["--", "--measure", "fields,transforms,proofs", "--transforms", "4", "--sizes", "5"],
    );
    expect(stdout.includes("SOFTWARE DEVICE")).toBe(isSoftware);
    const { passed, failed, tests } = (await results("conformance.json")) as Conformance;
    expect([failed, tests.length]).toEqual([0, passed]);
    expect(passed).toBeGreaterThan(10);
    const result = parseGpuResult(await results("latest.json"));
    expect(result).toMatchObject({ isComplete: true, isSoftware, missing: [] });
    expect(result.checkedProofs).toBe(2);
    const environment = await results("environment.json");
    expect(environment.device.name).toBe(name);
    expect(result.commit.id).toMatch(/^[0-9a-f]{10}$/);
    expect(await readdir(join(folder, "bare/results"))).toContain("summary.txt");
  });

  it("fails with the reason where there is no such device", async () => {
    await expect(bare("--device", "no such device")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no such device"),
    });
    expect((await results("environment.json")).device.error).toContain("no such device");
  });
});
