/**
 * From a `.zkey` file to a key in shared memory, ready for any number of threads.
 *
 * The file is gone through twice: once for the short parts (where its sections are, what its header
 * says), and once from its beginning to its end, for the hash and the long sections. What was read
 * the first time must be the same the second time, so that the hash is that of what is used.
 */
import { createHash } from "node:crypto";
import { locateSections, type SectionRange } from "../../binfile.ts";
import { WorkError } from "../../errors.ts";
import { Tower } from "../../kernels/tower.ts";
import {
  COEFFICIENT_BYTES,
  COEFFICIENTS_OFFSET,
  checkCoefficientCount,
  checkZkeySizes,
  parseZkeyCounts,
  parseZkeyHeader,
  ZKEY_FORMAT,
  ZKEY_SECTION,
  type ZkeyHeader,
} from "../../zkey.ts";
import { slotBytesOf } from "./arena.ts";
import type { CompiledKernels } from "./kernels.ts";
import { keyOf, type SharedKey } from "./key.ts";
import { KeyContent, pointBytes, SECTION_NAMES } from "./key-content.ts";
import { cut, KeyFile, type KeySource, type Piece } from "./key-source.ts";
import { isInSubgroup } from "./key-subgroup.ts";

export type { KeySource } from "./key-source.ts";

/** What a key says besides its long sections. Plain data. */
export type KeyHeader = ZkeyHeader;

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
  /** The calling thread's, if it has one: compiling another takes about 30 ms. */
  readonly tower?: Tower;
}

/**
 * Checks a key and brings it into memory. Nothing else of the file stays in memory.
 *
 * @throws WorkError KEY_MALFORMED; KEY_REFUSED if delta equals gamma or the memory does not hold it;
 *   ARTEFACT_MISMATCH if the file cannot be read or has another hash; CANCELLED.
 */
export async function loadSharedKey(
  source: KeySource,
  kernels: CompiledKernels,
  options: KeyLoadOptions = {},
): Promise<LoadedKey> {
  const file = await KeyFile.open(source);
  const loading = new Loading(file, kernels, options);
  try {
    return await loading.load();
  } catch (error) {
    // A damaged file of known hash is first of all not the file that it should be.
    const isDamaged = error instanceof WorkError && error.code.startsWith("KEY_");
    if (isDamaged) await loading.checkHash();
    throw error;
  } finally {
    await file.close();
  }
}

/** The sections with the counts are much shorter. */
const MAX_COUNTS_BYTES = 4096;
/**
 * Progress: what looking for the subgroup takes for each byte of section B2, in bytes of the file.
 * Measured, roughly: 20 ns and 5 ns.
 */
const SUBGROUP_WEIGHT = 4;
/** The type and size that a section begins with. */
const SECTION_HEAD_BYTES = 12;

class Loading {
  readonly #file: KeyFile;
  readonly #compiled: CompiledKernels;
  readonly #options: KeyLoadOptions;
  /** What was read ahead, by its offset. */
  readonly #known = new Map<number, Uint8Array>();

  constructor(file: KeyFile, compiled: CompiledKernels, options: KeyLoadOptions) {
    this.#file = file;
    this.#compiled = compiled;
    this.#options = options;
  }

  async load(): Promise<LoadedKey> {
    const file = this.#file;
    const ranges = await locateSections(file.size, ZKEY_FORMAT, (offset, size) =>
      this.#readAhead({ offset, size }),
    );
    const header = await this.#loadHeader(ranges);
    const { size: subgroupBytes } = rangeOf(ranges, ZKEY_SECTION.b2);
    const allWork = file.size + SUBGROUP_WEIGHT * subgroupBytes;

    const content = new KeyContent(this.#compiled, header);
    const hash = createHash("sha256");
    let done = 0;
    await file.stream(this.#pieces(ranges, content), (bytes) => {
      hash.update(bytes);
      done += bytes.length;
      this.#checkpoint(done / allWork);
    });
    const sha256 = hash.digest("hex");
    this.#expectHash(sha256);

    const key = keyOf(this.#compiled, header, content);
    const tower = this.#options.tower ?? Tower.open();
    const isSound = await isInSubgroup(content.memory, key.sections.b2, key.end, tower, (part) =>
      this.#checkpoint((file.size + SUBGROUP_WEIGHT * subgroupBytes * part) / allWork),
    );
    if (!isSound) throw malformed("has a point in section B2 that is not in BN254's group G2");
    const slotBytes = slotBytesOf(key, tower);
    content.memory.reach(key.end + slotBytes);
    this.#checkpoint(1);
    return { shared: { ...key, slotBytes }, header, sha256 };
  }

  /** @throws WorkError ARTEFACT_MISMATCH if the file has another hash than it should. */
  async checkHash(): Promise<void> {
    if (this.#options.sha256 === undefined) return;
    const hash = createHash("sha256");
    const whole = cut({ offset: 0, size: this.#file.size }, 1, () => undefined);
    await this.#file.stream(whole, (bytes) => {
      hash.update(bytes);
      this.#checkpoint();
    });
    this.#expectHash(hash.digest("hex"));
  }

  #expectHash(sha256: string): void {
    const { sha256: expected } = this.#options;
    if (expected === undefined || sha256 === expected) return;
    const { name } = this.#file;
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `${name}: got SHA-256 ${sha256}, expected ${expected}; restore the file or make the manifest anew`,
      { file: name },
    );
  }

  #checkpoint(done?: number): void {
    const { isCancelled, onProgress } = this.#options;
    if (isCancelled?.()) throw new WorkError("CANCELLED", "cancelled on request");
    if (done !== undefined) onProgress?.(done);
  }

  async #loadHeader(ranges: Ranges): Promise<ZkeyHeader> {
    const counts = parseZkeyCounts(
      await this.#readCounts(rangeOf(ranges, ZKEY_SECTION.protocol)),
      await this.#readCounts(rangeOf(ranges, ZKEY_SECTION.header)),
    );
    checkZkeySizes(counts, (type) => rangeOf(ranges, type).size);
    const { offset, size } = rangeOf(ranges, ZKEY_SECTION.coefficients);
    checkCoefficientCount(await this.#readAhead({ offset, size: COEFFICIENTS_OFFSET }), size);
    return parseZkeyHeader(counts, {
      header: await this.#readCounts(rangeOf(ranges, ZKEY_SECTION.header)),
      ic: await this.#readAhead(rangeOf(ranges, ZKEY_SECTION.ic)),
      contributions: await this.#readAhead(rangeOf(ranges, ZKEY_SECTION.contributions)),
    });
  }

  async #readCounts(range: SectionRange): Promise<Uint8Array> {
    if (range.size <= MAX_COUNTS_BYTES) return this.#readAhead(range);
    throw malformed(`has ${range.size} bytes in section 1 or 2, expected 4 and 660`);
  }

  async #readAhead({ offset, size }: SectionRange): Promise<Uint8Array> {
    const bytes = this.#known.get(offset) ?? new Uint8Array(size);
    if (!this.#known.has(offset)) await this.#file.read(bytes, offset);
    this.#known.set(offset, bytes);
    return bytes;
  }

  /** The whole file in order: what is known is compared, the long sections are taken in. */
  *#pieces(ranges: Ranges, content: KeyContent): Generator<Piece> {
    yield* this.#knownPieces(0);
    const inOrder = [...ranges].sort(([, one], [, other]) => one.offset - other.offset);
    for (const [type, range] of inOrder) {
      yield* this.#knownPieces(range.offset - SECTION_HEAD_BYTES);
      const name = SECTION_NAMES.find((candidate) => ZKEY_SECTION[candidate] === type);
      if (name !== undefined) {
        yield* cut(range, pointBytes(name), (bytes, first) =>
          content.takePoints(name, bytes, first),
        );
      } else if (type === ZKEY_SECTION.coefficients) {
        yield* this.#knownPieces(range.offset);
        const offset = range.offset + COEFFICIENTS_OFFSET;
        const size = range.size - COEFFICIENTS_OFFSET;
        yield* cut({ offset, size }, COEFFICIENT_BYTES, (bytes, first) =>
          content.takeCoefficients(bytes, first, size / COEFFICIENT_BYTES),
        );
      } else if (range.size > 0 && this.#known.has(range.offset)) {
        yield* this.#knownPieces(range.offset);
      } else {
        // A section of no meaning to us.
        yield* cut(range, 1, () => undefined);
      }
    }
  }

  #knownPieces(offset: number): Generator<Piece> {
    const expected = this.#known.get(offset) as Uint8Array;
    return cut({ offset, size: expected.length }, 1, (bytes, first) => {
      if (Buffer.compare(bytes, expected.subarray(first, first + bytes.length)) === 0) return;
      throw malformed("changed while it was read");
    });
  }
}

type Ranges = ReadonlyMap<number, SectionRange>;

function rangeOf(ranges: Ranges, type: number): SectionRange {
  const range = ranges.get(type);
  if (range === undefined) throw malformed(`has no section ${type}`);
  return range;
}

function malformed(problem: string): WorkError {
  return new WorkError(ZKEY_FORMAT.code, `${ZKEY_FORMAT.magic} file: ${problem}`);
}
