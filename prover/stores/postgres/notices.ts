import { Client } from "pg";
import type { DatabaseAddress } from "./address.ts";
import { clientOptions } from "./database.ts";

/** What one process tells the others. */
export interface Notice {
  /** There may be something to claim. */
  readonly hasWork: boolean;
  /** Numbers of jobs that have changed or are gone. */
  readonly changed: readonly number[];
  /** Numbers of running jobs that somebody wants stopped. */
  readonly stopped: readonly number[];
}

/** PostgreSQL's limit is 8000 bytes. */
const PAYLOAD_BYTES_MAX = 7_900;
const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** A connection without news is tried so often: a server that is gone says nothing. */
const PROBE_MS = 10_000;

/**
 * News from and for the other processes on the same tables, by LISTEN and NOTIFY. A hint only: what is
 * lost while the connection is down, is found by those who look from time to time.
 *
 * Notices are not part of the transactions that they tell of. Those would wait for each other: NOTIFY
 * takes a lock on the whole database until its commit is on disk. Here one connection sends what has
 * gathered meanwhile, and waits for no disk.
 */
export class Notices {
  readonly #address: DatabaseAddress;
  readonly #channel: string;
  readonly #receive: (notice: Notice) => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #isClosed = false;
  #isSending = false;
  #hasWork = false;
  #changed = new Set<number>();
  #stopped = new Set<number>();

  /** @param receive  also told after a reconnect, since news may have been missed: then of work. */
  constructor(address: DatabaseAddress, receive: (notice: Notice) => void) {
    this.#address = address;
    this.#channel = `${address.schema}_jobs`;
    this.#receive = receive;
  }

  /** Never rejects: a listener that cannot connect goes on trying. */
  async start(): Promise<void> {
    await this.#connect();
  }

  send({ hasWork, changed, stopped }: Partial<Notice>): void {
    this.#hasWork ||= hasWork ?? false;
    for (const number of changed ?? []) this.#changed.add(number);
    for (const number of stopped ?? []) this.#stopped.add(number);
    if (!this.#isSending) void this.#flush();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#client?.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    if (this.#isClosed) return;
    const client = new Client(clientOptions(this.#address));
    const lost = () => this.#lose(client);
    client.on("error", lost);
    client.on("end", lost);
    client.on("notification", ({ payload }) => this.#receive(decode(payload ?? "")));
    this.#client = client;
    try {
      await client.connect();
      // Nothing is written here that must last.
      await client.query("SET synchronous_commit = off");
      await client.query(`LISTEN ${this.#channel}`);
      this.#failures = 0;
      this.#probeLater(client);
      this.#receive({ hasWork: true, changed: [], stopped: [] });
      void this.#flush();
    } catch {
      lost();
    }
  }

  #lose(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => {});
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    const pauseMs = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#connect(), pauseMs * (0.5 + Math.random()));
    this.#timer.unref();
  }

  #probeLater(client: Client): void {
    this.#timer = setTimeout(() => {
      client.query("SELECT 1").then(
        () => {
          if (this.#client === client && !this.#isClosed) this.#probeLater(client);
        },
        () => this.#lose(client),
      );
    }, PROBE_MS);
    this.#timer.unref();
  }

  /** Sends what has gathered, until there is nothing more. What cannot be sent is dropped. */
  async #flush(): Promise<void> {
    this.#isSending = true;
    try {
      while (this.#hasWork || this.#changed.size > 0 || this.#stopped.size > 0) {
        const payloads = encode(this.#hasWork, this.#changed, this.#stopped);
        this.#hasWork = false;
        this.#changed = new Set();
        this.#stopped = new Set();
        for (const payload of payloads) {
          await this.#client?.query("SELECT pg_notify($1, $2)", [this.#channel, payload]);
        }
      }
    } catch {
      // The connection is lost, which its own events tell.
    } finally {
      this.#isSending = false;
    }
  }
}

/** Words: `w` for work, `c` and a number for a change, `s` and a number for a wish to stop. */
function encode(hasWork: boolean, changed: Iterable<number>, stopped: Iterable<number>): string[] {
  const words = [
    ...(hasWork ? ["w"] : []),
    ...[...stopped].map((number) => `s${number}`),
    ...[...changed].map((number) => `c${number}`),
  ];
  const payloads: string[] = [];
  let payload = "";
  for (const word of words) {
    if (payload.length + 1 + word.length > PAYLOAD_BYTES_MAX) {
      payloads.push(payload);
      payload = "";
    }
    payload += payload === "" ? word : ` ${word}`;
  }
  return payload === "" ? payloads : [...payloads, payload];
}

function decode(payload: string): Notice {
  const words = payload.split(" ");
  const numbers = (kind: string) =>
    words.filter((word) => word.startsWith(kind)).map((word) => Number(word.slice(1)));
  return { hasWork: words.includes("w"), changed: numbers("c"), stopped: numbers("s") };
}
