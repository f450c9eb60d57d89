/**
 * Measures, roughly and on this machine: payments a second through a channel between two sides in one
 * process, with their disks, and what the parts cost.
 *
 *   node scripts/channel-rate.ts [payments]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keccak256, toHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { AgreementHasher } from "../operator/channel/agreement.ts";
import { writeDurably } from "../operator/channel/durable-file.ts";
import { type Message, messageFromJson, messageToJson } from "../operator/channel/message.ts";
import { Party } from "../operator/channel/party.ts";
import { PartyStore } from "../operator/channel/party-store.ts";
import { isSignedBy, signDigest } from "../operator/channel/signed-state.ts";

const count = Number(process.argv[2] ?? 20_000);
const place = { chainId: 1, channel: "0x00000000000000000000000000000000000c4a11" } as const;
const keys = { alice: keccak256("0xa1"), bob: keccak256("0xb0") } as const;
const folder = await mkdtemp(join(tmpdir(), "channel-rate-"));

async function perSecond(times: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await work(i);
  return Math.round((times * 1_000) / (performance.now() - start));
}

const parties = {} as Record<"alice" | "bob", Party>;
let offers = 0;
const wire = (to: "alice" | "bob") => (message: Message) => {
  if (message.type === "offer") offers++;
  const text = JSON.stringify(messageToJson(message));
  setImmediate(() => parties[to].receive(messageFromJson(JSON.parse(text))));
};
let received = 0;
for (const [role, partner] of [
  ["alice", "bob"],
  ["bob", "alice"],
] as const) {
  parties[role] = new Party(
    { place, role, signerKey: keys[role], partnerSigner: privateKeyToAddress(keys[partner]) },
    {
      store: await PartyStore.create(join(folder, role), place),
      view: async () => ({ aliceWei: 10n ** 20n, bobWei: 0n, isOpen: true }),
      send: wire(partner),
      onReceived: (payments) => {
        received += payments.length;
      },
    },
  );
}
parties.alice.connected();
parties.bob.connected();

const hasher = new AgreementHasher(place);
const state = { aliceDeposited: 9n, bobDeposited: 0n, aliceBalance: 4n, bobBalance: 5n, nonce: 1n };
const digest = hasher.digest("state", state);
const signature = await signDigest(digest, keys.alice);
const alice = privateKeyToAddress(keys.alice);
const parts = {
  signaturesASecond: await perSecond(500, (i) =>
    signDigest(hasher.digest("state", { ...state, nonce: BigInt(i) }), keys.alice),
  ),
  checkedSignaturesASecond: await perSecond(200, () => isSignedBy(alice, digest, signature)),
  durableWritesASecond: await perSecond(50, (i) =>
    writeDurably(join(folder, "x"), { i: toHex(i) }),
  ),
};

const start = performance.now();
const one = Math.min(100, count);
for (let i = 0; i < one; i++) await parties.alice.pay({ id: `s${i}`, amountWei: 1n });
const oneByOne = Math.round((one * 1_000) / (performance.now() - start));

const begin = performance.now();
offers = 0;
await Promise.all(
  Array.from({ length: count }, (_, i) => parties.alice.pay({ id: `m${i}`, amountWei: 1n })),
);
const seconds = (performance.now() - begin) / 1_000;
console.log(
  JSON.stringify({
    ...parts,
    paymentsASecondOneAfterTheOther: oneByOne,
    paymentsASecondTogether: Math.round(count / seconds),
    paymentsInOneState: Math.round(count / offers),
    received,
  }),
);
await rm(folder, { recursive: true, force: true });
