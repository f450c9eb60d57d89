import { type AccountKey, pkHashOf } from "../../../circuits/account.ts";
import {
  addPoints,
  BASE8,
  multiplyPoint,
  type Point,
  SUBGROUP_ORDER,
} from "../../../circuits/babyjubjub.ts";
import { publicKeyOf } from "../../../circuits/eddsa.ts";
import { toElement } from "../../../circuits/field.ts";
import { poseidon } from "../../../circuits/poseidon.ts";
import { recordElement, type SignedTransfer } from "../../../circuits/transfer.ts";
import { DOMAIN, resident } from "../small-rollup.ts";

/** What a forger does otherwise than a wallet. */
export interface Forging {
  /** Added to R8. */
  readonly r8Offset?: Point;
  /** S from the honest S. */
  readonly s?: (honest: bigint) => bigint;
  /** The key that is hashed into the challenge, instead of the signer's. */
  readonly key?: Point;
}

/** Somebody whose secret scalar the test knows, and who signs as it likes. */
export class Villain {
  readonly scalar: bigint;
  readonly point: Point;
  readonly key: AccountKey;
  readonly pkHash: bigint;

  constructor(scalar: bigint, torsion: Point = { x: 0n, y: 1n }) {
    this.scalar = scalar;
    const { ax, ay } = publicKeyOf(scalar);
    this.point = addPoints({ x: ax, y: ay }, torsion);
    this.key = { ax: this.point.x, ay: this.point.y, owner: 0xbadn };
    this.pkHash = pkHashOf(this.key);
  }

  /** S B = R8 + h 8A, unless told otherwise. Torsion in the key changes nothing: 8 A has none. */
  sign(message: bigint, { r8Offset, s = (honest) => honest, key = this.point }: Forging = {}) {
    const nonce = 0x1234567n;
    const plain = multiplyPoint(nonce, BASE8);
    const r8 = r8Offset === undefined ? plain : addPoints(plain, r8Offset);
    const h = poseidon([r8.x, r8.y, key.x, key.y, message]);
    const honest = (nonce + 8n * h * this.scalar) % SUBGROUP_ORDER;
    return { s: s(honest), r8x: r8.x, r8y: r8.y };
  }
}

/** A transfer whose numbers may be anything, signed as the circuit would compute the message. */
export interface WildTransfer {
  readonly type?: number;
  readonly from?: number;
  readonly to?: number;
  readonly amount?: bigint;
  readonly fee?: bigint;
  readonly validUntil?: number;
  readonly nonce?: bigint;
  readonly recipient?: bigint;
  readonly domain?: bigint;
  readonly villain?: Villain;
  readonly forging?: Forging;
}

export const messageOf = (
  domain: bigint,
  transfer: SignedTransfer,
  recipient: bigint,
  nonce: bigint,
) =>
  poseidon([
    domain,
    toElement(recordElement(transfer) + BigInt(transfer.validUntil) * 2n ** 168n),
    recipient,
    nonce,
  ]);

/** As `signed` of the small rollup, for numbers that no wallet would sign. */
export function wild(wanted: WildTransfer = {}): SignedTransfer {
  const { domain = DOMAIN, villain, forging, ...fields } = wanted;
  const base = { type: 1, from: 1, to: 2, amount: 10n, fee: 1n, validUntil: 100, nonce: 0n };
  const numbers = { ...base, ...fields };
  const recipient = fields.recipient ?? resident(numbers.to).pkHash;
  const { wallet, key } = resident(numbers.from);
  const unsigned = {
    ...numbers,
    type: numbers.type as SignedTransfer["type"],
    recipient,
    key: villain?.key ?? key,
    signature: { s: 0n, r8x: 0n, r8y: 1n },
  };
  const message = messageOf(domain, unsigned, recipient, numbers.nonce);
  const signature = villain?.sign(message, forging) ?? wallet.sign(message);
  return { ...unsigned, signature };
}
