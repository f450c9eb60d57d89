import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getAddress } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgreementHasher } from "../../operator/channel/agreement.ts";
import { readDurable, writeDurably } from "../../operator/channel/durable-file.ts";
import { PartyStore } from "../../operator/channel/party-store.ts";
import { type SignedState, signDigest } from "../../operator/channel/signed-state.ts";
import { TowerStore } from "../../operator/channel/tower-store.ts";
import { KEYS, Pair, PLACE, payment } from "./channel-pair.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "channel-store-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("operator / channel, a file of states", () => {
  it("holds what was written, and is only for its owner", async () => {
    const path = join(folder, "a.json");
    expect(await readDurable(path)).toBeUndefined();
    for (const content of [{ a: "1" }, { b: [null, "2"] }]) {
      await writeDurably(path, content);
      expect(await readDurable(path)).toEqual(content);
    }
    expect(await readdir(folder)).toEqual(["a.json"]);
  });

  it("ignores what a crash left of the next one", async () => {
    const path = join(folder, "a.json");
    await writeDurably(path, { a: "1" });
    await writeFile(`${path}.new`, '{"format":"proofmill ch');
    expect(await readDurable(path)).toEqual({ a: "1" });
    await writeDurably(path, { a: "2" });
    expect(await readDurable(path)).toEqual({ a: "2" });
  });

  it("is whole at every moment of being replaced", async () => {
    const path = join(folder, "a.json");
    const text = "x".repeat(100_000);
    await writeDurably(path, { round: -1, text });
    let isWriting = true;
    const writing = (async () => {
      for (let round = 0; round < 30; round++) await writeDurably(path, { round, text });
      isWriting = false;
    })();
    while (isWriting) expect(await readDurable(path)).toMatchObject({ text });
    await writing;
  });

  it("is refused in words when a single byte differs, or bytes are missing, and left as it is", async () => {
    const path = join(folder, "a.json");
    await writeDurably(path, { nonce: "12345", text: "some words" });
    const good = await readFile(path);
    const damaged: Buffer[] = [Buffer.alloc(0), good.subarray(0, 40), good.subarray(0, -1)];
    for (let at = 0; at < good.length; at += 1) {
      const copy = Buffer.from(good);
      copy[at] = (copy[at] as number) ^ 1;
      damaged.push(copy);
    }
    damaged.push(Buffer.from("null"), Buffer.from("[]"), Buffer.from('"x"'));
    for (const bytes of damaged) {
      await writeFile(path, bytes);
      await expect(readDurable(path)).rejects.toMatchObject({
        code: "CHANNEL_STORE_CORRUPT",
        message: expect.stringContaining("nonce could be signed twice"),
      });
      expect(await readFile(path)).toEqual(bytes);
    }
  });
});

describe("operator / channel, a side's store", () => {
  it("is created once, and opened only where it is", async () => {
    await expect(PartyStore.open(join(folder, "none"), PLACE)).rejects.toMatchObject({
      code: "CHANNEL_STORE_MISSING",
    });
    await expect(PartyStore.open(folder, PLACE)).rejects.toMatchObject({
      code: "CHANNEL_STORE_MISSING",
    });
    const store = await PartyStore.create(folder, PLACE);
    store.close();
    await expect(PartyStore.create(folder, PLACE)).rejects.toMatchObject({
      code: "CHANNEL_STORE_EXISTS",
    });
    (await PartyStore.open(folder, PLACE)).close();
  });

  it("is one process's", async () => {
    const store = await PartyStore.create(folder, PLACE);
    for (const second of [PartyStore.open, PartyStore.create]) {
      await expect(second.call(PartyStore, folder, PLACE)).rejects.toMatchObject({
        code: "CHANNEL_STORE_LOCKED",
      });
    }
    store.close();
    (await PartyStore.open(folder, PLACE)).close();
  });

  it("is one channel's", async () => {
    (await PartyStore.create(folder, PLACE)).close();
    await expect(PartyStore.open(folder, { ...PLACE, chainId: 1 })).rejects.toMatchObject({
      code: "CHANNEL_STORE_CORRUPT",
      message: expect.stringContaining("states of channel 31337/"),
    });
  });

  it("gives back exactly what was put in", async () => {
    const pair = await Pair.make();
    await pair.parties.alice.pay(payment(10n));
    await pair.parties.bob.pay(payment(4n));
    pair.passes = (_from, { type }) => type !== "accept";
    pair.parties.bob.pay(payment(6n)).catch(() => {});
    await pair.quiet();
    for (const role of ["alice", "bob"] as const) {
      const before = pair.parties[role].record;
      await pair.restart(role);
      expect(pair.parties[role].record).toEqual(before);
    }
    await pair.remove();
  });

  it("signs nothing at or below the last nonce that it signed, whatever else it remembers", async () => {
    const pair = await Pair.make();
    const { alice, bob } = pair.parties;
    await alice.pay(payment(1n));
    await pair.quiet();
    const offer = async (of: typeof alice) => of.pay(payment(1n));
    for (const role of ["alice", "bob"] as const) {
      const digest = `0x${"5".repeat(64)}` as const;
      await pair.stores[role].update({ signed: { nonce: 2n, digest } });
    }
    await expect(offer(alice)).rejects.toMatchObject({ code: "CHANNEL_NONCE_SIGNED" });
    const before = pair.wire.length;
    const state = { ...(alice.record.agreed as SignedState).state, nonce: 2n };
    const signature = await signDigest(
      new AgreementHasher(PLACE).digest("state", state),
      KEYS.alice,
    );
    await expect(
      bob.receive({ type: "offer", kind: "state", state, signature, payments: [] }),
    ).rejects.toMatchObject({ code: "CHANNEL_NONCE_SIGNED" });
    expect(pair.wire.slice(before)).toEqual([]);
    await pair.remove();
  });

  it("refuses to start from a damaged file, so that nothing is signed from a guess", async () => {
    const pair = await Pair.make();
    await pair.parties.alice.pay(payment(10n));
    const path = join(pair.folder, "alice", "party.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"nonce":"1"', '"nonce":"0"'));
    await expect(pair.restart("alice")).rejects.toMatchObject({ code: "CHANNEL_STORE_CORRUPT" });
    await writeFile(path, text);
    await pair.restart("alice");
    await pair.remove();
  });

  it("writes nothing any more once the disk has failed", async () => {
    const store = await PartyStore.create(folder, PLACE);
    await rm(folder, { recursive: true });
    await expect(store.update({ turn: 1 })).rejects.toMatchObject({ code: "ENOENT" });
    expect(store.record.turn).toBe(0);
    await expect(store.update({ turn: 2 })).rejects.toMatchObject({ code: "ENOENT" });
    store.close();
  });
});

describe("operator / channel, a watchtower's store", () => {
  it("goes from earlier to later states only, also where they come at the same time", async () => {
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const options = { folder, chainId: PLACE.chainId, maxChannels: 1 };
    const store = await TowerStore.open(options, silent);
    const channel = getAddress(PLACE.channel);
    const state = (nonce: bigint): SignedState => ({
      state: {
        aliceDeposited: 9n,
        bobDeposited: 0n,
        aliceBalance: 9n,
        bobBalance: 0n,
        nonce,
      },
      aliceSignature: `0x${"a1".repeat(65)}`,
      bobSignature: `0x${"b0".repeat(65)}`,
    });
    await Promise.all([3n, 9n, 4n].map((nonce) => store.keep(channel, state(nonce))));
    await store.keep(channel, state(8n));
    expect(store.state(channel)).toEqual(state(9n));
    store.close();
    const again = await TowerStore.open(options, silent);
    expect(again.state(channel)).toEqual(state(9n));
    again.close();
  });
});
