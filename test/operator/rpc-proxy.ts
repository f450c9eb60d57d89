// Stands between operator and node and misbehaves as nodes do: does not answer, lags behind, leaves out logs.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: unknown[];
}

export class RpcProxy {
  readonly url: string;
  /** No answer but a refused connection. */
  isAway = false;
  /** Replaces the answer to a request, or delays it by a promise; undefined lets it pass. */
  bend: (request: RpcRequest) => unknown = () => undefined;
  readonly #server: Server;

  private constructor(url: string, server: Server) {
    this.url = url;
    this.#server = server;
  }

  static async start(nodeUrl: string): Promise<RpcProxy> {
    let proxy: RpcProxy | undefined;
    const server = createServer(async (incoming, response) => {
      if (proxy?.isAway) return incoming.socket.destroy();
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const request = JSON.parse(body) as RpcRequest;
      const bent = await proxy?.bend(request);
      response.setHeader("content-type", "application/json");
      if (bent !== undefined) {
        return response.end(JSON.stringify({ jsonrpc: "2.0", id: request.id, result: bent }));
      }
      const answer = await fetch(nodeUrl, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      response.end(await answer.text());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    proxy = new RpcProxy(`http://127.0.0.1:${port}`, server);
    return proxy;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
