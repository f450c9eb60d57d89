import { inspect } from "node:util";
import { type Hex, verifyMessage } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { pkHashOf } from "../../circuits/account.ts";
import { isUsableKey } from "../../circuits/eddsa.ts";
import { transferMessage } from "../../circuits/transfer.ts";
import {
  signTransfer,
  verifySignature,
  walletFromSeed,
  walletFromSignature,
  walletMessage,
} from "../../circuits/wallet.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { eddsaVectors } from "./vectors.ts";

const rollup = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const ethereum = privateKeyToAccount(`0x${"07".repeat(32)}`);
const message = walletMessage({ chainId: 31337, rollup });
const signature = await ethereum.signMessage({ message });
const seed = new Uint8Array(32).fill(9);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (value: bigint) => value.toString(16).padStart(64, "0");

describe("circuits / wallet", () => {
  it("asks for a signature over a text that names chain and contract", async () => {
    expect(message).toContain("Chain: 31337\n");
    expect(message).toContain("Rollup: 0x5FbDB2315678afecb367f032d93F642f64180aa3\n");
    expect(await verifyMessage({ address: ethereum.address, message, signature })).toBe(true);
    expect(walletMessage({ chainId: 1n, rollup })).not.toBe(message);
    expect(walletMessage({ chainId: 31337, rollup: `0x${"11".repeat(20)}` })).not.toBe(message);
  });

  it("derives one usable key from one signature, always the same", () => {
    const wallet = walletFromSignature(signature);
    expect(isUsableKey(wallet)).toBe(true);
    expect(wallet.ax).toBe(walletFromSignature(signature).ax);
  });

  it("derives keys and signatures as another implementation of the text in docs/data-encoding.md", () => {
    for (const { signature, message, ax, ay, s, r8x, r8y } of eddsaVectors().wallets) {
      const wallet = walletFromSignature(signature);
      expect({ ax: wallet.ax, ay: wallet.ay }).toEqual({ ax: BigInt(ax), ay: BigInt(ay) });
      expect(wallet.sign(BigInt(message))).toEqual({
        s: BigInt(s),
        r8x: BigInt(r8x),
        r8y: BigInt(r8y),
      });
    }
  });

  it("derives another key for another chain, contract or signer", async () => {
    const other = privateKeyToAccount(`0x${"08".repeat(32)}`);
    const signatures = [
      signature,
      await ethereum.signMessage({ message: walletMessage({ chainId: 1, rollup }) }),
      await ethereum.signMessage({
        message: walletMessage({ chainId: 31337, rollup: `0x${"11".repeat(20)}` }),
      }),
      await other.signMessage({ message }),
    ];
    const keys = signatures.map((each) => walletFromSignature(each).ax);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("does not depend on how the signer writes v, nor on the case of hex digits", () => {
    const body = signature.slice(0, 130);
    const keys = ["1b", "1c", "00", "01"].map((v) => walletFromSignature(`${body}${v}` as Hex).ax);
    const upper = `0x${signature.slice(2).toUpperCase()}` as Hex;
    expect(new Set([...keys, walletFromSignature(upper).ax]).size).toBe(1);
  });

  it("refuses a signature of another form without quoting it", () => {
    const r = signature.slice(2, 66);
    const s = BigInt(`0x${signature.slice(66, 130)}`);
    const malformed: [string, string][] = [
      ["0x", "got a signature of 2 characters"],
      [signature.slice(0, -2), "got a signature of 130 characters"],
      [`${signature}00`, "got a signature of 134 characters"],
      [signature.slice(2), "got a signature of 130 characters"],
      [`0x${"zz".repeat(65)}`, "expected 0x and 130 hex digits"],
      [`${signature.slice(0, 130)}1d`, "got v = 29"],
      [`0x${r}${word(ORDER - s)}1b`, "r or s is out of range"],
      [`0x${r}${word(0n)}1b`, "r or s is out of range"],
      [`0x${r}${word(ORDER)}1b`, "r or s is out of range"],
      [`0x${word(0n)}${word(s)}1b`, "r or s is out of range"],
      [`0x${word(ORDER)}${word(s)}1b`, "r or s is out of range"],
    ];
    for (const [value, expected] of malformed) {
      const refused = refusalOf(() => walletFromSignature(value as Hex));
      expect(refused).toContain(expected);
      expect(refused).not.toContain(r);
    }
  });

  it("takes seeds of 32 bytes only", () => {
    expect(refusalOf(() => walletFromSeed(seed.subarray(1)))).toContain("31 bytes, expected 32");
    expect(refusalOf(() => walletFromSeed(new Uint8Array(33)))).toContain("33 bytes, expected 32");
    expect(walletFromSeed(seed).ax).not.toBe(walletFromSeed(new Uint8Array(32)).ax);
  });

  it("signs field elements only", () => {
    const wallet = walletFromSeed(seed);
    for (const value of [0n, 1n, SCALAR_FIELD - 1n]) {
      expect(verifySignature(wallet, value, wallet.sign(value))).toBe(true);
    }
    expect(refusalOf(() => wallet.sign(SCALAR_FIELD))).toContain("not a field element");
    expect(refusalOf(() => wallet.sign(-1n))).toContain("not a field element");
  });

  it("shows its public key and nothing else when it is printed or serialised", () => {
    const wallet = walletFromSeed(seed);
    const shown = { ax: wallet.ax, ay: wallet.ay };
    expect(Object.fromEntries(Object.entries(wallet))).toEqual(shown);
    expect(Reflect.ownKeys(wallet)).toEqual(["ax", "ay"]);
    const printed = inspect(wallet, { showHidden: true, depth: 9 });
    const decimal = BigInt(`0x${"09".repeat(32)}`).toString();
    expect(printed).not.toContain(decimal);
    expect(printed).not.toContain("#seed");
  });

  it("signs a transfer with everything that a batch needs of it", () => {
    const wallet = walletFromSeed(seed);
    const transfer = { type: 1, from: 1, to: 2, amount: 3n, fee: 4n, validUntil: 5 } as const;
    const request = { wallet, owner: 6n, domain: 7n, transfer, recipient: 8n, nonce: 9n };
    const signed = signTransfer(request);
    expect(signed).toMatchObject({ ...transfer, nonce: 9n, recipient: 8n });
    expect(pkHashOf(signed.key)).toBe(pkHashOf({ ax: wallet.ax, ay: wallet.ay, owner: 6n }));
    expect(
      verifySignature(signed.key, transferMessage(7n, transfer, 8n, 9n), signed.signature),
    ).toBe(true);
  });
});

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return (error as RangeError).message;
  }
  throw new Error("nothing was refused");
}
