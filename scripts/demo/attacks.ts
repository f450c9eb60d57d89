// Attempts on other people's money, at each of the four doors: users' API, prover, contract, withdrawals.

import type { Address, PublicClient } from "viem";
import { buildBatch } from "../../circuits/batch.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import type { SignedTransfer } from "../../circuits/transfer.ts";
import { OperatorError } from "../../operator/errors.ts";
import type { RollupState } from "../../operator/state.ts";
import { ApiError, type UserClient } from "../../operator/user-client.ts";
import { ProverClient, transferBatchInput } from "../../prover/client.ts";
import {
  type Commit,
  contractSays,
  tamper,
  withOtherData,
  withOtherPoint,
  withProofOf,
} from "./blocks.ts";
import type { Screen } from "./screen.ts";

/** Runs what must fail; returns the code of the refusal. */
async function refusalOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return "nothing: it was accepted";
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    if (error instanceof OperatorError) return error.got ?? error.code;
    const { reason, code } = error as { reason?: string; code?: string };
    return reason ?? code ?? String(error);
  }
}

/** Forged and replayed transfers sent to the operator. */
export async function attackApi(
  screen: Screen,
  thief: UserClient,
  committed: SignedTransfer,
  blockNumber: number,
): Promise<void> {
  // The victim's key and nonce, as everybody can read them, and a signature by somebody else.
  const { nextNonce } = await thief.account(committed.from);
  const forged = { ...committed, nonce: nextNonce, amount: 1n };
  const outcome = await refusalOf(() => thief.submit(forged));
  screen.expect(
    outcome === "TRANSFER_SIGNATURE",
    "a transfer that its sender did not sign",
    outcome,
  );

  const id = await thief.submit(committed);
  const receipt = await thief.get(`/v1/transfers/${id}`);
  screen.expect(
    receipt.status === "committed" && receipt.blockNumber === blockNumber,
    "a transfer sent twice moves money once",
    `the receipt of block ${receipt.blockNumber}`,
  );
}

/** The same by a thievish operator, who goes straight to the prover. */
export async function attackProver(
  screen: Screen,
  proverAddress: string,
  state: RollupState,
  committed: SignedTransfer,
): Promise<void> {
  const client = new ProverClient({ address: proverAddress });
  const { id: circuitId } = state.parameters;
  const prove = (transfer: SignedTransfer, requestId: string): Promise<string> => {
    const batch = buildBatch(circuitParameters(circuitId), state.forkTree(), {
      domain: state.domain,
      blockNumber: state.nextBlockNumber,
      feeIndex: 1,
      l1Items: [],
      transfers: [transfer],
    });
    const input = transferBatchInput(batch);
    return refusalOf(() => client.submit({ requestId, circuitId, input }));
  };
  const replayed = await prove(committed, "replay");
  screen.expect(replayed === "BATCH_NONCE", "a proof for a replayed transfer", replayed);
  const nonce = state.account(committed.from).nonce;
  const forged = await prove({ ...committed, nonce }, "forgery");
  screen.expect(forged === "BATCH_SIGNATURE", "a proof for a forged signature", forged);
  client.close();
}

/** Blocks that the contract must refuse, tried on the very state on which it took the real one. */
export async function attackContract(
  screen: Screen,
  read: PublicClient,
  rollup: Address,
  { real, other, stranger }: { real: Commit; other: Commit; stranger: Address },
): Promise<void> {
  const at = real.l1Block - 1n;
  const say = (data: Commit["calldata"], from = real.operator, when = at): Promise<string> =>
    contractSays(read, { from, to: rollup, data, at: when });
  const control = await say(real.calldata);
  screen.expect(control === "accepted", "control: the real block, on the same state", control);
  const cases: [what: string, refusal: string, outcome: Promise<string>][] = [
    ["a tampered proof", "InvalidProof", say(tamper(real, withOtherPoint))],
    ["the proof of another block", "InvalidProof", say(tamper(real, withProofOf(other)))],
    [
      "other published data under the same proof",
      "SignalMismatch",
      say(tamper(real, withOtherData)),
    ],
    ["a block by somebody else than the operator", "NotOperator", say(real.calldata, stranger)],
    [
      "the same block a second time",
      "ItemsNotQueued",
      say(real.calldata, real.operator, real.l1Block),
    ],
  ];
  for (const [what, refusal, pending] of cases) {
    const outcome = await pending;
    screen.expect(outcome === refusal, what, outcome);
  }
}

/** Money that was paid already, or that is somebody else's. */
export async function attackWithdrawals(
  screen: Screen,
  payee: UserClient,
  thief: UserClient,
  exit: { readonly blockNumber: number; readonly slot: number },
): Promise<void> {
  const twice = await refusalOf(() => payee.withdraw(exit.blockNumber, exit.slot));
  screen.expect(twice === "AlreadyWithdrawn", "the same withdrawal a second time", twice);
  const foreign = await refusalOf(() => thief.withdraw(exit.blockNumber, exit.slot));
  screen.expect(foreign === "ExitNotProven", "somebody else's withdrawal", foreign);
}
