import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { L1Kind } from "../../circuits/l1.ts";
import { type DataCase, dataVectors } from "../circuits/vectors.ts";
import { GWEI, openRollup, type TestRollup } from "./rollup.ts";

const ZERO: Hex = `0x${"00".repeat(32)}`;

describe("contracts / data against vectors from outside", () => {
  let town: TestRollup;
  let probe: Awaited<ReturnType<typeof deployProbe>>;
  const deployProbe = () => town.viem.deployContract("BatchDataProbe");

  beforeAll(async () => {
    town = await openRollup();
    probe = await deployProbe();
  });

  afterAll(() => town.connection.close());

  describe.each(dataVectors().cases)("$name", (vector) => {
    const { circuit, expected } = vector;
    const d = expected.d.map(BigInt);

    it("builds d, with the loop and with the independent decoder", async () => {
      const input = {
        domain: BigInt(expected.domain),
        blockNumber: BigInt(vector.blockNumber),
        entries: vector.l1Items.map((item) => ({
          kind: BigInt(item.kind),
          index: BigInt(item.index),
          // The queue does not know what a forced exit is worth.
          amountGwei: item.kind === L1Kind.deposit ? BigInt(item.amount) : 0n,
          ax: BigInt(item.ax),
          ay: BigInt(item.ay),
          owner: item.owner,
        })),
        nDeposits: BigInt(circuit.nDeposits),
        nTx: BigInt(circuit.nTx),
      };
      expect(await probe.read.elements([input, expected.txData])).toEqual([d, d]);
    });

    it("computes digest, z and y", async () => {
      expect(await probe.read.digest([d])).toEqual([expected.digest, expected.digest]);
      const z = BigInt(expected.z);
      expect(await probe.read.challenge([expected.circuitId, d, BigInt(expected.h)])).toEqual([
        z,
        z,
      ]);
      const y = BigInt(expected.y);
      expect(await probe.read.evaluate([d, z])).toEqual([y, y]);
    });

    it("computes the exit tree", async () => {
      const leaves = exitLeaves(vector);
      if (expected.exits.length > 0) {
        expect(await probe.read.exitRoot([leaves])).toEqual([expected.exitRoot, expected.exitRoot]);
      }
      for (const exit of expected.exits) {
        const value = BigInt(exit.amountGwei) * GWEI;
        const message = { value, gasLimit: 0n, nonce: BigInt(exit.nonce), data: "0x" } as const;
        const whole = { ...message, sender: exit.owner, target: exit.owner };
        expect(await probe.read.leaf([vector.sourceDomain, 0, vector.rollup, whole])).toBe(
          exit.leaf,
        );
        expect(await probe.read.climb([exit.leaf, exit.proof, BigInt(exit.slot)])).toBe(
          expected.exitRoot,
        );
      }
    });
  });
});

function exitLeaves({ circuit, expected }: DataCase): Hex[] {
  const leaves: Hex[] = Array(circuit.nDeposits + circuit.nTx).fill(ZERO);
  for (const exit of expected.exits) leaves[exit.slot] = exit.leaf;
  return leaves;
}
