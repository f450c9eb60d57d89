// A state with both signatures: the only thing that counts on chain. Read from files and from strangers.

import { type Address, type Hex, isAddressEqual, recoverAddress } from "viem";
import { sign } from "viem/accounts";
import { OperatorError } from "../errors.ts";
import type { AgreementHasher, AgreementKind, ChannelState } from "./agreement.ts";

export interface SignedState {
  readonly state: ChannelState;
  readonly aliceSignature: Hex;
  readonly bobSignature: Hex;
}

export interface Signers {
  readonly aliceSigner: Address;
  readonly bobSigner: Address;
}

const FIELDS = ["aliceDeposited", "bobDeposited", "aliceBalance", "bobBalance", "nonce"] as const;
const AMOUNT_LIMIT = 1n << 128n;
const NONCE_LIMIT = 1n << 64n;

/** As JSON: amounts are decimal strings. */
export function stateToJson(state: ChannelState): Record<string, string> {
  return Object.fromEntries(FIELDS.map((name) => [name, String(state[name])]));
}

/** @throws OperatorError CHANNEL_MESSAGE  for anything that is no state. */
export function stateFromJson(json: unknown): ChannelState {
  const fields = objectOf(json, FIELDS);
  const [aliceDeposited, bobDeposited, aliceBalance, bobBalance, nonce] = FIELDS.map((name) =>
    decimal(fields[name], name, name === "nonce" ? NONCE_LIMIT : AMOUNT_LIMIT),
  ) as [bigint, bigint, bigint, bigint, bigint];
  return { aliceDeposited, bobDeposited, aliceBalance, bobBalance, nonce };
}

export function signedToJson({ state, aliceSignature, bobSignature }: SignedState): object {
  return { state: stateToJson(state), aliceSignature, bobSignature };
}

/** @throws OperatorError CHANNEL_MESSAGE  for anything of another form; signatures are not checked. */
export function signedFromJson(json: unknown): SignedState {
  const fields = objectOf(json, ["state", "aliceSignature", "bobSignature"]);
  return {
    state: stateFromJson(fields.state),
    aliceSignature: signatureOf(fields.aliceSignature),
    bobSignature: signatureOf(fields.bobSignature),
  };
}

/** @throws OperatorError CHANNEL_MESSAGE */
export function signatureOf(value: unknown): Hex {
  if (typeof value === "string" && /^0x[0-9a-f]{130}$/.test(value)) return value as Hex;
  throw malformed("signature", "0x and 130 lower-case hex digits");
}

/** @throws OperatorError CHANNEL_MESSAGE  unless it is an object with exactly these fields. */
export function objectOf<const Names extends readonly string[]>(
  json: unknown,
  names: Names,
): Record<Names[number], unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw malformed("message", "an object");
  }
  const expected = [...names].sort().join(", ");
  if (Object.keys(json).sort().join(", ") !== expected) throw malformed("fields", expected);
  return json as Record<Names[number], unknown>;
}

/** A whole number as decimal text, below `limit`. @throws OperatorError CHANNEL_MESSAGE */
export function decimal(value: unknown, name: string, limit: bigint): bigint {
  // 39 digits hold every 128-bit number; more would only cost time.
  if (typeof value === "string" && /^(0|[1-9]\d{0,38})$/.test(value)) {
    const number = BigInt(value);
    if (number < limit) return number;
  }
  throw malformed(name, `a decimal string below ${limit}`);
}

export function malformed(path: string, expected: string): OperatorError {
  return new OperatorError("CHANNEL_MESSAGE", `${path}: expected ${expected}.`, { path, expected });
}

/** What the contract checks of a state alone: it splits the deposits that it names. */
export function isSplit(state: ChannelState): boolean {
  return state.aliceBalance + state.bobBalance === state.aliceDeposited + state.bobDeposited;
}

/** Whether this key signed. Signatures in the second form (upper s) or with v other than 27, 28 are none. */
export async function isSignedBy(
  signer: Address,
  digest: Uint8Array,
  signature: Hex,
): Promise<boolean> {
  // The contract takes one form only; what it refuses must not pass here.
  if (!/(1b|1c)$/.test(signature) || BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) {
    return false;
  }
  try {
    return isAddressEqual(await recoverAddress({ hash: digest, signature }), signer);
  } catch {
    return false;
  }
}

/** Half the order of secp256k1. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

export async function signDigest(digest: Uint8Array, privateKey: Hex): Promise<Hex> {
  return sign({ hash: hexOf(digest), privateKey, to: "hex" });
}

export const hexOf = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString("hex")}`;

/** Both keys signed, and the contract would take the split. */
export async function isFullySigned(
  hasher: AgreementHasher,
  kind: AgreementKind,
  { state, aliceSignature, bobSignature }: SignedState,
  signers: Signers,
): Promise<boolean> {
  if (state.nonce === 0n || !isSplit(state)) return false;
  const digest = hasher.digest(kind, state);
  return (
    (await isSignedBy(signers.aliceSigner, digest, aliceSignature)) &&
    (await isSignedBy(signers.bobSigner, digest, bobSignature))
  );
}
