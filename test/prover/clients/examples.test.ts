import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root, startService } from "../command/run-command.ts";
import { PYTHON, whyNoPython } from "./python.ts";

const BUF = join(root, "node_modules/.bin/buf");
const whyNoJq = spawnSync("jq", ["--version"]).status === 0 ? undefined : "there is no jq";

let service: Awaited<ReturnType<typeof startService>>;
let page: string;

beforeAll(async () => {
  page = await readFile(join(root, "docs/clients.md"), "utf8");
  service = await startService(
    ...["--circuits", "batch-tiny", "--allow-dev-keys", "--threads", "1", "--store", "memory"],
  );
});
afterAll(() => service?.stop());

/** Runs the command that docs/clients.md gives for a language, with the test's address. */
function runAsDocumented(language: string, address = service.address) {
  const command = page.match(new RegExp(`^\\| ${language} \\| \`([^\`]*)\``, "m"))?.[1];
  if (command === undefined) throw new Error(`docs/clients.md has no command for ${language}`);
  const [program = "", ...args] = command.split(" ");
  const installed: Record<string, string> = { node: process.execPath, python3: PYTHON };
  return promisify(execFile)(
    installed[program] ?? program,
    args.map((each) => (each === "127.0.0.1:50051" ? address : each)),
    { cwd: root, env: { ...process.env, BUF }, timeout: 100_000 },
  );
}

describe("documentation / examples", () => {
  const cases: [language: string, whyNot: string | undefined][] = [
    ["TypeScript", undefined],
    ["shell", whyNoJq],
    ["Python", whyNoPython],
  ];
  for (const [language, whyNot] of cases) {
    const note = whyNot ? ` (skipped: ${whyNot})` : "";
    it.skipIf(whyNot !== undefined)(`proves the batch in ${language}${note}`, async () => {
      const { stdout, stderr } = await runAsDocumented(language);
      expect(stdout).toMatch(/^valid/m);
      const bytes = Number(/^commitBlock calldata: (\d+) bytes$/m.exec(stdout)?.[1]);
      // A selector and whole words.
      expect(bytes % 32).toBe(4);
      expect(stderr.toLowerCase()).toContain("succeeded");
    });
  }

  it.skipIf(whyNoPython !== undefined)("says in Python what is wrong with a request", async () => {
    const request = JSON.parse(await readFile(join(root, "docs/examples/batch-tiny.json"), "utf8"));
    await using folder = await temporaryFolder();
    const path = join(folder.path, "request.json");
    await writeFile(path, JSON.stringify({ ...request, requestId: "not allowed" }));
    const words = ["docs/examples/prove.py", service.address, path];
    const run = promisify(execFile)(PYTHON, words, { cwd: root });
    await expect(run).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^INVALID_ARGUMENT: request_id/),
    });
  });
});

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), "examples-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
