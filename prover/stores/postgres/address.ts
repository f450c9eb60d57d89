/** Where a PostgreSQL database is, and how to speak to it: `PROVER_STORE=postgres://...`. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import type { ConnectionOptions } from "node:tls";

/** What pg's clients take, and the schema of the tables. */
export interface DatabaseAddress {
  readonly schema: string;
  /** For people: server and database, no user and no password. */
  readonly label: string;
  readonly client: {
    readonly host: string | undefined;
    readonly port: number | undefined;
    readonly user: string | undefined;
    readonly database: string | undefined;
    /** Asked for each connection, so that a changed password is taken up. Undefined: pg's own ways. */
    readonly password: string | (() => Promise<string>) | undefined;
    readonly ssl: ConnectionOptions | false;
  };
}

const PARAMETERS = ["host", "schema", "sslmode", "sslrootcert", "sslcert", "sslkey"] as const;
const SSL_MODES = ["disable", "verify-ca", "verify-full"] as const;
/** A name that needs no quotes; PostgreSQL cuts longer ones off. */
const SCHEMA = /^[a-z_][a-z0-9_]{0,47}$/;
const PRESET_SCHEMA = "proofmill";
/** A URL must name some server; this one stands for a socket in a folder. */
const NO_HOST = "socket.invalid";

/** @throws Error whose message ends the sentence "expected ..."; it quotes nothing of the URL. */
export function checkAddress(url: string): void {
  const { searchParams } = urlOf(url);
  for (const [name] of searchParams) {
    if (!(PARAMETERS as readonly string[]).includes(name)) {
      throw new Error(`a URL with parameters of ${PARAMETERS.join(", ")} only`);
    }
  }
  const mode = searchParams.get("sslmode");
  if (mode !== null && !(SSL_MODES as readonly string[]).includes(mode)) {
    throw new Error(
      `sslmode to be one of ${SSL_MODES.join(", ")}; require would encrypt for whoever answers`,
    );
  }
  if (mode === "verify-ca" && !searchParams.has("sslrootcert")) {
    throw new Error("sslrootcert beside sslmode=verify-ca: any authority's server would do");
  }
  if (searchParams.has("sslcert") !== searchParams.has("sslkey")) {
    throw new Error("both of sslcert and sslkey, or none");
  }
  if (!SCHEMA.test(searchParams.get("schema") ?? PRESET_SCHEMA)) {
    throw new Error("a schema of up to 48 characters a-z 0-9 _, which begins with a letter");
  }
}

/**
 * @param url  that `checkAddress` has passed.
 * @param passwordFile  empty: none. What it holds wins over the URL's password.
 * @throws Error if a file of certificates cannot be read.
 */
export function addressOf(url: string, passwordFile: string): DatabaseAddress {
  const { hostname, port, username, password, pathname, searchParams } = urlOf(url);
  const named = hostname === "" || hostname === NO_HOST ? undefined : decodeURIComponent(hostname);
  const host = searchParams.get("host") ?? named?.replace(/^\[(.+)\]$/, "$1");
  const database = decodeURIComponent(pathname.slice(1)) || undefined;
  const fromFile = async () => (await readFile(passwordFile, "utf8")).trimEnd();
  return {
    schema: searchParams.get("schema") ?? PRESET_SCHEMA,
    label: `${host ?? process.env.PGHOST ?? "localhost"}/${database ?? process.env.PGDATABASE ?? ""}`,
    client: {
      host,
      port: port === "" ? undefined : Number(port),
      user: decodeURIComponent(username) || undefined,
      database,
      password: passwordFile === "" ? decodeURIComponent(password) || undefined : fromFile,
      ssl: tlsOf(host ?? process.env.PGHOST ?? "localhost", searchParams),
    },
  };
}

/** A URL, or what was meant to be one, as it may be shown: without user, password and parameters. */
export function withoutSecrets(url: string): string {
  return url.replace(/\?.*$/s, "?***").replace(/^(\w*:\/\/)?.*@/s, "$1***@");
}

function urlOf(url: string): URL {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new Error("a URL that begins with postgres://");
  const withHost = url.replace(/^(\w+:\/\/[^/?#]*@)(?=[/?#]|$)/, `$1${NO_HOST}`);
  try {
    const parsed = new URL(withHost);
    for (const part of [parsed.hostname, parsed.username, parsed.password, parsed.pathname]) {
      decodeURIComponent(part);
    }
    return parsed;
  } catch {
    throw new Error(
      "postgres://USER@HOST:PORT/DATABASE, with special characters of a password as %XX, or better with the password in a file",
    );
  }
}

/** Elsewhere than on this machine, witnesses travel encrypted to a server that proves who it is. */
function tlsOf(host: string, parameters: URLSearchParams): ConnectionOptions | false {
  const isLocal =
    host.startsWith("/") ||
    host === "localhost" ||
    host === "::1" ||
    (isIPv4(host) && host.startsWith("127."));
  const mode = parameters.get("sslmode") ?? (isLocal ? "disable" : "verify-full");
  if (mode === "disable") return false;
  const read = (name: string) => {
    const path = parameters.get(name);
    return path === null ? undefined : readFileSync(path);
  };
  const [ca, cert, key] = [read("sslrootcert"), read("sslcert"), read("sslkey")];
  return {
    rejectUnauthorized: true,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    // The authority vouches for the server, whatever name it is reached by.
    ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}
