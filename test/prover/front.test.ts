// What stands before gRPC on a port: limits, protocols, certificates that are replaced.
import { once } from "node:events";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProverClient } from "../../prover/client.ts";
import { ConnectionCount, peerOf } from "../../prover/listening/connection-count.ts";
import { isPlainHost } from "../../prover/listening/web.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "./clients/certificates.ts";
import { startTestServer } from "./test-server.ts";

const SMALL = { PROVER_CIRCUITS: "product" };

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** All that the other side says, until it ends the connection. */
async function rest(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  if (!socket.closed) await once(socket, "close");
  return text;
}

function get(port: number, host: string, path = "/metrics"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: "127.0.0.1", port, path, agent: false, headers: { host } });
    asked.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject).end();
  });
}

describe("prover / connections", () => {
  it("are counted by IPv4 address and by IPv6 network", () => {
    const peers: [string, string][] = [
      ["10.1.2.3", "10.1.2.3"],
      ["::ffff:10.1.2.3", "10.1.2.3"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
      ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
      ["::1", "0:0:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ];
    for (const [address, peer] of peers) expect(peerOf(address), address).toBe(peer);
    const count = new ConnectionCount({ connectionsMax: 3, connectionsPerAddressMax: 2 });
    const [first, second] = [count.enter("::ffff:10.0.0.1"), count.enter("10.0.0.1")];
    expect(count.enter("10.0.0.1")).toBeUndefined();
    expect(count.enter("10.0.0.2")).toBeDefined();
    expect(count.enter("10.0.0.3")).toBeUndefined();
    first?.();
    first?.();
    expect(count.all).toBe(2);
    expect(count.enter("10.0.0.1")).toBeDefined();
    expect(count.enter("10.0.0.1")).toBeUndefined();
    second?.();
  });

  it("beyond the limit are ended at once, and there is room again when others end", async () => {
    const limits = { PROVER_CONNECTIONS_PER_ADDRESS_MAX: "3", PROVER_HANDSHAKE_MS: "600000" };
    await using under = await startTestServer({ ...SMALL, ...limits });
    const { port } = under.server;
    const held = [await open(port), await open(port), await open(port)];
    expect(await rest(await open(port))).toBe("");
    await expect(under.client.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    for (const socket of held) socket.destroy();
    await expect
      .poll(() =>
        under.client.getServerInfo().then(
          ({ workerCount }) => workerCount,
          () => 0,
        ),
      )
      .toBe(1);
  });

  it("that say nothing, or not enough, are ended", async () => {
    await using under = await startTestServer({ ...SMALL, PROVER_HANDSHAKE_MS: "200" });
    for (const port of [under.server.port, under.server.adminPort]) {
      expect(await rest(await open(port))).toBe("");
      const half = await open(port);
      half.write("PRI * HTTP/2.0\r\n");
      expect(await rest(half)).toBe("");
    }
    const gone = await open(under.server.port);
    gone.end("PRI");
    expect(await rest(gone)).toBe("");
    expect((await under.client.getServerInfo()).workerCount).toBe(1);
  });

  it("may say the preface of HTTP/2 in single bytes", async () => {
    await using under = await startTestServer(SMALL);
    const socket = await open(under.server.port);
    socket.setNoDelay();
    for (const byte of Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // An empty SETTINGS frame; the server's own begins with its type, 4, in the fourth byte.
    socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer[3]).toBe(4);
    socket.destroy();
  });

  it("let a caller send a megabyte on a stream, and four in all, without hearing from the service", async () => {
    await using under = await startTestServer(SMALL);
    const session = connectHttp2(`http://127.0.0.1:${under.server.port}`);
    const settings = once(session, "remoteSettings");
    const call = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    call.resume().end(Buffer.alloc(5));
    await once(call, "end");
    await settings;
    await expect.poll(() => session.remoteSettings.initialWindowSize).toBe(1024 * 1024);
    // The five bytes of the request have not been given back yet.
    await expect
      .poll(() => session.state.remoteWindowSize)
      .toBeGreaterThanOrEqual(4 * 1024 * 1024 - 5);
    session.close();
  });
});

describe("prover / HTTP/1", () => {
  it("is spoken on the admin port beside gRPC, and on the callers' port not at all", async () => {
    await using under = await startTestServer(SMALL);
    const { port, adminPort } = under.server;
    expect(await get(adminPort, `127.0.0.1:${adminPort}`)).toBe(200);
    expect(await under.admin.listWorkers()).toHaveLength(1);
    await expect(get(port, "127.0.0.1")).rejects.toThrow(/hang up|ECONNRESET/);
  });

  it("is refused to a name without TLS, which another site may have made its own", async () => {
    await using under = await startTestServer(SMALL);
    const { adminPort } = under.server;
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"]) {
      expect(await get(adminPort, host), host).toBe(421);
    }
    for (const host of ["localhost", "127.0.0.1:80", "[::1]:5", "10.0.0.7"]) {
      expect(isPlainHost(host), host).toBe(true);
    }
    for (const host of ["[::1", "::1", "a@127.0.0.1", "127.0.0.1/x", "localhost:x", "0x7f.1"]) {
      expect(isPlainHost(host), host).toBe(false);
    }
  });

  it("ends connections whose headers do not end, are too large, or do not follow", async () => {
    await using under = await startTestServer({ ...SMALL, PROVER_HANDSHAKE_MS: "300" });
    const { adminPort } = under.server;
    const slow = await open(adminPort);
    slow.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\nx: ");
    const drip = setInterval(() => slow.write("y"), 50);
    expect(await rest(slow)).toBe("");
    clearInterval(drip);

    const large = await open(adminPort);
    large.write(`GET / HTTP/1.1\r\nHost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
    expect(await rest(large)).not.toContain("200 OK");

    const idle = await open(adminPort);
    idle.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await rest(idle)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it("takes no body, no tunnel and no other protocol", async () => {
    await using under = await startTestServer(SMALL);
    const say = async (text: string) => {
      const socket = await open(under.server.adminPort);
      socket.write(text);
      return rest(socket);
    };
    const head = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    expect(await say(`${head}Content-Length: 5\r\n\r\nhello`)).toMatch(/^HTTP\/1\.1 413/);
    expect(await say(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 413/,
    );
    expect(await say("CONNECT other:443 HTTP/1.1\r\nHost: localhost\r\n\r\n")).toBe("");
    expect(await say(`${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)).not.toContain(
      "101",
    );
    expect(await say("nonsense\r\n\r\n")).toBe("");
  });
});

describe("prover / HTTP/2", () => {
  it("ends a connection that begins and resets streams without end, and serves the others", async () => {
    await using under = await startTestServer(SMALL);
    const attacker = connectHttp2(`http://127.0.0.1:${under.server.port}`);
    attacker.on("error", () => {});
    const closed = new Promise((resolve) => attacker.on("close", resolve));
    const headers = {
      ":method": "POST",
      ":path": "/prover.v1.ProverService/GetServerInfo",
      "content-type": "application/grpc",
      te: "trailers",
    };
    const timer = setInterval(() => {
      for (let i = 0; i < 200 && !attacker.destroyed && !attacker.closed; i++) {
        const stream = attacker.request(headers).on("error", () => {});
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }, 1);
    await closed;
    clearInterval(timer);
    expect((await under.client.getServerInfo()).workerCount).toBe(1);
  });

  it("tells a client that cancelled too much something that it may repeat", async () => {
    await using under = await startTestServer(SMALL);
    const hasty = under.connect();
    await hasty.getServerInfo();
    const codes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 150 }, async () => {
          const leave = new AbortController();
          const asked = hasty.getServerInfo({ signal: leave.signal });
          setImmediate(() => leave.abort());
          await asked.catch((error) => {
            if (error.code !== "CANCELLED") codes.add(error.code);
          });
        }),
      );
    }
    for (const code of codes) expect(code).toBe("UNAVAILABLE");
    const patient = under.connect({ patienceMs: 10_000 });
    expect((await patient.getServerInfo()).workerCount).toBe(1);
    await expect
      .poll(() =>
        hasty.getServerInfo().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  it("refuses headers beyond its limit and goes on", async () => {
    await using under = await startTestServer(SMALL);
    const session = connectHttp2(`http://127.0.0.1:${under.server.port}`).on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/prover.v1.ProverService/GetServerInfo",
      "content-type": "application/grpc",
      "x-large": "y".repeat(100_000),
    });
    const ended = await new Promise((resolve) => {
      stream.on("response", (answer) => resolve(answer[":status"]));
      for (const event of ["error", "close"]) stream.on(event, () => resolve(event));
    });
    expect(ended).not.toBe(200);
    session.destroy();
    expect((await under.client.getServerInfo()).workerCount).toBe(1);
  });
});

describe.skipIf(!hasOpenssl)("prover / certificates (needs openssl)", () => {
  let first: Certificates;
  let second: Certificates;
  beforeAll(async () => {
    [first, second] = await Promise.all([makeCertificates(), makeCertificates()]);
  }, 60_000);
  afterAll(async () => {
    for (const each of [first, second]) await each[Symbol.asyncDispose]();
  });

  const files = ["server.pem", "server.key", "ca.pem"] as const;
  /** Copies of the first authority's files, which may be replaced. */
  async function installed() {
    const used = await makeCertificates();
    const install = async (from: Certificates) => {
      for (const name of files) await copyFile(from.path(name), used.path(name));
    };
    await install(first);
    const settings = {
      ...SMALL,
      PROVER_TLS_CERT: used.path("server.pem"),
      PROVER_TLS_KEY: used.path("server.key"),
      PROVER_TLS_CLIENT_CA: used.path("ca.pem"),
      PROVER_RELOAD_MS: "0",
    };
    return { used, install, settings };
  }
  const tlsOf = async (of: Certificates) => ({
    ca: await readFile(of.path("ca.pem")),
    cert: await readFile(of.path("caller.pem")),
    key: await readFile(of.path("caller.key")),
  });

  it("are replaced without a restart, for new connections; open ones go on", async () => {
    const { used, install, settings } = await installed();
    await using _ = used;
    await using under = await startTestServer(settings);
    const address = `localhost:${under.server.port}`;
    const before = under.connect({ address, tls: await tlsOf(first) });
    await before.getServerInfo();
    await install(second);
    await under.server.reload();
    const after = under.connect({ address, tls: await tlsOf(second) });
    await after.getServerInfo();
    await before.getServerInfo();
    const late = under.connect({ address, tls: await tlsOf(first) });
    await expect(late.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    // The new server's certificate, but a caller of the old authority.
    const old = await tlsOf(first);
    const { ca } = await tlsOf(second);
    const mixed = under.connect({ address, tls: { ...old, ca } });
    await expect(mixed.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("stay as they are when the new ones cannot be used, which is logged once", async () => {
    const { used, install, settings } = await installed();
    await using _ = used;
    await using under = await startTestServer({ ...settings, PROVER_RELOAD_MS: "50" });
    const address = `localhost:${under.server.port}`;
    const tls = await tlsOf(first);
    const check = () => under.connect({ address, tls }).getServerInfo();
    const errors = () => under.logged.filter(({ level }) => level === 50);
    const broken: [string, Buffer | string][] = [
      ["server.pem", "no certificate"],
      ["server.key", await readFile(second.path("server.key"))],
      ["ca.pem", ""],
    ];
    for (const [i, [name, content]] of broken.entries()) {
      await writeFile(used.path(name), content);
      await expect.poll(() => errors().length, { timeout: 10_000 }).toBe(i + 1);
      await check();
      await install(first);
      await under.server.reload();
      await check();
    }
    expect(JSON.stringify(errors())).not.toContain("PRIVATE KEY");
  });

  it("are checked at the start", async () => {
    const { used, settings } = await installed();
    await using _ = used;
    await writeFile(used.path("ca.pem"), "");
    const code = "CERTIFICATE_REFUSED";
    await expect(startTestServer(settings)).rejects.toMatchObject({ code });
    await copyFile(first.path("ca.pem"), used.path("ca.pem"));
    await copyFile(second.path("server.key"), used.path("server.key"));
    await expect(startTestServer(settings)).rejects.toMatchObject({ code });
  });

  it("of clients are read again, too", async () => {
    const { used, install, settings } = await installed();
    await using _ = used;
    const before = await startTestServer(settings);
    const tls = {
      caFile: used.path("ca.pem"),
      certFile: used.path("caller.pem"),
      keyFile: used.path("caller.key"),
    };
    const installCaller = async (from: Certificates) => {
      for (const name of ["caller.pem", "caller.key"]) {
        await copyFile(from.path(name), used.path(name));
      }
    };
    await installCaller(first);
    const { port } = before.server;
    const client = new ProverClient({ address: `localhost:${port}`, tls, patienceMs: 60_000 });
    await client.getServerInfo();
    await before[Symbol.asyncDispose]();
    await install(second);
    await using _after = await startTestServer({ ...settings, PROVER_LISTEN: `127.0.0.1:${port}` });
    const asked = client.getServerInfo();
    await installCaller(second);
    expect((await asked).workerCount).toBe(1);
    client.close();
  }, 90_000);

  it("and TLS of a connection that says nothing have a time limit", async () => {
    const { used, settings } = await installed();
    await using _ = used;
    await using under = await startTestServer({ ...settings, PROVER_HANDSHAKE_MS: "300" });
    const { port } = under.server;
    expect(await rest(await open(port))).toBe("");
    const { ca, cert, key } = await tlsOf(first);
    const options = { ca, cert, key, servername: "localhost", ALPNProtocols: ["h2"] };
    const silent = connectTls({ port, host: "127.0.0.1", ...options }).on("error", () => {});
    await once(silent, "secureConnect");
    expect(await rest(silent)).toBe("");
    const refusals = under.logged.flatMap(({ refusal }) =>
      refusal === undefined ? [] : [refusal],
    );
    expect(refusals).toEqual(["TLS", "slow"]);
  });
});
