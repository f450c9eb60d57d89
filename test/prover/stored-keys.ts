// What a job store in SQLite has on disk, seen from beside it.
import { copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { InputSealer, type SealingKey } from "../../prover/stores/input-sealer.ts";

/** The key of one job's input. */
export interface StoredKey {
  readonly requestId: string;
  readonly jobId: string;
  readonly slot: number;
  /** 32 bytes. */
  readonly plain: Buffer;
  /** As it is stored; without a key from outside it begins with the plain one. */
  readonly wrapped: Buffer;
}

/** All rows of keys: of jobs, and how many there are with the free ones. */
export interface StoredKeys {
  readonly keys: ReadonlyMap<string, StoredKey>;
  readonly rowCount: number;
}

/** A file and its log as they are now, copied as a crash would leave them. */
export async function copyStore(path: string, target: string): Promise<void> {
  await copyFile(path, target);
  await copyFile(`${path}-wal`, `${target}-wal`).catch(() => {});
}

/** Keys by request id, from a copy. @param sealingKeys  those that wrapped them */
export async function storedKeys(
  path: string,
  sealingKeys: readonly SealingKey[] = [],
): Promise<StoredKeys> {
  const folder = await mkdtemp(join(tmpdir(), "keys-"));
  const sealer = new InputSealer(sealingKeys);
  try {
    const copy = join(folder, "copy.sqlite");
    await copyStore(path, copy);
    const db = new DatabaseSync(copy);
    const rows = db
      .prepare(
        "SELECT request_id, job_id, input_slot, input_key, key FROM jobs JOIN input_keys ON slot = input_slot",
      )
      .all();
    const { count } = db.prepare("SELECT count(*) AS count FROM input_keys").get() as {
      count: number;
    };
    db.close();
    const keys = rows.map((row): [string, StoredKey] => {
      const [requestId, jobId] = [row.request_id as string, row.job_id as string];
      const wrapped = Buffer.from(row.key as Uint8Array);
      const keyId = (row.input_key as string | null) ?? undefined;
      const plain = Buffer.from(sealer.unwrap(jobId, { keyId, bytes: wrapped }));
      return [requestId, { requestId, jobId, slot: row.input_slot as number, plain, wrapped }];
    });
    return { keys: new Map(keys), rowCount: count };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Every byte of every file of a folder. */
export async function folderBytes(folder: string): Promise<Buffer> {
  const names = await readdir(folder);
  return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
}
