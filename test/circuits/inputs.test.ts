import { describe, expect, it } from "vitest";
import { assembleInputs, type BatchContent, type CircuitInputs } from "../../circuits/inputs.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { TransferType } from "../../circuits/transfer.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { batchOf, deposit, forcedExit, signed, smallTree } from "./small-rollup.ts";

const tiny = circuitParameters("batch-tiny");

const assemble = (content: Partial<BatchContent>): CircuitInputs => {
  const request = { ...batchOf(tiny), ...content };
  return assembleInputs(tiny, smallTree(2), request).inputs;
};

/** Every number of the inputs, flat. */
const numbersOf = (value: unknown): unknown[] =>
  typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersOf) : [value];

describe("circuits / inputs, without judging", () => {
  it("applies an overspend, which wraps in the field", () => {
    const { txFrom, txTo } = assemble({
      transfers: [signed({ amount: 1000n }), signed({ nonce: 1n })],
    });
    expect(txFrom).toEqual([
      [1000n, 0n],
      [SCALAR_FIELD - 1n, 1n],
    ]);
    expect(txTo.map((leaf) => leaf[1])).toEqual([2000n, 3000n]);
  });

  it("puts an index beyond the tree into the inputs as it is, and opens it modulo the capacity", () => {
    const beyond = { ...signed(), to: 18 };
    const inputs = assemble({
      feeIndex: 21,
      l1Items: [{ ...deposit(2, 1n), index: 34 }],
      transfers: [beyond],
    });
    expect(inputs.tx[0]?.[2]).toBe(18n);
    expect(inputs.l1[0]?.[1]).toBe(34n);
    expect(inputs.feeIndex).toBe(21n);
    expect(inputs.txTo[0]).toEqual([smallTree(2).get(2).pkHash, 2001n, 0n]);
    expect(inputs.feeLeaf[0]).toBe(smallTree(2).get(5).pkHash);
  });

  it("reduces every number mod r", () => {
    const { key, signature } = signed();
    const inputs = assemble({
      domain: -1n,
      l1Items: [{ ...forcedExit(2, -5n), key: { ...key, ax: key.ax + SCALAR_FIELD } }],
      transfers: [
        {
          ...signed(),
          type: 3 as TransferType,
          amount: -10n,
          fee: SCALAR_FIELD + 1n,
          signature: { ...signature, s: -signature.s },
        },
      ],
    });
    for (const number of numbersOf(inputs)) {
      expect(typeof number === "bigint" && number >= 0n && number < SCALAR_FIELD).toBe(true);
    }
    expect(inputs.domain).toBe(SCALAR_FIELD - 1n);
    expect(inputs.tx[0]).toEqual([3n, 1n, 2n, SCALAR_FIELD - 10n, 1n, 100n]);
  });

  it("leaves the tree that it is given alone", () => {
    const tree = smallTree(2);
    const before = tree.root;
    const { after, inputs } = assembleInputs(tiny, tree, batchOf(tiny, { transfers: [signed()] }));
    expect(tree.root).toBe(before);
    expect(inputs.newRoot).toBe(after.root);
    expect(after.root).not.toBe(before);
  });

  it("refuses more than the circuit has slots for", () => {
    expect(() => assemble({ transfers: Array(3).fill(signed()) })).toThrow(RangeError);
  });
});
