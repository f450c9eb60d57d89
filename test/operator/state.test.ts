import { describe, expect, it } from "vitest";
import { TransferType } from "../../circuits/transfer.ts";
import type { BuiltBatch } from "../../operator/batch-builder.ts";
import { buildNextBatch } from "../../operator/batch-builder.ts";
import { Mempool } from "../../operator/mempool.ts";
import { World } from "./world.ts";

const LIMITS = {
  maxPending: 100,
  maxPendingPerAccount: 10,
  maxRefusals: 10,
  minFeeGwei: 0n,
  takesFees: true,
};

function build(world: World, pool = new Mempool(LIMITS), feeIndex = 0): BuiltBatch {
  const { built } = buildNextBatch(world.state, feeIndex, () => pool.candidates());
  if (built === undefined) throw new Error("nothing to build");
  return built;
}

/** Two funded accounts, both deposits in blocks. */
function fundedWorld(): World {
  const world = new World();
  world.register(1_000n);
  world.register(500n);
  world.commit(build(world));
  world.commit(build(world));
  return world;
}

describe("operator / state", () => {
  it("holds a deposit in the queue until a block takes it", () => {
    const world = new World();
    const index = world.register(1_000n);
    expect(world.state.account(index).balance).toBe(0n);
    expect(world.state.waitingItems()).toHaveLength(1);
    world.commit(build(world));
    expect(world.state.account(index).balance).toBe(1_000n);
    expect(world.state.waitingItems()).toHaveLength(0);
    expect(world.state.nextBlockNumber).toBe(2);
  });

  it("finds accounts by their owner, also several of one owner", () => {
    const world = fundedWorld();
    const { key } = world.user(1);
    world.mine([{ type: "registered", index: 3, key }]);
    expect(world.state.indicesOf(key.owner)).toEqual([1, 3]);
  });

  it("lists the exits of a block with their owners", () => {
    const world = fundedWorld();
    const pool = new Mempool(LIMITS);
    pool.add(world.state, world.sign({ type: TransferType.exit, from: 1, to: 1, amount: 300n }));
    world.mine([world.queued(2, 2, 0n)]);
    world.commit(build(world, pool));
    const owners = [1, 2].map((index) => world.user(index).key.owner);
    expect(
      world.state.block(3)?.exits.map((exit) => ({ ...exit, owner: BigInt(exit.owner) })),
    ).toEqual([
      { slot: 0, owner: owners[1], amountGwei: 500n },
      { slot: 1, owner: owners[0], amountGwei: 300n },
    ]);
    expect(world.state.account(2)).toMatchObject({ balance: 0n, nonce: 1n });
  });

  it("is as before, in every part, after blocks were undone, and the same again after they come back", () => {
    const world = fundedWorld();
    const { state } = world;
    const picture = () => ({
      l1: state.l1,
      root: state.root,
      next: state.nextBlockNumber,
      head: state.queueHead,
      waiting: state.waitingItems(),
      registered: [1, 2, 3].map((index) => state.registered(index)),
      owners: [1, 2, 3].map((index) => state.indicesOf(world.user(index).key.owner)),
      accounts: [1, 2, 3].map((index) => state.account(index)),
    });
    const pool = new Mempool(LIMITS);
    const { id } = pool.add(state, world.sign({ from: 1, to: 2, amount: 10n }));
    const before = picture();
    world.register(77n);
    const built = build(world, pool);
    world.commit(built);
    const after = picture();
    expect(state.committed(id)).toEqual({ blockNumber: 3, slot: 1 });
    expect(state.rollBack().map(({ number }) => number)).toEqual([3]);
    expect(state.rollBack()).toEqual([]);
    expect(picture()).toEqual(before);
    expect(state.committed(id)).toBeUndefined();
    world.register(77n);
    world.commit(built);
    expect(picture()).toEqual(after);
  });

  it("refuses a block whose root its data do not lead to, and stays as it was", () => {
    const world = fundedWorld();
    world.register(5n);
    const built = build(world);
    const { root, l1 } = world.state;
    const forged = { ...built, execution: { ...built.execution, newRoot: root } };
    expect(() => world.commit(forged)).toThrowError(
      expect.objectContaining({ code: "STATE_DIVERGED" }),
    );
    expect(world.state.root).toBe(root);
    expect(world.state.l1).toEqual(l1);
    world.commit(built);
    expect(world.state.account(3).balance).toBe(5n);
  });

  it("refuses events that leave a gap: an index, an item, a block, an L1 block of another parent", () => {
    const world = fundedWorld();
    const { key } = world.user(9);
    world.register(5n);
    const built = build(world);
    const gaps = [
      () => world.mine([{ type: "registered", index: 5, key }]),
      () =>
        world.mine([
          { type: "queued", id: 9, kind: 1, index: 1, amountGwei: 1n, overdueAtSeconds: 0n },
        ]),
      () => world.commit({ ...built, batch: { ...built.batch, blockNumber: 4 } }),
      () => world.commit({ ...built, firstItem: 0 }),
      () => world.commit({ ...built, itemCount: 2 }),
      () =>
        world.state.apply({
          number: world.state.l1.number + 1,
          hash: "0x01",
          parentHash: "0x02",
          events: [],
        }),
    ];
    for (const [i, gap] of gaps.entries()) {
      expect(gap, `gap ${i}`).toThrowError(expect.objectContaining({ code: "STATE_DIVERGED" }));
    }
  });

  it("undoes as many L1 blocks as it keeps checkpoints, and then says so", () => {
    const world = new World(3);
    for (let n = 0; n < 5; n++) world.mine();
    expect(world.state.oldestCheckpoint).toBe(3);
    for (let n = 0; n < 3; n++) world.state.rollBack();
    expect(world.state.l1.number).toBe(2);
    expect(() => world.state.rollBack()).toThrowError(
      expect.objectContaining({ code: "REORG_TOO_DEEP" }),
    );
  });
});
