import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverClient } from "../client.ts";
import { type Command, EXIT } from "./command.ts";
import { JOB_OPTIONS, JOB_USAGE, jobName } from "./job-name.ts";
import { printJob } from "./job-report.ts";
import { SERVICE_OPTIONS, SERVICE_USAGE, serviceAccess } from "./service-access.ts";

export const cancel: Command = {
  name: "cancel",
  summary: "stop a job of a service; exit code 1 when it had ended otherwise",
  usage: `JOB [--by-request-id] [--server ADDRESS] [--json]

Safe to repeat. A running job is still running in the answer, and stops within half a second.
${JOB_USAGE}
${SERVICE_USAGE}`,
  options: { ...JOB_OPTIONS, ...SERVICE_OPTIONS },
  async run(positionals, flags, terminal) {
    const name = jobName(positionals, flags);
    const client = new ProverClient(serviceAccess(flags, terminal.env));
    try {
      const job = await client.cancel(name, { signal: terminal.signal });
      printJob(job, terminal, flags.json === true);
      return job.cancelRequested || job.state === JobState.CANCELLED ? EXIT.ok : EXIT.no;
    } finally {
      client.close();
    }
  },
};
