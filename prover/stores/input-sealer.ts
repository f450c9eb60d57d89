// Inputs at rest, encrypted with a key from outside. For every store that writes inputs somewhere:
// `seal` what is written, `open` what is read, `requireKeys` at the start.
//
// AES-256-GCM with a random 96-bit nonce for each text, as NIST SP 800-38D section 8.2.2 has it: change
// the key before it has sealed 2^32 of them. The key's id is stored in plain beside the text, so
// that keys can be rotated, and plain inputs, from before a key was set, may stand beside sealed ones.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ProverError } from "../errors.ts";
import type { JobInput } from "../job.ts";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 64 bits: told apart by accident, and too few to learn anything of a random key. */
const KEY_ID_HEX_DIGITS = 16;

export interface SealingKey {
  /** Made of the key itself: another key has another id. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

/** An input as a store writes it. */
export interface StoredInput extends JobInput {
  /** Undefined: as it came. Else `bytes` and `commit.txData` are nonce, ciphertext and tag. */
  readonly keyId: string | undefined;
}

/** Seals with the first of its keys, and opens with any; with none, it leaves inputs as they are. */
export class InputSealer {
  readonly #keys: readonly SealingKey[];

  constructor(keys: readonly SealingKey[]) {
    this.#keys = keys;
  }

  /** Of the keys that it has. */
  get keyIds(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /** Reads the given bytes only; wiping them stays with their owner. */
  seal(jobId: string, input: JobInput): StoredInput {
    const [key] = this.#keys;
    if (key === undefined) return { ...input, keyId: undefined };
    const { format, bytes, commit } = input;
    return {
      keyId: key.id,
      format,
      bytes: encrypt(key, bytes, boundTo(jobId, input, "input")),
      commit: commit && {
        newRoot: commit.newRoot,
        txData: encrypt(key, commit.txData, boundTo(jobId, input, "tx data")),
      },
    };
  }

  /** @throws ProverError INPUT_DAMAGED if a bit is not what was sealed, or belongs to another job; STORE_KEY_REFUSED */
  open(jobId: string, { keyId, ...stored }: StoredInput): JobInput {
    if (keyId === undefined) return stored;
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined) throw lacksKeys([keyId]);
    const { format, bytes, commit } = stored;
    return {
      format,
      bytes: decrypt(key, bytes, boundTo(jobId, stored, "input")),
      commit: commit && {
        newRoot: commit.newRoot,
        txData: decrypt(key, commit.txData, boundTo(jobId, stored, "tx data")),
      },
    };
  }

  /**
   * To be called at the start with the key ids of all stored inputs: better no service than one that
   * fails each job.
   *
   * @throws ProverError STORE_KEY_REFUSED
   */
  requireKeys(keyIds: Iterable<string>): void {
    const lacking = [...keyIds].filter((keyId) => !this.#keys.some(({ id }) => id === keyId));
    if (lacking.length > 0) throw lacksKeys(lacking);
  }
}

/**
 * Keys of a file: a line each, 64 hex digits or base64 of 32 bytes; the first is the one that seals.
 *
 * @param path  empty: no keys.
 * @throws ProverError STORE_KEY_REFUSED; no message quotes the file.
 */
export async function readSealingKeys(path: string): Promise<SealingKey[]> {
  if (path === "") return [];
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw refused(`${path} cannot be read (${cause.code})`, cause);
  });
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.flatMap((line, i) => (line === "" ? [] : parseKey(line, `${path}:${i + 1}`)));
  if (keys.length === 0) throw refused(`${path}: got no key, expected ${FORM}`);
  if (new Set(keys.map(({ id }) => id)).size < keys.length) {
    throw refused(`${path}: got a key twice, expected each once`);
  }
  return keys;
}

const FORM = "a line of 64 hex digits or of base64 for each key of 32 bytes (openssl rand -hex 32)";

function parseKey(line: string, where: string): SealingKey {
  const isHex = /^[0-9a-f]{64}$/i.test(line);
  const isBase64 = /^[0-9a-z+/]{43}=$/i.test(line);
  if (!isHex && !isBase64) throw refused(`${where}: got a line of another form, expected ${FORM}`);
  const bytes = new Uint8Array(Buffer.from(line, isHex ? "hex" : "base64"));
  if (bytes.length !== KEY_BYTES) throw refused(`${where}: expected ${FORM}`);
  const digest = createHash("sha256").update("proofmill input key\0").update(bytes).digest("hex");
  return { id: digest.slice(0, KEY_ID_HEX_DIGITS), bytes };
}

/** A text is worth nothing under another job, format, root or part. */
function boundTo(
  jobId: string,
  { format, commit }: JobInput,
  part: "input" | "tx data",
): Uint8Array {
  const context = ["proofmill input 1", jobId, format, commit?.newRoot.toString() ?? "", part];
  return Buffer.from(context.join("\0"));
}

function encrypt({ bytes: key }: SealingKey, plain: Uint8Array, context: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(context);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt({ bytes: key }: SealingKey, sealed: Uint8Array, context: Uint8Array): Uint8Array {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw damaged();
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(context)
    .setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch (cause) {
    plain.fill(0);
    throw damaged(cause);
  }
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
}

/** A job's input is not there, or is not what was accepted. */
export function damaged(cause?: unknown): ProverError {
  return new ProverError(
    "INPUT_DAMAGED",
    "the stored input is not what was accepted: its file or table was changed or damaged. Submit it again under another request id",
    { cause },
  );
}

function lacksKeys(keyIds: readonly string[]): ProverError {
  return refused(
    `stored inputs were sealed with ${keyIds.join(", ")} (key ids), expected a file that holds these keys too. Add their lines below the first until these jobs have ended`,
  );
}

function refused(what: string, cause?: unknown): ProverError {
  return new ProverError("STORE_KEY_REFUSED", `PROVER_STORE_KEY_FILE: ${what}`, { cause });
}
