import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPTIONS } from "../../prover/config.ts";

const root = join(import.meta.dirname, "../..");
const UNITS = join(root, "deploy/systemd");
const exec = promisify(execFile);

/** Files with units, by name; a drop-in with its folder. */
let units: Map<string, string>;
/** The units as they would be on a machine where Node is this one. */
let folder: string;
let whyNot: string | undefined;

beforeAll(async () => {
  const entries = await readdir(UNITS, { recursive: true, withFileTypes: true });
  units = new Map();
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    units.set(path.slice(UNITS.length + 1), await readFile(path, "utf8"));
  }
  folder = await mkdtemp(join(tmpdir(), "units-"));
  await cp(UNITS, folder, { recursive: true });
  for (const [name, text] of units) {
    await writeFile(join(folder, name), text.replaceAll("/usr/local/bin/node", process.execPath));
  }
  whyNot = await exec("systemd-analyze", ["--version"]).then(
    () => undefined,
    () => "needs the program systemd-analyze",
  );
});
afterAll(() => rm(folder, { recursive: true }));

const valuesOf = (text: string, name: string): string[] =>
  [...text.matchAll(new RegExp(`^#?${name}=(.*)$`, "gm"))].map(([, value]) => value as string);

describe("deploy / systemd", () => {
  it("has units without a fault, by systemd's own word", async ({ skip }) => {
    if (whyNot !== undefined) return skip(whyNot);
    const paths = [...units.keys()]
      .filter((name) => /\.(service|timer)$/.test(name))
      .map((name) => join(folder, name));
    const { stdout, stderr } = await exec("systemd-analyze", ["verify", "--man=no", ...paths]);
    // It looks at this machine's own units too.
    const words = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("proofmill"));
    expect(words).toEqual([]);
  });

  it("leaves the service few ways to do harm", async ({ skip }) => {
    if (whyNot !== undefined) return skip(whyNot);
    for (const name of ["proofmill.service", "proofmill-backup.service"]) {
      // Out of 100: 14 when it was written, most of it for the network and for Node's compiler.
      const threshold = ["--offline=true", "--threshold=20"];
      const judged = exec("systemd-analyze", ["security", ...threshold, join(folder, name)]);
      await expect(judged, name).resolves.toBeDefined();
    }
  });

  it("names settings that there are", () => {
    const named = [...units.values()]
      .flatMap((text) => valuesOf(text, "Environment"))
      .map((line) => line.split("=")[0] as string);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !(name in OPTIONS))).toEqual([]);
  });

  it("gives the service more time to end than it takes to drain", () => {
    const [seconds] = valuesOf(units.get("proofmill.service") ?? "", "TimeoutStopSec");
    expect(Number(seconds) * 1000).toBeGreaterThan(OPTIONS.PROVER_DRAIN_MS.default + 10_000);
  });
});
