import { type Hex, keccak256 } from "viem";
import {
  addPoints,
  BASE8,
  clearCofactor,
  IDENTITY,
  isOnCurve,
  multiplyPoint,
  type Point,
  SUBGROUP_ORDER,
} from "./babyjubjub.ts";
import { isElement } from "./field.ts";
import { poseidon } from "./poseidon.ts";
import { KEY_TAG, NONCE_TAG } from "./tags.ts";
import type { Signature } from "./transfer.ts";
import { wordsToHex } from "./words.ts";

/** A BabyJubJub public key, two field elements. */
export interface PublicKey {
  readonly ax: bigint;
  readonly ay: bigint;
}

/**
 * True if the signature is good under the rules that the circuit enforces: key and R8 on the curve, 8A not the
 * identity, s below the subgroup's order, and s * Base8 = R8 + h * 8A with h = Poseidon(R8x, R8y, Ax, Ay, message),
 * as in circomlib's EdDSAPoseidonVerifier.
 *
 * Total: any bigint is allowed anywhere, and makes it false at most.
 */
export function verifySignature(key: PublicKey, message: bigint, signature: Signature): boolean {
  const r8 = { x: signature.r8x, y: signature.r8y };
  if (!isUsableKey(key) || !isOnCurve(r8) || !isElement(message)) return false;
  if (signature.s < 0n || signature.s >= SUBGROUP_ORDER) return false;
  const left = multiplyPoint(signature.s, BASE8);
  const h = signatureChallenge(key, r8, message);
  const right = addPoints(r8, multiplyPoint(h, clearCofactor({ x: key.ax, y: key.ay })));
  return left.x === right.x && left.y === right.y;
}

/** True for a key that can sign: on the curve, and not one of the eight points of small order. Total. */
export function isUsableKey(key: PublicKey): boolean {
  const a = { x: key.ax, y: key.ay };
  return isOnCurve(a) && clearCofactor(a).x !== IDENTITY.x;
}

/**
 * The secret scalar of a seed: 512 bits of keccak256 mod the subgroup's order, so that its bias is below 2^-256.
 *
 * @throws RangeError for a seed whose scalar is zero; none is known.
 */
export function secretScalar(seed: bigint): bigint {
  const scalar = wideHash(KEY_TAG, seed) % SUBGROUP_ORDER;
  if (scalar === 0n) throw new RangeError("wallet: this seed gives no key, take another one");
  return scalar;
}

/** scalar * Base8. */
export function publicKeyOf(scalar: bigint): PublicKey {
  const { x, y } = multiplyPoint(scalar, BASE8);
  return { ax: x, ay: y };
}

/**
 * Signs deterministically: the secret nonce is a hash of seed and message, so no random source can fail.
 *
 * @param seed    32 bytes as a number; secret.
 * @param message a field element.
 */
export function signMessage(seed: bigint, message: bigint): Signature {
  const scalar = secretScalar(seed);
  const nonce = wideHash(NONCE_TAG, seed, message) % SUBGROUP_ORDER;
  const r8 = multiplyPoint(nonce, BASE8);
  const h = signatureChallenge(publicKeyOf(scalar), r8, message);
  return { s: (nonce + 8n * h * scalar) % SUBGROUP_ORDER, r8x: r8.x, r8y: r8.y };
}

function signatureChallenge(key: PublicKey, r8: Point, message: bigint): bigint {
  return poseidon([r8.x, r8.y, key.ax, key.ay, message]);
}

/** keccak256(tag, 0, ...words) * 2^256 + keccak256(tag, 1, ...words). */
function wideHash(tag: Hex, ...words: bigint[]): bigint {
  const half = (which: bigint) => BigInt(keccak256(wordsToHex([BigInt(tag), which, ...words])));
  return (half(0n) << 256n) + half(1n);
}
