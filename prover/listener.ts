import { readFileSync } from "node:fs";
import type { DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import { file_grpc_health_v1_health } from "../gen/grpc/health/v1/health_pb.ts";
import type { Config } from "./config.ts";
import { addService, type CallReport, type Handlers } from "./grpc.ts";
import { PROBES, type Probe } from "./observe/health.ts";
import { addReflection } from "./reflection.ts";

/** After a drain, open streams (a health watch never ends by itself) get so long to notice. */
const SHUTDOWN_GRACE_MS = 1_500;

/** What is left of an old connection's calls: a long poll at most; streams are resumed elsewhere. */
const CONNECTION_GRACE_MS = 300_000;

/** The address cannot be listened on: taken, not this machine's, unknown. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code = "LISTEN_REFUSED";
}

/** One port with one service, health and reflection. */
export class Listener<S extends DescService> {
  readonly #server: grpc.Server;
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];

  constructor(
    config: Config,
    service: S,
    handlers: Handlers<S>,
    dependencies: { readonly report: (call: CallReport) => void },
  ) {
    this.#server = new grpc.Server({
      "grpc.max_receive_message_length": config.messageMaxBytes,
      "grpc.max_concurrent_streams": config.streamsMax,
      "grpc.max_connection_age_ms": config.connectionMaxMs,
      "grpc.max_connection_age_grace_ms": CONNECTION_GRACE_MS,
      "grpc.keepalive_time_ms": config.keepaliveMs,
      "grpc.keepalive_timeout_ms": config.keepaliveTimeoutMs,
    });
    addService(this.#server, service, handlers, dependencies.report);
    this.#names = ["", service.typeName];
    this.#health = new HealthImplementation();
    for (const name of [...this.#names, ...PROBES]) this.#health.setStatus(name, "NOT_SERVING");
    this.#health.addToServer(this.#server);
    addReflection(
      this.#server,
      [service],
      [file_grpc_health_v1_health, file_google_rpc_error_details],
    );
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
  listen(address: string, credentials: grpc.ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) =>
        error === null ? resolve(port) : reject(listenError(address, error)),
      );
    });
  }

  /** Lets open calls end, for a short time, then ends them. */
  async close(): Promise<void> {
    const force = setTimeout(() => this.#server.forceShutdown(), SHUTDOWN_GRACE_MS);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(force);
  }
}

const statusOf = (isServing: boolean) => (isServing ? "SERVING" : "NOT_SERVING");

function listenError(address: string, cause: Error): ListenError {
  const isTaken = cause.message.includes("EADDRINUSE");
  const reason = isTaken ? "another process listens there (EADDRINUSE)" : cause.message;
  return new ListenError(`cannot listen on ${address}: ${reason}`, { cause });
}

/** @throws Error if a file cannot be read. */
export function serverCredentials(config: Config): grpc.ServerCredentials {
  if (config.tlsCert === "") return grpc.ServerCredentials.createInsecure();
  const authority = config.tlsClientCa === "" ? null : readFileSync(config.tlsClientCa);
  const pair = {
    cert_chain: readFileSync(config.tlsCert),
    private_key: readFileSync(config.tlsKey),
  };
  return grpc.ServerCredentials.createSsl(authority, [pair], authority !== null);
}
