// One side of a channel: pays, is paid, and never signs two things with one nonce.
//
// Only the side whose turn it is offers a state; the other one answers it or asks for the turn. At most one offer is on
// its way; what is to be paid meanwhile waits, and the next offer pays all of it, so that two signatures and three
// waits for the disk carry up to a thousand payments. Order on disk, on which safety rests:
//   payer  signs, writes the offer, sends it            a crash later repeats the very same offer
//   payee  checks, signs, writes both signatures, tells its owner, answers
//   payer  checks, writes both signatures, tells its owner
// A payer whose offer is not answered must take it for made: the partner holds its signature.

import type { Address, Hex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { OperatorError } from "../errors.ts";
import {
  AgreementHasher,
  type AgreementKind,
  type ChannelPlace,
  type ChannelState,
} from "./agreement.ts";
import { isPaymentId, type Message, PAYMENTS_MAX } from "./message.ts";
import type { Offer, PartyRecord, PartyStore, Payment } from "./party-store.ts";
import {
  hexOf,
  isFullySigned,
  isSignedBy,
  type SignedState,
  type Signers,
  signDigest,
} from "./signed-state.ts";
import {
  BEGINNING,
  type ChannelView,
  checkOffer,
  namedDeposits,
  partOf,
  type Role,
  refused,
  requireOpen,
  successor,
} from "./succession.ts";

export interface PartyOptions {
  readonly place: ChannelPlace;
  readonly role: Role;
  /** Key of this side; the channel's address names its address. */
  readonly signerKey: Hex;
  readonly partnerSigner: Address;
}

export interface PartyDependencies {
  readonly store: PartyStore;
  /** Deposits that cannot be undone any more, as far as this side goes, and whether the channel is open: `ChainView`. */
  readonly view: () => Promise<ChannelView>;
  readonly send: (message: Message) => void;
  /**
   * Payments that are on disk here, by id of the payer. After a crash the last ones come again: keep a list of ids.
   */
  readonly onReceived?: (payments: readonly Payment[], state: SignedState) => void;
  /** Every new state with both signatures: for a watchtower. */
  readonly onAgreed?: (state: SignedState) => void;
}

interface Waiting {
  readonly payment: Payment;
  readonly resolve: (state: SignedState) => void;
  readonly reject: (error: Error) => void;
}

export class Party {
  readonly #options: PartyOptions;
  readonly #store: PartyStore;
  readonly #dependencies: PartyDependencies;
  readonly #hasher: AgreementHasher;
  readonly #signers: Signers;
  /** Everything that reads and changes the record runs here, one after the other. */
  #line: Promise<unknown> = Promise.resolve();
  #waiting: Waiting[] = [];
  /** Whose payments are in the offer that is on its way. */
  #inOffer: Waiting[] = [];
  #closeWaiting: { resolve: (close: SignedState) => void; reject: (error: Error) => void }[] = [];
  #isGreeted = false;
  #partnerWants = false;
  #hasAsked = false;

  constructor(options: PartyOptions, dependencies: PartyDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#store = dependencies.store;
    this.#hasher = new AgreementHasher(options.place);
    const own = privateKeyToAddress(options.signerKey);
    const [aliceSigner, bobSigner] =
      options.role === "alice" ? [own, options.partnerSigner] : [options.partnerSigner, own];
    this.#signers = { aliceSigner, bobSigner };
  }

  get record(): PartyRecord {
    return this.#store.record;
  }

  /** What is this side's in the last agreed state. */
  get balanceWei(): bigint {
    return partOf(this.#options.role, this.#base());
  }

  /** A connection is there. Safe to repeat. */
  connected(): void {
    this.#isGreeted = false;
    this.#hasAsked = false;
    const { turn, agreed } = this.record;
    this.#dependencies.send({ type: "hello", turn, agreed });
  }

  /** Payments that the last run of this process may not have told anybody of. */
  lastReceived(): readonly Payment[] {
    return this.record.received;
  }

  /**
   * Pays. Resolves with a state that both signed and that is on disk here.
   *
   * @throws OperatorError CHANNEL_BALANCE, CHANNEL_CLOSING, RangeError for an amount below 1 wei or an id of no use.
   */
  async pay(payment: Payment): Promise<SignedState> {
    if (payment.amountWei <= 0n) throw new RangeError("amountWei: expected 1 or more");
    if (!isPaymentId(payment.id))
      throw new RangeError("id: expected 1 to 64 visible ASCII characters");
    if (this.record.isClosing) throw closing();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ payment, resolve, reject });
      this.#push();
    });
  }

  /** Agrees with the partner to end the channel with the split as it is. Nothing is signed after it. */
  async close(): Promise<SignedState> {
    if (this.record.close) return this.record.close;
    return new Promise((resolve, reject) => {
      this.#closeWaiting.push({ resolve, reject });
      this.#push();
    });
  }

  /**
   * Takes a message of the partner.
   *
   * @throws OperatorError CHANNEL_REFUSED, CHANNEL_SIGNATURE, CHANNEL_NONCE_SIGNED  if the partner does not keep to what
   *   was agreed on. Nothing was signed, and the record is as before: settle with what is agreed.
   */
  receive(message: Message): Promise<void> {
    return this.#inLine(async () => {
      switch (message.type) {
        case "hello":
          return this.#onHello(message.turn, message.agreed);
        case "offer":
          return this.#onOffer(message);
        case "accept":
          return this.#onAccept(message.nonce, message.signature, message.wants);
        case "later":
          return; // `resend` says it again
        case "want":
          this.#partnerWants = true;
          return this.#advance();
        case "turn":
          this.#hasAsked = false;
          await this.#takeTurn(message.turn);
          return this.#advance();
      }
    });
  }

  /** Says once more what the partner may have missed; for a timer. */
  resend(): Promise<void> {
    return this.#inLine(async () => {
      this.#hasAsked = false;
      if (this.#isGreeted && this.record.offered) this.#sendOffer(this.record.offered);
      else await this.#advance();
    });
  }

  /** All that was begun is done; for shutting down. */
  settled(): Promise<void> {
    return this.#inLine(async () => {});
  }

  #inLine<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#line.then(step);
    this.#line = result.catch(() => {});
    return result;
  }

  #push(): void {
    void this.#inLine(() => this.#advance());
  }

  /** What cannot go on is told to those who wait for it: the chain settles, a node is away, the disk failed. */
  async #advance(): Promise<void> {
    try {
      await this.#next();
    } catch (error) {
      for (const { reject } of [...this.#waiting.splice(0), ...this.#closeWaiting.splice(0)]) {
        reject(error as Error);
      }
    }
  }

  get #hasTurn(): boolean {
    return (this.record.turn % 2 === 0) === (this.#options.role === "alice");
  }

  async #takeTurn(turn: number): Promise<void> {
    // Not worth a wait for the disk: only who has the turn gives it away, and a side that forgot learns it in a hello.
    if (turn > this.record.turn) await this.#store.update({ turn });
  }

  /** The next thing to do where nothing is on its way. */
  async #next(): Promise<void> {
    const { offered, isClosing } = this.record;
    if (!this.#isGreeted || offered || isClosing) return;
    const hasWork = this.#waiting.length > 0 || this.#closeWaiting.length > 0;
    if (!this.#hasTurn) {
      if (hasWork && !this.#hasAsked) {
        this.#hasAsked = true;
        this.#dependencies.send({ type: "want" });
      }
      return;
    }
    if (this.#partnerWants) return this.#giveTurn();
    if (this.#waiting.length > 0) return this.#offerPayments();
    if (this.#closeWaiting.length > 0) return this.#offer("close", await this.#nextState(0n), []);
  }

  async #giveTurn(): Promise<void> {
    this.#partnerWants = false;
    const turn = this.record.turn + 1;
    await this.#store.update({ turn });
    this.#dependencies.send({ type: "turn", turn });
    await this.#advance();
  }

  async #offerPayments(): Promise<void> {
    const state = await this.#nextState(0n);
    let left = partOf(this.#options.role, state);
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const { amountWei } = waiting.payment;
      if (batch.length === PAYMENTS_MAX) rest.push(waiting);
      else if (amountWei > left) waiting.reject(tooMuch(amountWei, left));
      else {
        left -= amountWei;
        batch.push(waiting);
      }
    }
    this.#waiting = rest;
    if (batch.length === 0) return this.#advance();
    const paid = partOf(this.#options.role, state) - left;
    try {
      const payments = batch.map(({ payment }) => payment);
      this.#inOffer = batch;
      await this.#offer("state", await this.#nextState(paid), payments);
    } catch (error) {
      this.#inOffer = [];
      this.#waiting.unshift(...batch);
      throw error;
    }
  }

  async #offer(
    kind: AgreementKind,
    state: ChannelState,
    payments: readonly Payment[],
  ): Promise<void> {
    const { digest, signature } = await this.#sign(kind, state);
    const offered: Offer = { kind, state, signature, payments };
    await this.#store.update({
      signed: { nonce: state.nonce, digest },
      offered,
      isClosing: kind === "close",
    });
    this.#sendOffer(offered);
  }

  #sendOffer({ kind, state, signature, payments }: Offer): void {
    this.#dependencies.send({ type: "offer", kind, state, signature, payments });
  }

  /** The one place where the key is used. The caller writes the digest down before the signature leaves. */
  async #sign(kind: AgreementKind, state: ChannelState): Promise<{ digest: Hex; signature: Hex }> {
    const bytes = this.#hasher.digest(kind, state);
    const digest = hexOf(bytes);
    const { signed, isClosing } = this.record;
    const isSame = signed?.digest === digest;
    if (!isSame && (isClosing || (signed !== null && state.nonce <= signed.nonce))) {
      throw new OperatorError(
        "CHANNEL_NONCE_SIGNED",
        `nonce ${state.nonce}: this key ${isClosing ? "signed a close" : `signed nonce ${signed?.nonce}`} before.`,
        { got: String(state.nonce), expected: `above ${signed?.nonce}` },
      );
    }
    return { digest, signature: await signDigest(bytes, this.#options.signerKey) };
  }

  /** The state after which the next one comes. */
  #base(): ChannelState {
    return this.record.agreed?.state ?? BEGINNING;
  }

  /** The agreed state with all confirmed deposits named, and `paidWei` moved from this side to the other. */
  async #nextState(paidWei: bigint): Promise<ChannelState> {
    const view = await this.#dependencies.view();
    requireOpen(view);
    const named = namedDeposits(this.#base(), view);
    return successor(this.#base(), named, this.#options.role, paidWei);
  }

  async #onHello(turn: number, agreed: SignedState | null): Promise<void> {
    this.#isGreeted = true;
    this.#hasAsked = false;
    await this.#takeTurn(turn);
    if (agreed !== null && agreed.state.nonce > this.#base().nonce) await this.#adopt(agreed);
    if (this.record.offered) this.#sendOffer(this.record.offered);
    else await this.#advance();
  }

  /**
   * A later state that bears our own signature: its answer got lost, or this side lost states. It stands, whatever we
   * remember.
   */
  async #adopt(agreed: SignedState): Promise<void> {
    if (!(await isFullySigned(this.#hasher, "state", agreed, this.#signers))) {
      throw new OperatorError(
        "CHANNEL_SIGNATURE",
        `nonce ${agreed.state.nonce}: not signed by both.`,
      );
    }
    const { offered, signed } = this.record;
    const digest = hexOf(this.#hasher.digest("state", agreed.state));
    const isLater = signed === null || agreed.state.nonce > signed.nonce;
    const isOurs = signed?.digest === digest && offered?.kind === "state";
    await this.#store.update({
      agreed,
      ...(isLater && { signed: { nonce: agreed.state.nonce, digest } }),
      // An offer below it is overtaken, and must never be sent again.
      ...((isLater || isOurs) && { offered: null }),
    });
    this.#dependencies.onAgreed?.(agreed);
    if (isOurs) this.#settleOffer(agreed);
  }

  async #onOffer(offer: Offer): Promise<void> {
    const { kind, state, signature, payments } = offer;
    const { agreed, close, signed, offered, isClosing } = this.record;
    const digest = hexOf(this.#hasher.digest(kind, state));
    const known = kind === "close" ? close : agreed;
    if (known && hexOf(this.#hasher.digest(kind, known.state)) === digest) {
      // Our answer got lost. Said again from the disk, not signed again.
      return this.#accept(known);
    }
    if (isClosing) throw closing();
    // What is in flight from here stands until it is answered; the partner, who has not the turn, will see it.
    if (offered && state.nonce === offered.state.nonce && signed?.digest !== digest) {
      throw refused("both sides offered a state with one nonce", state.nonce);
    }
    if (this.#hasTurn || offered) throw refused("it is not the partner's turn", state.nonce);
    checkOffer(this.#base(), this.#options.role === "alice" ? "bob" : "alice", offer);
    if (!(await this.#isConfirmed(state))) {
      return this.#dependencies.send({ type: "later", nonce: state.nonce });
    }
    const partner = this.#options.partnerSigner;
    if (!(await isSignedBy(partner, this.#hasher.digest(kind, state), signature))) {
      throw new OperatorError("CHANNEL_SIGNATURE", `nonce ${state.nonce}: not the partner's key.`);
    }
    const own = await this.#sign(kind, state);
    const both = this.#both(state, own.signature, signature);
    const mark = { signed: { nonce: state.nonce, digest: own.digest } };
    if (kind === "close") {
      await this.#store.update({ ...mark, close: both, isClosing: true });
      this.#endOffers(both);
    } else {
      await this.#store.update({ ...mark, agreed: both, received: payments });
      if (payments.length > 0) this.#dependencies.onReceived?.(payments, both);
      this.#dependencies.onAgreed?.(both);
    }
    this.#accept(both);
    await this.#advance();
  }

  async #isConfirmed({ aliceDeposited, bobDeposited }: ChannelState): Promise<boolean> {
    const view = await this.#dependencies.view();
    requireOpen(view);
    return aliceDeposited <= view.aliceWei && bobDeposited <= view.bobWei;
  }

  #accept({ state, aliceSignature, bobSignature }: SignedState): void {
    this.#dependencies.send({
      type: "accept",
      nonce: state.nonce,
      signature: this.#options.role === "alice" ? aliceSignature : bobSignature,
      wants: this.#waiting.length > 0 || this.#closeWaiting.length > 0,
    });
  }

  async #onAccept(nonce: bigint, signature: Hex, wants: boolean): Promise<void> {
    const { offered } = this.record;
    // The answer to an offer that was repeated comes twice.
    if (offered?.state.nonce !== nonce) return;
    const digest = this.#hasher.digest(offered.kind, offered.state);
    if (!(await isSignedBy(this.#options.partnerSigner, digest, signature))) {
      throw new OperatorError(
        "CHANNEL_SIGNATURE",
        `answer to nonce ${nonce}: not the partner's key.`,
      );
    }
    const both = this.#both(offered.state, offered.signature, signature);
    this.#partnerWants ||= wants;
    if (offered.kind === "close") {
      await this.#store.update({ offered: null, close: both });
      this.#endOffers(both);
      return;
    }
    await this.#store.update({ offered: null, agreed: both });
    this.#dependencies.onAgreed?.(both);
    this.#settleOffer(both);
    await this.#advance();
  }

  #both(state: ChannelState, own: Hex, partner: Hex): SignedState {
    return this.#options.role === "alice"
      ? { state, aliceSignature: own, bobSignature: partner }
      : { state, aliceSignature: partner, bobSignature: own };
  }

  #settleOffer(both: SignedState): void {
    for (const { resolve } of this.#inOffer.splice(0)) resolve(both);
  }

  #endOffers(close: SignedState): void {
    for (const { reject } of this.#waiting.splice(0)) reject(closing());
    for (const { resolve } of this.#closeWaiting.splice(0)) resolve(close);
  }
}

const closing = (): OperatorError =>
  new OperatorError("CHANNEL_CLOSING", "a close was signed: nothing is signed after it.");

const tooMuch = (got: bigint, left: bigint): OperatorError =>
  new OperatorError("CHANNEL_BALANCE", `got ${got} wei, expected at most ${left} wei.`, {
    got: String(got),
    expected: `at most ${left}`,
  });
