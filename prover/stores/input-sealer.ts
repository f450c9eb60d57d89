// Inputs at rest, encrypted. For every store that writes inputs somewhere: `seal` what is written with
// a key from outside, `open` what is read, `requireKeys` at the start. A store that can delete 32 bytes
// better than megabytes gives each input a key of its own (`sealInput`, `openInput`), and wraps that
// one with the key from outside.
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
export const WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
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

/** An input's own key as a store writes it. */
export interface WrappedKey {
  /** Undefined: the key itself, then zeros. Else nonce, ciphertext and tag. */
  readonly keyId: string | undefined;
  /** `WRAPPED_KEY_BYTES`. */
  readonly bytes: Uint8Array;
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
    return { ...sealInput(key.bytes, jobId, input), keyId: key.id };
  }

  /** @throws ProverError INPUT_DAMAGED if a bit is not what was sealed, or belongs to another job; STORE_KEY_REFUSED */
  open(jobId: string, { keyId, ...stored }: StoredInput): JobInput {
    return keyId === undefined ? stored : openInput(this.#key(keyId), jobId, stored);
  }

  /** An input's own key as it is stored: always `WRAPPED_KEY_BYTES`, and never all zeros. */
  wrap(jobId: string, inputKey: Uint8Array): WrappedKey {
    const [key] = this.#keys;
    if (key !== undefined) {
      return { keyId: key.id, bytes: encrypt(key.bytes, inputKey, wrapOf(jobId)) };
    }
    const bytes = new Uint8Array(WRAPPED_KEY_BYTES);
    bytes.set(inputKey);
    return { keyId: undefined, bytes };
  }

  /** @throws ProverError INPUT_DAMAGED; STORE_KEY_REFUSED */
  unwrap(jobId: string, { keyId, bytes }: WrappedKey): Uint8Array {
    if (bytes.length !== WRAPPED_KEY_BYTES) throw damaged();
    return keyId === undefined
      ? bytes.subarray(0, KEY_BYTES)
      : decrypt(this.#key(keyId), bytes, wrapOf(jobId));
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

  #key(keyId: string): Uint8Array {
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined) throw lacksKeys([keyId]);
    return key.bytes;
  }
}

/** A key for one input. */
export function createInputKey(): Uint8Array {
  return randomBytes(KEY_BYTES);
}

/** @param key  32 bytes. Reads the given bytes only; wiping them stays with their owner. */
export function sealInput(key: Uint8Array, jobId: string, input: JobInput): JobInput {
  return withTexts(input, (plain, part) => encrypt(key, plain, boundTo(jobId, input, part)));
}

/** @throws ProverError INPUT_DAMAGED */
export function openInput(key: Uint8Array, jobId: string, sealed: JobInput): JobInput {
  return withTexts(sealed, (text, part) => decrypt(key, text, boundTo(jobId, sealed, part)));
}

type Part = "input" | "tx data";

/** An input with its secret parts changed. */
function withTexts(
  { format, bytes, commit }: JobInput,
  change: (text: Uint8Array, part: Part) => Uint8Array,
): JobInput {
  return {
    format,
    bytes: change(bytes, "input"),
    commit: commit && { newRoot: commit.newRoot, txData: change(commit.txData, "tx data") },
  };
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

const wrapOf = (jobId: string): Uint8Array => Buffer.from(`proofmill input key 1\0${jobId}`);

/** A text is worth nothing under another job, format, root or part. */
function boundTo(jobId: string, { format, commit }: JobInput, part: Part): Uint8Array {
  const context = ["proofmill input 1", jobId, format, commit?.newRoot.toString() ?? "", part];
  return Buffer.from(context.join("\0"));
}

function encrypt(key: Uint8Array, plain: Uint8Array, context: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(context);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array {
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
