import { describe, expect, it } from "vitest";
import { commitData, evaluate } from "../../../circuits/data.ts";
import { SCALAR_FIELD } from "../../../worker/field.ts";
import { dataOf } from "./forgery.ts";
import { describeRules, expectAccepted, expectRefused } from "./rule.ts";
import { DATA_RULES, ELEMENTS, full } from "./rules-data.ts";
import { tiny } from "./tiny-circuit.ts";

describeRules(DATA_RULES);

describe("soundness / data binding", () => {
  it("counts elements that differ and are not 0", () => {
    const d = dataOf(full());
    expect(d.length).toBe(ELEMENTS.length);
    expect(new Set(d).size).toBe(d.length);
    expect(d).not.toContain(0n);
  });
});

describe("soundness / data binding: two elements", () => {
  it("refuses a change of two elements that leaves y as it is", () => {
    // P(z) stays the same if one element falls by z and the one before rises by z^2: only h can tell.
    const { z } = full();
    const d = dataOf(full());
    const other = d
      .with(7, (d[7] as bigint) + ((z * z) % SCALAR_FIELD))
      .with(8, (d[8] as bigint) + SCALAR_FIELD - z);
    const reduced = other.map((x) => x % SCALAR_FIELD);
    expect(evaluate(reduced, z)).toBe(full().y);
    expectRefused({ ...full(), h: commitData(tiny, reduced) }, ["BatchTransfer"]);
  });

  it("accepts any challenge for which y is right: the contract has to choose it", () => {
    for (const z of [0n, 1n, SCALAR_FIELD - 1n, 12345n]) {
      expectAccepted({ ...full(), z, y: evaluate(dataOf(full()), z) });
    }
  });
});
