import { createPublicClient, type Hex, http } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ChainLog } from "../../operator/fraud/chain-log.ts";
import { Truth } from "../../operator/fraud/truth.ts";
import { RpcProxy } from "../operator/rpc-proxy.ts";
import {
  ALICE,
  Arena,
  BOND,
  keyOf,
  lieAt,
  listeningLog,
  MALLORY,
  PERIOD,
  PROPOSES,
} from "./arena.ts";

let arena: Arena;
let genesis: Hex;

beforeEach(async () => {
  arena = await Arena.open();
  await arena.batch(3);
  genesis = keyOf(0, (await arena.truth()).rootAfter(0));
});
afterEach(() => arena.close());

const open = (rangeBlocks?: number): ChainLog => {
  const { rollup, inbox, deploymentBlock } = arena.deployment;
  return new ChainLog(arena.chain.read, {
    addresses: [rollup, inbox],
    fromBlock: deploymentBlock,
    ...(rangeBlocks !== undefined && { rangeBlocks }),
  });
};
const propose = (salt: number) =>
  arena.call(MALLORY, "proposeStateRoot", [lieAt(salt), genesis], BOND);
const namesOf = (chain: ChainLog) => chain.logs.map(({ data, topics }) => [...topics, data].join());

describe("fraud / the chain's logs", () => {
  it("are the same read in ranges, block by block, or a bit at a time", async () => {
    const slow = open();
    for (let i = 0; i < 5; i++) {
      await propose(i);
      await slow.advance();
    }
    await arena.mineMany(150);
    await propose(6);
    await arena.mineAt();
    const tip = await slow.advance();
    for (const rangeBlocks of [1, 7, 1_000]) {
      const other = open(rangeBlocks);
      expect(await other.advance()).toEqual(tip);
      expect(namesOf(other)).toEqual(namesOf(slow));
    }
    const blocks = slow.logs.map(({ blockNumber }) => Number(blockNumber));
    expect(blocks).toEqual(blocks.toSorted((a, b) => a - b));
    expect(slow.logs.length).toBeGreaterThan(8);
    expect(slow.generation).toBe(0);
  });

  it("end one block behind the head", async () => {
    const chain = open();
    await arena.mineAt();
    await chain.advance();
    await propose(1);
    const before = chain.logs.length;
    const tip = await chain.advance();
    expect(tip.number).toBe(Number(await arena.chain.read.getBlockNumber()) - 1);
    expect(chain.logs).toHaveLength(before);
    await arena.mineAt();
    await chain.advance();
    expect(chain.logs).toHaveLength(before + 1);
  });

  it("lose what a reorganisation takes away, and say so", async () => {
    const chain = open();
    await arena.mineAt();
    const fork = await arena.chain.control.snapshot();
    await propose(1);
    await arena.mineAt();
    await chain.advance();
    const before = chain.logs.length;
    await arena.chain.reorganise(fork);
    await chain.advance();
    expect(chain.generation).toBe(1);
    expect(chain.logs).toHaveLength(before - 1);
    await propose(2);
    await arena.mineAt();
    await chain.advance();
    expect(chain.generation).toBe(1);
    expect(chain.logs).toHaveLength(before);
  });

  it("are read again from the beginning when more is gone than is remembered", async () => {
    const chain = open();
    const fork = await arena.chain.control.snapshot();
    await propose(1);
    await arena.mineMany(140);
    await chain.advance();
    await arena.chain.control.revert({ id: fork });
    await arena.mineAt((await arena.now()) + 5_000n);
    await arena.mineMany(145);
    await chain.advance();
    expect(namesOf(chain)).toEqual(
      namesOf(
        await (async () => {
          const fresh = open();
          await fresh.advance();
          return fresh;
        })(),
      ),
    );
    expect(chain.generation).toBeGreaterThan(0);
  });

  it("wait for a node that lags behind, and for one that does not answer", async () => {
    const proxy = await RpcProxy.start(arena.chain.rpcUrl);
    const { rollup, inbox, deploymentBlock } = arena.deployment;
    const read = createPublicClient({
      transport: http(proxy.url, { retryCount: 0 }),
      cacheTime: 0,
    });
    const chain = new ChainLog(read, { addresses: [rollup, inbox], fromBlock: deploymentBlock });
    await arena.mineAt();
    const tip = await chain.advance();
    await propose(1);
    await arena.mineAt();
    proxy.isAway = true;
    await expect(chain.advance()).rejects.toThrow();
    proxy.isAway = false;
    const later = await chain.advance();
    expect(later.number).toBeGreaterThan(tip.number);
    await proxy.close();
  });
});

describe("fraud / the truth", () => {
  it("follows other batches where a reorganisation put them", async () => {
    const truth = new Truth(arena.domain);
    const fork = await arena.chain.control.snapshot();
    await arena.batch(2);
    const alice = arena.player(ALICE, PROPOSES, { truth });
    await arena.settle(alice);
    expect(truth.batchCount).toBe(2);
    const [one, two] = [truth.rootAfter(1), truth.rootAfter(2)];
    await arena.chain.reorganise(fork);
    await arena.deposit(5n);
    await arena.batch(4);
    await arena.settle(alice);
    expect(truth.rootAfter(1)).toBe(one);
    expect(truth.rootAfter(2)).not.toBe(two);
    const fresh = await arena.truth();
    expect(truth.rootAfter(2)).toBe(fresh.rootAfter(2));
    expect(truth.isTrue({ root: two, batchEnd: 2 })).toBe(false);
    expect(truth.isTrue({ root: two, batchEnd: 3 })).toBe(false);
    const keys = [];
    for (let id = 1n; id <= (await arena.entryCount()); id++)
      keys.push((await arena.entry(id)).key);
    expect(keys).toContain(keyOf(2, fresh.rootAfter(2)));
  });

  it("is told apart from a final root that nobody watched: the player stops and says so", async () => {
    await propose(1);
    await arena.mineAt((await arena.entry(1n)).deadline);
    await arena.call(MALLORY, "finalizeStateRoots", [[1n]]);
    const log = listeningLog();
    const alice = arena.player(ALICE, PROPOSES, { log });
    await arena.mineAt();
    await expect(alice.tick()).rejects.toMatchObject({ code: "STATE_DIVERGED" });
    expect(await arena.entryCount()).toBe(1n);
    expect((await arena.now()) > BigInt(PERIOD)).toBe(true);
  });
});
