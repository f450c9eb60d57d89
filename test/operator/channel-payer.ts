// A process that pays Bob one wei after the other until it is killed; prints the name of each payment once it is made.
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { LineLink } from "../../operator/channel/line-link.ts";
import { Party } from "../../operator/channel/party.ts";
import { PartyStore } from "../../operator/channel/party-store.ts";
import { ADDRESSES, KEYS, PLACE } from "./channel-pair.ts";

const [folder = "", port = "", life = ""] = process.argv.slice(2);
const exists = await stat(join(folder, "party.json")).catch(() => undefined);
const store = await (exists ? PartyStore.open(folder, PLACE) : PartyStore.create(folder, PLACE));
const link = new LineLink();
const alice = new Party(
  { place: PLACE, role: "alice", signerKey: KEYS.alice, partnerSigner: ADDRESSES.bob },
  {
    store,
    view: async () => ({ aliceWei: 10n ** 12n, bobWei: 0n, isOpen: true }),
    send: link.send,
  },
);
void link.serve(connect(Number(port), "127.0.0.1"), alice);
const payOn = async (thread: number): Promise<void> => {
  for (let i = 0; ; i++) {
    const id = `${life}-${thread}-${i}`;
    await alice.pay({ id, amountWei: 1n });
    process.stdout.write(`${id}\n`);
  }
};
await Promise.all([0, 1, 2].map(payOn));
