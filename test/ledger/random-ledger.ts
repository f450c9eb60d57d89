// Random states and random instructions of the ledger, good, bad and malformed, from a seed.

import { type Address, bytesToHex, concatHex, type Hex, hexToBytes, numberToHex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { exitLeaf } from "../../operator/ledger/executor.ts";
import {
  encodeDeposit,
  encodeForced,
  encodeRecord,
  forcedItem,
  type Instruction,
  NO_SIGNATURE,
  Opcode,
  type Payment,
  queueInstruction,
  recordInstruction,
} from "../../operator/ledger/instruction.ts";
import {
  compactSignature,
  type LedgerDomain,
  paymentTypedData,
} from "../../operator/ledger/signature.ts";
import {
  accountAt,
  genesisState,
  type LedgerState,
  NOBODY,
  setAccount,
} from "../../operator/ledger/state.ts";

export const DOMAIN: LedgerDomain = {
  chainId: 31_337,
  rollup: "0x00000000000000000000000000000000000a0110",
  sourceDomain: 9,
};

export const MAX_U64 = 2n ** 64n - 1n;
export const MAX_U128 = 2n ** 128n - 1n;

/** Few accounts, so that payments meet; the first and the last slot, neighbours, and one far away. */
export const SLOTS = [0, 1, 2, 3, 500_000, 1_048_574, 1_048_575] as const;

export const WALLETS: readonly PrivateKeyAccount[] = Array.from({ length: 5 }, (_, i) =>
  privateKeyToAccount(numberToHex(0xa11ce + i, { size: 32 })),
);

export const ownerOf = (wallet: PrivateKeyAccount): Address =>
  wallet.address.toLowerCase() as Address;

/** xorshift32. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 1;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % n;
  }

  one<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** True once in n times. */
  rarely(n: number): boolean {
    return this.below(n) === 0;
  }

  bytes(length: number): Hex {
    return bytesToHex(Uint8Array.from({ length }, () => this.below(256)));
  }
}

/** A state with something in it; sometimes at the end of what its fields hold. */
export function randomState(dice: Dice): LedgerState {
  let { accounts, exits } = genesisState();
  for (const slot of SLOTS) {
    if (dice.rarely(4)) continue;
    const owner = dice.rarely(12) ? NOBODY : ownerOf(dice.one(WALLETS));
    const nonce = dice.rarely(8) ? MAX_U64 : BigInt(dice.below(3));
    const balance = dice.rarely(8) ? MAX_U128 - BigInt(dice.below(50)) : BigInt(dice.below(2_000));
    accounts = setAccount(accounts, slot, { owner, nonce, balance });
  }
  const exitCount = dice.one([0n, 1n, 6n, 2n ** 32n - 1n, 2n ** 32n]);
  for (let slot = 0; slot < Math.min(Number(exitCount), 6); slot++) {
    const message = {
      sender: ownerOf(dice.one(WALLETS)),
      destDomain: 0,
      target: ownerOf(dice.one(WALLETS)),
      amount: BigInt(dice.below(100)),
      nonce: BigInt(slot),
    };
    exits = exits.set(slot, exitLeaf(DOMAIN, message), message);
  }
  return {
    accounts,
    exits,
    exitCount,
    l1Cursor: dice.one([0n, 7n, MAX_U64]),
    feePot: dice.one([0n, 3n, 1_000n, MAX_U128, MAX_U128 - 4n]),
  };
}

const MALFORMED_LENGTHS = [0, 1, 7, 8, 9, 28, 29, 67, 68, 69, 96, 97, 98, 139, 140, 141, 264];

/** Nearly right most of the time: what is all wrong stops at the first check. */
export async function randomInstruction(dice: Dice, state: LedgerState): Promise<Instruction> {
  const batch = BigInt(dice.below(4) + 1);
  if (dice.rarely(12)) {
    return { opcode: dice.below(8), inputs: dice.bytes(dice.one(MALFORMED_LENGTHS)) };
  }
  const payment = randomPayment(dice, state, batch);
  switch (dice.below(8)) {
    case 0: {
      const opcode = dice.one([Opcode.noop, Opcode.deposit, Opcode.forced, 6, 77, 255]);
      return recordInstruction(batch, encodeRecord(opcode, payment));
    }
    case 1: {
      const { to, toOwner, amount } = randomPayment(dice, state, batch);
      const depositor = ownerOf(dice.one(WALLETS));
      const item = encodeDeposit({ depositor, amount, to, toOwner });
      return queueInstruction(batch, Opcode.deposit, item);
    }
    case 2:
      return recordInstruction(batch, encodeRecord(Opcode.fee, payment));
    case 3:
    case 4: {
      const kind = payment.to === DOMAIN.sourceDomain ? Opcode.exit : randomKind(dice);
      const transaction = dice.rarely(10)
        ? concatHex([numberToHex(dice.below(8), { size: 1 }), dice.bytes(68)])
        : encodeForced(kind, payment);
      const holder = accountAt(state.accounts, payment.from % 2 ** 20).owner;
      const sender = dice.rarely(6) ? ownerOf(dice.one(WALLETS)) : holder;
      return queueInstruction(batch, Opcode.forced, forcedItem(sender, transaction));
    }
    default: {
      const kind = payment.to === DOMAIN.sourceDomain ? Opcode.exit : randomKind(dice);
      const signature = await randomSignature(dice, state, kind, payment);
      return recordInstruction(batch, encodeRecord(kind, payment, signature));
    }
  }
}

const randomKind = (dice: Dice) => dice.one([Opcode.transfer, Opcode.exit] as const);

function randomPayment(dice: Dice, state: LedgerState, batch: bigint): Payment {
  const from = dice.rarely(15) ? dice.one([2 ** 20, 2 ** 32 - 1]) : dice.one(SLOTS);
  const payer = accountAt(state.accounts, from % 2 ** 20);
  const to = dice.rarely(8)
    ? dice.one([2 ** 20, 2 ** 32 - 1, DOMAIN.sourceDomain])
    : dice.one(SLOTS);
  const receiver = accountAt(state.accounts, to % 2 ** 20).owner;
  const stranger = dice.rarely(3) ? NOBODY : ownerOf(dice.one(WALLETS));
  const fee = BigInt(dice.below(10));
  const spare = payer.balance > fee ? payer.balance - fee : 0n;
  return {
    from,
    to,
    toOwner: dice.rarely(5) ? stranger : receiver,
    amount: dice.one([0n, 1n, spare, spare + 1n > MAX_U128 ? spare : spare + 1n, spare / 2n]),
    fee: dice.rarely(20) ? MAX_U64 : fee,
    nonce: dice.rarely(10) ? payer.nonce ^ 1n : payer.nonce,
    validUntilBatch: dice.rarely(10) ? batch - 1n : batch + BigInt(dice.below(2)),
  };
}

/** r = n - 1 of secp256k1 is fine, n is not. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

async function randomSignature(
  dice: Dice,
  state: LedgerState,
  kind: 2 | 3,
  payment: Payment,
): Promise<Hex> {
  const owner = accountAt(state.accounts, payment.from % 2 ** 20).owner;
  const wallet = WALLETS.find((candidate) => ownerOf(candidate) === owner) ?? dice.one(WALLETS);
  const signer = dice.rarely(12) ? dice.one(WALLETS) : wallet;
  const good = await signPayment(signer, dice.rarely(15) ? 5 - kind : kind, payment);
  if (!dice.rarely(6)) return good;
  return dice.one([
    NO_SIGNATURE,
    dice.bytes(64),
    flipped(good, 256),
    concatHex([numberToHex(ORDER, { size: 32 }), `0x${good.slice(66)}`]),
    concatHex([numberToHex(ORDER - 1n, { size: 32 }), `0x${good.slice(66)}`]),
    concatHex([`0x${good.slice(2, 66)}`, numberToHex(0, { size: 32 })]),
    flipped(good, dice.below(512)),
  ]);
}

/** @param kind of the type that is signed, which need not be the instruction's. */
export async function signPayment(
  wallet: PrivateKeyAccount,
  kind: number,
  payment: Payment,
  domain = DOMAIN,
): Promise<Hex> {
  return compactSignature(await wallet.signTypedData(paymentTypedData(domain, kind, payment)));
}

export function flipped(bytes: Hex, bit: number): Hex {
  const copy = hexToBytes(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = (copy[at] as number) ^ (1 << (bit % 8));
  return bytesToHex(copy);
}
