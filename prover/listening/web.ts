/** HTTP/1 for people and for what collects metrics, beside gRPC on the same port. It only reads. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIPv4, isIPv6, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { ProverError } from "../errors.ts";

/**
 * Answers a GET or HEAD request. Method, host and caller have been checked, and headers set that
 * keep browsers from doing anything else with the answer than to show it.
 */
export type WebHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

export interface WebOptions {
  /** Time for a request's headers to arrive, and for the next request of a connection to begin. */
  readonly headersMs: number;
}

export interface WebDependencies {
  readonly handler: WebHandler;
  /** @throws ProverError UNAUTHENTICATED, PERMISSION_DENIED */
  readonly authorize: (request: IncomingMessage) => void;
  readonly onFault: (error: unknown) => void;
}

const HEADERS_MAX_BYTES = 16 * 1024;
const HEADERS_MAX = 64;

/** Only files of this page's own origin, and nobody may frame it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** An HTTP/1 server for connections that others have accepted. */
export class Web {
  readonly #server: Server;
  readonly #dependencies: WebDependencies;
  readonly #headersMs: number;
  readonly #connections = new Set<Socket>();

  constructor({ headersMs }: WebOptions, dependencies: WebDependencies) {
    this.#dependencies = dependencies;
    this.#headersMs = headersMs;
    this.#server = createServer({ maxHeaderSize: HEADERS_MAX_BYTES }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.maxHeadersCount = HEADERS_MAX;
    this.#server.on("clientError", (_, socket) => socket.destroy());
    // Tunnels and other protocols are nothing for this port.
    for (const event of ["connect", "upgrade"]) {
      this.#server.on(event, (_: IncomingMessage, socket: Socket) => socket.destroy());
    }
  }

  accept(connection: Socket): void {
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    this.#awaitRequest(connection);
    this.#server.emit("connection", connection);
  }

  /** Ends all connections. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  /** Node checks its own limits only for connections of a server that listens. */
  #awaitRequest(connection: Socket): void {
    const slow = setTimeout(() => connection.destroy(), this.#headersMs);
    // Neither may stay behind: a page asks every second on one connection.
    const done = () => {
      clearTimeout(slow);
      connection.off("close", done);
      connection.off(REQUEST, done);
    };
    connection.once("close", done);
    connection.once(REQUEST, done);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    socket.emit(REQUEST);
    response.once("close", () => {
      if (!socket.destroyed) this.#awaitRequest(socket);
    });
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    try {
      const refusal = refusalOf(request);
      if (refusal !== undefined) {
        refuse(response, ...refusal);
        return;
      }
      this.#dependencies.authorize(request);
      await this.#dependencies.handler(request, response);
    } catch (caught) {
      const error = ProverError.from(caught);
      if (error.code === "UNAUTHENTICATED") {
        response.setHeader("WWW-Authenticate", 'Basic realm="proofmill", charset="UTF-8"');
        refuse(response, 401, error.message);
      } else if (error.code === "PERMISSION_DENIED") refuse(response, 403, error.message);
      else {
        this.#dependencies.onFault(caught);
        refuse(response, 500, "internal fault of the service");
      }
    }
  }
}

const REQUEST = Symbol("request");

/** What no handler needs to see: status and reason, or undefined for a request that may go on. */
function refusalOf(request: IncomingMessage): [number, string] | undefined {
  const { method, headers, socket } = request;
  if (method !== "GET" && method !== "HEAD")
    return [405, "only GET and HEAD: pages here only show"];
  // A body would have to be read by somebody.
  if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0) {
    return [413, "got a body, expected none"];
  }
  // A page of another site can make a name of its own stand for this machine, and then read what is
  // here as if it were its own. It cannot do so with a number, nor show a certificate of the name.
  if (!(socket instanceof TLSSocket) && !isPlainHost(headers.host ?? "")) {
    return [421, "got a Host with a name, expected an IP address or localhost: use one, or TLS"];
  }
  return undefined;
}

/** Whether `Host` is localhost or an IP address, with or without a port. */
export function isPlainHost(host: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host);
  if (match === null) return false;
  const [, bracketed, name = ""] = match;
  if (bracketed !== undefined) return isIPv6(bracketed);
  return name.toLowerCase() === "localhost" || isIPv4(name);
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // What follows may be the body that was not read.
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" });
  response.end(`${reason}\n`);
}
