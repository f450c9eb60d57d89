import { type Address, bytesToBigInt, getAddress, type Hex, keccak256 } from "viem";
import type { AccountKey } from "./account.ts";
import { type PublicKey, publicKeyOf, secretScalar, signMessage } from "./eddsa.ts";
import { isElement } from "./field.ts";
import { WALLET_TAG } from "./tags.ts";
import { type Signature, type SignedTransfer, type Transfer, transferMessage } from "./transfer.ts";
import { wordsToHex } from "./words.ts";

export { verifySignature } from "./eddsa.ts";

/** Signs for one rollup account. The secret is held in a private field: it is neither enumerable nor printable. */
export interface Wallet extends PublicKey {
  /** @throws RangeError unless the message is a field element. */
  sign(message: bigint): Signature;
}

/** Which rollup a wallet is for. */
export interface WalletScope {
  readonly chainId: number | bigint;
  readonly rollup: Address;
}

/**
 * The text that an Ethereum account signs (EIP-191, `personal_sign`) to get its rollup key. It names chain and
 * contract, so that each rollup has its own key.
 *
 * @throws InvalidAddressError (viem's) if the rollup's address is malformed.
 */
export function walletMessage({ chainId, rollup }: WalletScope): string {
  return [
    "Proofmill: open my rollup wallet.",
    "",
    "This signature is the key to your balance in the rollup named below.",
    "Give it only to software that you trust with that money. It sends no transaction and costs no gas.",
    "",
    `Chain: ${chainId}`,
    `Rollup: ${getAddress(rollup)}`,
    "Version: 1",
  ].join("\n");
}

/** Order of secp256k1's group. */
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * The wallet that belongs to an Ethereum signature over `walletMessage`.
 *
 * The signer must be deterministic (RFC 6979, as all common wallets are): a signer that draws its nonce at random
 * gives another rollup key each time. Only r and s enter, because some signers write v as 0 or 1 and others as 27
 * or 28; a high s is refused, because it would be a second key for the same signature.
 *
 * @param signature 65 bytes r | s | v as 0x-hex; secret.
 * @throws RangeError if it is not such a signature. The message does not contain it.
 */
export function walletFromSignature(signature: Hex): Wallet {
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) {
    throw new RangeError(
      `wallet: got a signature of ${signature.length} characters, expected 0x and 130 hex digits (r, s, v)`,
    );
  }
  const r = BigInt(signature.slice(0, 66));
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  const v = Number(`0x${signature.slice(130)}`);
  if (![0, 1, 27, 28].includes(v)) {
    throw new RangeError(`wallet: got v = ${v}, expected 0, 1, 27 or 28`);
  }
  if (r === 0n || r >= SECP256K1_ORDER || s === 0n || s > SECP256K1_ORDER / 2n) {
    throw new RangeError(
      "wallet: r or s is out of range. Expected 0 < r < n and 0 < s <= n/2: sign again with an ordinary wallet",
    );
  }
  return new SeedWallet(BigInt(keccak256(wordsToHex([BigInt(WALLET_TAG), r, s]))));
}

/**
 * The wallet of a seed.
 *
 * @param seed 32 bytes with full entropy; secret.
 * @throws RangeError unless there are 32 bytes.
 */
export function walletFromSeed(seed: Uint8Array): Wallet {
  if (seed.length !== 32) {
    throw new RangeError(`wallet: got a seed of ${seed.length} bytes, expected 32`);
  }
  return new SeedWallet(bytesToBigInt(seed));
}

export interface TransferToSign {
  readonly wallet: Wallet;
  /** The wallet's L1 address, as in its account. */
  readonly owner: bigint;
  readonly domain: bigint;
  readonly transfer: Transfer;
  /** pkHash of the account `transfer.to`. */
  readonly recipient: bigint;
  /** The sender's nonce before the transfer. */
  readonly nonce: bigint;
}

/** @throws RangeError if domain, recipient or nonce is not a field element. */
export function signTransfer(request: TransferToSign): SignedTransfer {
  const { wallet, owner, domain, transfer, recipient, nonce } = request;
  const key: AccountKey = { ax: wallet.ax, ay: wallet.ay, owner };
  const signature = wallet.sign(transferMessage(domain, transfer, recipient, nonce));
  const { type, from, to, amount, fee, validUntil } = transfer;
  return { type, from, to, amount, fee, validUntil, nonce, recipient, key, signature };
}

class SeedWallet implements Wallet {
  readonly ax: bigint;
  readonly ay: bigint;
  readonly #seed: bigint;

  constructor(seed: bigint) {
    this.#seed = seed;
    const { ax, ay } = publicKeyOf(secretScalar(seed));
    this.ax = ax;
    this.ay = ay;
  }

  sign(message: bigint): Signature {
    if (!isElement(message)) throw new RangeError("wallet: the message is not a field element");
    return signMessage(this.#seed, message);
  }
}
