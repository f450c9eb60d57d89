/**
 * From a `.zkey` file to a key in shared memory, ready for any number of threads.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { WorkError } from "../../errors.ts";
import { Tower } from "../../kernels/tower.ts";
import { parseZkey, type Zkey } from "../../zkey.ts";
import { slotBytesOf } from "./arena.ts";
import type { CompiledKernels } from "./kernels.ts";
import { type SharedKey, writeKey } from "./key.ts";

/** The whole file, which must not change while it is loaded, or where it is. */
export type KeySource = Uint8Array | { readonly path: string };

/** What a key says besides its long sections. Plain data. */
export type KeyHeader = Pick<
  Zkey,
  "nVars" | "nPublic" | "domainSize" | "beta1" | "delta1" | "verificationKey" | "isDevKey"
>;

/** A checked key. Plain data (and a memory, and a module): other threads may have it, too. */
export interface LoadedKey {
  readonly shared: SharedKey;
  readonly header: KeyHeader;
  /** Of the file, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

export interface KeyLoadOptions {
  /** Called with the part that is done, from 0 to 1, not decreasing. */
  readonly onProgress?: (done: number) => void;
  /** The only hash that the file may have, as in `LoadedKey`. */
  readonly sha256?: string;
  /** Polled every 100 ms or so; true makes the loading throw CANCELLED. */
  readonly isCancelled?: () => boolean;
}

/**
 * Checks a key and brings it into memory. Nothing of the file stays in memory besides.
 *
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma or the memory does not hold it;
 *   ARTEFACT_MISMATCH if the file cannot be read or has another hash; CANCELLED.
 */
export async function loadSharedKey(
  source: KeySource,
  kernels: CompiledKernels,
  { onProgress, sha256: expected, isCancelled }: KeyLoadOptions = {},
): Promise<LoadedKey> {
  const bytes = source instanceof Uint8Array ? source : await read(source.path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (expected !== undefined && sha256 !== expected) {
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `zkey: got SHA-256 ${sha256}, expected ${expected}; restore the file or make the manifest anew`,
    );
  }
  onProgress?.(0);
  const { nVars, nPublic, domainSize, beta1, delta1, verificationKey, isDevKey, ...sections } =
    parseZkey(bytes);
  const header = { nVars, nPublic, domainSize, beta1, delta1, verificationKey, isDevKey };
  if (isCancelled?.()) throw new WorkError("CANCELLED", "cancelled on request");
  const key = writeKey(kernels, { ...header, ...sections });
  onProgress?.(1);
  return { shared: { ...key, slotBytes: slotBytesOf(key, Tower.open()) }, header, sha256 };
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    const file = basename(path);
    const message = `${file}: cannot be read (${reason}); build the circuits, or mend the path`;
    throw new WorkError("ARTEFACT_MISMATCH", message, { file }, { cause });
  }
}
