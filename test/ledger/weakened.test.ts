// Each check taken away by itself: what the contract then loses, and that the real one does not.

import { encodeAbiParameters, zeroHash } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeBatch } from "../../operator/ledger/batch.ts";
import { executeInstruction } from "../../operator/ledger/executor.ts";
import {
  encodeDeposit,
  encodeForced,
  encodeRecord,
  NO_SIGNATURE,
  Opcode,
  recordInstruction,
} from "../../operator/ledger/instruction.ts";
import { genesisState, setAccount, stateFields, stateRoot } from "../../operator/ledger/state.ts";
import { encodeWitness } from "../../operator/ledger/witness.ts";
import {
  FEE_RECORD,
  type InboxKind,
  type InboxTown,
  NOWHERE,
  openInbox,
  SOFT_SECONDS,
} from "./inbox-town.ts";
import { type OpenProbe, openProbe } from "./ledger-probe.ts";
import { DOMAIN, ownerOf, signPayment, WALLETS } from "./random-ledger.ts";

const EVIDENCE = [
  { type: "uint64" },
  { type: "uint8" },
  { type: "bytes" },
  { type: "bytes32[]" },
] as const;

const PAYMENT = {
  from: 1,
  to: 2,
  toOwner: NOWHERE,
  amount: 5n,
  fee: 1n,
  nonce: 0n,
  validUntilBatch: 9n,
};
const FORCED = encodeForced(Opcode.exit, PAYMENT);
const RICH = encodeDeposit({ depositor: NOWHERE, amount: 10n ** 27n, to: 1, toOwner: NOWHERE });

type Attack = (town: InboxTown) => Promise<boolean>;

/** True if it succeeds. */
const succeeds = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => true,
    () => false,
  );

const attacks: readonly (readonly [string, InboxKind, Attack])[] = [
  [
    "a stranger publishes a batch",
    "AnybodysInbox",
    async (town) => {
      const batch = encodeBatch({ number: 1n, queueTo: 0n, records: [FEE_RECORD] });
      return succeeds((await town.as(town.bob)).write.commitBatch(batch));
    },
  ],
  [
    "a batch is published twice",
    "UnorderedInbox",
    async (town) => {
      await town.commit();
      const batch = encodeBatch({ number: 1n, queueTo: 0n, records: [FEE_RECORD] });
      return succeeds((await town.as(town.sequencer)).write.commitBatch(batch));
    },
  ],
  [
    "a batch has a root that its records do not have",
    "UnboundInbox",
    async (town) => {
      const [, data] = encodeBatch({ number: 1n, queueTo: 0n, records: [FEE_RECORD] });
      return succeeds((await town.as(town.sequencer)).write.commitBatch([zeroHash, data]));
    },
  ],
  [
    "an entry is passed over for ever",
    "CensoringInbox",
    async (town) => {
      await town.enforce(town.alice, FORCED);
      await town.control.increaseTime({ seconds: 100 * Number(SOFT_SECONDS) });
      return succeeds(town.commit([FEE_RECORD], 0n));
    },
  ],
  [
    "somebody forces a batch in the same minute",
    "HastyInbox",
    async (town) => {
      await town.enforce(town.bob, FORCED);
      return succeeds((await town.as(town.bob)).write.forceInclude([1n]));
    },
  ],
  [
    "a forced payment turns into a deposit of a thousand million",
    "CredulousInbox",
    async (town) => {
      await town.enforce(town.bob, FORCED);
      await town.commit();
      const evidence = encodeAbiParameters(EVIDENCE, [1n, Opcode.deposit, RICH, []]);
      return succeeds(town.inbox.read.instructionAt([0n, evidence]));
    },
  ],
  [
    "the sequencer writes a deposit",
    "MintingInbox",
    async (town) => {
      const record = encodeRecord(Opcode.deposit, PAYMENT, NO_SIGNATURE);
      await town.commit([record, FEE_RECORD]);
      const evidence = (await town.read()).evidence(0);
      const [opcode] = await town.inbox.read.instructionAt([0n, evidence]);
      return opcode === Opcode.deposit;
    },
  ],
];

describe("inbox / with one check less", () => {
  it.each(attacks)("%s: only into %s", async (_name, weak, attack) => {
    for (const kind of ["DataAvailability", weak] as const) {
      const town = await openInbox({}, kind);
      expect(await attack(town), kind).toBe(kind === weak);
      await town.connection.close();
    }
  });
});

describe("ledger / with one check less", () => {
  let chain: OpenProbe;

  beforeAll(async () => {
    chain = await openProbe();
  });

  afterAll(() => chain.connection.close());

  const [alice, thief] = [WALLETS[0], WALLETS[1]] as [
    (typeof WALLETS)[number],
    (typeof WALLETS)[number],
  ];
  const state = {
    ...genesisState(),
    accounts: setAccount(genesisState().accounts, 1, {
      owner: ownerOf(alice),
      nonce: 0n,
      balance: 100n,
    }),
  };
  const toThief = { ...PAYMENT, to: 2, toOwner: ownerOf(thief) };

  const both = async (weak: "CredulousLedger" | "ReplayingLedger" | "UnsignedLedger") => {
    const args = [DOMAIN.rollup, DOMAIN.sourceDomain] as const;
    const real = await chain.connection.viem.deployContract("LedgerVM", [...args]);
    const weakened = await chain.connection.viem.deployContract(weak as "UnsignedLedger", [
      ...args,
    ]);
    return [real, weakened] as const;
  };

  it("nobody has to sign: only with UnsignedLedger", async () => {
    const record = encodeRecord(Opcode.transfer, toThief, NO_SIGNATURE);
    const { opcode, inputs } = recordInstruction(1n, record);
    // What a witness would have to show if the payment were good.
    const good = recordInstruction(
      1n,
      encodeRecord(Opcode.transfer, toThief, await signPayment(alice, Opcode.transfer, toThief)),
    );
    const { reads, state: robbed } = await executeInstruction(DOMAIN, state, good);
    const preState = encodeWitness(state, reads);
    const [real, weak] = await both("UnsignedLedger");
    expect((await real.read.executeInstruction([opcode, inputs, preState])).slice(0, 2)).toEqual([
      stateRoot(state),
      false,
    ]);
    expect((await weak.read.executeInstruction([opcode, inputs, preState])).slice(0, 2)).toEqual([
      stateRoot(robbed),
      true,
    ]);
  });

  it("a payment is made twice: only with ReplayingLedger", async () => {
    const signature = await signPayment(alice, Opcode.transfer, toThief);
    const instruction = recordInstruction(1n, encodeRecord(Opcode.transfer, toThief, signature));
    const { state: once } = await executeInstruction(DOMAIN, state, instruction);
    // The same payment with the next nonce reads what its repetition would read.
    const next = { ...toThief, nonce: 1n };
    const later = recordInstruction(
      1n,
      encodeRecord(Opcode.transfer, next, await signPayment(alice, Opcode.transfer, next)),
    );
    const { reads, state: twice } = await executeInstruction(DOMAIN, once, later);
    const call = [instruction.opcode, instruction.inputs, encodeWitness(once, reads)] as const;
    const [real, weak] = await both("ReplayingLedger");
    expect((await real.read.executeInstruction(call))[0]).toBe(stateRoot(once));
    expect((await weak.read.executeInstruction(call))[0]).toBe(stateRoot(twice));
  });

  it("a witness says what the state does not: only CredulousLedger believes it", async () => {
    const rich = { ...toThief, from: 3, amount: 10n ** 27n };
    const signature = await signPayment(thief, Opcode.exit, rich);
    const { opcode, inputs } = recordInstruction(1n, encodeRecord(Opcode.exit, rich, signature));
    const account = { owner: ownerOf(thief), nonce: 0n, balance: 10n ** 28n };
    const siblings = state.accounts.siblings(3);
    const preState = encodeWitness(state, {
      debited: { account, siblings },
      exitSiblings: state.exits.siblings(0),
    });
    const [real, weak] = await both("CredulousLedger");
    expect(await succeeds(real.read.executeInstruction([opcode, inputs, preState]))).toBe(false);
    const [root, isValid] = await weak.read.executeInstruction([opcode, inputs, preState]);
    expect(isValid).toBe(true);
    expect(root).not.toBe(stateRoot(state));
    expect(stateFields(state).exitCount).toBe(0n);
  });
});
