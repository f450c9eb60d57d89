import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Who may import whom, by folder: docs/architecture.md, "Folders". `self` is always allowed.
 * A name that ends in `.ts` allows that one file.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  worker: [],
  circuits: ["worker"],
  prover: ["worker", "circuits", "gen"],
  "prover/command": ["worker", "circuits", "prover", "operator", "gen"],
  operator: ["circuits", "prover/client.ts", "gen"],
  bench: ["*"],
  deploy: [],
  docs: ["*"],
  scripts: ["*"],
  test: ["*"],
};

/** Folders whose name says nothing about what belongs in them. */
const REFUSED_FOLDERS = ["src", "utils", "common", "types", "helpers", "constants"];

/** Packages that only development may load; the service must run without them. */
const DEVELOPMENT_ONLY = ["snarkjs", "hardhat", "circom2", "vitest", "fast-check"];

const root = join(import.meta.dirname, "..");
const IGNORED = new Set([
  "node_modules",
  "build",
  "gen",
  "artifacts",
  "cache",
  ".git",
  "generated",
]);

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return IGNORED.has(entry.name) ? [] : filesBelow(path);
    return [path];
  });
}

const everyFile = filesBelow("");
const sources = everyFile.filter((file) => /(?<!\.d)\.ts$/.test(file) && file.includes("/"));

/** Module specifiers of static imports, re-exports and dynamic imports, with comments left out. */
function specifiersOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(["'])([^"'\n]+)\1/g;
  return [...text.matchAll(pattern)].map((match) => match[2] as string);
}

function importsOf(file: string): string[] {
  return specifiersOf(file)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(root, join(root, dirname(file), specifier)))
    .filter((target) => target.endsWith(".ts"));
}

const roleOf = (file: string): string =>
  file.startsWith("prover/command/") ? "prover/command" : (file.split("/")[0] ?? "");

function mayImport(file: string, target: string): boolean {
  const role = roleOf(file);
  const allowed = MAY_IMPORT[role] ?? [];
  return (
    roleOf(target) === role ||
    allowed.includes("*") ||
    allowed.includes(target) ||
    allowed.includes(roleOf(target))
  );
}

/** The first cycle found by depth-first search, as a path of files, or undefined. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (finished.has(file)) return undefined;
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    finished.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}

describe("architecture", () => {
  it("has sources in every folder of the table that today's product needs", () => {
    for (const role of ["worker", "circuits", "prover", "operator"]) {
      expect(sources.filter((file) => roleOf(file) === role).length, role).toBeGreaterThan(0);
    }
  });

  it("lets each folder import only what the table allows", () => {
    const forbidden = sources.flatMap((file) =>
      importsOf(file)
        .filter((target) => !mayImport(file, target))
        .map((target) => `${file} imports ${target}`),
    );
    expect(forbidden).toEqual([]);
  });

  it("would notice an import that the table forbids", () => {
    expect(mayImport("worker/groth16.ts", "prover/errors.ts")).toBe(false);
    expect(mayImport("operator/state.ts", "prover/scheduler.ts")).toBe(false);
    expect(mayImport("operator/state.ts", "prover/client.ts")).toBe(true);
  });

  it("has no import cycle", () => {
    const graph = new Map(sources.map((file) => [file, importsOf(file)]));
    expect(findCycle(graph)).toBeUndefined();
    expect(
      findCycle(
        new Map([
          ["a", ["b"]],
          ["b", ["a"]],
        ]),
      ),
    ).toEqual(["a", "b", "a"]);
  });

  it("has no folder whose name says nothing", () => {
    const folders = new Set(everyFile.flatMap((file) => file.split("/").slice(0, -1)));
    expect(REFUSED_FOLDERS.filter((name) => folders.has(name))).toEqual([]);
  });

  it("keeps development packages out of the running service and the library", () => {
    const loaded = sources
      .filter((file) => ["worker", "prover", "operator"].includes(roleOf(file)))
      .flatMap((file) =>
        specifiersOf(file)
          .filter((specifier) => DEVELOPMENT_ONLY.includes(specifier.split("/")[0] ?? ""))
          .map((specifier) => `${file} loads ${specifier}`),
      );
    expect(loaded).toEqual([]);
  });

  it("calls native code from one file only", () => {
    const callers = sources.filter((file) => specifiersOf(file).includes("koffi"));
    expect(callers).toEqual(["worker/gpu/native.ts"]);
  });

  it("reads the environment only where configuration is read", () => {
    const readers = sources.filter(
      (file) =>
        ["worker", "circuits"].includes(roleOf(file)) &&
        /process\.env/.test(readFileSync(join(root, file), "utf8")),
    );
    expect(readers).toEqual([]);
  });
});
