// What a channel costs its parties, in gas: the same on every machine (test/snapshots/channel-gas.json).

import { type Hex, numberToHex } from "viem";
import { bothClosed, bothSigned, ETHER, openChannel, PERIOD } from "./channel.ts";

/** Whole transactions, calldata included. */
export type ChannelGas = Readonly<Record<string, number>>;

/** The bars, and what others publish. Gas. */
export const BARS = { cooperativeExit: 112_000, disputePath: 195_000 } as const;

export async function measureChannelGas(): Promise<ChannelGas> {
  const town = await openChannel();
  const { client, factory, terms, viem } = town;
  const gas: Record<string, number> = {};
  const measure = async (name: string, sending: Promise<Hex>): Promise<void> => {
    gas[name] = Number((await client.getTransactionReceipt({ hash: await sending })).gasUsed);
  };
  const salts = [1, 2, 3].map((n) => numberToHex(n * 0x1234567, { size: 32 }));
  const fund = { value: 6n * ETHER + 1n };
  await measure("open", factory.write.openChannel([terms, salts[0] as Hex, terms.alice]));
  await measure(
    "openAndFund",
    factory.write.openChannel([terms, salts[1] as Hex, terms.alice], fund),
  );
  const channelAt = async (salt: Hex) => {
    const address = await factory.read.channelAddress([terms, salt]);
    const as = (wallet: typeof town.alice) =>
      viem.getContractAt("PaymentChannel", address, { client: { wallet } });
    return {
      place: { ...town.place, channel: address },
      alice: await as(town.alice),
      bob: await as(town.bob),
    };
  };
  const closing = await channelAt(salts[1] as Hex);
  await measure("depositSecond", closing.bob.write.deposit({ value: 4n * ETHER + 3n }));
  await measure("depositAgain", closing.bob.write.deposit({ value: 2n * ETHER }));
  const split = {
    aliceDeposited: 6n * ETHER + 1n,
    bobDeposited: 6n * ETHER + 3n,
    aliceBalance: 5n * ETHER + 123_456_789n,
    bobBalance: 7n * ETHER + 4n - 123_456_789n,
    nonce: 123_456n,
  };
  await measure(
    "cooperativeClose",
    closing.bob.write.cooperativeClose(await bothClosed(closing.place, split)),
  );
  await measure("withdrawFirst", closing.alice.write.withdraw());
  await measure("withdrawSecond", closing.bob.write.withdraw());

  await factory.write.openChannel([terms, salts[2] as Hex, terms.alice], fund);
  const disputed = await channelAt(salts[2] as Hex);
  await disputed.bob.write.deposit({ value: 6n * ETHER + 3n });
  await measure(
    "initiateDispute",
    disputed.bob.write.initiateDispute(await bothSigned(disputed.place, split)),
  );
  await town.at((await town.now()) + PERIOD - 1);
  await measure(
    "challengeDispute",
    disputed.alice.write.challengeDispute(
      await bothSigned(disputed.place, { ...split, nonce: 123_457n }),
    ),
  );
  await town.at((await town.now()) + PERIOD);
  await measure("finalizeDispute", disputed.alice.write.finalizeDispute());

  const unsigned = await openChannel();
  const hash = await unsigned.asBob.write.initiateDepositDispute();
  gas.initiateDepositDispute = Number(
    (await unsigned.client.getTransactionReceipt({ hash })).gasUsed,
  );
  await unsigned.connection.close();
  await town.connection.close();
  return gas;
}

const number = (value: number) => value.toLocaleString("en-US");

/** The snapshot as Markdown, for docs/contracts.md. */
export function channelGasTable(gas: ChannelGas): string {
  const of = (name: string) => gas[name] ?? Number.NaN;
  const rows: [string, number, string][] = [
    ["`openChannel`", of("open"), ""],
    [
      "`openChannel` with the first deposit",
      of("openAndFund"),
      "Nitro-protocol 46,496 (one contract holds all channels), Raiden 111,094 + 56,000",
    ],
    ["`deposit`, the other party's first", of("depositSecond"), "Nitro-protocol 29,408"],
    ["`deposit`, later", of("depositAgain"), ""],
    [
      "`cooperativeClose`",
      of("cooperativeClose"),
      "Nitro-protocol 111,514, Raiden 112,270, both with payment",
    ],
    ["`initiateDispute`", of("initiateDispute"), "Nitro-protocol 113,146, Raiden 118,501"],
    ["`initiateDepositDispute`", of("initiateDepositDispute"), ""],
    ["`challengeDispute`, in the last second", of("challengeDispute"), "Raiden 90,516"],
    ["`finalizeDispute`", of("finalizeDispute"), "Raiden 108,569"],
    [
      "**`initiateDispute` and `finalizeDispute`**",
      of("initiateDispute") + of("finalizeDispute"),
      "Nitro-protocol 195,172, with payment",
    ],
    ["`withdraw`, first party", of("withdrawFirst"), ""],
    ["`withdraw`, second party", of("withdrawSecond"), ""],
  ];
  return [
    "| transaction | gas | published by others |",
    "| --- | ---: | --- |",
    ...rows.map(([name, value, others]) => `| ${name} | ${number(value)} | ${others} |`),
  ].join("\n");
}
