import { Pool, type PoolClient, type QueryResultRow, types } from "pg";
import { ProverError } from "../../errors.ts";
import type { DatabaseAddress } from "./address.ts";
import { prepareSchema } from "./schema.ts";

/** A prepared statement: planned once for each connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Connections of one process, besides the one that listens. */
const CONNECTIONS_MAX = 10;
/** A database that does not answer for so long is away. */
const CONNECT_MS = 5_000;
/** The longest statement deletes some hundred jobs; longer ones hang. */
const STATEMENT_MS = 15_000;
/** The client's own limit, for a server that is gone without a word. */
const ANSWER_MS = 20_000;
/** A stopped process must not keep its locks. */
const IDLE_TRANSACTION_MS = 5_000;
/** Idle connections are checked so often, by the system. */
const KEEPALIVE_MS = 10_000;

const INT8 = 20;

/** What the store's connections have in common. */
export function clientOptions({ client, schema }: DatabaseAddress) {
  // Accepted means on disk, whatever the server's preset.
  const session = {
    search_path: schema,
    synchronous_commit: "on",
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
  };
  return {
    ...client,
    application_name: "proofmill",
    options: Object.entries(session)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    types: {
      // All of the store's numbers are below 2^53.
      getTypeParser: ((oid: number, format?: "text" | "binary") =>
        oid === INT8 ? Number : types.getTypeParser(oid, format as "text")) as never,
    },
  };
}

/** A PostgreSQL database with the store's tables, over a few connections that come back by themselves. */
export class Database {
  readonly #pool: Pool;

  private constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** @throws Error of pg, or of `prepareSchema`. */
  static async open(address: DatabaseAddress): Promise<Database> {
    const pool = new Pool({ ...clientOptions(address), max: CONNECTIONS_MAX });
    // A connection that breaks while nobody uses it is replaced when somebody needs one.
    pool.on("error", () => {});
    try {
      const client = await borrow(pool);
      try {
        await prepareSchema(client, address.schema);
      } finally {
        client.release();
      }
      return new Database(pool);
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  /**
   * One statement, which is a transaction by itself; on return it is on disk.
   *
   * @throws ProverError STORE_UNAVAILABLE: it was done, or it was not. BUG for a faulty statement.
   */
  async query<R extends QueryResultRow>(
    { name, text }: Statement,
    values: readonly unknown[],
  ): Promise<R[]> {
    try {
      return (await this.#pool.query<R>({ name, text, values: [...values] })).rows;
    } catch (cause) {
      throw databaseError(cause);
    }
  }

  /**
   * Several statements as one transaction. Keep it short: what it has locked stays so if this process
   * is stopped in between, for `IDLE_TRANSACTION_MS`.
   *
   * @throws ProverError as `query`
   */
  async transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    try {
      const client = await borrow(this.#pool);
      let broken: Error | undefined;
      try {
        await client.query("BEGIN");
        const result = await work(client);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        client.release(broken);
      }
    } catch (cause) {
      throw databaseError(cause);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** A connection whose end is told by the next statement, and not by an event that nobody hears. */
async function borrow(pool: Pool): Promise<PoolClient> {
  const client = await pool.connect();
  if (client.listenerCount("error") === 0) client.on("error", () => {});
  return client;
}

/**
 * Classes of SQLSTATE that are the server's state and not the statement's fault: connection, rollback
 * for others' sake, resources, in another's hands, stopped by an operator, the system, and read-only.
 */
const PASSING = ["08", "40", "53", "55", "57", "58", "25", "XX", "28", "3D"];

/** An error of pg as callers may see it: its own text may quote what was written. */
export function databaseError(cause: unknown): ProverError {
  if (cause instanceof ProverError) return cause;
  const { code } = cause as { readonly code?: unknown };
  const isSqlState = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
  if (isSqlState && !PASSING.includes(code.slice(0, 2))) return ProverError.from(cause);
  return new ProverError(
    "STORE_UNAVAILABLE",
    "the job store's database does not answer; repeat later with the same request id",
    { cause },
  );
}
