// What one side of a channel must never forget. Every change is on disk before anybody hears of it.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Hex, isHex } from "viem";
import { OperatorError } from "../errors.ts";
import type { AgreementKind, ChannelPlace, ChannelState } from "./agreement.ts";
import { corrupt, readDurable, writeDurably } from "./durable-file.ts";
import { FolderLock } from "./folder-lock.ts";
import {
  type SignedState,
  signedFromJson,
  signedToJson,
  stateFromJson,
  stateToJson,
} from "./signed-state.ts";

export interface Payment {
  /** The payer's name for it: 1 to 64 visible ASCII characters. */
  readonly id: string;
  readonly amountWei: bigint;
}

/** Signed here, and not yet by the other side. */
export interface Offer {
  readonly kind: AgreementKind;
  readonly state: ChannelState;
  readonly signature: Hex;
  readonly payments: readonly Payment[];
}

export interface PartyRecord {
  /** The last thing this key signed, offers and answers alike: nothing else may carry its nonce or a lower one. */
  readonly signed: { readonly nonce: bigint; readonly digest: Hex } | null;
  /** The last state with both signatures: what to settle with. */
  readonly agreed: SignedState | null;
  readonly offered: Offer | null;
  /** What came with the last state that the partner offered; told again after a crash. */
  readonly received: readonly Payment[];
  /** Both signatures under a close. After it nothing is signed any more. */
  readonly close: SignedState | null;
  /** A close was signed here, whether or not the partner ever answers. */
  readonly isClosing: boolean;
  /** How often the right to offer changed hands; Alice has it at even numbers. */
  readonly turn: number;
}

const EMPTY: PartyRecord = {
  signed: null,
  agreed: null,
  offered: null,
  received: [],
  close: null,
  isClosing: false,
  turn: 0,
};

export class PartyStore {
  readonly #path: string;
  readonly #place: ChannelPlace;
  readonly #lock: FolderLock;
  #record: PartyRecord;
  #failure: unknown;

  private constructor(path: string, place: ChannelPlace, lock: FolderLock, record: PartyRecord) {
    this.#path = path;
    this.#place = place;
    this.#lock = lock;
    this.#record = record;
  }

  /**
   * For a new channel.
   *
   * @throws OperatorError CHANNEL_STORE_EXISTS, CHANNEL_STORE_LOCKED
   */
  static async create(folder: string, place: ChannelPlace): Promise<PartyStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = await FolderLock.take(folder);
    try {
      const path = join(folder, "party.json");
      if ((await readDurable(path)) !== undefined) {
        throw new OperatorError("CHANNEL_STORE_EXISTS", `${path}: states are there. Open it.`, {
          path,
        });
      }
      const store = new PartyStore(path, place, lock, EMPTY);
      await store.update({});
      return store;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * For a channel that was created before.
   *
   * @throws OperatorError CHANNEL_STORE_MISSING, CHANNEL_STORE_CORRUPT, CHANNEL_STORE_LOCKED
   */
  static async open(folder: string, place: ChannelPlace): Promise<PartyStore> {
    const path = join(folder, "party.json");
    const missing = (): OperatorError =>
      new OperatorError(
        "CHANNEL_STORE_MISSING",
        `${path}: no states. If there were some, do not create it anew: a nonce could be signed twice.`,
        { path },
      );
    let lock: FolderLock;
    try {
      lock = await FolderLock.take(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_SQLITE_ERROR") throw missing();
      throw error;
    }
    try {
      const content = await readDurable(path);
      if (content === undefined) throw missing();
      return new PartyStore(path, place, lock, recordFromJson(content, place, path));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  get record(): PartyRecord {
    return this.#record;
  }

  /**
   * Takes effect when it is on disk. One call at a time. Once the disk has failed nothing is written any more: what it
   * holds is not known then, and reading it again when the process starts anew is.
   */
  async update(change: Partial<PartyRecord>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const next = { ...this.#record, ...change };
    try {
      await writeDurably(this.#path, recordToJson(next, this.#place));
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    this.#record = next;
  }

  /** Nothing is written after it. */
  close(): void {
    this.#failure ??= new Error("the store is closed");
    this.#lock.release();
  }
}

function recordToJson(record: PartyRecord, place: ChannelPlace): object {
  const { signed, agreed, offered, received, close, isClosing, turn } = record;
  return {
    place: { chainId: place.chainId, channel: place.channel },
    signed: signed && { nonce: String(signed.nonce), digest: signed.digest },
    agreed: agreed && signedToJson(agreed),
    offered: offered && {
      ...offered,
      state: stateToJson(offered.state),
      payments: offered.payments.map(paymentToJson),
    },
    received: received.map(paymentToJson),
    close: close && signedToJson(close),
    isClosing,
    turn,
  };
}

/** What fits its checksum was written by us: this only looks for another channel's file and other versions. */
function recordFromJson(content: unknown, place: ChannelPlace, path: string): PartyRecord {
  try {
    // biome-ignore lint/suspicious/noExplicitAny: every field is checked or parsed below
    const json = content as any;
    const of = `${json.place.chainId}/${json.place.channel}`;
    if (of !== `${place.chainId}/${place.channel}`) throw new Error(`states of channel ${of}`);
    if (typeof json.turn !== "number" || typeof json.isClosing !== "boolean") throw new Error("?");
    const offered = json.offered;
    if (json.signed && !isHex(json.signed.digest)) throw new Error("no digest");
    return {
      signed: json.signed && { nonce: BigInt(json.signed.nonce), digest: json.signed.digest },
      agreed: json.agreed && signedFromJson(json.agreed),
      offered: offered && {
        kind: offered.kind,
        state: stateFromJson(offered.state),
        signature: offered.signature,
        payments: offered.payments.map(paymentFromJson),
      },
      received: json.received.map(paymentFromJson),
      close: json.close && signedFromJson(json.close),
      isClosing: json.isClosing,
      turn: json.turn,
    };
  } catch (error) {
    throw corrupt(path, (error as Error).message);
  }
}

const paymentToJson = ({ id, amountWei }: Payment): object => ({
  id,
  amountWei: String(amountWei),
});
const paymentFromJson = (json: { id: string; amountWei: string }): Payment => ({
  id: json.id,
  amountWei: BigInt(json.amountWei),
});
