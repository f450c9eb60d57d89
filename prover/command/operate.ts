import { pino } from "pino";
import type { Address } from "viem";
import { KEY_VARIABLE } from "../../operator/config.ts";
import { startOperator } from "../../operator/main.ts";
import { type Command, EXIT, integerFlag, requiredFlag, textFlag, UsageError } from "./command.ts";
import { whenAborted } from "./output.ts";

export const operate: Command = {
  name: "operate",
  summary: "run a rollup's operator: mempool, batches, commits, the users' API",
  usage: `--rpc URL --rollup ADDRESS --from-block N --circuit ID [--prover HOST:PORT] [flags]

Follows the rollup contract, takes signed transfers over HTTP, has batches proved and commits them.
The L1 key is read from ${KEY_VARIABLE}. Without --prover it only follows, and needs no key.
  --rpc URL             JSON-RPC of an L1 node
  --rollup ADDRESS      the ZKRollup contract
  --from-block N        L1 block in which it was deployed
  --circuit ID          the circuit of its verifier, for example batch-4
  --prover HOST:PORT    the proving service
  --prover-ca FILE      the authority of its certificate, as PEM: with TLS
  --prover-tls          with TLS, under an authority that Node knows
  --prover-cert FILE    the certificate that the operator shows it, and
  --prover-key FILE     the key of that
  --prover-token FILE   file with the API token that it knows the operator by
  --fee-index N         account that gets the fees; 0 takes none (0)
  --min-fee-gwei N      smallest fee of a transfer (0)
  --api-host HOST       where the users' API listens (127.0.0.1)
  --api-port N          its port; 0 takes a free one (8645)
  --confirmations N     L1 blocks on top of a block before its events count (2)
  --poll-ms N           how often L1 is asked (2000)
  --batch-wait-ms N     how long work waits for company (10000)
  --log-level LEVEL     debug, info, warn, error or silent (info)`,
  options: {
    rpc: { type: "string" },
    rollup: { type: "string" },
    "from-block": { type: "string" },
    circuit: { type: "string" },
    prover: { type: "string" },
    "prover-ca": { type: "string" },
    "prover-tls": { type: "boolean" },
    "prover-cert": { type: "string" },
    "prover-key": { type: "string" },
    "prover-token": { type: "string" },
    "fee-index": { type: "string" },
    "min-fee-gwei": { type: "string" },
    "api-host": { type: "string" },
    "api-port": { type: "string" },
    confirmations: { type: "string" },
    "poll-ms": { type: "string" },
    "batch-wait-ms": { type: "string" },
    "log-level": { type: "string" },
  },
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const number = (name: string, max: number, preset: number) =>
      integerFlag(flags, name, { min: 0, max, preset });
    const prover = textFlag(flags, "prover");
    const apiHost = textFlag(flags, "api-host");
    requiredFlag(flags, "from-block");
    const running = await startOperator(
      {
        rpcUrl: requiredFlag(flags, "rpc"),
        rollup: requiredFlag(flags, "rollup") as Address,
        deploymentBlock: number("from-block", Number.MAX_SAFE_INTEGER, 0),
        circuitId: requiredFlag(flags, "circuit"),
        ...(prover !== undefined && { proverAddress: prover }),
        ...given("proverCaFile", textFlag(flags, "prover-ca")),
        ...given("proverTls", flags["prover-tls"] === true || undefined),
        ...given("proverCertFile", textFlag(flags, "prover-cert")),
        ...given("proverKeyFile", textFlag(flags, "prover-key")),
        ...given("proverTokenFile", textFlag(flags, "prover-token")),
        feeIndex: number("fee-index", 2 ** 32 - 1, 0),
        minFeeGwei: BigInt(number("min-fee-gwei", 2 ** 32 - 1, 0)),
        ...(apiHost !== undefined && { apiHost }),
        apiPort: number("api-port", 65_535, 8645),
        confirmations: number("confirmations", 1_000, 2),
        pollIntervalMs: number("poll-ms", 600_000, 2_000),
        maxBatchWaitMs: number("batch-wait-ms", 3_600_000, 10_000),
      },
      { environment: env, log: pino({ level: textFlag(flags, "log-level") ?? "info" }) },
    );
    stdout.write(`${JSON.stringify({ api: running.apiUrl })}\n`);
    await whenAborted(signal);
    await running.stop();
    return EXIT.ok;
  },
};

/** A setting that was given, or nothing. */
function given<Name extends string, T>(name: Name, value: T | undefined): { [N in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]?: T });
}
