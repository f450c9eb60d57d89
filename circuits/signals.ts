/**
 * Names of the public signals, in their order in proofs, verifiers and calldata.
 *
 * The circuit declares all of them as inputs, so this order is the order of declaration in
 * `lib/batch-transfer.circom`: state root before the batch, state root after it, commitment to the published data,
 * challenge, evaluation of the data at the challenge. Each is a field element: canonical, below r.
 */
export const PUBLIC_SIGNALS = ["prevRoot", "newRoot", "h", "z", "y"] as const;

export type PublicSignal = (typeof PUBLIC_SIGNALS)[number];
