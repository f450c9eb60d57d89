import { concatHex, type Hex, keccak256, numberToHex, toHex } from "viem";
import { encodeRecord, type TransferRecord } from "../circuits/transfer.ts";

/** Keeps these identifiers apart from every other hash of the system. */
const TRANSFER_ID_TAG = keccak256(toHex("proofmill.transfer-id.v1"));

/**
 * Identifier of a transfer: keccak256(tag | domain | 21-byte record | nonce u64 | recipient), big-endian.
 *
 * Whoever reads the chain can compute it too (`validUntil` and the signature are not published and are left
 * out), so a receipt survives a restart of the operator. One account uses a nonce once, so no two committed
 * transfers share an identifier.
 *
 * @param recipient  pkHash of the receiver's (for an exit: the payee's) account.
 */
export function transferId(
  domain: bigint,
  transfer: TransferRecord,
  nonce: bigint,
  recipient: bigint,
): Hex {
  return keccak256(
    concatHex([
      TRANSFER_ID_TAG,
      numberToHex(domain, { size: 32 }),
      toHex(encodeRecord(transfer)),
      numberToHex(nonce, { size: 8 }),
      numberToHex(recipient, { size: 32 }),
    ]),
  );
}
