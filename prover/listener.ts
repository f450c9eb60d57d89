import type { IncomingMessage } from "node:http";
import type { DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { file_grpc_health_v1_health } from "../gen/grpc/health/v1/health_pb.ts";
import type { Access } from "./access/access.ts";
import { authentication, authorizePage } from "./access/authentication.ts";
import type { Quotas } from "./access/quotas.ts";
import type { Config } from "./config.ts";
import { addService, type CallReport, type Handlers } from "./grpc.ts";
import { addHealth } from "./health-service.ts";
import type { Certificates } from "./listening/certificates.ts";
import { Front, type Refusal } from "./listening/front.ts";
import type { Reloaded } from "./listening/reloaded.ts";
import { Web, type WebHandler } from "./listening/web.ts";
import { widenWindows } from "./listening/windows.ts";
import { PROBE_PATHS, PROBES, type Probe } from "./observe/health.ts";
import { addReflection } from "./reflection.ts";

/** After a drain, open streams (a health watch never ends by itself) get so long to notice. */
const SHUTDOWN_GRACE_MS = 1_500;

/** What is left of an old connection's calls: a long poll at most; streams are resumed elsewhere. */
const CONNECTION_GRACE_MS = 300_000;

/**
 * Memory of one connection, in MB, above which it gets no new streams: what it does not read is kept
 * for it. Larger than what all streams of a connection have in their windows (256 of 64 KB).
 */
const SESSION_MAX_MB = 64;

export interface ListenerDependencies {
  readonly report: (call: CallReport) => void;
  readonly access: Access;
  readonly quotas: Quotas;
  /** Undefined: plaintext. */
  readonly certificates: Reloaded<Certificates> | undefined;
  /** A connection was refused before anything was read from it. */
  readonly onRefusal: (refusal: Refusal) => void;
  /** Answers HTTP/1 on the same port. Undefined: nobody does. */
  readonly web?: WebHandler | undefined;
  /** A fault of `web`. */
  readonly onFault: (error: unknown) => void;
}

/** One port with one service, health and reflection; and with pages, if there is somebody for them. */
export class Listener<S extends DescService> {
  readonly #server: grpc.Server;
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];
  readonly #front: Front;
  readonly #web: Web | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    config: Config,
    service: S,
    handlers: Handlers<S>,
    dependencies: ListenerDependencies,
  ) {
    const { access, quotas, certificates, onRefusal, web: handler, onFault } = dependencies;
    widenWindows();
    this.#server = new grpc.Server({
      interceptors: [
        authentication({
          access,
          quotas,
          isEncrypted: certificates !== undefined,
          onRefusal: (path, error) =>
            dependencies.report({
              method: path.slice(1),
              elapsedMs: 0,
              error,
              isAbandoned: false,
            }),
        }),
      ],
      "grpc-node.max_session_memory": SESSION_MAX_MB,
      "grpc.max_receive_message_length": config.messageMaxBytes,
      "grpc.max_concurrent_streams": config.streamsMax,
      "grpc.max_connection_age_ms": config.connectionMaxMs,
      "grpc.max_connection_age_grace_ms": CONNECTION_GRACE_MS,
      "grpc.keepalive_time_ms": config.keepaliveMs,
      "grpc.keepalive_timeout_ms": config.keepaliveTimeoutMs,
      // Its books are kept for each call, and nobody reads them.
      "grpc.enable_channelz": 0,
    });
    addService(this.#server, service, handlers, dependencies.report);
    this.#names = ["", service.typeName];
    this.#health = new HealthImplementation();
    const healthNames = [...this.#names, ...PROBES];
    for (const name of healthNames) this.#health.setStatus(name, "NOT_SERVING");
    addHealth(this.#server, this.#health, healthNames);
    addReflection(
      this.#server,
      [service],
      [file_grpc_health_v1_health, file_google_rpc_error_details],
    );
    // TLS is the front's, which hands over what is inside of it.
    const injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    const web =
      handler &&
      new Web(
        { headersMs: config.handshakeMs },
        { handler, authorize: (request) => authorizeUnlessProbe(access, request), onFault },
      );
    this.#web = web;
    this.#front = new Front(config, {
      certificates,
      onHttp2: (connection) => injector.injectConnection(connection),
      onHttp1: web && ((connection) => web.accept(connection)),
      onRefusal,
    });
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#front.connectionCount;
  }

  /** Of the port and its service. */
  setHealth(isServing: boolean): void {
    for (const name of this.#names) this.#health.setStatus(name, statusOf(isServing));
  }

  /** Of the names that probes ask for. */
  setProbes(answers: Readonly<Record<Probe, boolean>>): void {
    for (const name of PROBES) this.#health.setStatus(name, statusOf(answers[name]));
  }

  /**
   * @returns the port, which the system chooses if the address says 0.
   * @throws ListenError
   */
  listen(address: string): Promise<number> {
    return this.#front.listen(address);
  }

  /** Lets open calls end, for a short time, then ends them. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const force = setTimeout(() => {
      this.#server.forceShutdown();
      this.#front.end();
    }, SHUTDOWN_GRACE_MS);
    this.#front.stop();
    this.#web?.close();
    this.#server.tryShutdown(() => {});
    // grpc-js counts sessions that are being closed as closed, although their last words are not out.
    await this.#front.whenEmpty();
    clearTimeout(force);
    this.#server.forceShutdown();
  }
}

/** Probes have no names, and hear nothing but yes or no. @throws as `authorizePage` */
function authorizeUnlessProbe(access: Access, request: IncomingMessage): void {
  if (!PROBE_PATHS.has(request.url ?? "")) authorizePage(access, request);
}

const statusOf = (isServing: boolean) => (isServing ? "SERVING" : "NOT_SERVING");
