import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

/**
 * What a caller may send before it must hear from us: on one stream, and on a connection. HTTP/2's preset
 * is 64 KiB for both, with which each witness of 100 KB waits for two turns of the event loop, and all
 * callers of a connection for each other: at 200 a second that was half of what a connection can carry.
 * More than a connection's window is never kept for it before a handler has asked for it.
 */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;

const widened = new WeakSet<ServerHttp2Session>();
let isListening = false;

/**
 * Widens the windows of every HTTP/2 connection of this process at its first stream. grpc-js has no
 * setting for its servers; Node tells of streams since version 22, and before that windows stay as they are.
 */
export function widenWindows(): void {
  if (isListening) return;
  isListening = true;
  subscribe("http2.server.stream.created", (message) => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || widened.has(session as ServerHttp2Session)) return;
    widened.add(session as ServerHttp2Session);
    (session as ServerHttp2Session).setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.settings({ initialWindowSize: STREAM_WINDOW_BYTES });
  });
}
