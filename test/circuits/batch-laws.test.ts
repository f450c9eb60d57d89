import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildBatch, executeBatch } from "../../circuits/batch.ts";
import { bindData, decodeTxData } from "../../circuits/data.ts";
import { assembleInputs } from "../../circuits/inputs.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import { applyBlock } from "../../circuits/transition.ts";
import { randomBatch, treeOf } from "./random-batch.ts";
import { replay } from "./replay.ts";

const tiny = circuitParameters("batch-tiny");
/** More slots than the tiny circuit, to have several of each kind; never compiled. */
const wide = { id: "wide", nTx: 5, levels: 3, nDeposits: 3, top: 2 };

describe("circuits / batch, laws", () => {
  for (const parameters of [tiny, wide]) {
    it(`${parameters.id}: executes what it builds, to the state that a plain ledger has`, () => {
      fc.assert(
        fc.property(randomBatch(parameters), ({ before, request, ledger }) => {
          const rootBefore = before.root;
          const batch = buildBatch(parameters, before, request);
          const { newRoot, accounts } = executeBatch(parameters, batch);
          const after = treeOf(parameters.levels, ledger);
          expect(newRoot).toBe(after.root);
          for (const [index, account] of accounts) expect(account).toEqual(after.get(index));
          expect(before.root).toBe(rootBefore);
        }),
        { numRuns: 25 },
      );
    });

    it(`${parameters.id}: gives the circuit inputs that lead from root to root, slot by slot`, () => {
      fc.assert(
        fc.property(randomBatch(parameters), ({ before, request }) => {
          const batch = buildBatch(parameters, before, request);
          replay(parameters, executeBatch(parameters, batch).inputs);
        }),
        { numRuns: 15 },
      );
    });

    it(`${parameters.id}: makes and loses no money`, () => {
      fc.assert(
        fc.property(randomBatch(parameters), ({ before, request, depositedGwei, exitedGwei }) => {
          const batch = buildBatch(parameters, before, request);
          const { accounts, exits } = executeBatch(parameters, batch);
          const sum = (balances: Iterable<{ balance: bigint }>) =>
            [...balances].reduce((total, { balance }) => total + balance, 0n);
          const sumBefore = sum(batch.openings.map(({ account }) => account));
          const leaving = exits.reduce((total, { amountGwei }) => total + amountGwei, 0n);
          expect(leaving).toBe(exitedGwei);
          expect(sum(accounts.values()) + leaving).toBe(sumBefore + depositedGwei);
        }),
        { numRuns: 25 },
      );
    });

    it(`${parameters.id}: says the same from openings as from the full tree`, () => {
      fc.assert(
        fc.property(randomBatch(parameters), ({ before, request }) => {
          const batch = buildBatch(parameters, before, request);
          const fromOpenings = executeBatch(parameters, batch);
          const fromTree = assembleInputs(parameters, before, batch);
          expect(fromOpenings.inputs).toEqual(fromTree.inputs);
          expect(fromOpenings.d).toEqual(fromTree.d);
        }),
        { numRuns: 15 },
      );
    });

    it(`${parameters.id}: publishes enough to rebuild the state without any signature`, () => {
      fc.assert(
        fc.property(randomBatch(parameters), ({ before, request }) => {
          const batch = buildBatch(parameters, before, request);
          const { txData, newRoot, d, publicSignals } = executeBatch(parameters, batch);
          const kinds = request.l1Items.map(({ kind }) => kind);
          const { feeIndex, exitAmounts, records } = decodeTxData(parameters, txData, kinds);
          const amounts = exitAmounts.values();
          const l1Items = request.l1Items.map((item) =>
            item.kind === 2 ? { ...item, amount: amounts.next().value ?? 0n } : item,
          );
          const rebuilt = before.fork();
          applyBlock(parameters, rebuilt, { feeIndex, l1Items, transfers: records });
          expect(rebuilt.root).toBe(newRoot);
          const { h, z, y } = bindData(parameters, d);
          expect(publicSignals).toEqual([before.root, newRoot, h, z, y]);
        }),
        { numRuns: 15 },
      );
    });
  }
});
