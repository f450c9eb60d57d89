import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

/**
 * What a caller may send before it must hear from us: on one stream, and on a connection. HTTP/2's preset
 * is 64 KiB for both: a witness of 100 KB waits for further turns of the event loop, and all calls of a
 * connection for each other. Measured roughly with `npm run bench -- service --quick` on two cores, 200
 * submissions of 100 KB a second: accepted after 13 ms at the median and 91 ms at p99 with the preset, 6
 * and 60 ms with these.
 */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;

const widened = new WeakSet<ServerHttp2Session>();
let isListening = false;

/**
 * Widens the windows of every HTTP/2 connection of this process at its first stream. grpc-js has no
 * setting for its servers; under a Node that does not tell of streams, windows stay as they are.
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
