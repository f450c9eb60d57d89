import fc from "fast-check";
import { hexToBytes } from "viem";
import { describe, expect, it } from "vitest";
import { leafOf, pkHashOf } from "../../circuits/account.ts";
import {
  decodeRecord,
  encodeRecord,
  RECORD_BYTES,
  recordElement,
  type Transfer,
  type TransferRecord,
  transferMessage,
} from "../../circuits/transfer.ts";
import { dataVectors } from "./vectors.ts";

const u32 = () => fc.integer({ min: 0, max: 2 ** 32 - 1 });
const record = (): fc.Arbitrary<TransferRecord> =>
  fc.record({
    type: fc.constantFrom(1 as const, 2 as const),
    from: u32(),
    to: u32(),
    amount: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fee: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
  });

const sample: TransferRecord = { type: 1, from: 0x0102, to: 0x03040506, amount: 7n, fee: 8n };

describe("circuits / account", () => {
  it("hashes keys and leaves as circomlibjs does", () => {
    for (const vector of dataVectors().accounts) {
      const key = { ax: BigInt(vector.ax), ay: BigInt(vector.ay), owner: BigInt(vector.owner) };
      const pkHash = BigInt(vector.pkHash);
      const account = { pkHash, balance: BigInt(vector.balance), nonce: BigInt(vector.nonce) };
      expect(pkHashOf(key)).toBe(pkHash);
      expect(leafOf(account)).toBe(BigInt(vector.leaf));
    }
  });
});

describe("circuits / transfer", () => {
  it("lays a record out as type, from, to, amount, fee, big-endian", () => {
    expect(encodeRecord(sample)).toEqual(
      hexToBytes(
        ("0x01" + "00000102" + "03040506" + "0000000000000007" + "00000008") as `0x${string}`,
      ),
    );
  });

  it("decodes what it encodes", () => {
    fc.assert(
      fc.property(record(), (value) => {
        expect(decodeRecord(encodeRecord(value))).toEqual(value);
      }),
    );
  });

  it("reads a record as the big-endian integer of its bytes", () => {
    fc.assert(
      fc.property(record(), (value) => {
        const hex = Buffer.from(encodeRecord(value)).toString("hex");
        expect(recordElement(value)).toBe(BigInt(`0x${hex}`));
      }),
    );
  });

  it("refuses to encode a field that does not fit its width", () => {
    const wide: Partial<Record<keyof TransferRecord, unknown>>[] = [
      { type: 256 },
      { from: 2 ** 32 },
      { from: 1.5 },
      { to: -1 },
      { to: Number.NaN },
      { amount: 2n ** 64n },
      { amount: -1n },
      { fee: 2n ** 32n },
    ];
    for (const part of wide) {
      const name = Object.keys(part)[0] as string;
      expect(() => encodeRecord({ ...sample, ...part } as TransferRecord), name).toThrow(
        `record.${name}: expected an unsigned number of`,
      );
    }
  });

  it("refuses to decode a wrong length, an unknown type and a no-op with content", () => {
    const bytes = encodeRecord(sample);
    expect(() => decodeRecord(bytes.subarray(1))).toThrow("got 20 bytes, expected 21");
    expect(() => decodeRecord(Uint8Array.from([...bytes, 0]))).toThrow("got 22 bytes");
    expect(() => decodeRecord(Uint8Array.from([3, ...bytes.subarray(1)]))).toThrow("got type 3");
    expect(() => decodeRecord(Uint8Array.from([0, ...bytes.subarray(1)]))).toThrow("a no-op");
    expect(decodeRecord(new Uint8Array(RECORD_BYTES))).toMatchObject({ type: 0, amount: 0n });
  });

  it("hashes what is signed as circomlibjs does", () => {
    for (const vector of dataVectors().messages) {
      const transfer: Transfer = {
        ...vector,
        amount: BigInt(vector.amount),
        fee: BigInt(vector.fee),
      };
      const { domain, recipient, nonce } = vector;
      expect(transferMessage(BigInt(domain), transfer, BigInt(recipient), BigInt(nonce))).toBe(
        BigInt(vector.message),
      );
    }
  });

  it("gives another message when any one of its parts changes", () => {
    const transfer = { ...sample, validUntil: 9 };
    const messages = [
      transferMessage(1n, transfer, 2n, 3n),
      transferMessage(2n, transfer, 2n, 3n),
      transferMessage(1n, transfer, 3n, 3n),
      transferMessage(1n, transfer, 2n, 4n),
      transferMessage(1n, { ...transfer, validUntil: 10 }, 2n, 3n),
      transferMessage(1n, { ...transfer, type: 2 }, 2n, 3n),
      transferMessage(1n, { ...transfer, from: 1 }, 2n, 3n),
      transferMessage(1n, { ...transfer, to: 1 }, 2n, 3n),
      transferMessage(1n, { ...transfer, amount: 1n }, 2n, 3n),
      transferMessage(1n, { ...transfer, fee: 1n }, 2n, 3n),
    ];
    expect(new Set(messages).size).toBe(messages.length);
  });
});
