import type { PeerCertificate } from "node:tls";
import { ProverError } from "../errors.ts";
import type { Reloaded } from "../listening/reloaded.ts";
import type { AccessEntry } from "./access-list.ts";
import { certificateNames } from "./certificate-name.ts";
import { ANYBODY, type Identity } from "./identity.ts";
import { findDigest, hashOfToken, isToken } from "./token.ts";

/** What a caller shows. */
export interface Credentials {
  /** One that its connection has proved, of the authority that the service trusts. */
  readonly certificate: PeerCertificate | undefined;
  /** `Authorization` as it came. */
  readonly authorization: string | undefined;
  /** Whether nobody on the way can read it. */
  readonly isPrivate: boolean;
}

/** Knows callers. */
export class Access {
  readonly #list: Reloaded<readonly AccessEntry[]> | undefined;

  /** @param list  undefined: callers are not told apart, and each has all rights. */
  constructor(list: Reloaded<readonly AccessEntry[]> | undefined) {
    this.#list = list;
  }

  get isOpen(): boolean {
    return this.#list === undefined;
  }

  /** From now on others may be known, or the same by other things. */
  onChange(listener: () => void): void {
    this.#list?.onChange(() => listener());
  }

  /**
   * Who shows these. A certificate and a token must not be two callers'.
   *
   * @throws ProverError UNAUTHENTICATED
   */
  identify({ certificate, authorization, isPrivate }: Credentials): Identity {
    const entries = this.#list?.value;
    if (entries === undefined) return ANYBODY;
    const byCertificate = certificate && callerOf(certificate, entries);
    if (authorization === undefined) {
      if (byCertificate !== undefined) return byCertificate;
      throw unauthenticated(
        certificate === undefined
          ? "got neither certificate nor token, expected one"
          : "got a certificate of nobody known here, expected one that the access file names once",
      );
    }
    if (!isPrivate) {
      throw unauthenticated(
        "got a token over a connection that others can read, expected TLS. Replace the token",
      );
    }
    const byToken = holderOf(authorization, entries);
    if (byCertificate !== undefined && byCertificate !== byToken) {
      throw unauthenticated("got a certificate and a token of two callers, expected one's");
    }
    return byToken;
  }
}

/** The one caller whom the certificate names. Undefined: none, or several. */
function callerOf(
  certificate: PeerCertificate,
  entries: readonly AccessEntry[],
): AccessEntry | undefined {
  const names = certificateNames(certificate);
  const named = entries.filter(({ certificates }) =>
    certificates.some((name) => names.includes(name)),
  );
  return named.length === 1 ? named[0] : undefined;
}

/** @throws ProverError UNAUTHENTICATED */
function holderOf(authorization: string, entries: readonly AccessEntry[]): AccessEntry {
  const token = tokenOf(authorization);
  const holders = entries.flatMap((entry) => entry.tokenDigests.map(() => entry));
  const digests = entries.flatMap(({ tokenDigests }) => tokenDigests);
  const holder = token === undefined ? undefined : holders[findDigest(hashOfToken(token), digests)];
  if (holder !== undefined) return holder;
  throw unauthenticated("got a token that is not known here, expected one of the access file");
}

/** Bearer, or Basic with the token as password, for browsers. */
function tokenOf(authorization: string): string | undefined {
  const [scheme, value = "", more] = authorization.split(" ");
  if (more !== undefined) return undefined;
  const token =
    scheme?.toLowerCase() === "basic"
      ? Buffer.from(value, "base64")
          .toString("latin1")
          .replace(/^[^:]*:/, "")
      : scheme?.toLowerCase() === "bearer"
        ? value
        : "";
  return isToken(token) ? token : undefined;
}

function unauthenticated(message: string): ProverError {
  return new ProverError("UNAUTHENTICATED", `caller: ${message}`);
}
