import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TransferType } from "../../circuits/transfer.ts";
import { type RunningOperator, startOperator } from "../../operator/main.ts";
import { formatTransfer, type TransferJson } from "../../operator/transfer-json.ts";
import type { UserClient } from "../../operator/user-client.ts";
import { StubProver } from "./stub-prover.ts";
import { Town, until } from "./town.ts";

let town: Town;
let running: RunningOperator;
let alice: UserClient;
let bob: UserClient;
/** A good transfer of Alice's; tests send broken copies. */
let good: TransferJson;
const prover = new StubProver();

beforeAll(async () => {
  town = await Town.found("stub");
  running = await town.operate(prover);
  alice = await town.user(1, running);
  bob = await town.user(2, running);
  await alice.register(5_000_000n);
  await bob.register(3_000_000n);
  await until(() => running.operator.state.nextBlockNumber === 3 && !running.operator.flight);
  good = formatTransfer(await alice.sign(TransferType.transfer, { to: 2, amountGwei: 1_000n }));
});

afterAll(async () => {
  await town.close();
});

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: Record<string, string> } & Record<string, unknown>;
}

async function call(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${running.apiUrl}${path}`, { method, ...init });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

const post = (body: unknown, contentType = "application/json"): Promise<Answer> =>
  call("POST", "/v1/transfers", {
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": contentType },
  });

describe("operator / users' API refuses", () => {
  const bodies: [what: string, body: () => unknown, status: number, code: string, path?: string][] =
    [
      ["what is not JSON", () => "{nonsense", 400, "JSON_MALFORMED", "body"],
      ["an array", () => [], 400, "FIELD_MALFORMED", "body"],
      ["null", () => null, 400, "FIELD_MALFORMED", "body"],
      ["a missing field", () => ({ ...good, nonce: undefined }), 400, "FIELD_MALFORMED", "nonce"],
      ["a field too many", () => ({ ...good, memo: "hi" }), 400, "FIELD_MALFORMED", "memo"],
      ["an unknown type", () => ({ ...good, type: "noop" }), 400, "FIELD_MALFORMED", "type"],
      ["an index as text", () => ({ ...good, from: "1" }), 400, "FIELD_MALFORMED", "from"],
      ["a negative index", () => ({ ...good, to: -1 }), 400, "FIELD_MALFORMED", "to"],
      ["half an index", () => ({ ...good, to: 1.5 }), 400, "FIELD_MALFORMED", "to"],
      ["an index outside the tree", () => ({ ...good, to: 16 }), 400, "FIELD_MALFORMED", "to"],
      [
        "an amount as a number",
        () => ({ ...good, amountGwei: 5 }),
        400,
        "FIELD_MALFORMED",
        "amountGwei",
      ],
      [
        "an amount in hex",
        () => ({ ...good, amountGwei: "0x5" }),
        400,
        "FIELD_MALFORMED",
        "amountGwei",
      ],
      [
        "a negative amount",
        () => ({ ...good, amountGwei: "-5" }),
        400,
        "FIELD_MALFORMED",
        "amountGwei",
      ],
      [
        "an amount of 65 bits",
        () => ({ ...good, amountGwei: String(2n ** 64n) }),
        400,
        "FIELD_MALFORMED",
        "amountGwei",
      ],
      [
        "a number of 10,000 digits",
        () => ({ ...good, amountGwei: "9".repeat(10_000) }),
        400,
        "FIELD_MALFORMED",
        "amountGwei",
      ],
      [
        "a key outside the field",
        () => ({ ...good, key: { ...good.key, ax: String(2n ** 254n) } }),
        400,
        "FIELD_MALFORMED",
        "key.ax",
      ],
      [
        "an owner that is no address",
        () => ({ ...good, key: { ...good.key, owner: "0x12" } }),
        400,
        "FIELD_MALFORMED",
        "key.owner",
      ],
      [
        "a signature as text",
        () => ({ ...good, signature: "0x12" }),
        400,
        "FIELD_MALFORMED",
        "signature",
      ],
      [
        "a signature's part too large",
        () => ({ ...good, signature: { ...good.signature, s: String(2n ** 255n) } }),
        400,
        "FIELD_MALFORMED",
        "signature.s",
      ],
      [
        "a forged amount",
        () => ({ ...good, amountGwei: "1001" }),
        422,
        "TRANSFER_SIGNATURE",
        "signature",
      ],
      ["an unknown sender", () => ({ ...good, from: 9 }), 422, "TRANSFER_SENDER", "from"],
      [
        "another's key",
        () => ({ ...good, key: { ...good.key, owner: bob.owner } }),
        422,
        "TRANSFER_SENDER",
        "key",
      ],
      ["an unknown receiver", () => ({ ...good, to: 9 }), 422, "TRANSFER_RECIPIENT", "to"],
      [
        "a receiver's old key",
        () => ({ ...good, recipient: "7" }),
        422,
        "TRANSFER_RECIPIENT",
        "recipient",
      ],
      ["a nonce ahead", () => ({ ...good, nonce: "1" }), 409, "TRANSFER_NONCE_GAP", "nonce"],
      [
        "an expired transfer",
        () => ({ ...good, validUntilBlock: 1 }),
        422,
        "TRANSFER_EXPIRED",
        "validUntilBlock",
      ],
      [
        "an overspend",
        () => ({ ...good, amountGwei: "5000001" }),
        422,
        "TRANSFER_BALANCE",
        "amountGwei",
      ],
      ["a fee nobody can take", () => ({ ...good, feeGwei: "1" }), 422, "TRANSFER_FEE", "feeGwei"],
      ["17 kB", () => ({ ...good, nonce: "1".repeat(17_000) }), 413, "BODY_TOO_LARGE", "body"],
    ];
  it.each(bodies)("%s", async (_what, body, status, code, path) => {
    const waiting = running.operator.waitingTransfers;
    const answer = await post(body());
    expect(answer).toMatchObject({ status, body: { error: { code, path } } });
    expect(answer.body.error?.message).toMatch(/\.$/);
    expect(running.operator.waitingTransfers).toBe(waiting);
  });

  it("20 MB that come in pieces of unknown length, and goes on", async () => {
    const piece = new Uint8Array(64 * 1024).fill(0x20);
    let pieces = 320;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pieces-- > 0) controller.enqueue(piece);
        else controller.close();
      },
    });
    // The server answers and closes; a client that is still writing sees either.
    const outcome = await fetch(`${running.apiUrl}/v1/transfers`, {
      method: "POST",
      body,
      duplex: "half",
      headers: { "content-type": "application/json" },
    } as RequestInit).then(
      (response) => response.status,
      () => "closed",
    );
    expect([413, "closed"]).toContain(outcome);
    expect((await call("GET", "/v1/status")).status).toBe(200);
  });

  const calls: [what: string, method: string, path: string, status: number, code: string][] = [
    ["an unknown route", "GET", "/v2/status", 404, "ROUTE_UNKNOWN"],
    ["another method on transfers", "GET", "/v1/transfers", 405, "METHOD_NOT_ALLOWED"],
    ["another method on status", "DELETE", "/v1/status", 405, "METHOD_NOT_ALLOWED"],
    ["an index that is no number", "GET", "/v1/accounts/x", 400, "FIELD_MALFORMED"],
    ["an index beyond all", "GET", "/v1/accounts/9999999999", 404, "NOT_FOUND"],
    ["index 0", "GET", "/v1/accounts/0", 404, "NOT_FOUND"],
    ["no owner", "GET", "/v1/accounts", 400, "FIELD_MALFORMED"],
    ["an owner that is no address", "GET", "/v1/accounts?owner=0x1", 400, "FIELD_MALFORMED"],
    ["an identifier that is none", "GET", "/v1/transfers/0x12", 400, "FIELD_MALFORMED"],
    ["an unknown transfer", "GET", `/v1/transfers/0x${"ab".repeat(32)}`, 404, "NOT_FOUND"],
    ["an exit of an unknown block", "GET", "/v1/exits/99/0", 404, "NOT_FOUND"],
    ["an exit in a slot without one", "GET", "/v1/exits/1/0", 404, "NOT_FOUND"],
    ["an exit at no number", "GET", "/v1/exits/1/-1", 400, "FIELD_MALFORMED"],
  ];
  it.each(calls)("%s", async (_what, method, path, status, code) => {
    expect(await call(method, path)).toMatchObject({ status, body: { error: { code } } });
  });

  it("a body of another content type, as a web page would send it", async () => {
    const answer = await post(good, "text/plain");
    expect(answer).toMatchObject({ status: 415, body: { error: { code: "CONTENT_TYPE" } } });
  });

  it("bytes that are not HTTP, and goes on", async () => {
    const { port, hostname } = new URL(running.apiUrl);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.end("\x00\x01\x02\r\n\r\n"));
      socket.resume();
      socket.on("close", () => resolve());
      socket.on("error", () => resolve());
    });
    expect((await call("GET", "/v1/status")).status).toBe(200);
  });

  it("nothing of a caller that hangs up in the middle of its body, and calls that no fault", async () => {
    const lines: string[] = [];
    const note = (_fields: object, event: string): void => void lines.push(event);
    const log = { debug: note, info: note, warn: note, error: note };
    const watched = await startOperator(town.config(), { log });
    const { port, hostname } = new URL(watched.apiUrl);
    await until(() => watched.operator.isReady);
    await new Promise<void>((resolve) => {
      const head = "POST /v1/transfers HTTP/1.1\r\nhost: operator\r\n";
      const begun = "content-type: application/json\r\ncontent-length: 9\r\n\r\n{";
      const socket = connect(Number(port), hostname, () => {
        socket.write(head + begun, () => setTimeout(() => socket.destroy(), 50));
      });
      socket.on("close", () => resolve());
    });
    expect((await fetch(`${watched.apiUrl}/v1/status`)).status).toBe(200);
    await watched.stop(0);
    expect(lines).not.toContain("api request failed");
  });

  it("transfers sent to a process that only follows", async () => {
    const follower = await town.follow();
    const reader = await town.user(1, follower);
    const transfer = await alice.sign(TransferType.transfer, { to: 2, amountGwei: 1n });
    await expect(reader.submit(transfer)).rejects.toMatchObject({ code: "READ_ONLY" });
  });
});

describe("operator / users' API shows", () => {
  it("a transfer's way into a block, and the same receipt for the same transfer again", async () => {
    const release = prover.hold();
    const first = await post(good);
    expect(first).toMatchObject({ status: 202, body: { status: "pending" } });
    const path = `/v1/transfers/${first.body.id}`;
    await until(async () => (await call("GET", path)).body.status === "in_batch");
    expect((await post(good)).body).toEqual({
      id: first.body.id,
      status: "in_batch",
      blockNumber: 3,
    });
    release();
    await alice.waitForBlock(first.body.id as `0x${string}`);
    const { body } = await call("GET", path);
    expect(body).toMatchObject({ status: "committed", blockNumber: 3, slot: 1 });
    expect(body.transactionHash).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await post(good)).toMatchObject({ status: 200, body: { status: "committed" } });
  });

  it("accounts by index and by owner", async () => {
    const { body: one } = await call("GET", "/v1/accounts/1");
    expect(one).toMatchObject({
      index: 1,
      owner: alice.owner,
      balanceGwei: "4999000",
      nonce: "1",
      nextNonce: "1",
      queuedDepositsGwei: "0",
      hasQueuedExit: false,
    });
    const { body } = await call("GET", `/v1/accounts?owner=${alice.owner.toLowerCase()}`);
    expect(body).toEqual({ owner: alice.owner, accounts: [one] });
    const nobody = "0x00000000000000000000000000000000000000aa";
    expect((await call("GET", `/v1/accounts?owner=${nobody}`)).body.accounts).toEqual([]);
  });

  it("the arguments of withdraw, which the contract accepts", async () => {
    const id = await bob.exit({ to: 2, amountGwei: 300n });
    const { blockNumber, slot } = await bob.waitForBlock(id);
    const { body } = await call("GET", `/v1/exits/${blockNumber}/${slot}`);
    expect(body).toMatchObject({ owner: bob.owner, amountWei: "300000000000", slot });
    const { args, calldata, to } = body.withdraw as Record<string, never>;
    expect(args).toEqual([body.amountWei, body.nonce, body.proof, body.nonce]);
    await expect(
      town.chain.read.call({ account: bob.owner, to, data: calldata }),
    ).resolves.toBeDefined();
  });

  it("the state of chain, queue, pool and block", async () => {
    const { body } = await call("GET", "/v1/status");
    expect(body).toMatchObject({
      chainId: 31337,
      rollup: town.rollup,
      circuitId: "batch-tiny",
      nextBlockNumber: running.operator.state.nextBlockNumber,
      accounts: 2,
      l1: { isReady: true },
      queue: { head: 2, waiting: 0 },
      fees: { index: 0, minGwei: "0" },
      block: null,
      failure: null,
      isStopping: false,
    });
  });
});
