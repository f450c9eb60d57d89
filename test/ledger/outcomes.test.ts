import { concatHex, type Hex, numberToHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeInstruction, OUTCOMES, type Outcome } from "../../operator/ledger/executor.ts";
import {
  encodeDeposit,
  encodeForced,
  encodeRecord,
  forcedItem,
  type Instruction,
  Opcode,
  type Payment,
  queueInstruction,
  recordInstruction,
} from "../../operator/ledger/instruction.ts";
import {
  type Account,
  accountAt,
  genesisState,
  type LedgerState,
  NOBODY,
  setAccount,
  stateFields,
  stateRoot,
} from "../../operator/ledger/state.ts";
import { encodeWitness } from "../../operator/ledger/witness.ts";
import { type OpenProbe, openProbe } from "./ledger-probe.ts";
import { DOMAIN, MAX_U64, MAX_U128, ownerOf, signPayment, WALLETS } from "./random-ledger.ts";

const [ALICE, BOB, CAROL] = [WALLETS[0], WALLETS[1], WALLETS[2]] as [
  (typeof WALLETS)[number],
  (typeof WALLETS)[number],
  (typeof WALLETS)[number],
];
const BATCH = 5n;

/** alice at 1 with 100 and nonce 4, bob at 2 with 50, nobody at 3. */
const world = (
  changed: { readonly [slot: number]: Partial<Account> } & Partial<
    Omit<LedgerState, "accounts">
  > = {},
): LedgerState => {
  const base: Record<number, Account> = {
    1: { owner: ownerOf(ALICE), nonce: 4n, balance: 100n },
    2: { owner: ownerOf(BOB), nonce: 0n, balance: 50n },
  };
  let { accounts } = genesisState();
  for (const slot of [1, 2]) {
    accounts = setAccount(accounts, slot, { ...(base[slot] as Account), ...changed[slot] });
  }
  const { exitCount = 0n, l1Cursor = 8n, feePot = 3n } = changed;
  return { ...genesisState(), accounts, exitCount, l1Cursor, feePot };
};

/** alice pays bob 60 and a fee of 7. */
const pay = (changed: Partial<Payment> = {}): Payment => ({
  from: 1,
  to: 2,
  toOwner: ownerOf(BOB),
  amount: 60n,
  fee: 7n,
  nonce: 4n,
  validUntilBatch: BATCH,
  ...changed,
});

/** The same, to somebody on L1. */
const exit = (changed: Partial<Payment> = {}) =>
  pay({ to: 0, toOwner: ownerOf(CAROL), ...changed });

type Make = (payment: Payment) => Promise<Instruction>;
const signed =
  (kind: 2 | 3, wallet = ALICE): Make =>
  async (payment) =>
    recordInstruction(BATCH, encodeRecord(kind, payment, await signPayment(wallet, kind, payment)));
const forced =
  (kind: 2 | 3, sender = ownerOf(ALICE)): Make =>
  async (payment) =>
    queueInstruction(BATCH, Opcode.forced, forcedItem(sender, encodeForced(kind, payment)));
const deposit = (to: number, toOwner: Hex, amount: bigint) =>
  queueInstruction(
    BATCH,
    Opcode.deposit,
    encodeDeposit({ depositor: ownerOf(CAROL), amount, to, toOwner }),
  );
const fee = (to: number, toOwner: Hex) =>
  recordInstruction(BATCH, encodeRecord(Opcode.fee, pay({ to, toOwner })));
const raw = (opcode: number, bytes: number): Instruction => ({
  opcode,
  inputs: concatHex([numberToHex(BATCH, { size: 8 }), `0x${"02".repeat(bytes)}`]),
});

const { transfer: T, exit: X } = Opcode;
const MAX_OF = { balance: MAX_U128 };

type Row = readonly [string, Outcome, LedgerState, Promise<Instruction> | Instruction];

/** What payments can fail by, whoever vouches for them. */
const payments = (name: string, make: (kind: 2 | 3) => Make): Row[] => [
  [`${name} transfer`, "Done", world(), make(T)(pay())],
  [`${name} transfer of everything`, "Done", world(), make(T)(pay({ amount: 93n }))],
  [
    `${name} transfer to oneself`,
    "Done",
    world(),
    make(T)(pay({ to: 1, toOwner: ownerOf(ALICE) })),
  ],
  [`${name} transfer that opens an account`, "Done", world(), make(T)(pay({ to: 3 }))],
  [`${name} transfer in its last batch`, "Done", world(), make(T)(pay({ validUntilBatch: 5n }))],
  [`${name} transfer, expired`, "Expired", world(), make(T)(pay({ validUntilBatch: 4n }))],
  [`${name} transfer from no slot`, "IndexOutOfRange", world(), make(T)(pay({ from: 2 ** 20 }))],
  [`${name} transfer from nobody`, "AccountEmpty", world(), make(T)(pay({ from: 3 }))],
  [
    `${name} transfer with the last nonce`,
    "NonceExhausted",
    world({ 1: { nonce: MAX_U64 } }),
    make(T)(pay({ nonce: MAX_U64 })),
  ],
  [`${name} transfer of 1 too much`, "BalanceTooLow", world(), make(T)(pay({ amount: 94n }))],
  [
    `${name} transfer whose sum passes 128 bits`,
    "BalanceTooLow",
    world({ 1: MAX_OF }),
    make(T)(pay({ amount: MAX_U128, fee: 1n })),
  ],
  [
    `${name} transfer, pot full to the brim`,
    "Done",
    world({ feePot: MAX_U128 - 7n }),
    make(T)(pay()),
  ],
  [
    `${name} transfer, pot too full`,
    "FeePotFull",
    world({ feePot: MAX_U128 - 6n }),
    make(T)(pay()),
  ],
  [`${name} transfer to no slot`, "IndexOutOfRange", world(), make(T)(pay({ to: 2 ** 20 }))],
  [
    `${name} transfer to the zero address`,
    "ReceiverZero",
    world(),
    make(T)(pay({ toOwner: NOBODY })),
  ],
  [
    `${name} transfer to another's slot`,
    "OwnerMismatch",
    world(),
    make(T)(pay({ toOwner: ownerOf(CAROL) })),
  ],
  [
    `${name} transfer to a full account`,
    "BalanceOverflow",
    world({ 2: { balance: MAX_U128 - 59n } }),
    make(T)(pay()),
  ],
  [
    `${name} transfer that fills an account`,
    "Done",
    world({ 2: { balance: MAX_U128 - 60n } }),
    make(T)(pay()),
  ],
  [`${name} exit`, "Done", world(), make(X)(exit())],
  [`${name} exit to another rollup`, "Done", world(), make(X)(exit({ to: 2 ** 32 - 1 }))],
  [`${name} exit, expired`, "Expired", world(), make(X)(exit({ validUntilBatch: 4n }))],
  [`${name} exit from no slot`, "IndexOutOfRange", world(), make(X)(exit({ from: 2 ** 20 }))],
  [`${name} exit from nobody`, "AccountEmpty", world(), make(X)(exit({ from: 3 }))],
  [
    `${name} exit with the last nonce`,
    "NonceExhausted",
    world({ 1: { nonce: MAX_U64 } }),
    make(X)(exit({ nonce: MAX_U64 })),
  ],
  [`${name} exit of 1 too much`, "BalanceTooLow", world(), make(X)(exit({ amount: 94n }))],
  [`${name} exit, pot too full`, "FeePotFull", world({ feePot: MAX_U128 - 6n }), make(X)(exit())],
  [`${name} exit to the zero address`, "ReceiverZero", world(), make(X)(exit({ toOwner: NOBODY }))],
  [
    `${name} exit to where it is`,
    "DestinationIsSource",
    world(),
    make(X)(exit({ to: DOMAIN.sourceDomain })),
  ],
  [`${name} exit, the last`, "Done", world({ exitCount: 2n ** 32n - 1n }), make(X)(exit())],
  [`${name} exit, one more`, "ExitTreeFull", world({ exitCount: 2n ** 32n }), make(X)(exit())],
];

const queued = (name: string, opcode: 1 | 4, bytes: number): Row[] => [
  [`${name} with a byte missing`, "Malformed", world(), raw(opcode, bytes - 1)],
  [`${name} with a byte more`, "Malformed", world(), raw(opcode, bytes + 1)],
  [`${name} without anything`, "Malformed", world(), { opcode, inputs: "0x" }],
];

const ROWS: readonly Row[] = [
  ["nothing", "Done", world(), raw(Opcode.noop, 132)],
  ["nothing, without bytes", "Done", world(), { opcode: Opcode.noop, inputs: "0x" }],
  ...[6, 7, 254, 255].map(
    (opcode): Row => [`opcode ${opcode}`, "UnknownOpcode", world(), raw(opcode, 132)],
  ),

  ["deposit", "Done", world(), deposit(2, ownerOf(BOB), 9n)],
  ["deposit that opens an account", "Done", world(), deposit(3, ownerOf(CAROL), 9n)],
  ["deposit after the last", "Done", world({ l1Cursor: MAX_U64 }), deposit(2, ownerOf(BOB), 9n)],
  ["deposit to no slot", "IndexOutOfRange", world(), deposit(2 ** 20, ownerOf(BOB), 9n)],
  ["deposit to the zero address", "ReceiverZero", world(), deposit(2, NOBODY, 9n)],
  ["deposit to another's slot", "OwnerMismatch", world(), deposit(2, ownerOf(CAROL), 9n)],
  // No instruction makes such a slot; it has its one answer all the same.
  [
    "deposit to a slot of the zero address",
    "OwnerMismatch",
    world({ 2: { owner: NOBODY } }),
    deposit(2, ownerOf(BOB), 9n),
  ],
  [
    "deposit to a full account",
    "BalanceOverflow",
    world({ 2: MAX_OF }),
    deposit(2, ownerOf(BOB), 1n),
  ],
  [
    "deposit that nobody takes and no exit is left for",
    "ExitTreeFull",
    world({ exitCount: 2n ** 32n }),
    deposit(2, ownerOf(CAROL), 9n),
  ],
  ...queued("deposit", Opcode.deposit, 60),

  ...payments("signed", (kind) => signed(kind)),
  ["transfer that somebody else signed", "NotAuthorized", world(), signed(T, BOB)(pay())],
  [
    "transfer that nobody signed",
    "NotAuthorized",
    world(),
    recordInstruction(BATCH, encodeRecord(T, pay())),
  ],
  ["exit that somebody else signed", "NotAuthorized", world(), signed(X, BOB)(exit())],
  ["transfer with a nonce behind", "NonceMismatch", world(), signed(T)(pay({ nonce: 3n }))],
  ["transfer with a nonce ahead", "NonceMismatch", world(), signed(T)(pay({ nonce: 5n }))],
  ["exit with another nonce", "NonceMismatch", world(), signed(X)(exit({ nonce: 5n }))],
  ["transfer with a byte missing", "Malformed", world(), raw(T, 131)],
  ["transfer with a byte more", "Malformed", world(), raw(T, 133)],
  ["exit with a byte missing", "Malformed", world(), raw(X, 131)],
  ["exit with a byte more", "Malformed", world(), raw(X, 133)],

  ...payments("forced", (kind) => forced(kind)),
  ["forced transfer by a stranger", "NotAuthorized", world(), forced(T, ownerOf(BOB))(pay())],
  ["forced exit by a stranger", "NotAuthorized", world(), forced(X, ownerOf(BOB))(exit())],
  [
    "forced transfer by the zero address",
    "AccountEmpty",
    world(),
    forced(T, NOBODY)(pay({ from: 3 })),
  ],
  ["forced transfer, nonce behind", "Done", world(), forced(T)(pay({ nonce: 0n }))],
  ["forced exit, nonce ahead", "Done", world(), forced(X)(exit({ nonce: 99n }))],
  ...queued("forced payment", Opcode.forced, 89),
  ...[0, 1, 4, 5, 6].map((kind): Row => {
    const transaction = encodeForced(kind as 2, pay());
    const item = forcedItem(ownerOf(ALICE), transaction);
    const instruction = queueInstruction(BATCH, Opcode.forced, item);
    return [`forced opcode ${kind}`, "Malformed", world(), instruction];
  }),

  ["fees", "Done", world(), fee(2, ownerOf(BOB))],
  ["no fees", "Done", world({ feePot: 0n }), fee(2, ownerOf(BOB))],
  ["fees to no slot", "IndexOutOfRange", world(), fee(2 ** 20, ownerOf(BOB))],
  ["fees to the zero address", "ReceiverZero", world(), fee(2, NOBODY)],
  ["fees to another's slot", "OwnerMismatch", world(), fee(2, ownerOf(CAROL))],
  ["fees to a full account", "BalanceOverflow", world({ 2: MAX_OF }), fee(2, ownerOf(BOB))],
  ["fees with a byte missing", "Malformed", world(), raw(Opcode.fee, 131)],
  ["fees with a byte more", "Malformed", world(), raw(Opcode.fee, 133)],
];

let chain: OpenProbe;

beforeAll(async () => {
  chain = await openProbe();
});

afterAll(() => chain.connection.close());

/** A bad payment changes nothing; a queue entry counts as executed; a deposit goes somewhere. */
function expectNothingMoved(before: LedgerState, after: LedgerState, opcode: number): void {
  const { l1Cursor: cursorBefore, ...fieldsBefore } = stateFields(before);
  const { l1Cursor: cursorAfter, ...fieldsAfter } = stateFields(after);
  const isQueued = opcode === Opcode.deposit || opcode === Opcode.forced;
  expect(cursorAfter).toBe((cursorBefore + (isQueued ? 1n : 0n)) & MAX_U64);
  if (opcode === Opcode.deposit && after.exitCount !== before.exitCount) {
    expect(fieldsAfter.accountsRoot).toBe(fieldsBefore.accountsRoot);
    expect(fieldsAfter.feePot).toBe(fieldsBefore.feePot);
    expect(after.exits.get(Number(before.exitCount))).toMatchObject({
      sender: ownerOf(CAROL),
      target: ownerOf(CAROL),
      destDomain: 0,
    });
  } else {
    expect(fieldsAfter).toEqual(fieldsBefore);
  }
}

describe("ledger / how an instruction ends", () => {
  it.each(ROWS)("%s: %s", async (_name, outcome, before, made) => {
    const instruction = await made;
    const result = await executeInstruction(DOMAIN, before, instruction);
    const witness = { ...instruction, preState: encodeWitness(before, result.reads) };
    const [onChain] = await chain.execute([witness]);
    expect(onChain).toMatchObject({
      outcome,
      isValid: outcome === "Done",
      preRoot: stateRoot(before),
      postRoot: stateRoot(result.state),
      gasUsed: result.gasUsed,
      revertData: "0x",
    });
    expect(result.outcome).toBe(outcome);
    if (outcome !== "Done") expectNothingMoved(before, result.state, instruction.opcode);
  });

  it("is tried above for every reason that there is", () => {
    expect(new Set(ROWS.map(([, outcome]) => outcome))).toEqual(new Set(OUTCOMES));
  });
});

describe("ledger / what a good instruction changes", () => {
  const run = async (before: LedgerState, made: Promise<Instruction> | Instruction) =>
    (await executeInstruction(DOMAIN, before, await made)).state;

  it("transfer: amount and fee leave the payer, whose nonce rises; the fee waits in the pot", async () => {
    for (const make of [signed(T), forced(T)]) {
      const { accounts, feePot, exitCount } = await run(world(), make(pay()));
      expect(accountAt(accounts, 1)).toEqual({ owner: ownerOf(ALICE), nonce: 5n, balance: 33n });
      expect(accountAt(accounts, 2)).toEqual({ owner: ownerOf(BOB), nonce: 0n, balance: 110n });
      expect([feePot, exitCount]).toEqual([10n, 0n]);
    }
  });

  it("transfer to oneself: the fee alone is gone", async () => {
    const { accounts } = await run(world(), signed(T)(pay({ to: 1, toOwner: ownerOf(ALICE) })));
    expect(accountAt(accounts, 1)).toEqual({ owner: ownerOf(ALICE), nonce: 5n, balance: 93n });
  });

  it("exit: the amount is a message of the owner", async () => {
    for (const make of [signed(X), forced(X)]) {
      const before = world({ exitCount: 6n });
      const { accounts, exits, exitCount } = await run(before, make(exit({ to: 3 })));
      expect(accountAt(accounts, 1)).toEqual({ owner: ownerOf(ALICE), nonce: 5n, balance: 33n });
      expect(exitCount).toBe(7n);
      expect(exits.get(6)).toEqual({
        sender: ownerOf(ALICE),
        destDomain: 3,
        target: ownerOf(CAROL),
        amount: 60n,
        nonce: 6n,
      });
    }
  });

  it("fee: the pot is an account's, and empty", async () => {
    const { accounts, feePot } = await run(world(), fee(2, ownerOf(BOB)));
    expect(accountAt(accounts, 2).balance).toBe(53n);
    expect(feePot).toBe(0n);
  });

  it("deposit: the account has more, or the depositor has an exit", async () => {
    const good = await run(world(), deposit(2, ownerOf(BOB), 9n));
    expect(accountAt(good.accounts, 2).balance).toBe(59n);
    const bad = await run(world(), deposit(1, ownerOf(BOB), 9n));
    expect(bad.exits.get(0)).toMatchObject({ target: ownerOf(CAROL), amount: 9n });
    expect([good.l1Cursor, bad.l1Cursor]).toEqual([9n, 9n]);
  });

  it("a signature works once, on one chain, for one rollup and for what it says", async () => {
    const payment = pay({ amount: 1n, fee: 0n });
    const instruction = await signed(T)(payment);
    const once = await run(world(), instruction);
    const again = await executeInstruction(DOMAIN, once, instruction);
    expect(again.outcome).toBe("NonceMismatch");

    const elsewhere = [
      { ...DOMAIN, chainId: 1 },
      { ...DOMAIN, rollup: "0x00000000000000000000000000000000000a0111" as const },
    ];
    const asExit = encodeRecord(X, payment, await signPayment(ALICE, T, payment));
    const foreign = await Promise.all(
      elsewhere.map(async (domain) =>
        recordInstruction(
          BATCH,
          encodeRecord(T, payment, await signPayment(ALICE, T, payment, domain)),
        ),
      ),
    );
    for (const wrong of [recordInstruction(BATCH, asExit), ...foreign]) {
      const { outcome, reads } = await executeInstruction(DOMAIN, world(), wrong);
      expect(outcome).toBe("NotAuthorized");
      const [onChain] = await chain.execute([
        { ...wrong, preState: encodeWitness(world(), reads) },
      ]);
      expect(onChain?.outcome).toBe("NotAuthorized");
    }
  });
});
