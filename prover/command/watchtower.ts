import { pino } from "pino";
import type { Address } from "viem";
import { startTower, TOWER_KEY_VARIABLE } from "../../operator/channel/tower.ts";
import { type Command, EXIT, integerFlag, requiredFlag, textFlag, UsageError } from "./command.ts";
import { whenAborted } from "./output.ts";

export const watchtower: Command = {
  name: "watchtower",
  summary: "keep payment channels' states and answer disputes about earlier ones",
  usage: `--rpc URL --factory ADDRESS --data FOLDER [flags]

Takes states that both parties of a channel signed over HTTP, and answers on L1 when somebody disputes with an
earlier one. The key of the account that pays for the answers is read from ${TOWER_KEY_VARIABLE}.
  --rpc URL             JSON-RPC of an L1 node
  --factory ADDRESS     the ChannelFactory whose channels are watched
  --data FOLDER         where the states are kept
  --api-host HOST       where clients reach it (127.0.0.1)
  --api-port N          its port; 0 takes a free one (8646)
  --poll-ms N           how often L1 is asked (6000)
  --resend-ms N         unmined for so long, an answer is sent with a higher fee (36000)
  --max-fee-gwei N      most that it offers for a unit of gas (1000)
  --max-channels N      most channels (10000)
  --log-level LEVEL     debug, info, warn, error or silent (info)`,
  options: {
    rpc: { type: "string" },
    factory: { type: "string" },
    data: { type: "string" },
    "api-host": { type: "string" },
    "api-port": { type: "string" },
    "poll-ms": { type: "string" },
    "resend-ms": { type: "string" },
    "max-fee-gwei": { type: "string" },
    "max-channels": { type: "string" },
    "log-level": { type: "string" },
  },
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const number = (name: string, min: number, max: number, preset: number) =>
      integerFlag(flags, name, { min, max, preset });
    const apiHost = textFlag(flags, "api-host");
    const running = await startTower(
      {
        rpcUrl: requiredFlag(flags, "rpc"),
        factory: requiredFlag(flags, "factory") as Address,
        folder: requiredFlag(flags, "data"),
        ...(apiHost !== undefined && { apiHost }),
        apiPort: number("api-port", 0, 65_535, 8646),
        pollIntervalMs: number("poll-ms", 10, 600_000, 6_000),
        resendAfterMs: number("resend-ms", 100, 3_600_000, 36_000),
        maxFeePerGasGwei: number("max-fee-gwei", 1, 1_000_000, 1_000),
        maxChannels: number("max-channels", 1, 1_000_000, 10_000),
      },
      { environment: env, log: pino({ level: textFlag(flags, "log-level") ?? "info" }) },
    );
    stdout.write(`${JSON.stringify({ api: running.apiUrl })}\n`);
    await whenAborted(signal);
    await running.stop();
    return EXIT.ok;
  },
};
