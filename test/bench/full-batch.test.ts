import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { fullBatchInputs, inputsJson } from "../../bench/fixtures/full-batch.ts";
import { CIRCUITS, circuitParameters } from "../../circuits/parameters.ts";
import { failingConstraints, parseR1cs } from "../../worker/r1cs.ts";
import { parseInputs, WitnessProgram } from "../../worker/witness.ts";

const circuit = join(import.meta.dirname, "../../build/circuits/batch-tiny");

describe("fullBatchInputs", () => {
  let wasm: Uint8Array<ArrayBuffer>;
  let r1cs: Uint8Array;
  beforeAll(async () => {
    wasm = new Uint8Array(await readFile(join(circuit, "circuit.wasm")));
    r1cs = new Uint8Array(await readFile(join(circuit, "circuit.r1cs")));
  });

  it("gives, as JSON, inputs whose witness satisfies the circuit", () => {
    const json = inputsJson(fullBatchInputs(circuitParameters("batch-tiny")));
    const witness = new WitnessProgram(wasm).calculate(parseInputs(Buffer.from(json)));
    expect(failingConstraints(parseR1cs(r1cs), witness)).toEqual([]);
  });

  it("uses every slot of every circuit", () => {
    for (const parameters of CIRCUITS.filter(({ nTx }) => nTx < 20)) {
      const { tx, l1 } = fullBatchInputs(parameters);
      const types = tx.map(([type]) => type);
      expect(types, parameters.id).toEqual(new Array(parameters.nTx).fill(1n));
      expect(l1.map(([kind]) => kind)).toEqual(new Array(parameters.nDeposits).fill(l1[0]?.[0]));
      expect(l1[0]?.[0]).not.toBe(0n);
    }
  });
});
