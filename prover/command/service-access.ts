import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { CallerOptions } from "../caller.ts";
import { type Flags, textFlag, UsageError } from "./command.ts";

/** Where `proofmill serve` listens when nothing else is said. */
const DEFAULT_SERVER = "127.0.0.1:50051";

/** The environment variable with an API token. There is no flag for it: others can see those. */
export const TOKEN_VARIABLE = "PROOFMILL_TOKEN";

/** Flags of commands that call a service. */
export const SERVICE_OPTIONS = {
  server: { type: "string" },
  tls: { type: "boolean" },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-name": { type: "string" },
  "token-file": { type: "string" },
} as const;

/** What the flags mean, but for `--server`. */
export const ACCESS_USAGE = `  --tls              with TLS, under an authority that Node knows
  --tls-ca FILE      with TLS, under this authority
  --tls-cert FILE    the certificate to show, and
  --tls-key FILE     the key of that
  --tls-name NAME    the name in the server's certificate, if it is not that of ADDRESS
  --token-file FILE  file with an API token (the variable ${TOKEN_VARIABLE})`;

export const SERVICE_USAGE = `  --server ADDRESS   host:port (${DEFAULT_SERVER})
${ACCESS_USAGE}`;

/** How to reach the service that the flags name, and what to show it. */
export function serviceAccess(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Pick<CallerOptions, "address" | "tls" | "token"> {
  const file = (flag: string, name: string) => {
    const path = textFlag(flags, flag);
    return path === undefined ? {} : { [name]: path };
  };
  const files = {
    ...file("tls-ca", "caFile"),
    ...file("tls-cert", "certFile"),
    ...file("tls-key", "keyFile"),
  };
  if ("certFile" in files !== "keyFile" in files) {
    throw new UsageError("--tls-cert and --tls-key: got one without the other");
  }
  const names: { readonly serverName?: string } = file("tls-name", "serverName");
  const hasTls = flags.tls === true || Object.keys({ ...files, ...names }).length > 0;
  const address = textFlag(flags, "server") ?? DEFAULT_SERVER;
  if (hasTls && names.serverName === undefined && isIP(hostOf(address)) > 0) {
    throw new UsageError(
      `--server: got ${address} with TLS, which goes by names. Set --tls-name to the name in the server's certificate, or give --server by name`,
    );
  }
  const tokenFile = textFlag(flags, "token-file");
  const token =
    tokenFile === undefined
      ? env[TOKEN_VARIABLE] || undefined
      : async () => (await readFile(tokenFile, "utf8")).trim();
  return {
    address,
    ...(hasTls && { tls: { ...files, ...names } }),
    ...(token !== undefined && { token }),
  };
}

const hostOf = (address: string) =>
  address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
