import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { Reloaded } from "./reloaded.ts";

/** PEM files; empty: none. */
export interface CertificateFiles {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsClientCa: string;
}

/**
 * No second handshake on a connection: it could show another certificate, of any authority, and Node
 * would still say `authorized` of the first one.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION;

/** What a TLS server shows, and whom it trusts. */
export interface Certificates {
  readonly context: SecureContextOptions;
  /** Certificates that are past their end, or not yet valid, by subject. */
  readonly untimely: readonly string[];
  /** When the first certificate of the server's own chain ends: Unix milliseconds. */
  readonly endMs: number;
}

/** A file is not what its setting says. The text quotes no file. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
  readonly code = "CERTIFICATE_REFUSED";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/**
 * @returns undefined without a certificate: no TLS.
 * @throws CertificateError, or Error if a file cannot be read.
 */
export async function openCertificates({
  tlsCert,
  tlsKey,
  tlsClientCa,
}: CertificateFiles): Promise<Reloaded<Certificates> | undefined> {
  if (tlsCert === "") return undefined;
  const paths = [tlsCert, tlsKey, ...(tlsClientCa === "" ? [] : [tlsClientCa])];
  return Reloaded.open(paths, ([cert, key, ca]) =>
    checkedCertificates(cert as Buffer, key as Buffer, ca),
  );
}

function checkedCertificates(cert: Buffer, key: Buffer, ca: Buffer | undefined): Certificates {
  const chain = certificatesOf(cert, "PROVER_TLS_CERT");
  const authorities = ca === undefined ? [] : certificatesOf(ca, "PROVER_TLS_CLIENT_CA");
  // Without an authority of its own a server would trust the system's for its callers.
  const context = { cert, key, ca: ca ?? [], secureOptions: SECURE_OPTIONS };
  try {
    createSecureContext(context);
  } catch {
    throw new CertificateError([
      "PROVER_TLS_KEY: got a file that is not the key of PROVER_TLS_CERT, expected its private key as PEM without a passphrase",
    ]);
  }
  const now = Date.now();
  const untimely = [...chain, ...authorities]
    .filter(
      ({ validFrom, validTo }) => !(Date.parse(validFrom) <= now && now < Date.parse(validTo)),
    )
    .map(({ subject }) => subject);
  const endMs = Math.min(...chain.map(({ validTo }) => Date.parse(validTo)));
  return { context, untimely, endMs };
}

/** OpenSSL takes a file without certificates as an authority that trusts nobody, in silence. */
function certificatesOf(pem: Buffer, setting: string): X509Certificate[] {
  const blocks = pem
    .toString("latin1")
    .match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  try {
    if (blocks === null) throw new Error("none");
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new CertificateError([`${setting}: got a file that is no certificate, expected PEM`]);
  }
}
