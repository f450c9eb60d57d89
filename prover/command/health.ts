import { setTimeout as sleep } from "node:timers/promises";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponse_ServingStatusSchema as StatusSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { Caller } from "../caller.ts";
import { ProverClientError } from "../client-error.ts";
import { adminAccess } from "./admin-access.ts";
import { type Command, EXIT, integerFlag, textFlag, UsageError } from "./command.ts";
import { ACCESS_USAGE, SERVICE_OPTIONS } from "./service-access.ts";

/** A check that takes longer than probes wait is a failed one. */
const CHECK_MS = 3_000;
/** Between two checks of `--wait`. */
const PAUSE_MS = 250;
/** The longest `--wait`, in seconds: an hour, more than any key takes to load. */
const WAIT_MAX = 3_600;

export const health: Command = {
  name: "health",
  summary: "ask a service whether it takes jobs; exit code 0 when it does",
  usage: `[--server ADDRESS] [--service NAME] [--wait SECONDS]

  --server ADDRESS   host:port (PROVER_ADMIN_LISTEN of the environment, as the service reads it)
  --service NAME     of grpc.health.v1: startup, readiness or liveness (readiness)
  --wait SECONDS     ask until the answer is yes, for so long (0: once)
${ACCESS_USAGE}`,
  options: { ...SERVICE_OPTIONS, service: { type: "string" }, wait: { type: "string" } },
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const seconds = integerFlag(flags, "wait", { min: 0, max: WAIT_MAX, preset: 0 });
    const untilMs = Date.now() + seconds * 1000;
    const caller = new Caller({
      ...(await adminAccess(flags, env)),
      callMs: CHECK_MS,
      patienceMs: 0,
    });
    const check = () =>
      caller.unary(
        Health.method.check,
        { service: textFlag(flags, "service") ?? "readiness" },
        { signal },
      );
    try {
      let status = await check().catch(unlessEarly(untilMs));
      while (status?.status !== Status.SERVING && Date.now() < untilMs) {
        await sleep(PAUSE_MS, undefined, { signal });
        status = await check().catch(unlessEarly(untilMs));
      }
      const name = StatusSchema.value[status?.status ?? Status.UNKNOWN]?.name ?? "UNKNOWN";
      stdout.write(flags.json === true ? `${JSON.stringify({ status: name })}\n` : `${name}\n`);
      return status?.status === Status.SERVING ? EXIT.ok : EXIT.no;
    } finally {
      caller.close();
    }
  },
};

/** Nobody answers yet, and there is time to ask again. */
function unlessEarly(untilMs: number): (error: unknown) => undefined {
  return (error) => {
    const isEarly = error instanceof ProverClientError && error.isTransient;
    if (!isEarly || Date.now() >= untilMs) throw error;
  };
}
