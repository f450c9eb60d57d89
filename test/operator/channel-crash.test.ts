import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { LineLink } from "../../operator/channel/line-link.ts";
import { Party } from "../../operator/channel/party.ts";
import { PartyStore, type Payment } from "../../operator/channel/party-store.ts";
import { ADDRESSES, KEYS, Pair, PLACE, payment } from "./channel-pair.ts";

let pair: Pair | undefined;

afterEach(async () => {
  await pair?.remove();
  pair = undefined;
});

const oncePerNonce = (of: Pair): void => {
  for (const [key, digests] of of.signatures) expect(digests.size, key).toBe(1);
};

/** Both sides remember the same, and no money came or went. */
function isSound(of: Pair): void {
  const { alice, bob } = of.parties;
  expect(of.failures).toEqual([]);
  oncePerNonce(of);
  expect(alice.record.agreed).toEqual(bob.record.agreed);
  expect(alice.record.offered).toBeNull();
  expect(bob.record.offered).toBeNull();
  expect(alice.balanceWei + bob.balanceWei).toBe(1_500_000n);
}

/** Some payments each way; how many messages that takes without a fault. */
async function converse(of: Pair): Promise<void> {
  const { alice, bob } = of.parties;
  for (const [payer, amountWei] of [
    [alice, 10n],
    [bob, 7n],
    [alice, 5n],
  ] as const) {
    payer.pay(payment(amountWei)).catch(() => {});
    await of.quiet();
  }
}

/** hello 2; offer, accept; want, turn, offer, accept; the same once more. */
const MESSAGES = 12;

describe("operator / channel, faults", () => {
  it("takes as many messages as the tables below think", async () => {
    pair = await Pair.make();
    await converse(pair);
    expect(pair.wire).toHaveLength(MESSAGES);
    isSound(pair);
  });

  it.each(Array.from({ length: MESSAGES }, (_, i) => i))(
    "message %d of a conversation gets lost: the next connection mends it, and everything is paid once",
    async (lost) => {
      pair = await Pair.make();
      pair.passes = (_from, _message, count) => count !== lost;
      await converse(pair);
      pair.passes = () => true;
      pair.connect();
      await pair.quiet();
      isSound(pair);
      expect(pair.parties.alice.balanceWei).toBe(1_000_000n - 15n + 7n);
      expect(pair.received.bob.map(({ amountWei }) => amountWei).reduce((a, b) => a + b)).toBe(15n);
    },
  );

  it.each(
    (["alice", "bob"] as const).flatMap((role) =>
      Array.from({ length: MESSAGES - 2 }, (_, i) => [role, i + 2] as const),
    ),
  )("%s dies when message %d is sent, and comes back from the disk", async (role, fatal) => {
    const current = await Pair.make();
    pair = current;
    let restarting: Promise<void> | undefined;
    current.passes = (_from, _message, count) => {
      if (count === fatal) restarting = current.restart(role);
      return count !== fatal;
    };
    await converse(current);
    await restarting;
    current.passes = () => true;
    current.connect();
    await current.quiet();
    isSound(current);
    // Who died before it wrote an offer down has lost the wish to pay, and nothing else.
    const paid = current.received.bob.length + current.received.alice.length;
    expect(paid).toBeGreaterThanOrEqual(1);
  });

  it("a side that lost states gets the agreed one back from its partner, and signs above it", async () => {
    pair = await Pair.make();
    await converse(pair);
    const { agreed } = pair.parties.alice.record;
    pair.stores.alice.close();
    await rm(join(pair.folder, "alice"), { recursive: true });
    (await PartyStore.create(join(pair.folder, "alice"), PLACE)).close();
    await pair.restart("alice");
    pair.connect();
    await pair.quiet();
    expect(pair.parties.alice.record.agreed).toEqual(agreed);
    expect(pair.parties.alice.record.signed?.nonce).toBe(agreed?.state.nonce);
    await pair.parties.alice.pay(payment(1n));
    isSound(pair);
  });
});

describe("operator / channel, an old copy of the disk", () => {
  it("has an offer that was overtaken: it is dropped, and the next one is above what was agreed", async () => {
    pair = await Pair.make();
    const path = join(pair.folder, "alice", "party.json");
    pair.passes = (_from, { type }) => type !== "offer";
    pair.parties.alice.pay(payment(10n)).catch(() => {});
    await pair.quiet();
    const copy = await readFile(path);
    pair.passes = () => true;
    pair.connect();
    await pair.quiet();
    await pair.parties.bob.pay(payment(7n));
    await pair.parties.alice.pay(payment(5n));
    await pair.quiet();
    pair.stores.alice.close();
    await writeFile(path, copy);
    await pair.restart("alice");
    expect(pair.parties.alice.record.offered?.state.nonce).toBe(1n);
    pair.connect();
    await pair.quiet();
    isSound(pair);
    expect((await pair.parties.alice.pay(payment(1n))).state.nonce).toBe(4n);
  });
});

const PAYER = join(import.meta.dirname, "channel-payer.ts");

describe("operator / channel, kill -9", () => {
  it("at any moment of a payer: nothing is signed twice, and what it was told is paid is paid", async () => {
    const folder = await mkdtemp(join(tmpdir(), "channel-kill-"));
    const received = new Map<string, Payment>();
    const digests = new Map<bigint, Set<string>>();
    const failures: Error[] = [];
    const link = new LineLink();
    const bob = new Party(
      { place: PLACE, role: "bob", signerKey: KEYS.bob, partnerSigner: ADDRESSES.alice },
      {
        store: await PartyStore.create(join(folder, "bob"), PLACE),
        view: async () => ({ aliceWei: 10n ** 12n, bobWei: 0n, isOpen: true }),
        send: link.send,
        onReceived: (payments) => {
          for (const one of payments) {
            expect(received.has(one.id), `${one.id} twice`).toBe(false);
            received.set(one.id, one);
          }
        },
      },
    );
    const server = createServer((socket: Socket) => {
      socket.on("data", (chunk) => {
        for (const line of String(chunk).split("\n")) {
          const offer = /"type":"offer".*?"nonce":"(\d+)".*?"signature":"(0x\w{130})"/.exec(line);
          if (!offer) continue;
          // Deterministic signatures (RFC 6979): two of one nonce are two states.
          const nonce = BigInt(offer[1] as string);
          digests.set(nonce, (digests.get(nonce) ?? new Set()).add(offer[2] as string));
        }
      });
      link.serve(socket, bob).catch((error: Error) => failures.push(error));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };

    const told = new Set<string>();
    for (let life = 0; life < 6; life++) {
      const child = spawn(
        process.execPath,
        [PAYER, join(folder, "alice"), String(port), `${life}`],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let text = "";
      child.stdout.on("data", (chunk) => {
        text += String(chunk);
      });
      await paidAtLeast(child, () => text, 3 + life * 7);
      // Somewhere between two lines of its work.
      await new Promise((resolve) => setTimeout(resolve, (life * 7) % 19));
      child.kill("SIGKILL");
      await once(child, "exit");
      for (const id of text.split("\n").slice(0, -1)) told.add(id);
    }
    expect(told.size).toBeGreaterThan(50);
    expect([...told].filter((id) => !received.has(id))).toEqual([]);
    for (const [nonce, of] of digests) expect(of.size, `nonce ${nonce}`).toBe(1);
    expect(failures).toEqual([]);
    expect(bob.balanceWei).toBe(BigInt(received.size));
    // The dead payer's disk is no further than Bob's, and opens.
    const store = await PartyStore.open(join(folder, "alice"), PLACE);
    const aliceNonce = store.record.agreed?.state.nonce ?? 0n;
    expect(bob.record.agreed?.state.nonce).toBeGreaterThanOrEqual(aliceNonce);
    store.close();
    expect(await readFile(join(folder, "alice", "party.json"), "utf8")).toContain("proofmill");
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
});

async function paidAtLeast(child: ChildProcess, text: () => string, count: number): Promise<void> {
  while (text().split("\n").length <= count) {
    if (child.exitCode !== null) throw new Error(`the payer ended: ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
