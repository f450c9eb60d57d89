// The users' HTTP API. docs/operator.md describes every route; all answers are JSON.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Address,
  encodeFunctionData,
  getAddress,
  type Hex,
  isAddress,
  numberToHex,
} from "viem";
import { L1Kind } from "../circuits/l1.ts";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { OperatorError } from "./errors.ts";
import { type ExitSource, proveExit } from "./exit-proof.ts";
import { readJson, sendError, sendJson } from "./http-json.ts";
import type { Log } from "./log.ts";
import type { Operator } from "./operator.ts";
import type { RollupState } from "./state.ts";
import { parseTransfer } from "./transfer-json.ts";

/** A transfer takes about 1.2 kB. */
const BODY_MAX_BYTES = 16 * 1024;
const CONNECTIONS_MAX = 256;
/** A request is one small read or one small body. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Exits in one answer of a list, newest first. */
const EXITS_MAX = 100;

export interface ApiOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

/** What the routes show. */
export interface ApiSubject extends ExitSource {
  readonly operator: Operator;
  readonly chainId: number;
  readonly feeIndex: number;
  readonly minFeeGwei: bigint;
  readonly log: Log;
}

type Parameters = readonly string[];
type Handler = (subject: ApiSubject, url: URL, parameters: Parameters) => unknown;

const GET_ROUTES: readonly (readonly [pattern: RegExp, handler: Handler])[] = [
  [/^\/v1\/status$/, status],
  [/^\/v1\/accounts$/, accountsOfOwner],
  [/^\/v1\/accounts\/([^/]+)$/, account],
  [/^\/v1\/transfers\/([^/]+)$/, receipt],
  [/^\/v1\/exits$/, exitsOfOwner],
  [/^\/v1\/exits\/([^/]+)\/([^/]+)$/, exit],
];

export interface Api {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws Error if the address cannot be listened on. */
export async function serveApi(options: ApiOptions, subject: ApiSubject): Promise<Api> {
  const server = createServer((request, response) => {
    handle(subject, request, response).catch((caught: unknown) => {
      // Hung up in the middle of its body: nobody is there to be answered, and nothing is wrong here.
      if (request.errored !== null) return;
      const error = OperatorError.from(caught);
      if (error.code === "BUG") subject.log.error({ failure: error.message }, "api request failed");
      if (response.headersSent) response.destroy();
      else sendError(response, hideBug(error));
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await listen(server, options);
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, { host, port }: ApiOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function handle(
  subject: ApiSubject,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url ?? "/";
  const url = new URL(URL.canParse(path, "http://operator") ? path : "/", "http://operator");
  if (url.pathname === "/v1/transfers") {
    requireMethod(request, response, "POST");
    requireReady(subject);
    const transfer = parseTransfer(await readJson(request, BODY_MAX_BYTES));
    const { id, isNew } = subject.operator.submit(transfer);
    const { operator } = subject;
    return sendJson(response, isNew ? 202 : 200, { id, ...operator.receipt(id) });
  }
  for (const [pattern, handler] of GET_ROUTES) {
    const match = pattern.exec(url.pathname);
    if (match === null) continue;
    requireMethod(request, response, "GET");
    if (handler !== status) requireReady(subject);
    return sendJson(response, 200, handler(subject, url, match.slice(1)));
  }
  throw new OperatorError("ROUTE_UNKNOWN", "no such route; docs/operator.md lists them.", {
    path: "url",
    got: url.pathname.slice(0, 80),
  });
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

function requireReady({ operator }: ApiSubject): void {
  if (operator.isReady) return;
  throw new OperatorError("SYNCING", "the chain is being read. Try again in a moment.", {
    path: "l1",
    got: `L1 block ${operator.state.l1.number}`,
    expected: `L1 block ${operator.l1HeadNumber}`,
  });
}

function status({ operator, ...subject }: ApiSubject): unknown {
  const { state, flight, lastError } = operator;
  return {
    chainId: subject.chainId,
    rollup: subject.rollup,
    circuitId: state.parameters.id,
    domain: state.domain,
    stateRoot: numberToHex(state.root, { size: 32 }),
    nextBlockNumber: state.nextBlockNumber,
    accounts: state.registeredCount,
    l1: {
      ...state.l1,
      headNumber: operator.l1HeadNumber,
      isReady: operator.isReady,
      isSynced: operator.isSynced,
    },
    queue: { head: state.queueHead, waiting: state.waitingItems().length },
    fees: { index: subject.feeIndex, minGwei: subject.minFeeGwei },
    waitingTransfers: operator.waitingTransfers,
    block: flight ?? null,
    isStopping: operator.isStopping,
    failure: lastError ?? null,
  };
}

function account({ operator }: ApiSubject, _url: URL, [index]: Parameters): unknown {
  return describeAccount(operator, wholeNumber(index, "index"));
}

function accountsOfOwner({ operator }: ApiSubject, url: URL): unknown {
  const owner = ownerOf(url);
  const indices = operator.state.indicesOf(BigInt(owner));
  return { owner, accounts: indices.map((index) => describeAccount(operator, index)) };
}

function describeAccount(operator: Operator, index: number): unknown {
  const { state } = operator;
  const registered = state.registered(index);
  if (registered === undefined) {
    throw new OperatorError(
      "NOT_FOUND",
      `account ${index} is not registered on L1 (or its registration lacks confirmations).`,
      { path: "index", got: String(index) },
    );
  }
  const { key, pkHash } = registered;
  const { balance, nonce } = state.account(index);
  const items = state.waitingItems().filter((item) => item.index === index);
  return {
    index,
    owner: getAddress(numberToHex(key.owner, { size: 20 })),
    ax: key.ax,
    ay: key.ay,
    pkHash,
    balanceGwei: balance,
    nonce,
    nextNonce: operator.nextNonce(index),
    queuedDepositsGwei: items.reduce((sum, { amountGwei }) => sum + amountGwei, 0n),
    hasQueuedExit: items.some(({ kind }) => kind === L1Kind.forcedExit),
  };
}

function receipt({ operator }: ApiSubject, _url: URL, [id = ""]: Parameters): unknown {
  if (!/^0x[0-9a-f]{64}$/i.test(id)) {
    throw malformed("id", id, "0x and 64 hex digits, as POST /v1/transfers returned it");
  }
  const found = operator.receipt(id.toLowerCase() as Hex);
  if (found === undefined) {
    throw new OperatorError(
      "NOT_FOUND",
      "no such transfer is waiting, committed or refused here.",
      {
        path: "id",
        got: id,
      },
    );
  }
  if (found.status !== "committed") return { id, ...found };
  const block = operator.state.block(found.blockNumber);
  return { id, ...found, transactionHash: block?.transactionHash, l1Block: block?.l1Block };
}

function exit(subject: ApiSubject, _url: URL, [block, slot]: Parameters): unknown {
  const { state } = subject.operator;
  return describeExit(state, subject, wholeNumber(block, "block"), wholeNumber(slot, "slot"));
}

function exitsOfOwner(subject: ApiSubject, url: URL): unknown {
  const owner = ownerOf(url);
  const { state } = subject.operator;
  const exits: unknown[] = [];
  for (let number = state.nextBlockNumber - 1; state.block(number); number--) {
    for (const { slot, owner: payee } of state.block(number)?.exits ?? []) {
      if (payee !== owner) continue;
      exits.push(describeExit(state, subject, number, slot));
      if (exits.length === EXITS_MAX) return { owner, exits };
    }
  }
  return { owner, exits };
}

function describeExit(
  state: RollupState,
  source: ExitSource,
  blockNumber: number,
  slot: number,
): unknown {
  const proof = proveExit(state, source, blockNumber, slot);
  const { amountWei, nonce } = proof;
  const args = [amountWei, nonce, proof.proof, nonce] as const;
  return {
    ...proof,
    withdraw: {
      to: source.rollup,
      args,
      calldata: encodeFunctionData({ abi: ROLLUP_ABI, functionName: "withdraw", args }),
    },
  };
}

function ownerOf(url: URL): Address {
  const owner = url.searchParams.get("owner") ?? "";
  if (!isAddress(owner, { strict: false })) throw malformed("owner", owner, "an address");
  return getAddress(owner);
}

function wholeNumber(text: string | undefined, path: string): number {
  if (text !== undefined && /^(0|[1-9][0-9]{0,9})$/.test(text)) return Number(text);
  throw malformed(path, text ?? "", "a whole number");
}

const malformed = (path: string, got: string, expected: string): OperatorError =>
  new OperatorError("FIELD_MALFORMED", `${path}: expected ${expected}.`, {
    path,
    got: got.slice(0, 80),
    expected,
  });

/** What went wrong inside is for the log. */
const hideBug = (error: OperatorError): OperatorError =>
  error.code === "BUG" ? new OperatorError("BUG", "internal fault of the operator.") : error;
