// What `propose` and `challenge` have in common: both run an honest account of an optimistic rollup.
import { pino } from "pino";
import { KEY_VARIABLE } from "../../operator/config.ts";
import { startFraudPlayer } from "../../operator/fraud/main.ts";
import type { Roles } from "../../operator/fraud/plan.ts";
import { type Command, EXIT, integerFlag, requiredFlag, textFlag, UsageError } from "./command.ts";
import { whenAborted } from "./output.ts";

const FLAGS = `  --rpc URL             JSON-RPC of an L1 node
  --rollup ADDRESS      the OptimisticRollup contract
  --from-block N        L1 block in which the first of its contracts was deployed
  --max-ahead N         propose: claims ahead of the final one to stake on, a bond each (32)
  --poll-ms N           how often L1 is looked at (2000)
  --max-fee-gwei N      never offer more for a unit of gas (200)
  --resend-ms N         without a receipt for so long, send again with a higher fee (60000)
  --log-level LEVEL     debug, info, warn, error or silent (info)`;

/** A command that plays these roles until it is stopped. */
export function fraudCommand(
  name: string,
  roles: Roles,
  words: { readonly summary: string; readonly meaning: string },
): Command {
  return {
    name,
    summary: words.summary,
    usage: `--rpc URL --rollup ADDRESS --from-block N [flags]

${words.meaning}
The L1 key is read from ${KEY_VARIABLE}. Nothing is kept on disk: started again, it goes on where the chain stands.
${FLAGS}`,
    options: {
      rpc: { type: "string" },
      rollup: { type: "string" },
      "from-block": { type: "string" },
      "max-ahead": { type: "string" },
      "poll-ms": { type: "string" },
      "max-fee-gwei": { type: "string" },
      "resend-ms": { type: "string" },
      "log-level": { type: "string" },
    },
    async run(positionals, flags, { stdout, env, signal }) {
      if (positionals.length > 0) {
        throw new UsageError(`"${positionals[0]}" is one argument too many`);
      }
      requiredFlag(flags, "from-block");
      const number = (flag: string, min: number, max: number, preset: number) =>
        integerFlag(flags, flag, { min, max, preset });
      const running = await startFraudPlayer(
        {
          rpcUrl: requiredFlag(flags, "rpc"),
          rollup: requiredFlag(flags, "rollup"),
          deploymentBlock: number("from-block", 1, Number.MAX_SAFE_INTEGER, 1),
          roles,
          maxAhead: number("max-ahead", 1, 1_000, 32),
          pollIntervalMs: number("poll-ms", 10, 600_000, 2_000),
          maxFeePerGasGwei: number("max-fee-gwei", 1, 1_000_000, 200),
          resendAfterMs: number("resend-ms", 1_000, 3_600_000, 60_000),
        },
        { environment: env, log: pino({ level: textFlag(flags, "log-level") ?? "info" }) },
      );
      stdout.write(`${JSON.stringify({ account: running.account })}\n`);
      await whenAborted(signal);
      await running.stop();
      return EXIT.ok;
    },
  };
}
