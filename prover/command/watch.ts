import { ProverClient } from "../client.ts";
import { type Command, positionalArguments } from "./command.ts";
import { printJob, showEvent } from "./job-report.ts";
import { createProgress } from "./progress.ts";
import { SERVICE_OPTIONS, SERVICE_USAGE, serviceAccess } from "./service-access.ts";

export const watch: Command = {
  name: "watch",
  summary: "follow a job of a service to its end; exit code 1 when it fails",
  usage: `JOB [--by-request-id] [--server ADDRESS] [--json]

  --by-request-id    JOB is the caller's request id, not the service's job id
${SERVICE_USAGE}`,
  options: { "by-request-id": { type: "boolean" }, ...SERVICE_OPTIONS },
  async run(positionals, flags, terminal) {
    const [id] = positionalArguments(positionals, ["JOB"]);
    const name = flags["by-request-id"] === true ? { requestId: id } : { jobId: id };
    const asJson = flags.json === true;
    const progress = createProgress(terminal.stderr, { silent: asJson });
    const client = new ProverClient(serviceAccess(flags, terminal.env));
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
