/**
 * Threads that prove, and share the keys that they prove with. Each can lead a proof of its own
 * (most proofs a second), and one that has none can help another's (soonest proof). Who does what is
 * up to whoever has the waiting line: it gives proofs to members that lead none, and says whether the
 * others may help. A proof calls a member back that helps, which comes when it has finished its piece.
 *
 * A member that dies takes nothing with it: keys are in memory that others have, too; a proof that it
 * led fails with ENGINE_UNAVAILABLE and can be given to another member, and one that it helped with
 * goes on without it. Its part of the memory is used again when its thread is gone and everybody who
 * helped it has left.
 */
import type { MessagePort } from "node:worker_threads";
import { proofArenaOf, wipeSlot } from "./engines/wasm/arena.ts";
import type { SharedKey } from "./engines/wasm/key.ts";
import type { KeyHeader, KeySource, LoadedKey } from "./engines/wasm/key-load.ts";
import { crewOf, stopPieces } from "./engines/wasm/pieces.ts";
import { WorkError } from "./errors.ts";
import { moduleUrl } from "./module-url.ts";
import {
  type AdoptTask,
  type AssistResult,
  type AssistTask,
  type ConnectTask,
  createTaskControl,
  isCancelRequested,
  type LoadTask,
  type ProveResult,
  type ProveTask,
  type ReleaseTask,
  type ResultOf,
  requestCancel,
  type Task,
  type ThreadData,
  transferListOf,
  type WarmTask,
} from "./task.ts";
import { TaskThread } from "./task-thread.ts";

const THREAD = moduleUrl(new URL("./thread.ts", import.meta.url));

export interface LoadOptions {
  /** The only content that the file may have, as in PinnedFile. */
  readonly sha256?: string;
  readonly allowDevKeys: boolean;
  /** From `createTaskControl`. */
  readonly control: SharedArrayBuffer;
  /** Ends the thread that loads. */
  readonly kill?: AbortSignal;
  /** Members that may work with the key at first; absent: all. */
  readonly memberCount?: number;
}

/** A key that the members share. */
export class TeamKey {
  readonly id: number;
  readonly header: KeyHeader;
  /** Of the file, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** Undefined once it is released. */
  #copies: readonly LoadedKey[] | undefined;
  readonly #threadsEach: number;
  #memberCount: number;

  /** What all copies take in memory, without slots. */
  readonly bytes: number;
  /** What one slot takes at most: the working memory of a member that has led or helped a proof. */
  readonly slotBytes: number;

  /**
   * @param copies       as in LoadResult, not empty.
   * @param memberCount  that have a slot.
   */
  constructor(
    id: number,
    copies: readonly LoadedKey[],
    threadsEach: number,
    memberCount = Number.POSITIVE_INFINITY,
  ) {
    const { header, sha256, shared } = copies[0] as LoadedKey;
    this.bytes = shared.end * copies.length;
    this.slotBytes = shared.slotBytes;
    this.#memberCount = memberCount;
    this.id = id;
    this.header = header;
    this.sha256 = sha256;
    this.#copies = copies;
    this.#threadsEach = threadsEach;
  }

  /**
   * The copy that a member works with, and the member's slot in it.
   *
   * @throws TypeError once the key is released.
   */
  placeOf(member: number): { readonly key: LoadedKey; readonly slot: number } {
    const key = this.#copies?.[Math.floor(member / this.#threadsEach)];
    if (key === undefined) throw new TypeError("the key has been released");
    return { key, slot: member % this.#threadsEach };
  }

  /** How many members may work with the key, at least 1: those of the lowest indices. */
  get memberCount(): number {
    return this.#memberCount;
  }

  /**
   * More members may work with the key from now on.
   *
   * @throws RangeError if they are fewer: what they have touched stays in memory.
   */
  admit(memberCount: number): void {
    if (memberCount < this.#memberCount) throw new RangeError("members are never sent away");
    this.#memberCount = memberCount;
  }

  hasPlaceFor(member: number): boolean {
    return member < this.#memberCount;
  }

  /** Called by `Team.release`. */
  forget(): void {
    this.#copies = undefined;
  }
}

/** A thread that hosts an engine (`hosting/host-thread.ts`), for members to be connected to. */
export interface Host {
  /** No other host's of this process. */
  readonly id: number;
  readonly name: string;
  connect(): MessagePort;
}

/** A proof that a member leads. */
interface Lead {
  readonly leader: Member;
  readonly key: TeamKey;
  readonly helpers: Set<Help>;
  /** Whether a helper has come back because nothing was left to take. */
  isExhausted: boolean;
}

/** What the members of a team know of each other. */
interface Common {
  readonly members: Member[];
  readonly leads: Set<Lead>;
  mayAssist: boolean;
}

/** A member's help with a proof. */
interface Help {
  /** Makes the helper leave. */
  readonly dismiss: () => void;
  /** When it has left, or its thread is gone. Never rejects. */
  readonly left: Promise<void>;
}

export class Team {
  readonly #common: Common = { members: [], leads: new Set(), mayAssist: false };
  #keyCount = 0;

  /** Starts the threads. */
  constructor(threads: number, data: ThreadData) {
    for (let index = 0; index < threads; index++) {
      this.#common.members[index] = new Member(index, this.#common, new TaskThread(THREAD, data));
    }
  }

  get members(): readonly Member[] {
    return this.#common.members;
  }

  /**
   * Loads a key, in one member's thread.
   *
   * @throws WorkError as `loadSharedKey`; KEY_REFUSED for a development key unless it is allowed;
   *   ENGINE_UNAVAILABLE if the thread died.
   */
  async load(member: Member, source: KeySource, options: LoadOptions): Promise<TeamKey> {
    const { kill, memberCount: _, ...rest } = options;
    const threads = this.members.length;
    const task: LoadTask = { kind: "load", source, threads, ...rest };
    const result = await member.run(task, undefined, kill);
    if (result.kind === "failed") throw new WorkError(result.code, result.message, result.detail);
    const { copies, threadsEach } = result;
    return new TeamKey(++this.#keyCount, copies, threadsEach, options.memberCount ?? threads);
  }

  /** Lets a key go. No proof with it may be running or come. */
  release(key: TeamKey): void {
    key.forget();
    for (const member of this.members) member.forget(key.id);
  }

  /**
   * Whether members that have nothing to do help with the proofs that there are, and with those that
   * begin; at first they do not.
   */
  assist(mayAssist: boolean): void {
    this.#common.mayAssist = mayAssist;
    rally(this.#common);
  }

  /** Ends the threads. What runs fails with ENGINE_UNAVAILABLE. */
  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.close()));
  }
}

/** Everybody who has nothing to do helps, if that is allowed. */
function rally({ members }: Common): void {
  for (const member of members) member.assist();
}

/** What a member's thread was told. */
interface Known {
  readonly startCount: number;
  readonly keys: Set<number>;
  /** Id of the host that it is connected to. */
  host: number | undefined;
}

export class Member {
  /** Among the members of its team, from 0 on. */
  readonly index: number;
  readonly #common: Common;
  readonly #thread: TaskThread;
  /** Keys that the thread of this count knows. */
  #known: Known = { startCount: 0, keys: new Set(), host: undefined };
  #isBusy = false;
  #isClosed = false;
  #help: Help | undefined;
  #helpedPieces = 0;

  constructor(index: number, common: Common, thread: TaskThread) {
    this.index = index;
    this.#common = common;
    this.#thread = thread;
  }

  /** Whether it has a task; helping is none. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  get isHelping(): boolean {
    return this.#help !== undefined;
  }

  /** Pieces that it has done of others' proofs. */
  get helpedPieces(): number {
    return this.#helpedPieces;
  }

  /** How often its thread has died or was ended. */
  get restartCount(): number {
    return this.#thread.restartCount;
  }

  /**
   * Proves; others may help if a key is given. The task's input bytes are transferred.
   *
   * @param key   takes the place of the task's.
   * @param kill  ends the thread, and with it the proof.
   * @throws WorkError CANCELLED after `kill`; ENGINE_UNAVAILABLE if the thread died
   */
  prove(task: ProveTask, key?: TeamKey, kill?: AbortSignal): Promise<ProveResult> {
    if (key === undefined) return this.run(task, undefined, kill);
    const lead: Lead = { leader: this, key, helpers: new Set(), isExhausted: false };
    return this.#occupied(async () => {
      this.#common.leads.add(lead);
      rally(this.#common);
      try {
        const threads = this.#threadsFor(key);
        const whole = { ...task, keyId: key.id, threads };
        return await this.#ask(whole, key, kill, () => this.#fall(lead));
      } finally {
        this.#common.leads.delete(lead);
        for (const { dismiss } of lead.helpers) dismiss();
      }
    });
  }

  /**
   * A task for the engine of a host, which has the key. The thread is connected to it first.
   *
   * @throws WorkError as `prove`. A host that fails is a failed result: ENGINE_UNAVAILABLE with
   *   `detail.gpu`.
   */
  runLinked<T extends ProveTask | WarmTask>(
    task: T,
    host: Host,
    kill?: AbortSignal,
  ): Promise<ResultOf<T>> {
    const linked = { ...task, isLinked: true };
    return this.#occupied(() => this.#ask(linked, undefined, kill, undefined, host));
  }

  /** A task that nobody helps with, and that names no key or this one. */
  run<T extends Task>(task: T, key?: TeamKey, kill?: AbortSignal): Promise<ResultOf<T>> {
    return this.#occupied(() => this.#ask(task, key, kill));
  }

  /** Helps with the proof that has the fewest helpers, if it may and has nothing to do. */
  assist(): void {
    const mayAssist = this.#common.mayAssist && !this.#isClosed;
    if (!mayAssist || this.#isBusy || this.#help !== undefined) return;
    const lead = this.#leastHelped();
    if (lead === undefined) return;
    const control = createTaskControl();
    const { key, slot: leader } = lead.key.placeOf(lead.leader.index);
    const dismiss = () => {
      requestCancel(control);
      crewOf(key.shared, proofArenaOf(key.shared, leader)).wake();
    };
    const task: AssistTask = { kind: "assist", keyId: lead.key.id, leader, control };
    const { slot } = lead.key.placeOf(this.index);
    const left = this.#assist(task, lead, key.shared, slot).finally(() => {
      lead.helpers.delete(help);
      this.#help = undefined;
      // There may be another proof, begun while this one's helper was on its way back.
      this.assist();
    });
    const help: Help = { dismiss, left };
    lead.helpers.add(help);
    this.#help = help;
  }

  /** The thread lets a key go. */
  forget(keyId: number): void {
    this.#known.keys.delete(keyId);
    this.#thread.tell({ kind: "release", keyId } satisfies ReleaseTask);
  }

  /** Ends the thread, as a crash would; the next task gets a new one. */
  end(): Promise<void> {
    return this.#thread.end();
  }

  /** Ends the thread for good. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#thread.close();
  }

  async #occupied<R>(work: () => Promise<R>): Promise<R> {
    if (this.#isBusy) throw new TypeError("the thread has a task already");
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      this.assist();
    }
  }

  /** @param fall  called when the thread has died over the task. */
  async #ask<T extends Task>(
    task: T,
    key: TeamKey | undefined,
    kill?: AbortSignal,
    fall = async () => {},
    host?: Host,
  ): Promise<ResultOf<T>> {
    this.#help?.dismiss();
    await this.#help?.left;
    await this.#thread.ready();
    if (key !== undefined) this.#introduce(key);
    if (host !== undefined) this.#connect(host);
    const { restartCount } = this.#thread;
    const transferList = transferListOf(task);
    try {
      return await this.#thread.run<ResultOf<T>>(task, { transferList, ...(kill && { kill }) });
    } catch (error) {
      if (this.#thread.restartCount !== restartCount) await fall();
      throw error;
    }
  }

  /** The thread died leading a proof: sends its helpers away, then wipes what it has left. */
  async #fall({ key, helpers }: Lead): Promise<void> {
    const place = key.placeOf(this.index);
    const { shared } = place.key;
    stopPieces(shared, proofArenaOf(shared, place.slot));
    for (const { dismiss } of helpers) dismiss();
    await Promise.all([...helpers].map(({ left }) => left));
    wipeSlot(shared, place.slot);
  }

  /** How many threads a proof that begins now may have, if those that lead none help all alike. */
  #threadsFor(key: TeamKey): number {
    const { members, leads } = this.#common;
    const mine = key.placeOf(this.index).key;
    const near = members.filter(
      ({ index }) => key.hasPlaceFor(index) && key.placeOf(index).key === mine,
    );
    return Math.ceil(near.length / leads.size);
  }

  /** Tells the thread where a key is, if it does not know. */
  #introduce(key: TeamKey): void {
    const { keys } = this.#knownNow();
    if (keys.has(key.id)) return;
    keys.add(key.id);
    const place = key.placeOf(this.index);
    this.#thread.tell({ kind: "adopt", keyId: key.id, ...place } satisfies AdoptTask);
  }

  #connect(host: Host): void {
    const known = this.#knownNow();
    if (known.host === host.id) return;
    known.host = host.id;
    const port = host.connect();
    const task = { kind: "connect", port, engineName: host.name } satisfies ConnectTask;
    this.#thread.tell(task, [port]);
  }

  /** A new thread knows nothing. */
  #knownNow(): Known {
    const { startCount } = this.#thread;
    if (this.#known.startCount !== startCount) {
      this.#known = { startCount, keys: new Set(), host: undefined };
    }
    return this.#known;
  }

  #leastHelped(): Lead | undefined {
    let least: Lead | undefined;
    for (const lead of this.#common.leads) {
      const { key, leader, helpers, isExhausted } = lead;
      // Memories differ if one has no room for all.
      const isNear =
        key.hasPlaceFor(this.index) &&
        key.placeOf(this.index).key === key.placeOf(leader.index).key;
      if (isExhausted || !isNear) continue;
      if (least === undefined || helpers.size < least.helpers.size) least = lead;
    }
    return least;
  }

  async #assist(task: AssistTask, lead: Lead, shared: SharedKey, slot: number): Promise<void> {
    let deaths = this.#thread.restartCount;
    try {
      await this.#thread.ready();
      deaths = this.#thread.restartCount;
      this.#introduce(lead.key);
      const result = await this.#thread.run<AssistResult>(task);
      if (result.kind === "assisted") this.#helpedPieces += result.pieces;
      if (!isCancelRequested(task.control)) lead.isExhausted = true;
    } catch {
      // The proof goes on without it.
      lead.isExhausted = true;
      if (this.#thread.restartCount === deaths) return;
      crewOf(shared, proofArenaOf(shared, task.leader)).bury(slot);
      wipeSlot(shared, slot);
    }
  }
}
