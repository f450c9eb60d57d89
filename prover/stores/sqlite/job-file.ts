import { isFinal, type JobEvent } from "../../job.ts";
import { InputSealer } from "../input-sealer.ts";
import { Connection } from "./connection.ts";
import { Endings } from "./endings.ts";
import {
  type Committed,
  errorData,
  GroupCommit,
  mayBeLost,
  unavailable,
  type WriteCall,
} from "./group-commit.ts";
import { listJobs } from "./job-list.ts";
import { JobTable, waitingJob } from "./job-table.ts";
import { Jobs } from "./jobs.ts";
import { KeySlots } from "./key-slots.ts";
import { Ledger, type Totals } from "./ledger.ts";
import type { Answer, CallMessage, Reads, ThreadData, WaitingJob, Writes } from "./messages.ts";

/** A log of about this size is written into the file after the next call. */
const LOG_MAX_BYTES = 4 * 1024 * 1024;
/**
 * Writing the log into the file holds up calls, so it takes at most a fifth of the time: where it takes 20 ms,
 * it is done when 80 ms have passed since.
 */
const LOG_PAUSE = 4;
/** But no later. Milliseconds. */
const LOG_PAUSE_MAX_MS = 2_000;
/** Keys of deleted inputs are in the log so long at most, if the disk is well. Milliseconds. */
const SCRUB_PAUSE_MS = 2_000;
/** What a call adds to the log besides an input: some pages of 4 KiB, rough. */
const LOGGED_BYTES = 32 * 1024;

/**
 * A file of jobs, open: what the store's thread does, without the thread. Takes calls by name, many at
 * once, and says what became of each, and what has changed for those who do not read the file.
 */
export class JobFile {
  readonly #db: Connection;
  readonly #table: JobTable;
  readonly #endings: Endings;
  readonly #ledger: Ledger;
  readonly #group: GroupCommit;
  readonly #jobs: Jobs;
  readonly #reads: Reads;
  readonly #leaseMs: number;
  /** Since the log was emptied, rough. */
  #loggedBytes = 0;
  /** `performance.now()` before which the log is not written into the file again, or not emptied. */
  #notBeforeMs = 0;
  #scrubNotBeforeMs = 0;
  /** Steady time of the latest write that failed. */
  #troubledMs = Number.NEGATIVE_INFINITY;

  private constructor(db: Connection, { limits, keys }: ThreadData) {
    this.#db = db;
    this.#leaseMs = limits.leaseMs;
    const ledger = new Ledger(totalsOf(db), KeySlots.free(db));
    const table = new JobTable(db, ledger);
    const slots = new KeySlots(db, ledger);
    const endings = new Endings(limits, { db, table, slots, ledger });
    const sealer = new InputSealer(keys);
    const jobs = new Jobs(limits, { db, ledger, table, slots, endings, sealer });
    this.#ledger = ledger;
    this.#table = table;
    this.#endings = endings;
    this.#jobs = jobs;
    this.#group = new GroupCommit({ db, ledger, work: (call) => this.#write(call) });
    this.#reads = {
      get: (reference) => table.find(reference)?.job,
      list: (filter, limit, cursor) => listJobs(db, filter, limit, cursor),
      eventsAfter: (jobId, sequence) => this.#eventsAfter(jobId, sequence),
    };
    sealer.requireKeys(
      db
        .all("SELECT DISTINCT input_key FROM jobs WHERE input_key IS NOT NULL", [])
        .map((row) => row.input_key as string),
    );
  }

  /**
   * Opens the file or makes it.
   *
   * @throws ProverError STORE_KEY_REFUSED, or Error if the file is in use, another program's or damaged.
   */
  static async open(data: ThreadData): Promise<JobFile> {
    const db = await Connection.open(data.path);
    try {
      const file = new JobFile(db, data);
      file.#ledger.clock = data.clock;
      db.transaction("on disk", () => file.#jobs.adopt());
      // An earlier thread's end is no worker's silence.
      if (data.running === "ours") file.#troubledMs = data.clock.steadyMs;
      else db.transaction("on disk", () => file.#jobs.recover());
      file.#tidyLog("now");
      return file;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The line, first job first. */
  waiting(): WaitingJob[] {
    return this.#table.waiting().map(waitingJob);
  }

  /** Every statement so far, for a look at its plan. */
  get statements(): readonly string[] {
    return this.#db.statements;
  }

  /**
   * Does what was asked: first what only reads, and what may be lost with the machine's power, so that
   * it need not wait for the disk: a core may stand still until a claim is answered. Copies are answered
   * later.
   *
   * @param say  called once for each answer, many at a time.
   */
  handle(calls: readonly CallMessage[], say: (done: Committed) => void): void {
    for (const call of calls.filter(isCopy)) {
      void this.#copy(call).then((answer) => say({ answers: [answer], news: [] }));
    }
    const reads = calls.filter(isRead);
    if (reads.length > 0) say({ answers: reads.map((call) => this.#read(call)), news: [] });
    const writes = calls.filter(isWrite);
    const failed = ({ clock }: WriteCall) => this.#trouble(clock.steadyMs);
    for (const hurried of this.#group.commit(writes.filter(mayBeLost), failed)) say(hurried);
    const kept = writes.filter((call) => !mayBeLost(call));
    const done = this.#group.commit(kept, failed);
    for (const { name, args } of writes) {
      this.#loggedBytes += LOGGED_BYTES;
      if (name !== "submit") continue;
      // Accepted or not, these bytes are the store's, and written or not needed.
      const { bytes } = (args as Parameters<Writes["submit"]>)[0].input;
      this.#loggedBytes += bytes.length;
      bytes.fill(0);
    }
    // A sweep that empties the log has ended when keys of deleted inputs are gone from it.
    const sweeps = new Set(writes.filter(({ name }) => name === "sweep").map(({ id }) => id));
    for (const { answers, news } of done) {
      say({ answers: answers.filter(({ id }) => !sweeps.has(id)), news });
    }
    if (sweeps.size === 0) {
      // In small pieces: calls wait meanwhile. What it cannot do, the next sweep tells.
      if (this.#loggedBytes >= LOG_MAX_BYTES) this.#tryTidyLog("when due");
      return;
    }
    const answers = done.flatMap(({ answers }) => answers.filter(({ id }) => sweeps.has(id)));
    const failure = this.#tryTidyLog("when due");
    say({
      answers: answers.map((answer) => (failure ? { id: answer.id, error: failure } : answer)),
      news: [],
    });
  }

  /** Empties the log and lets go of the file. */
  close(): void {
    this.#tryTidyLog("now");
    this.#db.close();
  }

  #write({ name, args, clock: { steadyMs } }: WriteCall): unknown {
    if (name === "sweep") {
      const sinceMs = steadyMs - this.#troubledMs;
      // Who could not write could not hear its workers either: it waits for what they say now.
      return this.#jobs.sweep(!(sinceMs >= 0 && sinceMs < this.#leaseMs));
    }
    return (this.#jobs[name] as (...args: unknown[]) => unknown)(...args);
  }

  #read({ id, name, args, clock }: CallMessage<keyof Reads>): Answer {
    try {
      this.#ledger.clock = clock;
      return { id, value: (this.#reads[name] as (...args: unknown[]) => unknown)(...args) };
    } catch (error) {
      return { id, error: errorData(unavailable(error)) };
    }
  }

  async #copy({ id, args: [path] }: CallMessage<"writeCopy">): Promise<Answer> {
    try {
      await this.#db.copy(path);
      return { id, value: undefined };
    } catch (error) {
      return { id, error: errorData(unavailable(error)) };
    }
  }

  #eventsAfter(jobId: string, sequence: number): JobEvent[] | undefined {
    const known = this.#table.find({ jobId });
    if (known === undefined) return undefined;
    const events = this.#table.eventsAfter(known, sequence);
    const isOver = events.length === 0 && isFinal(known.job.state);
    return isOver ? [this.#table.snapshot(known.job)] : events;
  }

  #trouble(steadyMs: number): void {
    const isNews = !this.#endings.mustScrub;
    this.#troubledMs = steadyMs;
    // What was begun is in the log, and takes room there.
    this.#endings.mustScrub = true;
    if (isNews) this.#tryTidyLog("now");
  }

  #tryTidyLog(when: "now" | "when due") {
    try {
      this.#tidyLog(when);
      return undefined;
    } catch (error) {
      return errorData(unavailable(error));
    }
  }

  /** Empties the log beside the file, where keys of deleted inputs are, or begins it anew when it is long. */
  #tidyLog(when: "now" | "when due"): void {
    const startMs = performance.now();
    if (when === "when due" && startMs < this.#notBeforeMs) return;
    const isDue = when === "now" || startMs >= this.#scrubNotBeforeMs;
    const scrubs = this.#endings.mustScrub && isDue;
    if (!scrubs && this.#loggedBytes < LOG_MAX_BYTES) return;
    let isDone = false;
    try {
      isDone = scrubs ? this.#db.emptyLog() : this.#db.rewindLog();
    } finally {
      const endMs = performance.now();
      this.#notBeforeMs = endMs + Math.min(LOG_PAUSE * (endMs - startMs), LOG_PAUSE_MAX_MS);
    }
    if (!isDone) return;
    this.#loggedBytes = 0;
    if (!scrubs) return;
    this.#endings.mustScrub = false;
    this.#scrubNotBeforeMs = startMs + SCRUB_PAUSE_MS;
  }
}

const READS: readonly string[] = ["get", "list", "eventsAfter"] satisfies (keyof Reads)[];

function isRead(call: CallMessage): call is CallMessage<keyof Reads> {
  return READS.includes(call.name);
}

function isWrite(call: CallMessage): call is WriteCall {
  return !READS.includes(call.name) && !isCopy(call);
}

function isCopy(call: CallMessage): call is CallMessage<"writeCopy"> {
  return call.name === "writeCopy";
}

/** Counted once, when the file is opened. */
function totalsOf(db: Connection): Totals {
  const waiting = db.one(
    "SELECT count(*) AS count, sum(input_bytes) AS bytes, min(place) AS front, max(place) AS back FROM jobs WHERE state = 'QUEUED'",
    [],
  );
  const ended = db.one("SELECT count(*) AS count FROM jobs WHERE ended_ms IS NOT NULL", []);
  const dead = db.one("SELECT sum(input_bytes) AS bytes FROM jobs WHERE is_dead = 1", []);
  return {
    queuedCount: Number(waiting?.count),
    queuedBytes: Number(waiting?.bytes ?? 0),
    endedCount: Number(ended?.count),
    deadBytes: Number(dead?.bytes ?? 0),
    backPlace: Number(waiting?.back ?? 0),
    frontPlace: Number(waiting?.front ?? 0),
  };
}
