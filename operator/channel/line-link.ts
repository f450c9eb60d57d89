// Two sides over any byte stream, a TCP or TLS socket say: one message a line. The stream is not trusted; who listens
// beyond the machine puts TLS around it, so that nobody else reads who pays whom how much.

import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { OperatorError } from "../errors.ts";
import { type Message, messageFromJson, messageToJson } from "./message.ts";
import type { Party } from "./party.ts";

/** A thousand payments with the longest ids and amounts. */
const LINE_MAX = 256 * 1024;
/** What may have got lost is said again so often. */
const RESEND_MS = 1_000;

/** Sends to whatever stream is connected at the moment; what has no stream is dropped, since `connected` repeats it. */
export class LineLink {
  #stream: Duplex | undefined;

  readonly send = (message: Message): void => {
    if (this.#stream?.writable) this.#stream.write(`${JSON.stringify(messageToJson(message))}\n`);
  };

  /**
   * Speaks with the partner over this stream until it ends; then another one may come.
   *
   * @throws OperatorError  of the party, or CHANNEL_MESSAGE; the stream is closed then. Not where the stream breaks.
   */
  async serve(stream: Duplex, party: Party): Promise<void> {
    this.#stream?.destroy();
    this.#stream = stream;
    let broken: Error | undefined;
    stream.on("error", (error) => {
      broken = error;
    });
    let unread = 0;
    stream.on("data", (chunk: Buffer) => {
      const lastBreak = chunk.lastIndexOf(10);
      unread = lastBreak < 0 ? unread + chunk.length : chunk.length - lastBreak - 1;
      if (unread > LINE_MAX) stream.destroy();
    });
    party.connected();
    const timer = setInterval(() => void party.resend().catch(() => {}), RESEND_MS);
    try {
      for await (const line of createInterface({ input: stream })) {
        await party.receive(messageFromJson(parse(line)));
      }
    } catch (error) {
      // A partner that is gone is no failure of ours; it comes back over another stream.
      if (error !== broken) throw error;
    } finally {
      clearInterval(timer);
      stream.destroy();
      if (this.#stream === stream) this.#stream = undefined;
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new OperatorError("CHANNEL_MESSAGE", `got ${line.length} characters, expected JSON.`);
  }
}
