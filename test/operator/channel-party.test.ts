import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgreementHasher, type ChannelState } from "../../operator/channel/agreement.ts";
import type { Message } from "../../operator/channel/message.ts";
import { isFullySigned, signDigest } from "../../operator/channel/signed-state.ts";
import { ADDRESSES, KEYS, Pair, PLACE, payment } from "./channel-pair.ts";

let pair: Pair;

beforeEach(async () => {
  pair = await Pair.make();
});

afterEach(() => pair.remove());

const hasher = new AgreementHasher(PLACE);
const signers = { aliceSigner: ADDRESSES.alice, bobSigner: ADDRESSES.bob };

type OfferMessage = Extract<Message, { type: "offer" }>;

/** What Alice would offer first, or a change of it, signed by her key or by another one. */
async function offerOfAlice(
  change: Partial<ChannelState> = {},
  rest: Partial<OfferMessage> = {},
  key = KEYS.alice,
): Promise<OfferMessage> {
  const state: ChannelState = {
    aliceDeposited: 1_000_000n,
    bobDeposited: 500_000n,
    aliceBalance: 999_990n,
    bobBalance: 500_010n,
    nonce: 1n,
    ...change,
  };
  const kind = rest.kind ?? "state";
  const signature = await signDigest(hasher.digest(kind, state), key);
  return { type: "offer", kind, state, signature, payments: [payment(10n)], ...rest };
}

describe("operator / channel, paying", () => {
  it("gives the payer a state that both signed, and the payee the payments", async () => {
    const { alice, bob } = pair.parties;
    const first = payment(10n);
    const state = await alice.pay(first);
    expect(state.state).toEqual({
      aliceDeposited: 1_000_000n,
      bobDeposited: 500_000n,
      aliceBalance: 999_990n,
      bobBalance: 500_010n,
      nonce: 1n,
    });
    expect(await isFullySigned(hasher, "state", state, signers)).toBe(true);
    expect(pair.received.bob).toEqual([first]);
    expect([alice.balanceWei, bob.balanceWei]).toEqual([999_990n, 500_010n]);
    expect(bob.record.agreed).toEqual(alice.record.agreed);
    expect(bob.lastReceived()).toEqual([first]);
  });

  it("goes both ways at once; the turn is asked for and given", async () => {
    const { alice, bob } = pair.parties;
    await Promise.all([
      ...Array.from({ length: 30 }, () => alice.pay(payment(7n))),
      ...Array.from({ length: 40 }, () => bob.pay(payment(3n))),
    ]);
    expect(alice.balanceWei).toBe(1_000_000n - 210n + 120n);
    expect(bob.balanceWei).toBe(500_000n + 210n - 120n);
    expect(pair.received.bob).toHaveLength(30);
    expect(pair.received.alice).toHaveLength(40);
    expect(alice.record.agreed).toEqual(bob.record.agreed);
    expect(pair.failures).toEqual([]);
    for (const digests of pair.signatures.values()) expect(digests.size).toBe(1);
  });

  it("puts all that waits into one state, up to a thousand payments", async () => {
    const { alice } = pair.parties;
    const all = await Promise.all(Array.from({ length: 2_500 }, () => alice.pay(payment(1n))));
    const nonces = new Set(all.map(({ state }) => state.nonce));
    expect(nonces.size).toBeLessThanOrEqual(4);
    expect(alice.balanceWei).toBe(1_000_000n - 2_500n);
    expect(pair.received.bob).toHaveLength(2_500);
  });

  it("spends a whole balance and not a wei more; the others that wait are paid", async () => {
    const { alice, bob } = pair.parties;
    const outcomes = await Promise.allSettled([
      bob.pay(payment(400_000n)),
      bob.pay(payment(100_001n)),
      bob.pay(payment(100_000n)),
      bob.pay(payment(1n)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
    ]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "CHANNEL_BALANCE" } });
    expect([alice.balanceWei, bob.balanceWei]).toEqual([1_500_000n, 0n]);
  });

  it("refuses amounts and names that mean nothing", async () => {
    const { alice } = pair.parties;
    await expect(alice.pay(payment(0n))).rejects.toThrow(RangeError);
    await expect(alice.pay(payment(-1n))).rejects.toThrow(RangeError);
    await expect(alice.pay(payment(1n, ""))).rejects.toThrow(RangeError);
    await expect(alice.pay(payment(1n, "x".repeat(65)))).rejects.toThrow(RangeError);
    await expect(alice.pay(payment(1n, "two words"))).rejects.toThrow(RangeError);
  });

  it("names new deposits in the next state, for their depositor", async () => {
    const { alice, bob } = pair.parties;
    await alice.pay(payment(10n));
    const more = { aliceWei: 1_000_000n, bobWei: 900_000n, isOpen: true };
    pair.views = { alice: more, bob: more };
    const { state } = await alice.pay(payment(5n));
    expect(state).toMatchObject({ bobDeposited: 900_000n, aliceBalance: 999_985n });
    expect(bob.balanceWei).toBe(900_015n);
  });

  it("waits with a state that names deposits which are not confirmed on the other side yet", async () => {
    const { alice } = pair.parties;
    const more = { aliceWei: 2_000_000n, bobWei: 500_000n, isOpen: true };
    pair.views.alice = more;
    const paying = alice.pay(payment(5n));
    await pair.quiet();
    expect(pair.wire.at(-1)?.message).toEqual({ type: "later", nonce: 1n });
    expect(pair.parties.bob.record.signed).toBeNull();
    pair.views.bob = more;
    await alice.resend();
    expect((await paying).state.aliceDeposited).toBe(2_000_000n);
  });
});

describe("operator / channel, offers that Bob refuses", () => {
  const cases: [string, string, () => Promise<OfferMessage>][] = [
    [
      "pays less than it says",
      "CHANNEL_REFUSED",
      () => offerOfAlice({ aliceBalance: 999_991n, bobBalance: 500_009n }),
    ],
    ["creates money", "CHANNEL_REFUSED", () => offerOfAlice({ bobBalance: 500_011n })],
    ["skips a nonce", "CHANNEL_REFUSED", () => offerOfAlice({ nonce: 2n })],
    ["has nonce 0", "CHANNEL_REFUSED", () => offerOfAlice({ nonce: 0n })],
    [
      "pays nothing by name",
      "CHANNEL_REFUSED",
      () => offerOfAlice({}, { payments: [payment(10n), payment(0n)] }),
    ],
    [
      "keeps Bob's deposit for Alice",
      "CHANNEL_REFUSED",
      () => offerOfAlice({ bobDeposited: 400_000n, aliceBalance: 899_990n }),
    ],
    ["is a close that pays", "CHANNEL_REFUSED", () => offerOfAlice({}, { kind: "close" })],
    ["is signed by somebody else", "CHANNEL_SIGNATURE", () => offerOfAlice({}, {}, KEYS.bob)],
    [
      "is signed as a close",
      "CHANNEL_SIGNATURE",
      async () => ({
        ...(await offerOfAlice()),
        signature: (await offerOfAlice({}, { kind: "close" })).signature,
      }),
    ],
  ];

  it.each(cases)("one that %s: %s", async (_what, code, make) => {
    await pair.quiet();
    const before = pair.wire.length;
    await expect(pair.parties.bob.receive(await make())).rejects.toMatchObject({ code });
    expect(pair.parties.bob.record).toMatchObject({ signed: null, agreed: null });
    expect(pair.wire).toHaveLength(before);
    await pair.parties.bob.receive(await offerOfAlice());
    expect(pair.parties.bob.balanceWei).toBe(500_010n);
  });

  it("forgets deposits that a state has named", async () => {
    await pair.parties.alice.pay(payment(10n));
    const state = {
      aliceDeposited: 999_999n,
      aliceBalance: 999_979n,
      bobBalance: 500_020n,
      nonce: 2n,
    };
    const offer = await offerOfAlice(state);
    await expect(pair.parties.bob.receive(offer)).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
  });

  it("comes while it is Bob's turn", async () => {
    await pair.parties.bob.pay(payment(1n));
    const offer = await offerOfAlice({ aliceBalance: 999_991n, bobBalance: 500_009n, nonce: 2n });
    await expect(pair.parties.bob.receive(offer)).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
  });

  it("shares a nonce with what Bob has offered himself: he signs one of them only", async () => {
    pair.passes = (_from, { type }) => type !== "offer";
    // Alice gives the turn away, then offers all the same.
    pair.parties.bob.pay(payment(1n)).catch(() => {});
    await pair.quiet();
    expect(pair.parties.bob.record.offered?.state.nonce).toBe(1n);
    await expect(pair.parties.bob.receive(await offerOfAlice())).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("one nonce"),
    });
    expect(pair.parties.bob.record.agreed).toBeNull();
  });

  it("changes after it was accepted: the first one stands", async () => {
    await pair.parties.bob.receive(await offerOfAlice());
    const second = await offerOfAlice(
      { aliceBalance: 999_989n, bobBalance: 500_011n },
      { payments: [payment(11n)] },
    );
    await expect(pair.parties.bob.receive(second)).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
    expect(pair.parties.bob.balanceWei).toBe(500_010n);
  });

  it("gets no signature under an answer that is not the partner's", async () => {
    pair.passes = (_from, { type }) => type !== "accept";
    const paying = pair.parties.alice.pay(payment(10n));
    await pair.quiet();
    const signature = await signDigest(
      hasher.digest("state", (await offerOfAlice()).state),
      KEYS.alice,
    );
    const forged = { type: "accept", nonce: 1n, signature, wants: false } as const;
    await expect(pair.parties.alice.receive(forged)).rejects.toMatchObject({
      code: "CHANNEL_SIGNATURE",
    });
    // To something that was never offered: nothing.
    await pair.parties.alice.receive({ ...forged, nonce: 9n });
    expect(pair.parties.alice.record.agreed).toBeNull();
    pair.passes = () => true;
    pair.connect();
    await paying;
  });

  it("a hello cannot bring in a state that Bob did not sign", async () => {
    const { state, signature } = await offerOfAlice();
    const agreed = { state, aliceSignature: signature, bobSignature: signature };
    const hello = { type: "hello", turn: 0, agreed } as const;
    await expect(pair.parties.bob.receive(hello)).rejects.toMatchObject({
      code: "CHANNEL_SIGNATURE",
    });
    expect(pair.parties.bob.record.agreed).toBeNull();
  });
});

describe("operator / channel, once the chain settles it", () => {
  const settling = { aliceWei: 1_000_000n, bobWei: 500_000n, isOpen: false };

  it("a payee takes nothing any more: it could be too late to count", async () => {
    await pair.parties.alice.pay(payment(10n));
    pair.views.bob = settling;
    const state = { aliceBalance: 999_980n, bobBalance: 500_020n, nonce: 2n };
    const offer = await offerOfAlice(state);
    await expect(pair.parties.bob.receive(offer)).rejects.toMatchObject({
      code: "CHANNEL_CLOSING",
    });
    expect(pair.received.bob).toHaveLength(1);
    expect(pair.parties.bob.record.signed?.nonce).toBe(1n);
  });

  it("a payer offers nothing any more, and its payments are refused", async () => {
    pair.views.alice = settling;
    await expect(pair.parties.alice.pay(payment(10n))).rejects.toMatchObject({
      code: "CHANNEL_CLOSING",
    });
    expect(pair.parties.alice.record.signed).toBeNull();
  });
});

describe("operator / channel, closing", () => {
  it("gives both a close that both signed; nothing is signed after it", async () => {
    const { alice, bob } = pair.parties;
    await alice.pay(payment(10n));
    const close = await bob.close();
    expect(await isFullySigned(hasher, "close", close, signers)).toBe(true);
    expect(close.state).toMatchObject({ nonce: 2n, aliceBalance: 999_990n, bobBalance: 500_010n });
    await pair.quiet();
    expect(alice.record.close).toEqual(close);
    expect(await alice.close()).toEqual(close);
    for (const party of [alice, bob]) {
      await expect(party.pay(payment(1n))).rejects.toMatchObject({ code: "CHANNEL_CLOSING" });
    }
    const later = await offerOfAlice({ nonce: 2n, aliceBalance: 999_980n, bobBalance: 500_020n });
    await expect(bob.receive(later)).rejects.toMatchObject({ code: "CHANNEL_CLOSING" });
  });

  it("binds who offered it, even if the partner never answers", async () => {
    pair.passes = (_from, { type }) => type !== "offer";
    const { alice } = pair.parties;
    alice.close().catch(() => {});
    await pair.quiet();
    await expect(alice.pay(payment(1n))).rejects.toMatchObject({ code: "CHANNEL_CLOSING" });
    await pair.restart("alice");
    await expect(pair.parties.alice.pay(payment(1n))).rejects.toMatchObject({
      code: "CHANNEL_CLOSING",
    });
    pair.passes = () => true;
    pair.connect();
    await pair.quiet();
    expect(pair.parties.alice.record.close).toEqual(pair.parties.bob.record.close);
    expect(pair.parties.alice.record.close).not.toBeNull();
  });

  it("tells payments that wait that they will not be made", async () => {
    const { alice, bob } = pair.parties;
    await bob.pay(payment(1n));
    pair.passes = (from, { type }) => !(from === "alice" && type === "want");
    const refused = expect(alice.pay(payment(5n))).rejects.toMatchObject({
      code: "CHANNEL_CLOSING",
    });
    await pair.quiet();
    await bob.close();
    await refused;
    expect(alice.balanceWei).toBe(1_000_001n);
  });
});
