// Writes docs/examples/: requests that anybody can send to a service that has the circuit. Their wallets are public.
// The numbers never change, so that a test can compare the files with a fresh computation.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { pkHashOf } from "../circuits/account.ts";
import { buildBatch, type TransferBatch } from "../circuits/batch.ts";
import { rollupDomain } from "../circuits/data.ts";
import { L1Kind } from "../circuits/l1.ts";
import { circuitParameters } from "../circuits/parameters.ts";
import { TransferType } from "../circuits/transfer.ts";
import { StateTree } from "../circuits/tree.ts";
import { signTransfer, walletFromSeed } from "../circuits/wallet.ts";
import { SubmitProofRequestSchema } from "../gen/prover/v1/prover_pb.ts";
import { transferBatchInput } from "../prover/client.ts";

/** The circuits that have an example. */
export const EXAMPLES = ["batch-tiny", "batch-4"] as const;

const ROLLUP = "0x00000000000000000000000000000000000a11ce";
const CHAIN_ID = 31_337;
const BALANCE_GWEI = 1_000_000n;

/** Three accounts: 1 pays 2, 2 exits to L1, 3 has just registered. Fees go to account 1. */
export function exampleBatch(circuitId: string): TransferBatch {
  const parameters = circuitParameters(circuitId);
  const domain = rollupDomain(CHAIN_ID, ROLLUP);
  const people = [1, 2, 3].map((index) => {
    const wallet = walletFromSeed(new Uint8Array(32).fill(index));
    const key = { ax: wallet.ax, ay: wallet.ay, owner: BigInt(index) << 152n };
    return { index, wallet, key, pkHash: pkHashOf(key) };
  });
  const [alice, bob, carol] = people as [Person, Person, Person];
  type Person = (typeof people)[number];

  const tree = new StateTree(parameters.levels);
  for (const { index, pkHash } of [alice, bob]) {
    tree.set(index, { pkHash, balance: BALANCE_GWEI, nonce: 0n });
  }
  const pay = (from: Person, to: Person, type: 1 | 2, amount: bigint) =>
    signTransfer({
      wallet: from.wallet,
      owner: from.key.owner,
      domain,
      transfer: { type, from: from.index, to: to.index, amount, fee: 100n, validUntil: 1_000 },
      recipient: to.pkHash,
      nonce: 0n,
    });
  return buildBatch(parameters, tree, {
    domain,
    blockNumber: 1,
    feeIndex: alice.index,
    l1Items: [{ kind: L1Kind.deposit, index: carol.index, amount: 500_000n, key: carol.key }],
    transfers: [
      pay(alice, bob, TransferType.transfer, 250_000n),
      pay(bob, bob, TransferType.exit, 400_000n),
    ],
  });
}

/** The content of `docs/examples/<circuit>.json`: a SubmitProofRequest in protobuf's JSON form. */
export function exampleJson(circuitId: string): string {
  const request = create(SubmitProofRequestSchema, {
    requestId: `example-${circuitId}`,
    circuitId,
    input: transferBatchInput(exampleBatch(circuitId)),
  });
  return `${toJsonString(SubmitProofRequestSchema, request, { prettySpaces: 1 })}
`;
}

if (import.meta.main) {
  for (const id of EXAMPLES) {
    await writeFile(
      join(import.meta.dirname, "..", "docs", "examples", `${id}.json`),
      exampleJson(id),
    );
  }
}
