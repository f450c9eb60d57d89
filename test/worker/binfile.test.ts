import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BinFormat,
  encodeSections,
  readSections,
  requireSection,
  SectionFile,
  writeSections,
} from "../../worker/binfile.ts";

const FORMAT: BinFormat = { magic: "zkey", version: 1, code: "KEY_MALFORMED" };

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const sample = (): Uint8Array =>
  encodeSections("zkey", 1, [
    { type: 7, pieces: [bytes(1, 2, 3), bytes(4)] },
    { type: 2, pieces: [] },
    { type: 1, pieces: [bytes(9, 9)] },
  ]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "binfile-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file on disk must be refused for the same reason as the same bytes in memory. */
async function expectRefused(file: Uint8Array, message: RegExp, format = FORMAT): Promise<void> {
  const expected = { code: format.code, message: expect.stringMatching(message) };
  expect(() => readSections(file, format)).toThrow(expect.objectContaining(expected));
  const path = join(folder, "refused.zkey");
  await writeFile(path, file);
  await expect(SectionFile.open(path, format)).rejects.toMatchObject(expected);
}

describe("worker / binfile", () => {
  it("writes magic, version, count and sections in little-endian", () => {
    expect(Buffer.from(sample()).toString("hex")).toBe(
      `${"7a6b6579"}${"01000000"}${"03000000"}` +
        `${"07000000"}${"0400000000000000"}${"01020304"}` +
        `${"02000000"}${"0000000000000000"}` +
        `${"01000000"}${"0200000000000000"}${"0909"}`,
    );
  });

  it("reads back what it wrote, for any distinct types and contents", () => {
    const section = fc.record({
      type: fc.integer({ min: 0, max: 0xffff_ffff }),
      content: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(section, { selector: (s) => s.type, maxLength: 12 }),
        (sections) => {
          const pieces = sections.map(({ type, content }) => ({
            type,
            pieces: [content.subarray(0, 3), content.subarray(3)],
          }));
          const read = readSections(encodeSections("zkey", 1, pieces), FORMAT);
          expect([...read]).toEqual(sections.map(({ type, content }) => [type, content]));
        },
      ),
    );
  });

  it("gives views into the file, not copies", () => {
    const file = sample();
    expect(readSections(file, FORMAT).get(7)?.buffer).toBe(file.buffer);
  });

  it("gives plain arrays for a Buffer, so that a slice of one is a copy", () => {
    const file = Buffer.from(sample());
    const section = requireSection(readSections(file, FORMAT), 7, FORMAT);
    section.slice().fill(0);
    expect(file).toEqual(Buffer.from(sample()));
    expect(section.slice().buffer.byteLength).toBe(section.length);
  });

  it("refuses every truncation of a file", async () => {
    const file = sample();
    for (let length = 0; length < file.length; length++) {
      await expectRefused(file.subarray(0, length), /truncated|at least/);
    }
  });

  it("refuses bytes after the last section", async () => {
    await expectRefused(Buffer.concat([sample(), bytes(0)]), /1 bytes after its last section/);
  });

  it("refuses another magic, another version and a wild section count", async () => {
    await expectRefused(sample(), /begins with "zkey", expected "wtns"/, {
      magic: "wtns",
      version: 1,
      code: "WITNESS_MALFORMED",
    });
    await expectRefused(sample(), /version 1, expected 2/, { ...FORMAT, version: 2 });
    const wild = Buffer.from(sample());
    wild.writeUInt32LE(0xffff_ffff, 8);
    await expectRefused(wild, /claims 4294967295 sections/);
  });

  it("refuses a section that claims more bytes than are left, up to 2^64 - 1", async () => {
    for (const size of [12n + 12n + 12n + 3n, 1n << 32n, 1n << 63n, (1n << 64n) - 1n]) {
      const file = Buffer.from(sample());
      file.writeBigUInt64LE(size, 16);
      await expectRefused(file, /section 7 claims|has .* bytes after|truncated/);
    }
  });

  it("refuses a type that occurs twice", async () => {
    const twice = encodeSections("zkey", 1, [
      { type: 4, pieces: [bytes(1)] },
      { type: 4, pieces: [bytes(2)] },
    ]);
    await expectRefused(twice, /section 4 twice/);
  });

  it("names a section that is missing", async () => {
    const sections = readSections(sample(), FORMAT);
    expect(() => requireSection(sections, 3, FORMAT)).toThrow(/has no section 3/);
    expect(requireSection(sections, 7, FORMAT)).toEqual(bytes(1, 2, 3, 4));
  });

  it("reads single sections of a file on disk, also into shared memory", async () => {
    const path = join(folder, "sample.zkey");
    await writeFile(path, sample());
    await using file = await SectionFile.open(path, FORMAT);
    expect(await file.read(7)).toEqual(bytes(1, 2, 3, 4));
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    await file.read(1, shared);
    expect([...shared]).toEqual([9, 9]);
    await expect(file.read(7, new Uint8Array(3))).rejects.toThrow(RangeError);
    await expect(file.read(5)).rejects.toMatchObject({ code: "KEY_MALFORMED" });
  });

  it("writes a file whole or not at all", async () => {
    const own = await mkdtemp(join(folder, "write-"));
    const path = join(own, "new.zkey");
    await writeSections(path, "zkey", 1, [{ type: 1, pieces: [bytes(5)] }]);
    const before = await readFile(path);
    expect(readSections(before, FORMAT).get(1)).toEqual(bytes(5));

    const broken = { type: 1, pieces: [bytes(6), undefined as unknown as Uint8Array] };
    await expect(writeSections(path, "zkey", 1, [broken])).rejects.toThrow();
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(own)).toEqual(["new.zkey"]);
  });
});
