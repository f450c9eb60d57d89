// A wire between client and server, with faults to order.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export class Wire implements AsyncDisposable {
  readonly #ends = new Set<Socket>();
  /** Those whose bytes are read and thrown away. */
  readonly #holes = new WeakSet<Socket>();
  readonly #server: Server;
  /** Connections made so far. */
  connections = 0;
  /** Milliseconds by which every byte is late. */
  delayMs = 0;
  /** Where the wire leads. */
  port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(port: number): Promise<Wire> {
    const server = createServer({ allowHalfOpen: true });
    const wire = new Wire(server, port);
    server.on("connection", (near) => wire.#join(near));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Breaks every connection, with a reset. */
  cut(): void {
    for (const socket of this.#ends) socket.resetAndDestroy();
    this.#ends.clear();
  }

  /** Says on every connection, to both ends, that the other one has nothing more to say. */
  halfClose(): void {
    for (const socket of this.#ends) socket.end();
  }

  /** Makes black holes of all connections that there are: they stay open, and nothing comes out. */
  swallow(): void {
    for (const socket of this.#ends) this.#holes.add(socket);
  }

  async [Symbol.asyncDispose]() {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket): void {
    this.connections++;
    const far = connect({ port: this.port, host: "127.0.0.1", allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#ends.add(from);
      from.on("error", () => {});
      from.on("data", (bytes) => {
        if (this.#holes.has(from)) return;
        if (this.delayMs === 0) to.write(bytes);
        else setTimeout(() => to.write(bytes), this.delayMs);
      });
      from.on("end", () => to.end());
      from.on("close", () => {
        this.#ends.delete(from);
        if (!this.#holes.has(from)) to.destroy();
      });
    }
  }
}
