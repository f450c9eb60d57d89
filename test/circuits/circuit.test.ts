import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { executeBatch } from "../../circuits/batch.ts";
import { compileCircuit, mainSource } from "../../circuits/compile.ts";
import {
  CIRCUITS,
  CircuitError,
  type CircuitParameters,
  circuitParameters,
} from "../../circuits/parameters.ts";
import { PUBLIC_SIGNALS } from "../../circuits/signals.ts";
import { StateTree } from "../../circuits/tree.ts";
import type { InputValue } from "../../worker/witness.ts";
import { batchOf, deposit, forcedExit, signed } from "./small-rollup.ts";
import { TemplateMain } from "./template-main.ts";

const tiny = circuitParameters("batch-tiny");

describe("circuits / parameters", () => {
  it("finds each circuit by its id", () => {
    for (const circuit of CIRCUITS) expect(circuitParameters(circuit.id)).toBe(circuit);
    expect(new Set(CIRCUITS.map(({ id }) => id)).size).toBe(CIRCUITS.length);
  });

  it("names the circuits that exist when asked for another", () => {
    expect(() => circuitParameters("batch-5")).toThrow(CircuitError);
    expect(() => circuitParameters("batch-5")).toThrow(/got|"batch-5".*batch-tiny.*batch-4/);
  });

  it("keeps to the ranges of BatchTransfer, and to ids that say the size", () => {
    for (const { id, nTx, levels, nDeposits, top } of CIRCUITS) {
      expect(nTx >= 1 && nDeposits >= 1 && top >= 1 && top < levels && levels <= 16).toBe(true);
      expect(id).toMatch(id === "batch-tiny" ? /tiny/ : new RegExp(`^batch-${nTx}$`));
    }
  });
});

describe("circuits / batch-tiny", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    main = await TemplateMain.ofSource(tiny.id, mainSource(tiny));
  });
  const inputsOf = (changes: Parameters<typeof batchOf>[1], tree?: StateTree) =>
    executeBatch(tiny, batchOf(tiny, changes, tree));
  const witnessOf = ({ inputs }: { inputs: object }) =>
    main.witness(inputs as Record<string, InputValue>);

  const full = { l1Items: [deposit(6, 77n)], transfers: [signed(), signed({ type: 2, from: 3 })] };

  it("accepts a full batch, and the twin's public signals are its first wires, in order", () => {
    const execution = inputsOf(full);
    const witness = witnessOf(execution);
    expect(main.failing(witness)).toEqual([]);
    expect(main.r1cs.nOutputs).toBe(0);
    expect(main.r1cs.nPublic).toBe(PUBLIC_SIGNALS.length);
    expect(witness.slice(1, 6)).toEqual(execution.publicSignals);
    expect(PUBLIC_SIGNALS.map((name) => main.wire(name))).toEqual([1, 2, 3, 4, 5]);
    expect(PUBLIC_SIGNALS.map((name) => execution.inputs[name])).toEqual(execution.publicSignals);
  });

  it("accepts batches with unused slots", () => {
    for (const changes of [
      { l1Items: [], transfers: [signed()] },
      { l1Items: [forcedExit(2, 2000n)], transfers: [] },
      { l1Items: [forcedExit(9, 0n)], transfers: [signed({ type: 2 })] },
      { l1Items: [], transfers: [], feeIndex: 9 },
    ]) {
      expect(main.failing(witnessOf(inputsOf(changes)))).toEqual([]);
    }
  });

  it("accepts an empty batch on the empty tree: genesis needs nothing else", () => {
    const genesis = new StateTree(tiny.levels);
    const execution = inputsOf({ feeIndex: 0 }, genesis);
    expect(execution.newRoot).toBe(genesis.root);
    expect(main.failing(witnessOf(execution))).toEqual([]);
  });

  it("gives every input a wire", () => {
    const { inputs } = inputsOf(full);
    const count = Object.values(inputs).flat(3).length;
    expect(main.r1cs.nPublic + main.r1cs.nPrivateInputs).toBe(count);
  });

  it("refuses public signals that are not those of the batch", () => {
    const { inputs } = inputsOf(full);
    for (const name of PUBLIC_SIGNALS) {
      const changed = { ...inputs, [name]: inputs[name] + 1n };
      expect(() => witnessOf({ inputs: changed }), name).toThrow();
      const forced = main.force(changed as unknown as Record<string, InputValue>);
      expect(main.failing(forced), name).not.toEqual([]);
    }
  });
});

describe("circuits / other dimensions", () => {
  const other: CircuitParameters = { id: "other", nTx: 1, levels: 3, nDeposits: 2, top: 2 };

  it("processes two L1 slots in their order, then transfers", async () => {
    const main = await TemplateMain.ofSource("two-l1-slots", mainSource(other));
    const l1Items = [deposit(60, 77n), forcedExit(60, 77n)];
    for (const changes of [
      { l1Items, transfers: [signed()] },
      { l1Items: [deposit(7, 100n)], transfers: [signed({ from: 7, amount: 99n })] },
      { l1Items: [], transfers: [] },
    ]) {
      const { inputs } = executeBatch(other, batchOf(other, changes));
      const witness = main.witness(inputs as unknown as Record<string, InputValue>);
      expect(main.failing(witness)).toEqual([]);
    }
  });

  it("are refused by the compiler where the arguments would not hold", async () => {
    const folder = await mkdtemp(join(tmpdir(), "dimensions-"));
    for (const bad of [{ top: 0 }, { top: 3 }, { levels: 17 }, { nDeposits: 0 }, { nTx: 0 }]) {
      const failure = compileCircuit({ ...other, ...bad }, folder, { r1csOnly: true });
      await expect(failure, JSON.stringify(bad)).rejects.toThrow(CircuitError);
    }
    await rm(folder, { recursive: true });
  });
});

describe("circuits / main component", () => {
  it("declares the public signals and the dimensions", () => {
    const parameters: CircuitParameters = { id: "x", nTx: 7, levels: 5, nDeposits: 2, top: 3 };
    expect(mainSource(parameters)).toContain(
      "component main {public [prevRoot, newRoot, h, z, y]} = BatchTransfer(7, 5, 2, 3);",
    );
  });
});
