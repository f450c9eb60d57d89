/**
 * What stands before gRPC on a port: it counts connections, does TLS, tells HTTP/2 from HTTP/1, and
 * hands each connection to who speaks its protocol. Why not grpc-js itself: ADR 0029.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from "node:tls";
import type { Certificates } from "./certificates.ts";
import { ConnectionCount, type ConnectionLimits } from "./connection-count.ts";
import { whenSpoken } from "./first-bytes.ts";
import type { Reloaded } from "./reloaded.ts";

export interface FrontOptions extends ConnectionLimits {
  /** Time for a new connection to finish TLS and to say which protocol it speaks. */
  readonly handshakeMs: number;
  /** Whether callers need a certificate of the authority, if there is one. */
  readonly tlsClientCert: "required" | "optional";
}

export interface FrontDependencies {
  /** Undefined: plaintext. */
  readonly certificates: Reloaded<Certificates> | undefined;
  /** Takes an HTTP/2 connection. */
  readonly onHttp2: (connection: Duplex) => void;
  /** Takes an HTTP/1 connection. Undefined: such connections are ended. */
  readonly onHttp1: ((connection: Socket) => void) | undefined;
  /** A connection was refused. */
  readonly onRefusal: (refusal: Refusal) => void;
}

/** Why a connection was ended before a word of its protocol was read. */
export type Refusal = "too many" | "TLS" | "protocol" | "slow";

/** The address cannot be listened on: taken, not this machine's, unknown. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code = "LISTEN_REFUSED";
}

/** One port. */
export class Front {
  readonly #options: FrontOptions;
  readonly #dependencies: FrontDependencies;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  /** Those whose protocol is not known yet. */
  readonly #silent = new Set<Socket>();
  readonly #count: ConnectionCount;
  readonly #tls: TlsServer | undefined;
  #onEmpty = () => {};

  constructor(options: FrontOptions, dependencies: FrontDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#count = new ConnectionCount(options);
    this.#tls = this.#tlsServer(dependencies);
  }

  get connectionCount(): number {
    return this.#count.all;
  }

  /**
   * @param address  host:port. `localhost` listens on both loopback addresses, if there are two.
   * @returns the port, which the system chooses if the address says 0.
   * @throws ListenError
   */
  async listen(address: string): Promise<number> {
    const at = address.lastIndexOf(":");
    const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
    const first = await this.#listenOn(
      address,
      host === "localhost" ? "127.0.0.1" : host,
      Number(address.slice(at + 1)),
    );
    if (host === "localhost") {
      await this.#listenOn(address, "::1", first).catch((error: ListenError) => {
        // A machine without IPv6 has no such address; one where it is taken has another server there.
        if ((error.cause as NodeJS.ErrnoException).code === "EADDRINUSE") throw error;
      });
    }
    return first;
  }

  /** Takes no further connections, and ends those that have not spoken yet. */
  stop(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#silent) socket.destroy();
  }

  /** Returns when the last connection has ended. */
  whenEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Ends what is still open. */
  end(): void {
    this.stop();
    for (const socket of this.#connections) socket.destroy();
  }

  async #listenOn(address: string, host: string, port: number): Promise<number> {
    // HTTP ends a connection in two halves.
    const server = createServer({ allowHalfOpen: true, keepAlive: true, noDelay: true });
    server.on("connection", (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(listenError(address, error)));
      server.listen({ host, port }, resolve);
    }).catch((error) => {
      this.end();
      throw error;
    });
    // Running out of file descriptors is no reason to end the process.
    server.on("error", () => {});
    this.#servers.push(server);
    return (server.address() as { port: number }).port;
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {});
    const leave = this.#count.enter(socket.remoteAddress ?? "");
    if (leave === undefined) {
      this.#refuse(socket, "too many");
      return;
    }
    this.#connections.add(socket);
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#onEmpty();
      leave();
    });
    if (this.#tls === undefined) this.#sort(socket);
    else this.#tls.emit("connection", socket);
  }

  #refuse(socket: Duplex, refusal: Refusal): void {
    socket.destroy();
    this.#dependencies.onRefusal(refusal);
  }

  #sort(connection: Socket): void {
    const { onHttp1, onHttp2 } = this.#dependencies;
    const slow = setTimeout(() => this.#refuse(connection, "slow"), this.#options.handshakeMs);
    this.#silent.add(connection);
    const spoken = () => {
      clearTimeout(slow);
      this.#silent.delete(connection);
    };
    connection.once("close", spoken);
    whenSpoken(connection, (isHttp2) => {
      spoken();
      if (isHttp2) onHttp2(connection);
      else if (onHttp1 !== undefined) onHttp1(connection);
      else this.#refuse(connection, "protocol");
    });
  }

  #tlsServer({ certificates, onHttp1 }: FrontDependencies): TlsServer | undefined {
    if (certificates === undefined) return undefined;
    const { context } = certificates.value;
    const hasAuthority = (context.ca?.length ?? 0) > 0;
    const server = createTlsServer({
      ...context,
      ALPNProtocols: onHttp1 === undefined ? ["h2"] : ["h2", "http/1.1"],
      requestCert: hasAuthority,
      rejectUnauthorized: hasAuthority && this.#options.tlsClientCert === "required",
      handshakeTimeout: this.#options.handshakeMs,
    });
    certificates.onChange(({ context: next }) => server.setSecureContext(next));
    server.on("tlsClientError", (_, socket) => this.#refuse(socket, "TLS"));
    server.on("secureConnection", (stream: TLSSocket) => {
      stream.on("error", () => {});
      this.#sort(stream);
    });
    return server;
  }
}

function listenError(address: string, cause: NodeJS.ErrnoException): ListenError {
  const isTaken = cause.code === "EADDRINUSE";
  const reason = isTaken ? "another process listens there (EADDRINUSE)" : cause.message;
  return new ListenError(`cannot listen on ${address}: ${reason}`, { cause });
}
