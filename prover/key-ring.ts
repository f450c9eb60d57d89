import { WorkError } from "../worker/errors.ts";
import type { PinnedFile } from "../worker/task.ts";
import type { LoadOptions, Member, Team, TeamKey } from "../worker/team.ts";

export interface KeyRingOptions {
  /** Keys in memory; one more and the one that was used least recently goes. */
  readonly keysMax: number;
}

interface Entry {
  readonly loading: Promise<TeamKey>;
  /** Tasks that use the key, or wait for it. */
  userCount: number;
}

/** The keys of this process, each loaded once for all threads, under the hash of its file. */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #team: Team;
  /** A Map keeps the order of insertion: the first entry was used least recently. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: KeyRingOptions, { team }: { readonly team: Team }) {
    this.#options = options;
    this.#team = team;
  }

  /**
   * Uses a key, which stays in memory meanwhile.
   *
   * @param member  loads it if nobody has.
   * @throws WorkError as `Team.load`; CANCELLED after `options.kill`; or what the work throws.
   */
  async use<R>(
    zkey: PinnedFile,
    member: Member,
    options: LoadOptions,
    work: (key: TeamKey) => Promise<R>,
  ): Promise<R> {
    for (;;) {
      const known = this.#entries.get(zkey.sha256);
      const entry = known ?? this.#load(zkey, member, options);
      this.#entries.delete(zkey.sha256);
      this.#entries.set(zkey.sha256, entry);
      entry.userCount++;
      try {
        // A load of its own ends when its thread has, so that the member is free then.
        const loaded = known ? unlessKilled(known.loading, options.kill) : entry.loading;
        return await work(await loaded);
      } catch (error) {
        // Whoever loaded it was cancelled, or its thread died: that is not this one's business.
        const isOthers = known !== undefined && !(await hasLoaded(known)) && isOfThread(error);
        if (!isOthers || options.kill?.aborted) throw error;
      } finally {
        entry.userCount--;
        this.#trim();
      }
    }
  }

  #load(zkey: PinnedFile, member: Member, options: LoadOptions): Entry {
    const { path, sha256, shared } = zkey;
    const source = shared === undefined ? { path } : new Uint8Array(shared);
    const loading = this.#team.load(member, source, { ...options, sha256 });
    const entry: Entry = { loading, userCount: 0 };
    loading.catch(() => {
      if (this.#entries.get(sha256) === entry) this.#entries.delete(sha256);
    });
    return entry;
  }

  #trim(): void {
    for (const [sha256, { loading, userCount }] of this.#entries) {
      if (this.#entries.size <= this.#options.keysMax) return;
      if (userCount > 0) continue;
      this.#entries.delete(sha256);
      loading.then((key) => this.#team.release(key)).catch(() => {});
    }
  }
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
