// Where clients bring their states: JSON over HTTP. docs/channels.md describes the routes.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Address, getAddress, isAddress } from "viem";
import { OperatorError } from "../errors.ts";
import { readJson, sendError, sendJson } from "../http-json.ts";
import type { Log } from "../log.ts";
import {
  malformed,
  objectOf,
  type SignedState,
  signatureOf,
  stateFromJson,
} from "./signed-state.ts";

/** A state takes about 700 bytes. */
const BODY_MAX_BYTES = 4 * 1024;
const CONNECTIONS_MAX = 256;
const REQUEST_TIMEOUT_MS = 10_000;

export interface TowerSubject {
  /** @returns the latest nonce that is kept. */
  keep(channel: Address, state: SignedState): Promise<bigint>;
  /** The latest nonce that is kept, if any. */
  nonceOf(channel: Address): bigint | undefined;
  status(): object;
}

export interface TowerApi {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws Error if the address cannot be listened on. */
export async function serveTower(
  { host, port, log }: { readonly host: string; readonly port: number; readonly log: Log },
  subject: TowerSubject,
): Promise<TowerApi> {
  const server = createServer((request, response) => {
    handle(subject, request, response).catch((caught: unknown) => {
      if (request.errored !== null) return;
      const error = OperatorError.from(caught);
      if (error.code === "BUG") log.error({ failure: error.message }, "api request failed");
      if (response.headersSent) response.destroy();
      else if (error.code === "BUG")
        sendError(response, new OperatorError("BUG", "internal fault."));
      else sendError(response, error);
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { address, port: actual, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${actual}`,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function handle(
  subject: TowerSubject,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://tower");
  if (pathname === "/v1/states") {
    requireMethod(request, response, "POST");
    const { channel, state } = stateOf(await readJson(request, BODY_MAX_BYTES));
    const nonce = await subject.keep(channel, state);
    return sendJson(response, 200, { channel, nonce });
  }
  const [, text] = /^\/v1\/channels\/([^/]+)$/.exec(pathname) ?? [];
  if (text !== undefined) {
    requireMethod(request, response, "GET");
    const channel = addressOf(text);
    const nonce = subject.nonceOf(channel);
    if (nonce === undefined) {
      throw new OperatorError("NOT_FOUND", `no state of ${channel} is kept.`, { path: "channel" });
    }
    return sendJson(response, 200, { channel, nonce });
  }
  if (pathname === "/v1/status") {
    requireMethod(request, response, "GET");
    return sendJson(response, 200, subject.status());
  }
  throw new OperatorError("ROUTE_UNKNOWN", "no such route; docs/channels.md lists them.", {
    path: "url",
    got: pathname.slice(0, 80),
  });
}

/** @throws OperatorError CHANNEL_MESSAGE */
function stateOf(json: unknown): { channel: Address; state: SignedState } {
  const fields = objectOf(json, ["channel", "state", "aliceSignature", "bobSignature"]);
  return {
    channel: addressOf(fields.channel),
    state: {
      state: stateFromJson(fields.state),
      aliceSignature: signatureOf(fields.aliceSignature),
      bobSignature: signatureOf(fields.bobSignature),
    },
  };
}

function addressOf(value: unknown): Address {
  if (typeof value === "string" && isAddress(value, { strict: false })) return getAddress(value);
  throw malformed("channel", "an address");
}

function requireMethod(request: IncomingMessage, response: ServerResponse, method: string): void {
  if (request.method === method) return;
  response.setHeader("allow", method);
  throw new OperatorError("METHOD_NOT_ALLOWED", `this route takes ${method}.`, {
    path: "method",
    got: request.method ?? "nothing",
    expected: method,
  });
}
