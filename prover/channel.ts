// How a client reaches its servers.
import { isIPv4, isIPv6 } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { type TlsBytes, type TlsFiles, type TlsPinned, tlsCredentials } from "./client-tls.ts";
import { BACKOFF_MAX_MS } from "./patience.ts";

export interface ChannelOptions {
  /**
   * host:port, or any other target that grpc-js takes; or several as ip:port, IPv4 or all IPv6.
   * With TLS a host name, or an IP address with `tls.serverName`: Node checks names only.
   */
  readonly address: string | readonly string[];
  /**
   * With several servers (a name with several addresses, or a list of them): "pick_first", unless
   * given, stays with one that answers; "round_robin" takes turns, call by call, leaving out those
   * that do not answer. Only for servers that share one job store: others do not know the job.
   */
  readonly balance?: "pick_first" | "round_robin";
  /** Absent: plaintext. */
  readonly tls?: TlsBytes | TlsFiles | TlsPinned;
  /**
   * Silence in milliseconds after which the connection of an open call is probed: 30 s unless
   * given. One without an answer after 10 s, or the same time again if that is less, is given up.
   */
  readonly keepaliveMs?: number;
}

/** Answers are small but for proofs; the default of 4 MiB would do, an explicit one is documented. */
const RECEIVE_MAX_BYTES = 16 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** First pause after a failed attempt to connect: a server that restarts is away for about so long. */
const RECONNECT_MS = 200;
/** grpc-js would go on for 30 s with addresses of servers that have moved. */
const RESOLVE_MS = 2_000;

/** @throws TypeError if a list of addresses holds anything but IP addresses of one kind. */
export function openChannel(options: ChannelOptions): grpc.Client {
  const { address, balance = "pick_first", tls, keepaliveMs = KEEPALIVE_MS } = options;
  const credentials = tls === undefined ? grpc.credentials.createInsecure() : tlsCredentials(tls);
  return new grpc.Client(targetOf(address), credentials, {
    "grpc.max_receive_message_length": RECEIVE_MAX_BYTES,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": Math.min(KEEPALIVE_TIMEOUT_MS, keepaliveMs),
    // Its books are kept for each call, and nobody reads them.
    "grpc.enable_channelz": 0,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS,
    "grpc.max_reconnect_backoff_ms": BACKOFF_MAX_MS,
    "grpc.dns_min_time_between_resolutions_ms": RESOLVE_MS,
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [balance]: {} }] }),
    // A TXT record of the name could change the line above.
    "grpc.service_config_disable_resolution": 1,
    // Closing one client must not depend on others in the process, nor one's resets disturb them.
    "grpc.use_local_subchannel_pool": 1,
    ...(tls?.serverName !== undefined && {
      "grpc.ssl_target_name_override": tls.serverName,
      "grpc.default_authority": tls.serverName,
    }),
  });
}

function targetOf(address: string | readonly string[]): string {
  if (typeof address === "string") return address;
  const list = address.map((each) => each.trim());
  const hosts = list.map((each) => each.slice(0, each.lastIndexOf(":")));
  if (list.length > 0 && hosts.every(isIPv4)) return `ipv4:${list.join(",")}`;
  const isBracketed = (host: string) => /^\[.*\]$/.test(host) && isIPv6(host.slice(1, -1));
  if (list.length > 0 && hosts.every(isBracketed)) return `ipv6:${list.join(",")}`;
  throw new TypeError(
    `address: got [${list.join(", ")}], expected ip:port, all IPv4 or all [IPv6]. ` +
      "For a name with several addresses give that name, as a string",
  );
}
