import * as grpc from "@grpc/grpc-js";
import type { HealthImplementation } from "grpc-health-check";

interface Asked {
  readonly service: string;
}

/**
 * Serves grpc.health.v1 for `names`. Whoever asks has not said who it is: of other names, which the
 * package would keep for ever once they were watched, nothing is kept and nothing repeated.
 */
export function addHealth(
  server: grpc.Server,
  health: HealthImplementation,
  names: readonly string[],
): void {
  const addService: grpc.Server["addService"] = (definition, implementation) => {
    const { check, watch, ...others } = implementation as {
      check: grpc.handleUnaryCall<Asked, unknown>;
      watch: grpc.handleServerStreamingCall<Asked, unknown>;
    };
    server.addService(definition, {
      ...others,
      check(call: Parameters<typeof check>[0], callback: Parameters<typeof check>[1]) {
        if (names.includes(call.request.service)) check(call, callback);
        else callback({ code: grpc.status.NOT_FOUND, details: "no such service here" });
      },
      watch(call: Parameters<typeof watch>[0]) {
        if (names.includes(call.request.service)) watch(call);
        // The protocol leaves the stream open, for a name that may come to be known.
        else call.write({ status: "SERVICE_UNKNOWN" });
      },
    });
  };
  health.addToServer({ addService } as grpc.Server);
}
