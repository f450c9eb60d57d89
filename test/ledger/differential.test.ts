import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeInstruction, OUTCOMES, type StepResult } from "../../operator/ledger/executor.ts";
import { stateRoot } from "../../operator/ledger/state.ts";
import { encodeWitness } from "../../operator/ledger/witness.ts";
import { type OpenProbe, openProbe } from "./ledger-probe.ts";
import { Dice, DOMAIN, randomInstruction, randomState } from "./random-ledger.ts";

const CASES = process.env.HEAVY ? 20_000 : 3_000;
/** Half a minute on a machine of its own; this much only where many share one. */
const LIMIT_MS = 100 * CASES;

let chain: OpenProbe;

beforeAll(async () => {
  chain = await openProbe();
});

afterAll(() => chain.connection.close());

describe("ledger / executor and contract", () => {
  it(
    "agree on every root, reason and cost, for random states and random instructions",
    async () => {
      const dice = new Dice(0x5eed);
      const witnesses = [];
      const expected = [];
      const seen = new Map<string, number>();
      for (let i = 0; i < CASES; i++) {
        const state = randomState(dice);
        const instruction = await randomInstruction(dice, state);
        const result: StepResult = await executeInstruction(DOMAIN, state, instruction);
        witnesses.push({ ...instruction, preState: encodeWitness(state, result.reads) });
        expected.push({
          preRoot: stateRoot(state),
          postRoot: stateRoot(result.state),
          isValid: result.isValid,
          outcome: result.outcome,
          gasUsed: result.gasUsed,
          revertData: "0x",
        });
        const key = `${instruction.opcode > 5 ? "other" : instruction.opcode} ${result.outcome}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      expect(await chain.execute(witnesses)).toEqual(expected);

      // It says nothing about what it never met.
      const outcomes = new Set([...seen.keys()].map((key) => key.split(" ")[1]));
      expect([...outcomes].sort()).toEqual([...OUTCOMES].sort());
      for (const opcode of [0, 1, 2, 3, 4, 5])
        expect(seen.get(`${opcode} Done`)).toBeGreaterThan(9);
    },
    LIMIT_MS,
  );
});
