// The contract's VM, asked about many cases in one call.

import { network } from "hardhat";
import type { Hex } from "viem";
import { OUTCOMES, type Outcome } from "../../operator/ledger/executor.ts";
import type { StepWitness } from "../../operator/ledger/trace.ts";
import { DOMAIN } from "./random-ledger.ts";

export interface ContractResult {
  readonly preRoot: Hex;
  readonly postRoot: Hex;
  readonly isValid: boolean;
  readonly outcome: Outcome;
  readonly gasUsed: bigint;
  /** 0x if it did not revert. */
  readonly revertData: Hex;
}

/** A case costs less than 100,000 gas, and a call has as much as a transaction: 2^24. */
const CASES_A_CALL = 100;

export async function openProbe() {
  const connection = await network.create();
  const probe = await connection.viem.deployContract("LedgerProbe", [
    DOMAIN.rollup,
    DOMAIN.sourceDomain,
  ]);
  async function execute(cases: readonly StepWitness[]): Promise<ContractResult[]> {
    const results: ContractResult[] = [];
    for (let i = 0; i < cases.length; i += CASES_A_CALL) {
      const answers = await probe.read.executeMany([cases.slice(i, i + CASES_A_CALL)]);
      for (const answer of answers) {
        results.push({ ...answer, outcome: OUTCOMES[answer.outcome] as Outcome });
      }
    }
    return results;
  }
  return { connection, probe, execute };
}

export type OpenProbe = Awaited<ReturnType<typeof openProbe>>;
