/** TLS of a client: from bytes, or from files that may be replaced while it runs. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates } from "node:tls";
import * as grpc from "@grpc/grpc-js";

/** The bytes of PEM files. */
export interface TlsBytes {
  /** Absent: the authorities that Node knows. */
  readonly ca?: Uint8Array;
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  /** The name in the server's certificate, where it is not the one in the address. */
  readonly serverName?: string;
}

/** Paths of PEM files: read again every few seconds, for connections that are made from then on. */
export interface TlsFiles {
  /** Absent: the authorities that Node knows. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** As in `TlsBytes`. */
  readonly serverName?: string;
}

/** One certificate is trusted, whatever its names and issuer: for who has the server's own files. */
export interface TlsPinned {
  /** The bytes of a PEM file; its first certificate is the server's. */
  readonly pinned: Uint8Array;
  /** To be shown if the server asks for one. */
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  readonly serverName: string;
}

/** A certificate is renewed days before its end. */
const RELOAD_MS = 5_000;

/** @throws Error if a file cannot be read or is not what it should be. */
export function tlsCredentials(tls: TlsBytes | TlsFiles | TlsPinned): grpc.ChannelCredentials {
  if ("pinned" in tls) {
    // An issuer that is not known does no harm to a certificate that is trusted itself (Node 20.18).
    const ca = new X509Certificate(tls.pinned).toString();
    const own = {
      ...(tls.cert && { cert: buffer(tls.cert) }),
      ...(tls.key && { key: buffer(tls.key) }),
    };
    const context = createSecureContext({ ca, ...own, allowPartialTrustChain: true });
    return grpc.credentials.createFromSecureContext(context, {
      checkServerIdentity: () => undefined,
    });
  }
  if (!("caFile" in tls || "certFile" in tls || "keyFile" in tls)) {
    const { ca, key, cert } = tls as TlsBytes;
    return grpc.credentials.createSsl(buffer(ca), buffer(key), buffer(cert));
  }
  const files = new WatchedFiles(tls);
  return grpc.experimental.createCertificateProviderChannelCredentials(
    files,
    tls.certFile === undefined ? null : files,
  );
}

/** Grpc-js insists on Node's own class. */
const buffer = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes);

type CaListener = Parameters<grpc.experimental.CertificateProvider["addCaCertificateListener"]>[0];
type IdentityListener = Parameters<
  grpc.experimental.CertificateProvider["addIdentityCertificateListener"]
>[0];

interface Contents {
  readonly ca: Buffer;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Grpc-js has one of its own, which forgets what it had when a file is gone for a moment. */
class WatchedFiles implements grpc.experimental.CertificateProvider {
  readonly #files: TlsFiles;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #contents: Contents;
  #timer: NodeJS.Timeout | undefined;

  constructor(files: TlsFiles) {
    this.#files = files;
    this.#contents = read(files);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    this.#watch();
    process.nextTick(() => listener({ caCertificate: this.#contents.ca }));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
    this.#watch();
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    this.#watch();
    process.nextTick(() => listener(identityOf(this.#contents)));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
    this.#watch();
  }

  #watch(): void {
    const isWanted = this.#caListeners.size + this.#identityListeners.size > 0;
    if (isWanted) this.#timer ??= setInterval(() => this.#reload(), RELOAD_MS).unref();
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #reload(): void {
    let next: Contents;
    try {
      next = read(this.#files);
    } catch {
      // Half written, or gone for a moment: what was read before still holds.
      return;
    }
    if (JSON.stringify(next) === JSON.stringify(this.#contents)) return;
    this.#contents = next;
    for (const listener of this.#caListeners) listener({ caCertificate: next.ca });
    for (const listener of this.#identityListeners) listener(identityOf(next));
  }
}

function identityOf({ cert, key }: Contents) {
  return cert === undefined || key === undefined ? null : { certificate: cert, privateKey: key };
}

function read({ caFile, certFile, keyFile }: TlsFiles): Contents {
  const ca = caFile === undefined ? Buffer.from(rootCertificates.join("\n")) : readFileSync(caFile);
  const cert = certFile === undefined ? undefined : readFileSync(certFile);
  const key = keyFile === undefined ? undefined : readFileSync(keyFile);
  // Certificate and key are two files: for a moment they may not belong together.
  createSecureContext({ ca, ...(cert && { cert }), ...(key && { key }) });
  return { ca, cert, key };
}
