import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { EXAMPLES, exampleJson } from "../scripts/example-batch.ts";
import { REFRESHED, refreshed } from "../scripts/readme.ts";
import { startService } from "./prover/command/run-command.ts";

const root = join(import.meta.dirname, "..");
const readme = await readFile(join(root, "README.md"), "utf8");

/** The commands of the README's shell blocks, one a line, comments cut off. */
const commands = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  .filter(([, language]) => language === "")
  .flatMap(([, , block]) => (block as string).split("\n"))
  .map((line) => line.replace(/\s+#.*$/, "").trim())
  .filter((line) => /^(npm|npx) /.test(line));

async function runInRoot(program: string, words: readonly string[]) {
  const child = spawn(program, words, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

describe("README", () => {
  it.each(REFRESHED)(
    "and others repeat what is elsewhere as it is: npm run readme refreshes %s",
    async (path) => {
      expect(await refreshed(path)).toBe(await readFile(join(root, path), "utf8"));
    },
  );

  it("links only to what exists", () => {
    const targets = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path);
    expect(targets.length).toBeGreaterThan(20);
    expect(targets.filter((path) => !existsSync(join(root, path as string)))).toEqual([]);
  });

  it("names scripts that exist, the two of a newcomer first", () => {
    const scripts = commands
      .map((command) => /^npm (?:run )?(\S+)/.exec(command)?.[1] ?? "")
      .filter((name) => name !== "ci" && name !== "");
    expect(scripts.slice(0, 2)).toEqual(["demo", "test"]);
    expect(scripts.filter((name) => !(name in packageJson.scripts))).toEqual([]);
  });

  it("stays short enough to be read", () => {
    expect(readme.split("\n").length).toBeLessThanOrEqual(200);
  });
});

describe("docs/examples", () => {
  it("holds the requests that the script makes", async () => {
    for (const id of EXAMPLES) {
      const committed = await readFile(join(root, "docs/examples", `${id}.json`), "utf8");
      expect(committed, id).toBe(exampleJson(id));
    }
  });
});

describe("README's calls", () => {
  let service: Awaited<ReturnType<typeof startService>>;
  beforeAll(async () => {
    // The README's own flags; only the port is a free one.
    const serve = commands.find((command) => command.startsWith("npm run proofmill -- serve "));
    const flags = serve?.split(" -- serve ")[1]?.split(" ") ?? [];
    expect(flags).not.toEqual([]);
    service = await startService(...flags);
  });
  afterAll(() => service.stop());

  it("run as they stand: buf curl, then the TypeScript", async () => {
    const curl = commands.find((command) => command.startsWith("npx buf curl "));
    const words = (curl as string).replaceAll("127.0.0.1:50051", service.address).split(" ");
    const submitted = await runInRoot("buf", words.slice(2));
    expect(submitted.output).toContain('"requestId": "example-batch-4"');
    expect(submitted.code).toBe(0);

    // The same request id and content: the same job.
    const { code, output } = await runInRoot(process.execPath, [
      "docs/examples/prove.ts",
      service.address,
    ]);
    expect(output).toMatch(/proved by wasm \(.+\)\ncommitBlock calldata: \d{3} bytes/);
    expect(code).toBe(0);
  });
});
