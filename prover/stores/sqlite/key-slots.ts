import { WRAPPED_KEY_BYTES } from "../input-sealer.ts";
import type { Connection } from "./connection.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Where keys of inputs are: who deletes a key deletes what it sealed, wherever copies of that are. So there
 * must be no copy of a key. SQLite moves rows from page to page when some are deleted or inserted
 * between others, and what it leaves behind is not always overwritten; rows here are neither.
 * They are appended, and overwritten with as many bytes.
 */
export class KeySlots {
  readonly #db: Connection;
  readonly #ledger: Ledger;

  constructor(db: Connection, ledger: Ledger) {
    this.#db = db;
    this.#ledger = ledger;
  }

  /** Slots that hold no key, and are no job's whose key was damaged. For the start: it looks at all. */
  static free(db: Connection): number[] {
    const sql =
      "SELECT slot FROM input_keys WHERE key = zeroblob(?) AND slot NOT IN (SELECT input_slot FROM jobs WHERE input_slot IS NOT NULL) ORDER BY slot DESC";
    return db.all(sql, [WRAPPED_KEY_BYTES]).map(({ slot }) => slot as number);
  }

  /** @param key  `WRAPPED_KEY_BYTES`. @returns its slot. */
  fill(key: Uint8Array): number {
    const free = this.#ledger.takeSlot();
    if (free === undefined) {
      return this.#db.run("INSERT INTO input_keys (key) VALUES (?)", [key]).lastNumber;
    }
    this.#db.run("UPDATE input_keys SET key = ? WHERE slot = ?", [key, free]);
    return free;
  }

  read(slot: number): Uint8Array | undefined {
    const sql = "SELECT key FROM input_keys WHERE slot = ?";
    return this.#db.one(sql, [slot])?.key as Uint8Array | undefined;
  }

  wipe(slot: number): void {
    const sql = "UPDATE input_keys SET key = zeroblob(?) WHERE slot = ? AND key <> zeroblob(?)";
    const { changes } = this.#db.run(sql, [WRAPPED_KEY_BYTES, slot, WRAPPED_KEY_BYTES]);
    // A damaged file may lack the row, or name it twice: the next key must not be lost in there.
    if (changes > 0) this.#ledger.freeSlot(slot);
  }
}
