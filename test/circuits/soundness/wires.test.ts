import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { buildBatch, executeBatch } from "../../../circuits/batch.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { randomBatch } from "../random-batch.ts";
import { deposit, forcedExit, signed } from "../small-rollup.ts";
import { undeterminedWires } from "./determinacy.ts";
import { inputsOf } from "./forgery.ts";
import { TinyCircuit, tiny } from "./tiny-circuit.ts";
import { flippableBits, forgeableWires } from "./wire-forgery.ts";

const SEED = Number(process.env.SOUNDNESS_SEED ?? Date.now() % 2 ** 31);

let circuit: TinyCircuit;
beforeAll(async () => {
  circuit = await TinyCircuit.load();
});

/** Valid batches, with the number of NonZeroIf whose condition is false while the value is 0. */
const batches: [name: string, inputs: () => CircuitInputs, idle: number][] = [
  [
    "every slot used",
    () => inputsOf({ l1Items: [deposit(6, 77n)], transfers: [signed(), signed({ from: 3 })] }),
    0,
  ],
  [
    "a forced exit, an exit, an unused slot",
    () => inputsOf({ l1Items: [forcedExit(4, 4000n)], transfers: [signed({ type: 2 })] }),
    1,
  ],
  ["nothing, fees to an account", () => inputsOf({}), 2],
  ["nothing, fees to nobody", () => inputsOf({ feeIndex: 0 }), 3],
];

/** The quotient of a NonZeroIf with value 0 and condition 0: it stands in one row, 0 · quotient = 0, and nowhere else. */
const isIdleQuotient = (wire: number) => /NonZeroIf\w*\.quotient$/.test(circuit.name(wire));

describe("soundness / wires of the whole batch", () => {
  for (const [name, inputs, idle] of batches) {
    it(`pins each wire alone: ${name}`, () => {
      const { witness, broken } = circuit.judge(inputs());
      expect(broken).toEqual([]);
      const forgeable = forgeableWires(circuit.constraints, witness);
      expect(forgeable.filter((wire) => !isIdleQuotient(wire)).map((w) => circuit.name(w))).toEqual(
        [],
      );
      expect(forgeable).toHaveLength(idle);
    });

    it(`determines all wires together by the inputs: ${name}`, () => {
      const { witness } = circuit.judge(inputs());
      const free = undeterminedWires(circuit.constraints, witness);
      expect(free.filter((wire) => !isIdleQuotient(wire)).map((w) => circuit.name(w))).toEqual([]);
      expect(free).toHaveLength(idle);
    });
  }

  for (const [name, inputs] of [batches[0], batches[3]] as (typeof batches)[number][]) {
    it(`lets no bit turn over: ${name}`, () => {
      const { witness } = circuit.judge(inputs());
      const bits = flippableBits(circuit.constraints, witness).map((wire) => circuit.name(wire));
      // Which chunk a comparison looks at is the prover's choice, if it proves the same: see AtLeastConstant.
      expect(bits.filter((bit) => !/AtLeastConstant\w*\.index\[\d\]$/.test(bit))).toEqual([]);
    });
  }

  it("determines all wires of random batches", { timeout: 300_000 }, () => {
    for (const { before, request } of fc.sample(randomBatch(tiny), { seed: SEED, numRuns: 4 })) {
      const { inputs } = executeBatch(tiny, buildBatch(tiny, before, request));
      const { witness, broken } = circuit.judge(inputs);
      expect(broken, `seed ${SEED}`).toEqual([]);
      for (const check of [undeterminedWires, forgeableWires]) {
        const free = check(circuit.constraints, witness).filter((wire) => !isIdleQuotient(wire));
        expect(
          free.map((wire) => circuit.name(wire)),
          `seed ${SEED}`,
        ).toEqual([]);
      }
    }
  });
});
