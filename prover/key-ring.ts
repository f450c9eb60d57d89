import { stat } from "node:fs/promises";
import { WorkError } from "../worker/errors.ts";
import type { PinnedFile } from "../worker/task.ts";
import type { LoadOptions, Member, Team, TeamKey } from "../worker/team.ts";
import { ElsewhereError } from "./elsewhere.ts";
import { ProverError } from "./errors.ts";
import { MemoryBudget } from "./memory-budget.ts";

export interface KeyRingOptions {
  /** Keys in memory; one more and the one that was used least recently goes. */
  readonly keysMax: number;
  /** What keys, and proofs with them, may take together. */
  readonly keyMemoryBytes: number;
}

interface Entry {
  readonly loading: Promise<TeamKey>;
  /** Tasks that use the key, or wait for it. */
  userCount: number;
  /** When it was used last, by a clock that only goes forward. */
  usedMs: number;
  /** What the budget holds for it: the key and a place for each member that may work with it. */
  heldBytes: number;
  /** Once it is loaded. */
  key: TeamKey | undefined;
}

export interface UseOptions extends LoadOptions {
  /** Called when there is memory, so that work begins; perhaps more than once. */
  readonly onBegin?: () => void;
}

/** What a key takes, known once it has been loaded. */
interface Need {
  readonly keyBytes: number;
  /** For each member that proves or helps: working memory, a witness and what it is made from. */
  readonly placeBytes: number;
}

/** There is memory for the key and for other members with it, not for this one. */
export class NoPlaceError extends ElsewhereError {
  override readonly name = "NoPlaceError";

  constructor() {
    super("there is no memory for another proof with this key; a thread that has a place takes it");
  }
}

/**
 * A key goes to make room for another proof with a key that is in memory only when nobody has used it
 * for so long: loading it anew takes longer than such a proof.
 */
const SPARE_MS = 60_000;

/** A witness's values are 32 bytes each; they may be there as file, as input and twice as witness. */
export const WITNESS_BYTES = 4 * 32;

/**
 * The keys of this process, each loaded once for all threads, under the hash of its file. Memory is
 * accounted for before it is taken: a key lets in as many members as there is room for, at least one,
 * and a key for which there is no room waits until others are idle and can go.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #team: Team;
  readonly #budget: MemoryBudget;
  /** A Map keeps the order of insertion: the first entry was used least recently. */
  readonly #entries = new Map<string, Entry>();
  readonly #needs = new Map<string, Need>();

  readonly #now: () => number;

  /**
   * @param dependencies  `now` gives milliseconds and never goes back; `budget` is of
   *   `keyMemoryBytes`, and may have other users.
   */
  constructor(
    options: KeyRingOptions,
    {
      team,
      budget = new MemoryBudget(options.keyMemoryBytes),
      now = () => performance.now(),
    }: { readonly team: Team; readonly budget?: MemoryBudget; readonly now?: () => number },
  ) {
    this.#options = options;
    this.#team = team;
    this.#now = now;
    this.#budget = budget;
  }

  /** Whether a member may work with a key now; true for a key that is not loaded. */
  hasPlace(zkey: PinnedFile, member: Member): boolean {
    const entry = this.#entries.get(zkey.sha256);
    if (entry?.key === undefined) return true;
    this.#widen(entry, entry.key, zkey.sha256);
    return entry.key.hasPlaceFor(member.index);
  }

  /**
   * Uses a key, which stays in memory meanwhile.
   *
   * @param member  loads it if nobody has.
   * @throws WorkError as `Team.load`; CANCELLED after `options.kill`; NoPlaceError; ProverError
   *   MEMORY_SHORT if there is memory for none; or what the work throws.
   */
  async use<R>(
    zkey: PinnedFile,
    member: Member,
    options: UseOptions,
    work: (key: TeamKey) => Promise<R>,
  ): Promise<R> {
    for (;;) {
      // Keys that are always in use would never make room for one that waits.
      await unlessKilled(this.#budget.turn(), options.kill);
      const known = this.#entries.get(zkey.sha256);
      const entry = known ?? this.#load(zkey, member, options);
      this.#entries.delete(zkey.sha256);
      this.#entries.set(zkey.sha256, entry);
      entry.userCount++;
      try {
        // A load of its own ends when its thread has, so that the member is free then.
        const loaded = known ? unlessKilled(known.loading, options.kill) : entry.loading;
        const key = await loaded;
        this.#widen(entry, key, zkey.sha256);
        if (!key.hasPlaceFor(member.index)) throw new NoPlaceError();
        options.onBegin?.();
        return await work(key);
      } catch (error) {
        // Whoever loaded it was cancelled, or its thread died: that is not this one's business.
        const isOthers = known !== undefined && !(await hasLoaded(known)) && isOfThread(error);
        if (!isOthers || options.kill?.aborted) throw error;
      } finally {
        entry.userCount--;
        entry.usedMs = this.#now();
        this.#trim();
        this.#budget.recheck();
      }
    }
  }

  #load(zkey: PinnedFile, member: Member, options: UseOptions): Entry {
    const entry: Entry = {
      loading: this.#loadInRoom(zkey, member, options, (changes) => Object.assign(entry, changes)),
      userCount: 0,
      usedMs: this.#now(),
      heldBytes: 0,
      key: undefined,
    };
    entry.loading.catch(() => {
      this.#drop(zkey.sha256, entry);
    });
    return entry;
  }

  async #loadInRoom(
    zkey: PinnedFile,
    member: Member,
    { onBegin, ...options }: UseOptions,
    change: (changes: Partial<Entry>) => void,
  ): Promise<TeamKey> {
    const { path, sha256, shared } = zkey;
    const source = shared === undefined ? { path } : new Uint8Array(shared);
    for (;;) {
      const known = this.#needs.get(sha256);
      // The first time, the file's size stands for the key's.
      const wanted = known ? known.keyBytes + known.placeBytes : await sizeOf(zkey);
      await this.#reserve(wanted, options.kill);
      change({ heldBytes: wanted });
      onBegin?.();
      const key = await this.#team.load(member, source, { ...options, sha256, memberCount: 1 });
      const placeBytes = key.slotBytes + WITNESS_BYTES * key.header.nVars;
      this.#needs.set(sha256, { keyBytes: key.bytes, placeBytes });
      const missing = key.bytes + placeBytes - wanted;
      if (this.#budget.tryTake(missing)) {
        change({ heldBytes: key.bytes + placeBytes, key });
        return key;
      }
      // Not waiting with a key in hand: two that do so would wait for each other.
      this.#team.release(key);
      this.#budget.giveBack(wanted);
      change({ heldBytes: 0 });
    }
  }

  /** @throws ProverError MEMORY_SHORT if there will never be so much. */
  async #reserve(bytes: number, kill: AbortSignal | undefined): Promise<void> {
    const { limitBytes } = this.#budget;
    if (bytes > limitBytes) {
      throw new ProverError(
        "MEMORY_SHORT",
        `a proof with this key takes ${mebibytes(bytes)} MiB, and ${mebibytes(Math.max(limitBytes, 0))} MiB are left for keys and proofs. Give the process more memory (PROVER_MEMORY_MAX_BYTES), or fewer threads`,
      );
    }
    const makeRoom = () => this.#evict(() => this.#budget.freeBytes >= bytes);
    if (!(await this.#budget.take(bytes, makeRoom, kill))) {
      throw new WorkError("CANCELLED", "cancelled before it began");
    }
  }

  /** Lets more members work with a key, as far as there is room or long idle keys make some. */
  #widen(entry: Entry, key: TeamKey, sha256: string): void {
    const { placeBytes } = this.#needs.get(sha256) as Need;
    const threads = this.#team.members.length;
    const idleMs = this.#now() - SPARE_MS;
    while (key.memberCount < threads) {
      this.#evict(
        () => this.#budget.freeBytes >= placeBytes,
        (other) => other !== entry && other.usedMs <= idleMs,
      );
      if (!this.#budget.tryTake(placeBytes)) return;
      entry.heldBytes += placeBytes;
      key.admit(key.memberCount + 1);
    }
  }

  #trim(): void {
    this.#evict(() => this.#entries.size <= this.#options.keysMax);
  }

  /** Lets idle keys go, the one used least recently first, until it is enough. */
  #evict(isEnough: () => boolean, mayGo: (entry: Entry) => boolean = () => true): void {
    for (const [sha256, entry] of this.#entries) {
      if (isEnough()) return;
      if (entry.userCount > 0 || entry.key === undefined || !mayGo(entry)) continue;
      this.#team.release(entry.key);
      this.#drop(sha256, entry);
    }
  }

  #drop(sha256: string, entry: Entry): void {
    if (this.#entries.get(sha256) === entry) this.#entries.delete(sha256);
    this.#budget.giveBack(entry.heldBytes);
    entry.heldBytes = 0;
  }
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

async function sizeOf({ path, shared }: PinnedFile): Promise<number> {
  if (shared !== undefined) return shared.byteLength;
  // What is wrong with the file is said by who reads it.
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

const isOfThread = (error: unknown): boolean =>
  error instanceof WorkError && (error.code === "CANCELLED" || error.code === "ENGINE_UNAVAILABLE");

const hasLoaded = ({ loading }: Entry): Promise<boolean> =>
  loading.then(
    () => true,
    () => false,
  );

/** @throws WorkError CANCELLED as soon as the signal says so. */
function unlessKilled<R>(waiting: Promise<R>, kill: AbortSignal | undefined): Promise<R> {
  if (kill === undefined) return waiting;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new WorkError("CANCELLED", "cancelled before it began"));
    const done = () => kill.removeEventListener("abort", stop);
    kill.addEventListener("abort", stop);
    if (kill.aborted) stop();
    waiting.then(resolve, reject).finally(done);
  });
}
