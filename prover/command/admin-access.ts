import { readFile } from "node:fs/promises";
import type { CallerOptions } from "../caller.ts";
import { OPTIONS } from "../config.ts";
import { type Flags, textFlag } from "./command.ts";
import { serviceAccess } from "./service-access.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * How to reach the admin port that the flags name; without `--server` that of this machine or container,
 * from the settings that the server has itself, so that a health check needs none of its own.
 *
 * @throws UsageError, or Node's error for a certificate that cannot be read.
 */
export async function adminAccess(
  flags: Flags,
  env: Environment,
): Promise<Pick<CallerOptions, "address" | "tls" | "token">> {
  if (textFlag(flags, "server") !== undefined) return serviceAccess(flags, env);
  const listen = env.PROVER_ADMIN_LISTEN || OPTIONS.PROVER_ADMIN_LISTEN.default;
  // Who listens everywhere listens on loopback too.
  const address = listen.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:");
  const given = serviceAccess({ ...flags, server: address }, env);
  if (given.tls !== undefined || !env.PROVER_TLS_CERT) return given;
  return { ...given, tls: await ownTls(env, env.PROVER_TLS_CERT) };
}

/** The server's certificate is known, so that it need not be in the name of loopback. */
async function ownTls(env: Environment, certFile: string) {
  const pinned = await readFile(certFile);
  const isAsked = Boolean(env.PROVER_TLS_CLIENT_CA && env.PROVER_TLS_KEY);
  // The key may be the server's alone; a server to which certificates are optional answers all the same.
  const key = isAsked && (await readFile(env.PROVER_TLS_KEY as string).catch(() => undefined));
  return { pinned, serverName: "localhost", ...(key && { cert: pinned, key }) };
}
