// EIP-712 signatures of payments, in EIP-2098's 64 bytes, judged as the contract judges them.

import {
  type Address,
  bytesToHex,
  type Hex,
  hashTypedData,
  hexToBytes,
  parseSignature,
  recoverAddress,
} from "viem";
import { Opcode, type Payment } from "./instruction.ts";

/** Which ledger a signature is for. */
export interface LedgerDomain {
  readonly chainId: number;
  readonly rollup: Address;
  /** Number of the rollup in messages. */
  readonly sourceDomain: number;
}

const FIELDS = [
  { name: "from", type: "uint32" },
  { name: "to", type: "uint32" },
  { name: "toOwner", type: "address" },
  { name: "amount", type: "uint128" },
  { name: "fee", type: "uint64" },
  { name: "nonce", type: "uint64" },
  { name: "validUntilBatch", type: "uint64" },
] as const;

const TYPES = { Transfer: FIELDS, Exit: FIELDS } as const;

/** Half the order of secp256k1: of s and n - s only the lower one is accepted. */
const MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** What a wallet is asked to sign. */
export function paymentTypedData(
  { chainId, rollup }: LedgerDomain,
  kind: number,
  payment: Payment,
) {
  return {
    domain: { name: "Proofmill Ledger", version: "1", chainId, verifyingContract: rollup },
    types: TYPES,
    primaryType: kind === Opcode.transfer ? ("Transfer" as const) : ("Exit" as const),
    message: payment,
  };
}

export const paymentDigest = (domain: LedgerDomain, kind: number, payment: Payment): Hex =>
  hashTypedData(paymentTypedData(domain, kind, payment));

/** r, then s with the recovery bit on top. @param signature 65 bytes, as wallets return it. */
export function compactSignature(signature: Hex): Hex {
  const { r, s, yParity } = parseSignature(signature);
  const bytes = hexToBytes(s, { size: 32 });
  if (yParity === 1) bytes[0] = (bytes[0] as number) | 0x80;
  return `${r}${bytesToHex(bytes).slice(2)}`;
}

/** Who signed, lower case; undefined for bytes that are nobody's signature. */
export async function recoverPayer(digest: Hex, compact: Hex): Promise<Address | undefined> {
  const bytes = hexToBytes(compact, { size: 64 });
  const yParity = (bytes[32] as number) >> 7;
  bytes[32] = (bytes[32] as number) & 0x7f;
  const [r, s] = [bytesToHex(bytes.subarray(0, 32)), bytesToHex(bytes.subarray(32))];
  if (BigInt(s) > MAX_S) return undefined;
  try {
    const signer = await recoverAddress({ hash: digest, signature: { r, s, yParity } });
    return signer.toLowerCase() as Address;
  } catch {
    return undefined; // r or s out of range, or no point has this r
  }
}
