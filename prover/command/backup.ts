import { AdminClient } from "../admin-client.ts";
import { adminAccess } from "./admin-access.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { ACCESS_USAGE, SERVICE_OPTIONS } from "./service-access.ts";

/** A store may hold gigabytes of inputs, on a slow disk. */
const BACKUP_MS = 3_600_000;

export const backup: Command = {
  name: "backup",
  summary: "make a running service copy its job store; docs/operations.md has the way back",
  usage: `[--server ADDRESS] [--json]

The service writes the copy into its own folder PROVER_BACKUP_DIR, while it goes on working. The copy
holds every job accepted before, with the inputs of those that wait: guard it as you guard the store.

  --server ADDRESS   host:port of AdminService (PROVER_ADMIN_LISTEN of the environment)
${ACCESS_USAGE}`,
  options: SERVICE_OPTIONS,
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const client = new AdminClient({ ...(await adminAccess(flags, env)), callMs: BACKUP_MS });
    try {
      const { path, sizeBytes } = await client.backup({ signal });
      const json = JSON.stringify({ path, sizeBytes: Number(sizeBytes) });
      stdout.write(flags.json === true ? `${json}\n` : `${path}\n`);
      return EXIT.ok;
    } finally {
      client.close();
    }
  },
};
