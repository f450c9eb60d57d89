import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** What OpenZeppelin's guard declares; the reentrant receiver decodes it. */
const INHERITED = ["ReentrancyGuardReentrantCall"];

const artifact = join(
  import.meta.dirname,
  "../../artifacts/contracts/zk/ZKRollup.sol/ZKRollup.json",
);
const { abi } = JSON.parse(readFileSync(artifact, "utf8")) as {
  abi: readonly { type: string; name?: string }[];
};
const declared = abi.flatMap(({ type, name }) => (type === "error" && name ? [name] : [])).sort();

/** Names of tests by the error that they expect: `refuses(…, "Name"` with the `it("…"` above it. */
function testsByError(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"))) {
    let test = file;
    for (const line of readFileSync(join(import.meta.dirname, file), "utf8").split("\n")) {
      test = line.match(/^ +it(?:\.each\(.*\))?\("(.+?)"/)?.[1] ?? test;
      for (const name of declared) {
        if (!line.includes(`"${name}"`) || file === "errors.test.ts") continue;
        found.set(name, [...(found.get(name) ?? []), `${file}: ${test}`]);
      }
    }
  }
  return found;
}

describe("contracts / custom errors", () => {
  const tests = testsByError();

  it.each(declared)("%s is expected by a test", (name) => {
    expect(tests.get(name) ?? [], `no test expects ${name}`).not.toEqual([]);
  });

  it("are declared by our interfaces, but for those known to be inherited", () => {
    const ours = ["zk/IZKRollup.sol", "zk/IL1Queue.sol", "security/ICredits.sol"]
      .map((file) => readFileSync(join(import.meta.dirname, "../../contracts", file), "utf8"))
      .flatMap((source) => [...source.matchAll(/^ {4}error (\w+)\(/gm)].map((match) => match[1]));
    expect([...ours, ...INHERITED].sort()).toEqual(declared);
  });
});
