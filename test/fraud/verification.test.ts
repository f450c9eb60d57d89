// The local search and the contract's verdict about what it finds.

import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CommittedTrace,
  InteractiveFraudProof,
} from "../../operator/fraud/interactive-fraud-proof.ts";
import type { Trace } from "../../operator/ledger/trace.ts";
import { Arena, lieAt } from "./arena.ts";

const INSTRUCTIONS = 17;

let arena: Arena;
let trace: Trace;

beforeAll(async () => {
  arena = await Arena.open();
  await arena.batch(INSTRUCTIONS);
  trace = await (await arena.truth()).trace(0, 1);
});
afterAll(() => arena?.close());

const lying = (wrong: number): CommittedTrace => ({
  length: INSTRUCTIONS,
  root: (step) => (step < wrong ? trace.root(step) : lieAt(step)),
});
const proofAgainst = (claimedState: Hex) =>
  new InteractiveFraudProof({
    instructions: INSTRUCTIONS,
    originalState: trace.root(0),
    claimedState,
  });
const ledger = () => ({ client: arena.chain.read, address: arena.deployment.ledger });

describe("fraud / verification by the ledger's contract", () => {
  it("finds for the challenger, whichever instruction the lie begins with", async () => {
    for (let wrong = 1; wrong <= INSTRUCTIONS; wrong++) {
      const proof = proofAgainst(lieAt(INSTRUCTIONS));
      const disputed = proof.initiateBinarySearch(trace, lying(wrong));
      expect(disputed.step).toBe(wrong - 1);
      const witness = await trace.witness(disputed.step);
      const verdict = await proof.executeOnChainVerification(disputed, witness, ledger());
      expect(verdict).toMatchObject({ postState: trace.root(wrong), isFraud: true });
      expect(verdict.gasUsed).toBeGreaterThan(0n);
    }
  });

  it("finds for the defender who is disputed without reason, also where a bad transaction does nothing", async () => {
    for (let wrong = 1; wrong <= INSTRUCTIONS; wrong++) {
      const proof = proofAgainst(trace.root(INSTRUCTIONS));
      const disputed = proof.initiateBinarySearch(lying(wrong), trace);
      const witness = await trace.witness(disputed.step);
      const verdict = await proof.executeOnChainVerification(disputed, witness, ledger());
      expect(verdict).toMatchObject({ isFraud: false });
    }
  });

  it("hears no witness about another state", async () => {
    const proof = proofAgainst(lieAt(INSTRUCTIONS));
    const disputed = proof.initiateBinarySearch(trace, lying(9));
    const other = await trace.witness(0);
    await expect(proof.executeOnChainVerification(disputed, other, ledger())).rejects.toThrow(
      "preState: got",
    );
  });
});
