// The ledger's transition: twin of contracts/ledger/LedgerVM.sol, check by check and in the same order.

import {
  type Address,
  concat,
  encodeAbiParameters,
  type Hex,
  hexToBytes,
  keccak256,
  parseAbiParameters,
} from "viem";
import { MESSAGE_TAG } from "../../circuits/tags.ts";
import {
  BATCH_BYTES,
  DEPOSIT_BYTES,
  decodeDeposit,
  decodeForced,
  decodePayment,
  decodeSigned,
  type Instruction,
  Opcode,
  type Order,
  RECORD_BYTES,
} from "./instruction.ts";
import type { MerkleTree } from "./merkle-tree.ts";
import { type LedgerDomain, paymentDigest, recoverPayer } from "./signature.ts";
import {
  ACCOUNT_DEPTH,
  type Account,
  accountAt,
  EXIT_DEPTH,
  type ExitMessage,
  isEmpty,
  type LedgerState,
  NOBODY,
  setAccount,
} from "./state.ts";

/** How an instruction ended, in the order of the contract's enum. All but `Done` are bad transactions. */
export const OUTCOMES = [
  "Done",
  "UnknownOpcode",
  "Malformed",
  "Expired",
  "IndexOutOfRange",
  "AccountEmpty",
  "NotAuthorized",
  "NonceMismatch",
  "NonceExhausted",
  "BalanceTooLow",
  "FeePotFull",
  "ReceiverZero",
  "OwnerMismatch",
  "BalanceOverflow",
  "DestinationIsSource",
  "ExitTreeFull",
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** A leaf that was read, with its way up in the tree as it was at that moment. */
export interface AccountOpening {
  readonly account: Account;
  readonly siblings: readonly Hex[];
}

/** Which openings a witness of the step needs; nothing else was read. */
export interface Reads {
  debited?: AccountOpening;
  credited?: AccountOpening;
  exitSiblings?: readonly Hex[];
}

export interface StepResult {
  readonly state: LedgerState;
  readonly outcome: Outcome;
  readonly isValid: boolean;
  /** The VM's own units, see LedgerVM.sol. */
  readonly gasUsed: bigint;
  readonly reads: Reads;
}

export const L1_DOMAIN = 0;
const ACCOUNTS = 2 ** ACCOUNT_DEPTH;
const EXITS = 2n ** BigInt(EXIT_DEPTH);
const MAX_U64 = 2n ** 64n - 1n;
const MAX_U128 = 2n ** 128n - 1n;

export const COST = {
  base: 200n,
  signature: 3_000n,
  accountPath: 894n,
  exitPath: 1_344n,
  message: 96n,
} as const;

/** @returns the one post-state; never throws, whatever the inputs are. */
export async function executeInstruction(
  domain: LedgerDomain,
  state: LedgerState,
  { opcode, inputs }: Instruction,
): Promise<StepResult> {
  const machine = new Machine(domain, state);
  const outcome = await machine.run(opcode, hexToBytes(inputs));
  const { gasUsed, reads } = machine;
  return { state: machine.state, outcome, isValid: outcome === "Done", gasUsed, reads };
}

/** The tree after a successful change, or why there is none. */
type Change = { readonly accounts: MerkleTree<Account> } | { readonly refused: Outcome };

class Machine {
  readonly domain: LedgerDomain;
  state: LedgerState;
  gasUsed: bigint = COST.base;
  readonly reads: Reads = {};

  constructor(domain: LedgerDomain, state: LedgerState) {
    this.domain = domain;
    this.state = state;
  }

  async run(opcode: number, inputs: Uint8Array): Promise<Outcome> {
    switch (opcode) {
      case Opcode.noop:
        return "Done";
      case Opcode.deposit:
        return this.deposit(inputs);
      case Opcode.transfer:
      case Opcode.exit:
        return this.pay(decodeSigned(opcode, inputs));
      case Opcode.forced:
        this.consumeEntry();
        return this.pay(decodeForced(inputs));
      case Opcode.fee:
        return this.payFees(inputs);
      default:
        return "UnknownOpcode";
    }
  }

  private deposit(inputs: Uint8Array): Outcome {
    this.consumeEntry();
    if (inputs.length !== BATCH_BYTES + DEPOSIT_BYTES) return "Malformed";
    const { depositor, amount, to, toOwner } = decodeDeposit(inputs.subarray(BATCH_BYTES));
    const change = this.credit(this.state.accounts, to, toOwner, amount);
    if ("accounts" in change) {
      this.state = { ...this.state, accounts: change.accounts };
      return "Done";
    }
    const refund = this.appendExit(depositor, L1_DOMAIN, depositor, amount);
    return refund === "Done" ? change.refused : refund;
  }

  private payFees(inputs: Uint8Array): Outcome {
    if (inputs.length !== BATCH_BYTES + RECORD_BYTES - 1) return "Malformed";
    const { to, toOwner } = decodePayment(inputs.subarray(BATCH_BYTES));
    const change = this.credit(this.state.accounts, to, toOwner, this.state.feePot);
    if ("refused" in change) return change.refused;
    this.state = { ...this.state, accounts: change.accounts, feePot: 0n };
    return "Done";
  }

  private async pay(order: Order | undefined): Promise<Outcome> {
    if (order === undefined) return "Malformed";
    const { kind, payment } = order;
    const debit = await this.debit(order);
    if ("refused" in debit) return debit.refused;
    let { accounts } = debit;
    if (kind === Opcode.transfer) {
      const credit = this.credit(accounts, payment.to, payment.toOwner, payment.amount);
      if ("refused" in credit) return credit.refused;
      accounts = credit.accounts;
    } else {
      if (payment.toOwner === NOBODY) return "ReceiverZero";
      if (payment.to === this.domain.sourceDomain) return "DestinationIsSource";
      const sender = accountAt(accounts, payment.from).owner;
      const sent = this.appendExit(sender, payment.to, payment.toOwner, payment.amount);
      if (sent !== "Done") return sent;
    }
    this.state = { ...this.state, accounts, feePot: this.state.feePot + payment.fee };
    return "Done";
  }

  private async debit(order: Order): Promise<Change> {
    const { batch, payment } = order;
    if (batch > payment.validUntilBatch) return { refused: "Expired" };
    if (payment.from >= ACCOUNTS) return { refused: "IndexOutOfRange" };
    const payer = this.open("debited", this.state.accounts, payment.from);
    const refused = await this.authorize(order, payer);
    if (refused !== undefined) return { refused };
    if (payer.nonce === MAX_U64) return { refused: "NonceExhausted" };
    const charge = payment.amount + payment.fee;
    if (payer.balance < charge) return { refused: "BalanceTooLow" };
    if (this.state.feePot + payment.fee > MAX_U128) return { refused: "FeePotFull" };
    const charged = { ...payer, nonce: payer.nonce + 1n, balance: payer.balance - charge };
    return { accounts: this.write(this.state.accounts, payment.from, charged) };
  }

  private async authorize(order: Order, payer: Account): Promise<Outcome | undefined> {
    const { kind, payment, sender, signature } = order;
    if (payer.owner === NOBODY) return "AccountEmpty";
    if (signature === undefined) return sender === payer.owner ? undefined : "NotAuthorized";
    this.gasUsed += COST.signature;
    const signer = await recoverPayer(paymentDigest(this.domain, kind, payment), signature);
    if (signer !== payer.owner) return "NotAuthorized";
    return payment.nonce === payer.nonce ? undefined : "NonceMismatch";
  }

  private credit(
    accounts: MerkleTree<Account>,
    index: number,
    owner: Address,
    amount: bigint,
  ): Change {
    if (index >= ACCOUNTS) return { refused: "IndexOutOfRange" };
    if (owner === NOBODY) return { refused: "ReceiverZero" };
    const receiver = this.open("credited", accounts, index);
    if (!isEmpty(receiver) && receiver.owner !== owner) return { refused: "OwnerMismatch" };
    const balance = receiver.balance + amount;
    if (balance > MAX_U128) return { refused: "BalanceOverflow" };
    return { accounts: this.write(accounts, index, { ...receiver, owner, balance }) };
  }

  private appendExit(
    sender: Address,
    destDomain: number,
    target: Address,
    amount: bigint,
  ): Outcome {
    const { exits, exitCount } = this.state;
    if (exitCount >= EXITS) return "ExitTreeFull";
    this.gasUsed += COST.message + 2n * COST.exitPath;
    const slot = Number(exitCount);
    this.reads.exitSiblings = exits.siblings(slot);
    const message = { sender, destDomain, target, amount, nonce: exitCount };
    const leaf = exitLeaf(this.domain, message);
    this.state = {
      ...this.state,
      exits: exits.set(slot, leaf, message),
      exitCount: exitCount + 1n,
    };
    return "Done";
  }

  private open(as: "debited" | "credited", accounts: MerkleTree<Account>, index: number): Account {
    this.gasUsed += COST.accountPath;
    const account = accountAt(accounts, index);
    this.reads[as] = { account, siblings: accounts.siblings(index) };
    return account;
  }

  private write(accounts: MerkleTree<Account>, index: number, account: Account) {
    this.gasUsed += COST.accountPath;
    return setAccount(accounts, index, account);
  }

  private consumeEntry(): void {
    this.state = { ...this.state, l1Cursor: (this.state.l1Cursor + 1n) & MAX_U64 };
  }
}

const WAY = parseAbiParameters("bytes32, uint256, uint32, uint32, address");
const FIELDS = parseAbiParameters("address, address, uint256, uint256, uint256, bytes32");
const MESSAGE_VERSION = 1n;
const NO_DATA = keccak256("0x");

/** The leaf of an exit, MessageLeaf.sol's hash of it. */
export function exitLeaf({ sourceDomain, rollup }: LedgerDomain, exit: ExitMessage): Hex {
  const { sender, destDomain, target, amount, nonce } = exit;
  const way = [MESSAGE_TAG, MESSAGE_VERSION, sourceDomain, destDomain, rollup] as const;
  const fields = [sender, target, amount, 0n, nonce, NO_DATA] as const;
  return keccak256(concat([encodeAbiParameters(WAY, way), encodeAbiParameters(FIELDS, fields)]));
}
