import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getAddress, type Hex, numberToHex, size, zeroAddress } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { circuitIdHash, rollupDomain } from "../../circuits/data.ts";
import { CIRCUITS } from "../../circuits/parameters.ts";
import { StateTree } from "../../circuits/tree.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { refuses } from "./reverts.ts";
import { openRollup, PARAMETERS, type RollupConfig, type TestRollup } from "./rollup.ts";

let town: TestRollup;

beforeEach(async () => {
  town = await openRollup();
});

afterEach(() => town.connection.close());

const root = join(import.meta.dirname, "../..");

describe("contracts / deployment", () => {
  it("starts with block 0, the empty tree and no account", async () => {
    const { rollup, genesis, config } = town;
    const [stateRoot, transactionsHash, blockNumber, timestamp, operator] =
      await rollup.read.blocks([0n]);
    expect([stateRoot, transactionsHash, blockNumber, operator]).toEqual([
      genesis,
      numberToHex(0, { size: 32 }),
      0n,
      config.operator,
    ]);
    expect(timestamp).toBe((await town.client.getBlock()).timestamp);
    expect(await rollup.read.currentStateRoot()).toBe(genesis);
    expect(await rollup.read.blockCount()).toBe(0n);
    expect(await rollup.read.nextIndex()).toBe(1);
    expect(await rollup.read.queueTail()).toBe(0n);
    expect(await rollup.read.accounts([0])).toEqual([zeroAddress, 0n, 0n]);
  });

  it("says what was fixed", async () => {
    expect(await town.rollup.read.config()).toEqual(town.config);
    expect(getAddress(await town.rollup.read.verifier())).toBe(getAddress(town.stub.address));
  });

  it("has the twin's domain and circuit id", async () => {
    const { rollup, chainId } = town;
    expect(await rollup.read.domain()).toBe(rollupDomain(chainId, rollup.address));
    expect(await rollup.read.circuitId()).toBe(circuitIdHash(PARAMETERS));
    for (const parameters of CIRCUITS) {
      const { nTx, levels, nDeposits } = parameters;
      const other = await deploy({ nTx, levels, nDeposits });
      expect(await other.read.circuitId(), parameters.id).toBe(circuitIdHash(parameters));
    }
  });

  it("starts from a root that an independent implementation calls the empty tree's", () => {
    const vectors = JSON.parse(
      readFileSync(join(root, "test/vectors/data-encoding.json"), "utf8"),
    ) as { tree: { emptyRoots: string[] } };
    vectors.tree.emptyRoots.forEach((expected, levels) => {
      if (levels > 0) expect(new StateTree(levels).root, `${levels} levels`).toBe(BigInt(expected));
    });
    // Written out, so that neither twin nor vectors can move it unseen: 8 levels, 65,536 accounts.
    expect(new StateTree(8).root).toBe(
      1307196047804320103904434021061327800842810035521885348913244834115046590147n,
    );
  });

  const limits: [keyof RollupConfig, bigint, bigint][] = [
    ["sourceDomain", 1n, 2n ** 32n - 1n],
    ["nTx", 1n, 1024n],
    ["levels", 1n, 15n],
    ["nDeposits", 1n, 255n],
    ["entryFeeWei", 1n, 10n ** 18n],
    ["minDepositGwei", 1n, 10n ** 11n],
    ["inclusionWindowSeconds", 1n, 2_592_000n],
    ["spacingSeconds", 1n, 86_400n],
  ];

  it.each(limits)("takes a %s from %d to %d and no other", async (field, minimum, maximum) => {
    const fits = (value: bigint) => (field in NUMBERS ? Number(value) : value);
    for (const value of [minimum, maximum]) await deploy({ [field]: fits(value) });
    const beyond = field === "sourceDomain" ? [0n] : [minimum - 1n, maximum + 1n];
    for (const value of beyond) {
      await refuses(deploy({ [field]: fits(value) }), "ConfigOutOfRange", [
        field,
        value,
        minimum,
        maximum,
      ]);
    }
  });

  it("needs an operator, a verifier with code and a root in the field", async () => {
    await refuses(deploy({ operator: zeroAddress }), "ConfigOutOfRange", [
      "operator",
      0n,
      1n,
      2n ** 160n - 1n,
    ]);
    const { alice, stub, genesis, config } = town;
    const nobody = getAddress(alice.account.address);
    await refuses(deployWith(nobody, genesis, config), "VerifierMissing", [nobody]);
    const alias = SCALAR_FIELD;
    await refuses(
      deployWith(stub.address, numberToHex(alias, { size: 32 }), config),
      "SignalOutOfField",
      [0n, alias],
    );
  });

  it("fits the 24,576 bytes of a contract and the 49,152 of its creation", () => {
    const deployable = ["zk/ZKRollup.sol/ZKRollup.json", ...generatedVerifiers()];
    for (const file of deployable) {
      const { bytecode, deployedBytecode } = JSON.parse(
        readFileSync(join(root, "artifacts/contracts", file), "utf8"),
      ) as Record<"bytecode" | "deployedBytecode", Hex>;
      expect(size(deployedBytecode), file).toBeLessThanOrEqual(24_576);
      expect(size(bytecode), file).toBeLessThanOrEqual(49_152);
    }
  });
});

/** Fields that viem takes as numbers, since their Solidity types are small. */
const NUMBERS = { sourceDomain: true, nTx: true, levels: true, nDeposits: true };

const deploy = (changes: Partial<RollupConfig>) =>
  deployWith(town.stub.address, town.genesis, { ...town.config, ...changes });

const deployWith = (verifier: Hex, genesis: Hex, config: RollupConfig) =>
  town.viem.deployContract("ZKRollup", [verifier, genesis, config]);

function generatedVerifiers(): string[] {
  const folder = join(root, "artifacts/contracts/generated");
  try {
    return readdirSync(folder).map((name) => `generated/${name}/${name.replace(".sol", "")}.json`);
  } catch {
    return []; // no circuit is built here
  }
}
