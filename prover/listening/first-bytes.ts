import type { Duplex } from "node:stream";

/** How every HTTP/2 connection begins. RFC 9113, section 3.4. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Which protocol the other side speaks, from its first bytes, which stay in the socket to be read.
 *
 * @param decide  called once, unless the connection ends before enough bytes are there.
 */
export function whenSpoken(socket: Duplex, decide: (isHttp2: boolean) => void): void {
  const chunks: Buffer[] = [];
  const read = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const length = Math.min(bytes.length, PREFACE.length);
    const isHttp2 = bytes.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isHttp2 && length < PREFACE.length) return;
    socket.off("readable", read);
    socket.off("end", giveUp);
    socket.unshift(bytes);
    decide(isHttp2);
  };
  // One that leaves before it has spoken would stay half open.
  const giveUp = () => socket.destroy();
  socket.once("end", giveUp);
  socket.on("readable", read);
}
