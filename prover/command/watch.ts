import { ProverClient } from "../client.ts";
import { type Command, positionalArguments, textFlag } from "./command.ts";
import { printJob, showEvent } from "./job-report.ts";
import { createProgress } from "./progress.ts";
import { DEFAULT_SERVER } from "./submit.ts";

export const watch: Command = {
  name: "watch",
  summary: "follow a job of a service to its end; exit code 1 when it fails",
  usage: `JOB [--by-request-id] [--server ADDRESS] [--json]

  --by-request-id    JOB is the caller's request id, not the service's job id
  --server ADDRESS   host:port (${DEFAULT_SERVER})`,
  options: { "by-request-id": { type: "boolean" }, server: { type: "string" } },
  async run(positionals, flags, terminal) {
    const [id] = positionalArguments(positionals, ["JOB"]);
    const name = flags["by-request-id"] === true ? { requestId: id } : { jobId: id };
    const asJson = flags.json === true;
    const progress = createProgress(terminal.stderr, { silent: asJson });
    const client = new ProverClient({ address: textFlag(flags, "server") ?? DEFAULT_SERVER });
    try {
      for await (const event of client.watch(name, { signal: terminal.signal })) {
        showEvent(progress, event);
      }
      progress.end();
      return printJob(await client.get(name), terminal, asJson);
    } finally {
      progress.end();
      client.close();
    }
  },
};
