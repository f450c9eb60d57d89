import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeFunctionData, keccak256, toHex } from "viem";
import { describe, expect, it } from "vitest";
import { encodeCommitBlock } from "../../circuits/calldata.ts";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";

const artifact = join(
  import.meta.dirname,
  "../../artifacts/contracts/zk/ZKRollup.sol/ZKRollup.json",
);

describe("circuits / calldata", () => {
  const txData = Uint8Array.from([0, 0, 0, 5, 0]);
  const calldata = encodeCommitBlock({
    newRoot: 258n,
    txData,
    proof: { a: { x: 1n, y: 2n }, b: { x: [3n, 4n], y: [5n, 6n] }, c: { x: 7n, y: 8n } },
    publicSignals: [11n, 258n, 13n, 14n, 15n],
  });

  it("calls commitBlock with root, hash of the bytes, proof, signals and bytes", () => {
    const { functionName, args } = decodeFunctionData({ abi: ROLLUP_ABI, data: calldata });
    expect(functionName).toBe("commitBlock");
    expect(args).toEqual([
      `0x${"102".padStart(64, "0")}`,
      keccak256(txData),
      [1n, 2n],
      // EIP-197: the imaginary part of a coordinate comes first.
      [
        [4n, 3n],
        [6n, 5n],
      ],
      [7n, 8n],
      [11n, 258n, 13n, 14n, 15n],
      "0x0000000500",
    ]);
  });

  it("has the article's arguments in the article's order, by selector", () => {
    const signature =
      "commitBlock(bytes32,bytes32,uint256[2],uint256[2][2],uint256[2],uint256[5],bytes)";
    expect(calldata.slice(0, 10)).toBe(keccak256(toHex(signature)).slice(0, 10));
  });
});

interface Parameter {
  readonly name?: string;
  readonly type: string;
  readonly indexed?: boolean;
  readonly components?: readonly Parameter[];
}
interface Item {
  readonly type: string;
  readonly name?: string;
  readonly stateMutability?: string;
  readonly inputs?: readonly Parameter[];
  readonly outputs?: readonly Parameter[];
}

const partOf = ({ name, type, indexed, components }: Parameter): string =>
  [components ? `(${components.map(partOf)})` : type, indexed ? "indexed" : "", name].join(" ");

/** One line for each item, with types and names; the name of a struct's type does not matter. */
const linesOf = (abi: readonly Item[]): string[] =>
  abi
    .filter(({ type }) => type !== "constructor")
    .map(({ type, name, inputs = [], outputs = [], stateMutability = "" }) =>
      [type, name, `(${inputs.map(partOf)})`, stateMutability, `(${outputs.map(partOf)})`].join(
        " ",
      ),
    )
    .sort();

// `npm test` compiles the contracts first; `vitest` alone may run without them.
describe.skipIf(!existsSync(artifact))("circuits / rollup-abi", () => {
  it("is the compiled contract's interface, without its constructor", () => {
    const { abi } = JSON.parse(readFileSync(artifact, "utf8")) as { abi: readonly Item[] };
    expect(linesOf(ROLLUP_ABI as readonly Item[])).toEqual(linesOf(abi));
  });
});
