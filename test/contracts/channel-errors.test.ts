// Declared is tested: every custom error of channel and factory, and every line of the page's table of defects.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AbiItem, toEventSelector, toFunctionSelector } from "viem";
import { describe, expect, it } from "vitest";
import { CHANNEL_ABI, FACTORY_ABI } from "../../operator/channel/abi.ts";

const root = join(import.meta.dirname, "../..");
const artifactAbi = (name: string): AbiItem[] =>
  JSON.parse(
    readFileSync(join(root, `artifacts/contracts/channel/${name}.sol/${name}.json`), "utf8"),
  ).abi;

/** What OpenZeppelin declares and cannot happen here. */
const UNREACHABLE: Record<string, string> = {
  EIP712DomainChanged: "an event of ERC-5267 that nothing emits",
  InvalidShortString: "name and version of the domain are constants",
  StringTooLong: "name and version of the domain are constants",
  Create2EmptyBytecode: "a clone's code is never empty",
  CloneArgumentsTooLong: "the arguments are always 84 bytes",
  FailedDeployment: "the address is checked to be free, and its code is not ours to choose",
  InsufficientBalance: "clones are made without money",
};

const declared = ["PaymentChannel", "ChannelFactory"]
  .flatMap(artifactAbi)
  .flatMap((item) => (item.type === "error" ? [item.name] : []))
  .filter((name) => !(name in UNREACHABLE));

const testFiles = readdirSync(import.meta.dirname).filter(
  (name) => /^channel-.*\.test\.ts$/.test(name) && name !== "channel-errors.test.ts",
);
const tests = testFiles
  .map((name) => readFileSync(join(import.meta.dirname, name), "utf8"))
  .join("\n");

describe("contracts / channel, what is declared", () => {
  it.each([...new Set(declared)].sort())("%s is expected by a test", (name) => {
    expect(tests).toContain(`"${name}"`);
  });

  it.each([
    ["PaymentChannel", CHANNEL_ABI],
    ["ChannelFactory", FACTORY_ABI],
  ] as const)("%s is what the TypeScript interface says", (name, abi) => {
    const signature = (item: AbiItem): string[] => {
      if (item.type === "function") {
        return [`${toFunctionSelector(item)} ${item.name} ${item.stateMutability}`];
      }
      if (item.type === "event") return [`${toEventSelector(item)} ${item.name}`];
      return item.type === "error" ? [item.name] : [];
    };
    const ours = (abi as readonly AbiItem[]).flatMap(signature);
    const compiled = artifactAbi(name).flatMap(signature);
    const isKnown = (text: string) =>
      !Object.keys(UNREACHABLE).some((known) => text.includes(known));
    expect([...ours].sort()).toEqual(compiled.filter(isKnown).sort());
  });

  it("fits the size of a contract with room to spare", () => {
    for (const name of ["PaymentChannel", "ChannelFactory"]) {
      const { deployedBytecode } = JSON.parse(
        readFileSync(join(root, `artifacts/contracts/channel/${name}.sol/${name}.json`), "utf8"),
      );
      expect(deployedBytecode.length / 2, name).toBeLessThan(12_288);
    }
  });
});

const rows = readFileSync(join(root, "docs/contracts.md"), "utf8")
  .split("## Defects of the article's channel")[1]
  ?.split("\n# ")[0]
  ?.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| defect"))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""))) as string[][];
const solidity = readFileSync(join(root, "contracts/test/PaymentChannel.t.sol"), "utf8");

describe("contracts / the table of the channel's defects", () => {
  it("has a row for each of them", () => {
    expect(rows).toHaveLength(16);
  });

  it.each(rows)("%s: names tests that exist", (_defect, cell) => {
    for (const [, name] of (cell ?? "").matchAll(/`([^`]+)`/g)) {
      if (name === undefined || /^(withdrawnAmounts|ChannelState)$/.test(name)) continue;
      const isThere = name.includes(" ")
        ? tests.includes(`"${name}"`)
        : solidity.includes(`function ${name}(`);
      expect(isThere, `no test is called: ${name}`).toBe(true);
    }
  });
});
