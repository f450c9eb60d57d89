// A maker of proofs for a rollup whose verifier says yes to everything; the test decides when it answers, and what.

import type { ProofCall, ProofService } from "../../operator/prover-link.ts";

const ANY_PROOF = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n];

export class StubProver implements ProofService {
  readonly calls: ProofCall[] = [];
  /** Replace it to hold answers back, to fail, or to answer something else. */
  answer: (call: ProofCall) => Promise<readonly bigint[]> = async () => ANY_PROOF;

  async prove(call: ProofCall): Promise<readonly bigint[]> {
    this.calls.push(call);
    const aborted = new Promise<never>((_resolve, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason));
    });
    return Promise.race([this.answer(call), aborted]);
  }

  /** Holds every answer back from now on, until the returned function is called. */
  hold(): () => void {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.answer = async () => {
      await gate;
      return ANY_PROOF;
    };
    return release;
  }

  close(): void {}
}
