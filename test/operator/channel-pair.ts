// Two sides of a channel in one process, with a wire that can lose messages and disks that can fail.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { AgreementHasher, type ChannelPlace } from "../../operator/channel/agreement.ts";
import { type Message, messageFromJson, messageToJson } from "../../operator/channel/message.ts";
import { Party } from "../../operator/channel/party.ts";
import { PartyStore, type Payment } from "../../operator/channel/party-store.ts";
import { hexOf, type SignedState } from "../../operator/channel/signed-state.ts";
import type { ChannelView, Role } from "../../operator/channel/succession.ts";

export const PLACE: ChannelPlace = {
  chainId: 31_337,
  channel: "0x00000000000000000000000000000000000c4a11",
};
export const KEYS: Record<Role, Hex> = {
  alice: `0x${"a1".repeat(32)}`,
  bob: `0x${"b0".repeat(32)}`,
};
export const ADDRESSES = {
  alice: privateKeyToAddress(KEYS.alice),
  bob: privateKeyToAddress(KEYS.bob),
};
const other = (role: Role): Role => (role === "alice" ? "bob" : "alice");

export class Pair {
  readonly folder: string;
  views: Record<Role, ChannelView> = {
    alice: { aliceWei: 1_000_000n, bobWei: 500_000n, isOpen: true },
    bob: { aliceWei: 1_000_000n, bobWei: 500_000n, isOpen: true },
  };
  readonly place: ChannelPlace;
  readonly parties = {} as Record<Role, Party>;
  readonly stores = {} as Record<Role, PartyStore>;
  readonly received: Record<Role, Payment[]> = { alice: [], bob: [] };
  readonly agreed: Record<Role, SignedState[]> = { alice: [], bob: [] };
  readonly failures: Error[] = [];
  /** Everything that was on the wire. */
  readonly wire: { from: Role; message: Message }[] = [];
  /** Decides about each message; false loses it. */
  passes: (from: Role, message: Message, count: number) => boolean = () => true;
  /** What each key signed, by nonce: more than one digest is the end of all safety. */
  readonly signatures = new Map<string, Set<Hex>>();
  readonly #hasher: AgreementHasher;
  #generation = 0;
  #inFlight = 0;

  private constructor(folder: string, place: ChannelPlace) {
    this.folder = folder;
    this.place = place;
    this.#hasher = new AgreementHasher(place);
  }

  static async make(place: ChannelPlace = PLACE): Promise<Pair> {
    const pair = new Pair(await mkdtemp(join(tmpdir(), "channel-")), place);
    for (const role of ["alice", "bob"] as const) {
      pair.#start(role, await PartyStore.create(join(pair.folder, role), place));
    }
    pair.connect();
    return pair;
  }

  /** The process of one side ends as with kill -9, and starts again from its disk. */
  async restart(role: Role): Promise<void> {
    this.#generation++;
    const dead = this.parties[role];
    this.stores[role].close();
    await dead.settled();
    this.#start(role, await PartyStore.open(join(this.folder, role), this.place));
  }

  connect(): void {
    this.#generation++;
    for (const role of ["alice", "bob"] as const) this.parties[role].connected();
  }

  #start(role: Role, store: PartyStore): void {
    this.stores[role] = store;
    const { place } = this;
    this.parties[role] = new Party(
      { place, role, signerKey: KEYS[role], partnerSigner: ADDRESSES[other(role)] },
      {
        store,
        view: async () => this.views[role],
        send: (message) => this.#deliver(role, message),
        onReceived: (payments) => this.received[role].push(...payments),
        onAgreed: (state) => this.agreed[role].push(state),
      },
    );
  }

  #deliver(from: Role, message: Message): void {
    this.#note(from, message);
    this.wire.push({ from, message });
    if (!this.passes(from, message, this.wire.length - 1)) return;
    const generation = this.#generation;
    // As over a real wire: as text, and not at once.
    const text = JSON.stringify(messageToJson(message));
    this.#inFlight++;
    setImmediate(() => {
      this.#inFlight--;
      if (generation !== this.#generation) return;
      this.parties[other(from)].receive(messageFromJson(JSON.parse(text))).catch((error: Error) => {
        // What a dead process still complains about is no failure.
        if (generation === this.#generation) this.failures.push(error);
      });
    });
  }

  #note(from: Role, message: Message): void {
    if (message.type !== "offer") return;
    const key = `${from} ${message.state.nonce}`;
    const digest = hexOf(this.#hasher.digest(message.kind, message.state));
    this.signatures.set(key, (this.signatures.get(key) ?? new Set()).add(digest));
  }

  /** Nothing is on its way any more, and nobody has anything left to do. */
  async quiet(): Promise<void> {
    for (let calm = 0; calm < 3; calm++) {
      const before = this.wire.length;
      await new Promise((resolve) => setImmediate(resolve));
      for (const party of Object.values(this.parties)) await party.settled();
      if (this.#inFlight > 0 || this.wire.length !== before) calm = -1;
    }
  }

  async remove(): Promise<void> {
    this.#generation++;
    for (const store of Object.values(this.stores)) store.close();
    for (const party of Object.values(this.parties)) await party.settled();
    await rm(this.folder, { recursive: true, force: true });
  }
}

let count = 0;
/** A payment with a name of its own. */
export const payment = (amountWei: bigint, id = `p${count++}`): Payment => ({ id, amountWei });
