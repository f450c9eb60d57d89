import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { executeBatch, type TransferBatch } from "../../circuits/batch.ts";
import { BatchError } from "../../circuits/errors.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { changedAt, placesIn } from "./places.ts";
import { batchOf, deposit, signed } from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");

describe("circuits / batch, total", () => {
  const number = () =>
    fc.oneof(
      fc.integer({ min: 0, max: 16 }),
      fc.integer(),
      fc.double(),
      fc.constantFrom(2 ** 32, 2 ** 53, -0, Number.MAX_VALUE),
    );
  const bigint = () =>
    fc.oneof(
      fc.bigInt({ min: 0n, max: 20n }),
      fc.bigInt({ min: 0n, max: SCALAR_FIELD - 1n }),
      fc.bigInt(),
      fc.constantFrom(SCALAR_FIELD, 2n ** 64n, -1n, 1n << 4000n),
    );
  const list = <T>(arbitrary: fc.Arbitrary<T>, length: number) =>
    fc.oneof(
      fc.array(arbitrary, { minLength: length, maxLength: length }),
      fc.array(arbitrary, { maxLength: 6 }),
    );
  const key = () => fc.record({ ax: bigint(), ay: bigint(), owner: bigint() });
  const account = () => fc.record({ pkHash: bigint(), balance: bigint(), nonce: bigint() });
  const anyBatch = (): fc.Arbitrary<TransferBatch> =>
    fc.record({
      domain: bigint(),
      blockNumber: number(),
      feeIndex: number(),
      prevRoot: bigint(),
      topNodes: list(bigint(), 4),
      openings: list(
        fc.record({ index: number(), account: account(), siblings: list(list(bigint(), 3), 1) }),
        2,
      ),
      l1Items: list(
        fc.record({
          kind: fc.oneof(fc.constantFrom(1, 2), number()) as fc.Arbitrary<1 | 2>,
          index: number(),
          amount: bigint(),
          key: key(),
        }),
        1,
      ),
      transfers: list(
        fc.record({
          type: fc.oneof(fc.constantFrom(0, 1, 2), number()) as fc.Arbitrary<0 | 1 | 2>,
          from: number(),
          to: number(),
          amount: bigint(),
          fee: bigint(),
          validUntil: number(),
          nonce: bigint(),
          recipient: bigint(),
          key: key(),
          signature: fc.record({ s: bigint(), r8x: bigint(), r8y: bigint() }),
        }),
        1,
      ),
    });

  const expectTyped = (batch: TransferBatch) => {
    try {
      executeBatch(tiny, batch);
    } catch (error) {
      expect(error).toBeInstanceOf(BatchError);
    }
  };

  it("returns or throws BatchError on any values", () => {
    fc.assert(fc.property(anyBatch(), expectTyped), { numRuns: 2000 });
  });

  it("returns or throws BatchError when any parts of a good batch are replaced", () => {
    const good = batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] });
    const parts = Object.keys(good) as (keyof TransferBatch)[];
    fc.assert(
      fc.property(
        fc.subarray(parts, { minLength: 1, maxLength: 3 }),
        anyBatch(),
        (names, other) => {
          const changes = Object.fromEntries(names.map((name) => [name, other[name]]));
          expectTyped({ ...good, ...changes });
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("throws BatchError on holes, nulls and other things that are no numbers", () => {
    const good = batchOf(tiny, { l1Items: [deposit(6, 77n)], transfers: [signed()] });
    for (const [path, place] of placesIn(good)) {
      for (const change of [undefined, null, "1", {}, true, 1.5, 10n ** 30n]) {
        const batch = changedAt(good, path, change);
        expect(() => expectTyped(batch), `${path.join(".")} = ${typeof change}`).not.toThrow();
        if (typeof change !== typeof place) {
          expect(() => executeBatch(tiny, batch), path.join(".")).toThrow(BatchError);
        }
      }
    }
    expect(() => executeBatch(tiny, { ...good, transfers: Array(2) })).toThrow(BatchError);
  });
});
