// The newcomer's command, from the README, as its own process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** A hang must not take the whole suite with it; the demo itself says how long it took. */
const TIME_LIMIT_MS = 600_000;

describe("npm run demo", () => {
  it("ends well, with every expectation held", { timeout: TIME_LIMIT_MS }, async () => {
    const root = join(import.meta.dirname, "../..");
    const demo = spawn("npm", ["run", "demo"], { cwd: root, timeout: TIME_LIMIT_MS - 10_000 });
    let output = "";
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const [code] = (await once(demo, "close")) as [number | null];
    expect(output).toMatch(/All \d+ expectations held/);
    expect(output).toMatch(/commitBlock 4: 1 forced exit/);
    expect(code).toBe(0);
  });
});
