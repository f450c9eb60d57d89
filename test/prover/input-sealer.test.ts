import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobInput } from "../../prover/job.ts";
import {
  InputSealer,
  readSealingKeys,
  type StoredInput,
} from "../../prover/stores/input-sealer.ts";

const HEX = "00112233445566778899aabbccddeeff".repeat(2);
const OTHER = Buffer.alloc(32, 7).toString("base64");

describe("input sealer", () => {
  let dir: string;
  let count = 0;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "sealing-"));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const file = async (text: string): Promise<string> => {
    const path = join(dir, `keys-${count++}`);
    await writeFile(path, text);
    return path;
  };
  const sealer = async (text: string) => new InputSealer(await readSealingKeys(await file(text)));
  const input = (): JobInput => ({
    format: "json",
    bytes: Buffer.from("a secret, a secret, a secret"),
    commit: { newRoot: 5n, txData: Buffer.from("published later") },
  });

  it("opens what it sealed, for this job only", async () => {
    const first = await sealer(HEX);
    const sealed = first.seal("job", input());
    const { bytes, commit } = first.open("job", sealed);
    expect(Buffer.from(bytes)).toEqual(input().bytes);
    expect(Buffer.from(commit?.txData ?? [])).toEqual(input().commit?.txData);
    const without = { ...input(), commit: undefined };
    expect(first.open("job", first.seal("job", without))).toMatchObject({ commit: undefined });
    expect(() => first.open("another job", sealed)).toThrow(
      expect.objectContaining({ code: "INPUT_DAMAGED" }),
    );
  });

  it("shows nothing of an input, and never seals alike twice", async () => {
    const first = await sealer(HEX);
    const [one, two] = [first.seal("job", input()), first.seal("job", input())];
    expect(Buffer.from(one.bytes).includes("secret")).toBe(false);
    expect(Buffer.from(one.commit?.txData ?? []).includes("later")).toBe(false);
    expect(one.bytes).not.toEqual(two.bytes);
  });

  it("refuses an input of which any bit, the format or the root has changed", async () => {
    const first = await sealer(HEX);
    const sealed = first.seal("job", input());
    const { commit } = sealed;
    const txData = commit?.txData ?? new Uint8Array();
    const changed: StoredInput[] = [
      { ...sealed, format: "wtns" },
      { ...sealed, bytes: sealed.bytes.subarray(0, 20) },
      { ...sealed, bytes: sealed.bytes.subarray(1) },
      { ...sealed, bytes: txData },
      { ...sealed, commit: { newRoot: 6n, txData } },
      { ...sealed, commit: undefined },
    ];
    for (let i = 0; i < sealed.bytes.length * 8; i++) {
      const bytes = new Uint8Array(sealed.bytes);
      bytes[i >> 3] = (bytes[i >> 3] ?? 0) ^ (1 << (i & 7));
      changed.push({ ...sealed, bytes });
    }
    const flipped = new Uint8Array(txData);
    flipped[14] = (flipped[14] ?? 0) ^ 1;
    changed.push({ ...sealed, commit: { newRoot: 5n, txData: flipped } });
    for (const [i, stored] of changed.entries()) {
      expect(() => first.open("job", stored), `change ${i}`).toThrow(
        expect.objectContaining({ code: "INPUT_DAMAGED" }),
      );
    }
  });

  it("seals with the first key and opens with each: keys can be rotated, and go when unused", async () => {
    const before = (await sealer(HEX)).seal("job", input());
    const rotated = await sealer(`${OTHER}\n\n${HEX}\n`);
    const after = rotated.seal("job", input());
    expect(after.keyId).not.toBe(before.keyId);
    for (const stored of [before, after]) {
      expect(rotated.open("job", stored).bytes).toHaveLength(input().bytes.length);
    }
    rotated.requireKeys([before.keyId as string, after.keyId as string]);
    const late = await sealer(OTHER);
    const lacks = expect.objectContaining({
      code: "STORE_KEY_REFUSED",
      message: expect.stringContaining(before.keyId as string),
    });
    expect(() => late.requireKeys([after.keyId as string, before.keyId as string])).toThrow(lacks);
    expect(() => late.open("job", before)).toThrow(lacks);
  });

  it("leaves inputs as they are without a key, and opens such ones with one", async () => {
    const none = new InputSealer(await readSealingKeys(""));
    const stored = none.seal("job", input());
    expect(stored).toEqual({ ...input(), keyId: undefined });
    expect((await sealer(HEX)).open("job", stored)).toEqual(input());
  });

  it("takes hex and base64 for the same key, and refuses files of another form without quoting them", async () => {
    const base64 = Buffer.from(HEX, "hex").toString("base64");
    const [a, b] = await Promise.all(
      [HEX, base64].map(async (text) => (await sealer(text)).seal("job", input()).keyId),
    );
    expect(a).toBe(b);
    for (const text of [
      "",
      "\n",
      HEX.slice(1),
      `${HEX}00`,
      `${HEX}\n${base64}`,
      `x${HEX.slice(1)}`,
    ]) {
      const failure = await sealer(text).catch((error: unknown) => error);
      expect(failure, JSON.stringify(text)).toMatchObject({ code: "STORE_KEY_REFUSED" });
      expect((failure as Error).message).not.toContain(HEX.slice(1, 20));
    }
    await expect(readSealingKeys(join(dir, "absent"))).rejects.toMatchObject({
      code: "STORE_KEY_REFUSED",
      message: expect.stringContaining("ENOENT"),
    });
  });
});
