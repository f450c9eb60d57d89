import { describe, expect, it } from "vitest";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { BatchError } from "../../circuits/errors.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { changedAt, placesIn } from "./places.ts";
import { batchOf, deposit, forcedExit, signed } from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");

/** What a place may be changed to: neighbours, bounds, aliases mod r, and foolish things. */
function changesOf(place: unknown): unknown[] {
  if (typeof place === "bigint") {
    const near = [place + 1n, place - 1n, 0n, 1n, SCALAR_FIELD - 1n, SCALAR_FIELD - place];
    const aliases = [place + SCALAR_FIELD, place - SCALAR_FIELD, place + 2n ** 64n, -place];
    return [...near, ...aliases, 2n ** 64n - 1n, 2n ** 300n].filter((value) => value !== place);
  }
  if (typeof place === "number") {
    const near = [place + 1, place - 1, 0, 1, 2, 3, 15, 16, place + 2 ** 32, 2 ** 53];
    const odd = [place + 0.5, -place, Number.NaN, Number.POSITIVE_INFINITY];
    return [...near, ...odd].filter((value) => value !== place);
  }
  const list = place as readonly unknown[];
  return [[], list.slice(1), list.slice(0, -1), [...list, list[0]], [...list, ...list]].filter(
    (changed) => changed.length !== list.length,
  );
}

const outcomeOf = (batch: TransferBatch) => {
  const { d, newRoot } = executeBatch(tiny, batch);
  return { d: d.join(), newRoot };
};

interface Outcomes {
  readonly refused: Map<string, number>;
  /** Places whose change is accepted and moves d. */
  readonly moved: Set<string>;
  /** Accepted with the same d: must stay empty. */
  readonly silent: string[];
}

/** Executes the batch with every single change. */
function sortChanges(batch: TransferBatch): Outcomes {
  const original = outcomeOf(batch);
  const outcomes: Outcomes = { refused: new Map(), moved: new Set(), silent: [] };
  for (const [path, place] of placesIn(batch)) {
    const name = path.join(".");
    for (const change of changesOf(place)) {
      try {
        const { d } = outcomeOf(changedAt(batch, path, change));
        if (d === original.d) outcomes.silent.push(`${name} = ${String(change)}`);
        else outcomes.moved.add(name);
      } catch (error) {
        if (!(error instanceof BatchError))
          throw new Error(`${name} = ${change}`, { cause: error });
        outcomes.refused.set(error.code, (outcomes.refused.get(error.code) ?? 0) + 1);
      }
    }
  }
  return outcomes;
}

interface Case {
  readonly name: string;
  readonly batch: TransferBatch;
  /** What the operator or the contract decides: nothing but d can notice. */
  readonly moved: readonly string[];
  readonly refusedAtLeast: number;
}

const cases: readonly Case[] = [
  {
    name: "a deposit, a transfer, a free slot",
    batch: batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] }),
    moved: [
      "blockNumber",
      "l1Items.0.amount",
      "l1Items.0.key.ax",
      "l1Items.0.key.ay",
      "l1Items.0.key.owner",
    ],
    refusedAtLeast: 500,
  },
  {
    name: "a forced exit, an exit, a transfer",
    batch: batchOf(tiny, {
      l1Items: [forcedExit(3, 3000n)],
      transfers: [signed({ type: 2, to: 4 }), signed({ from: 2, to: 1, fee: 0n })],
    }),
    // As a deposit of the same amount it is another honest block.
    moved: ["blockNumber", "l1Items.0.kind"],
    refusedAtLeast: 800,
  },
  {
    name: "an empty block",
    batch: batchOf(tiny),
    moved: ["blockNumber", "domain"],
    refusedAtLeast: 250,
  },
];

describe("circuits / batch, every single change", () => {
  const codes = new Set<string>();
  for (const { name, batch, moved, refusedAtLeast } of cases) {
    it(`is refused, or shows in d: ${name}`, () => {
      const outcomes = sortChanges(batch);
      expect(outcomes.silent).toEqual([]);
      expect([...outcomes.moved].sort()).toEqual(moved);
      const total = [...outcomes.refused.values()].reduce((sum, count) => sum + count, 0);
      expect(total).toBeGreaterThan(refusedAtLeast);
      for (const code of outcomes.refused.keys()) codes.add(code);
    });
  }

  it("meets every code of refusal", () => {
    expect([...codes].sort()).toEqual([
      "BATCH_ACCOUNT",
      "BATCH_BALANCE",
      "BATCH_EXPIRED",
      "BATCH_L1",
      "BATCH_NONCE",
      "BATCH_PATH",
      "BATCH_SHAPE",
      "BATCH_SIGNATURE",
    ]);
  });
});
