import { readFile } from "node:fs/promises";
import type { CallerOptions } from "../caller.ts";
import { OPTIONS } from "../config.ts";

/**
 * How to reach the server of this machine, or container, from the settings that it has itself.
 *
 * @param variable  the port that is wanted.
 * @param address   host:port that the user gave; undefined: the server's own, over loopback if it
 *   listens everywhere.
 * @throws Node's error for a certificate that cannot be read.
 */
export async function localServer(
  variable: "PROVER_LISTEN" | "PROVER_ADMIN_LISTEN",
  address: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Pick<CallerOptions, "address" | "tls">> {
  const listen = env[variable] || OPTIONS[variable].default;
  const own = listen.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:");
  if (address !== undefined || !env.PROVER_TLS_CERT) return { address: address ?? own };
  return { address: own, tls: { ca: await readFile(env.PROVER_TLS_CERT) } };
}
