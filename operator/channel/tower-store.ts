// The latest state of each channel that a watchtower answers for: a file each.

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Address, getAddress, isAddress } from "viem";
import { OperatorError } from "../errors.ts";
import type { Log } from "../log.ts";
import { corrupt, readDurable, writeDurably } from "./durable-file.ts";
import { FolderLock } from "./folder-lock.ts";
import { type SignedState, signedFromJson, signedToJson } from "./signed-state.ts";

export interface TowerStoreOptions {
  readonly folder: string;
  readonly chainId: number;
  /** A file and some 1 kB of memory each. */
  readonly maxChannels: number;
}

export class TowerStore {
  readonly #options: TowerStoreOptions;
  readonly #lock: FolderLock;
  readonly #states = new Map<Address, SignedState>();
  readonly #writing = new Map<Address, Promise<unknown>>();
  readonly #damaged = new Set<Address>();

  private constructor(options: TowerStoreOptions, lock: FolderLock) {
    this.#options = options;
    this.#lock = lock;
  }

  /**
   * Reads what is there. A damaged file is reported and left as it is, and the other channels are answered for: unlike a
   * party, a tower signs nothing, so the worst is a state that its client has to bring again.
   *
   * @throws OperatorError CHANNEL_STORE_LOCKED
   */
  static async open(options: TowerStoreOptions, log: Log): Promise<TowerStore> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const store = new TowerStore(options, await FolderLock.take(options.folder));
    for (const name of await readdir(options.folder)) {
      const address = name.replace(/\.json$/, "");
      if (!name.endsWith(".json") || !isAddress(address, { strict: false })) continue;
      const channel = getAddress(address);
      try {
        store.#states.set(channel, await store.#read(channel));
      } catch (error) {
        store.#damaged.add(channel);
        log.error(
          { channel, failure: (error as Error).message },
          "a channel's state cannot be read",
        );
      }
    }
    return store;
  }

  get channels(): readonly Address[] {
    return [...this.#states.keys()];
  }
  /** Channels whose file cannot be read: nobody answers for them until their state is brought again. */
  get damaged(): readonly Address[] {
    return [...this.#damaged];
  }

  state(channel: Address): SignedState | undefined {
    return this.#states.get(channel);
  }

  /**
   * Keeps a state if it is later than the one that is there; returns when it is on disk.
   *
   * @param state signed by both; the caller has checked it.
   * @throws OperatorError TOWER_FULL
   */
  async keep(channel: Address, state: SignedState): Promise<void> {
    const before = this.#writing.get(channel) ?? Promise.resolve();
    const writing = before.catch(() => {}).then(() => this.#write(channel, state));
    this.#writing.set(channel, writing);
    try {
      await writing;
    } finally {
      if (this.#writing.get(channel) === writing) this.#writing.delete(channel);
    }
  }

  async #write(channel: Address, state: SignedState): Promise<void> {
    const known = this.#states.get(channel);
    if (known && known.state.nonce >= state.state.nonce) return;
    if (!known && this.#states.size >= this.#options.maxChannels) {
      throw new OperatorError("TOWER_FULL", `${this.#options.maxChannels} channels are watched.`);
    }
    const { chainId } = this.#options;
    await writeDurably(this.#path(channel), { chainId, channel, signed: signedToJson(state) });
    this.#states.set(channel, state);
    this.#damaged.delete(channel);
  }

  async #read(channel: Address): Promise<SignedState> {
    const path = this.#path(channel);
    const content = (await readDurable(path)) as {
      chainId: number;
      channel: string;
      signed: unknown;
    };
    if (content.chainId !== this.#options.chainId || content.channel !== channel) {
      throw corrupt(path, `a state of channel ${content.chainId}/${content.channel}`);
    }
    return signedFromJson(content.signed);
  }

  #path(channel: Address): string {
    return join(this.#options.folder, `${channel}.json`);
  }

  close(): void {
    this.#lock.release();
  }
}
