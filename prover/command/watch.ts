import { ProverClient } from "../client.ts";
import type { Command } from "./command.ts";
import { JOB_OPTIONS, JOB_USAGE, jobName } from "./job-name.ts";
import { printJob, showEvent } from "./job-report.ts";
import { createProgress } from "./progress.ts";
import { SERVICE_OPTIONS, SERVICE_USAGE, serviceAccess } from "./service-access.ts";

export const watch: Command = {
  name: "watch",
  summary: "follow a job of a service to its end; exit code 1 when it fails",
  usage: `JOB [--by-request-id] [--server ADDRESS] [--json]

${JOB_USAGE}
${SERVICE_USAGE}`,
  options: { ...JOB_OPTIONS, ...SERVICE_OPTIONS },
  async run(positionals, flags, terminal) {
    const name = jobName(positionals, flags);
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
