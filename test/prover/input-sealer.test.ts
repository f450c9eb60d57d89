import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobInput } from "../../prover/job.ts";
import {
  createInputKey,
  InputSealer,
  openInput,
  readSealingKeys,
  type StoredInput,
  sealInput,
  WRAPPED_KEY_BYTES,
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

  it("wraps an input's own key for its job, to as many bytes with a key as without", async () => {
    const own = createInputKey();
    const first = await sealer(HEX);
    const none = new InputSealer([]);
    for (const each of [first, none]) {
      const wrapped = each.wrap("job", own);
      expect(wrapped.bytes).toHaveLength(WRAPPED_KEY_BYTES);
      expect(Buffer.from(each.unwrap("job", wrapped))).toEqual(Buffer.from(own));
    }
    const wrapped = first.wrap("job", own);
    expect(Buffer.from(wrapped.bytes).includes(own)).toBe(false);
    expect(first.wrap("job", own).bytes).not.toEqual(wrapped.bytes);
    // From before there was a key from outside.
    expect(Buffer.from(first.unwrap("job", none.wrap("job", own)))).toEqual(Buffer.from(own));
    const lacks = expect.objectContaining({ code: "STORE_KEY_REFUSED" });
    for (const other of [await sealer(OTHER), none]) {
      expect(() => other.unwrap("job", wrapped)).toThrow(lacks);
    }
    const rotated = await sealer(`${OTHER}\n${HEX}`);
    expect(Buffer.from(rotated.unwrap("job", wrapped))).toEqual(Buffer.from(own));
    expect(rotated.wrap("job", own).keyId).not.toBe(wrapped.keyId);
  });

  it("refuses a wrapped key of another job or length, and one of which any bit has changed", async () => {
    const first = await sealer(HEX);
    const { keyId, bytes } = first.wrap("job", createInputKey());
    const damaged = expect.objectContaining({ code: "INPUT_DAMAGED" });
    expect(() => first.unwrap("another job", { keyId, bytes })).toThrow(damaged);
    for (const length of [0, 32, WRAPPED_KEY_BYTES - 1]) {
      const cut = bytes.subarray(0, length);
      expect(() => first.unwrap("job", { keyId, bytes: cut }), `${length}`).toThrow(damaged);
      expect(() => first.unwrap("job", { keyId: undefined, bytes: cut })).toThrow(damaged);
    }
    for (let i = 0; i < WRAPPED_KEY_BYTES * 8; i++) {
      const flipped = new Uint8Array(bytes);
      flipped[i >> 3] = (flipped[i >> 3] ?? 0) ^ (1 << (i & 7));
      expect(() => first.unwrap("job", { keyId, bytes: flipped }), `bit ${i}`).toThrow(damaged);
    }
  });

  it("takes no sealed input for a wrapped key, nor a wrapped key for an input", async () => {
    const first = await sealer(HEX);
    const damaged = expect.objectContaining({ code: "INPUT_DAMAGED" });
    const own = createInputKey();
    const sealed = first.seal("job", { format: "json", bytes: own, commit: undefined });
    expect(() => first.unwrap("job", { keyId: sealed.keyId, bytes: sealed.bytes })).toThrow(
      damaged,
    );
    const wrapped = first.wrap("job", own);
    expect(() => first.open("job", { ...sealed, bytes: wrapped.bytes })).toThrow(damaged);
  });

  it("opens an input with the key of its own that sealed it, and with no other", () => {
    const [own, other] = [createInputKey(), createInputKey()];
    const sealed = sealInput(own, "job", input());
    expect(Buffer.from(sealed.bytes).includes("secret")).toBe(false);
    expect(Buffer.from(openInput(own, "job", sealed).bytes)).toEqual(input().bytes);
    const damaged = expect.objectContaining({ code: "INPUT_DAMAGED" });
    expect(() => openInput(other, "job", sealed)).toThrow(damaged);
    expect(() => openInput(own, "another job", sealed)).toThrow(damaged);
  });
});
