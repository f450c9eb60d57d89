import { readFileSync } from "node:fs";
import type { DescFile, DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Config } from "./config.ts";
import { addService, type CallReport, type Handlers } from "./grpc.ts";
import { addReflection } from "./reflection.ts";

/** After a drain, open streams (a health watch never ends by itself) get so long to notice. */
const SHUTDOWN_GRACE_MS = 1_500;

/** One port with one service, health and reflection. */
export class Listener<S extends DescService> {
  readonly #server: grpc.Server;
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];

  constructor(
    config: Config,
    service: S,
    handlers: Handlers<S>,
    dependencies: {
      readonly report: (call: CallReport) => void;
      /** Types that occur only inside `Any`, for reflection. */
      readonly extraFiles: readonly DescFile[];
    },
  ) {
    this.#server = new grpc.Server({
      "grpc.max_receive_message_length": config.messageMaxBytes,
      "grpc.max_concurrent_streams": config.streamsMax,
      "grpc.keepalive_time_ms": config.keepaliveMs,
      "grpc.keepalive_timeout_ms": config.keepaliveTimeoutMs,
    });
    addService(this.#server, service, handlers, dependencies.report);
    this.#names = ["", service.typeName];
    this.#health = new HealthImplementation();
    this.setHealth("NOT_SERVING");
    this.#health.addToServer(this.#server);
    addReflection(this.#server, [service], dependencies.extraFiles);
  }

  setHealth(status: "SERVING" | "NOT_SERVING"): void {
    for (const name of this.#names) this.#health.setStatus(name, status);
  }

  /** @returns the port, which the system chooses if the address says 0. */
  listen(address: string, credentials: grpc.ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
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
