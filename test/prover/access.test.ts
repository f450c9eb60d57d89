// Who may do what, through real sockets: certificates, tokens, rights, owners, limits.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { hashOfToken, newToken } from "../../prover/access/token.ts";
import { AdminClient } from "../../prover/admin-client.ts";
import { Caller, type CallerOptions } from "../../prover/caller.ts";
import type { ProverClient } from "../../prover/client.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "./clients/certificates.ts";
import {
  productRequest,
  startTestServer,
  stubbornRequest,
  type TestServer,
} from "./test-server.ts";

const TOKENS = Object.fromEntries(
  ["alice", "bob", "reader", "writer", "watcher", "admin"].map((name) => [name, newToken()]),
) as Record<string, string>;
const hash = (name: string) => [hashOfToken(TOKENS[name] as string).toString("hex")];

const ENTRIES = [
  {
    name: "alice",
    tokenSha256: hash("alice"),
    certificates: ["spiffe://rollup.example/alice"],
    rights: ["submit", "read"],
  },
  {
    name: "bob",
    tokenSha256: hash("bob"),
    certificates: ["dns:bob.example", "cn:bob"],
    rights: ["submit", "read"],
  },
  { name: "reader", tokenSha256: hash("reader"), rights: ["read"] },
  { name: "writer", tokenSha256: hash("writer"), rights: ["submit"] },
  { name: "watcher", tokenSha256: hash("watcher"), rights: ["read-all"] },
  { name: "admin", tokenSha256: hash("admin"), rights: ["admin"] },
];

let certificates: Certificates;
let accessFile: string;
let under: TestServer;

async function writeAccess(path: string, entries: readonly object[]): Promise<void> {
  await writeFile(path, JSON.stringify({ identities: entries }));
}

/** Everything is asked over TLS, with one server for all tests that do not need their own. */
beforeAll(async () => {
  if (!hasOpenssl) return;
  certificates = await makeCertificates();
  await certificates.issue(
    "alice",
    "subjectAltName=URI:spiffe://rollup.example/alice,DNS:bob.example",
  );
  await certificates.issue("bob-host", "subjectAltName=DNS:bob.example");
  await certificates.issue("bob", "extendedKeyUsage=clientAuth");
  await certificates.issue("mallory", "subjectAltName=DNS:mallory.example");
  await certificates.issue("late", "subjectAltName=DNS:late.example");
  accessFile = certificates.path("access.json");
  await writeAccess(accessFile, ENTRIES);
  under = await startTestServer(settings({ PROVER_CIRCUITS: "product,stubborn" }));
}, 120_000);
afterAll(async () => {
  if (!hasOpenssl) return;
  await under[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

function settings(more: Record<string, string> = {}): Record<string, string> {
  return {
    PROVER_TLS_CERT: certificates.path("server.pem"),
    PROVER_TLS_KEY: certificates.path("server.key"),
    PROVER_TLS_CLIENT_CA: certificates.path("ca.pem"),
    PROVER_TLS_CLIENT_CERT: "optional",
    PROVER_ACCESS_FILE: accessFile,
    PROVER_RELOAD_MS: "0",
    PROVER_CIRCUITS: "product",
    ...more,
  };
}

interface Shown {
  readonly token?: string;
  /** Name of the files of a certificate. */
  readonly certificate?: string;
}

function access(port: number, { token, certificate }: Shown): CallerOptions {
  const tls = {
    caFile: certificates.path("ca.pem"),
    ...(certificate !== undefined && {
      certFile: certificates.path(`${certificate}.pem`),
      keyFile: certificates.path(`${certificate}.key`),
    }),
  };
  return {
    address: `localhost:${port}`,
    tls,
    patienceMs: 0,
    ...(token !== undefined && { token }),
  };
}

const client = (shown: Shown, server = under): ProverClient =>
  server.connect(access(server.server.port, shown));
const holding = (name: string, server = under): ProverClient =>
  client({ token: TOKENS[name] as string }, server);

async function asAdmin<T>(shown: Shown, act: (admin: AdminClient) => Promise<T>): Promise<T> {
  const admin = new AdminClient(access(under.server.adminPort, shown));
  return act(admin).finally(() => admin.close());
}

const UNAUTHENTICATED = { code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED" };
const DENIED = { code: "PERMISSION_DENIED", reason: "PERMISSION_DENIED" };
const UNKNOWN = { code: "NOT_FOUND", reason: "JOB_UNKNOWN" };

describe.skipIf(!hasOpenssl)("prover / identities (needs openssl)", () => {
  it.each([
    ["a SPIFFE id, whatever else the certificate says", { certificate: "alice" }, "alice"],
    ["a DNS name", { certificate: "bob-host" }, "bob"],
    ["a common name", { certificate: "bob" }, "bob"],
    [
      "a token",
      {
        get token() {
          return TOKENS.bob as string;
        },
      },
      "bob",
    ],
    [
      "a certificate and a token of one caller",
      {
        certificate: "bob",
        get token() {
          return TOKENS.bob as string;
        },
      },
      "bob",
    ],
    [
      "a token beside a certificate of nobody",
      {
        certificate: "mallory",
        get token() {
          return TOKENS.bob as string;
        },
      },
      "bob",
    ],
  ])("are known by %s", async (_, shown, owner) => {
    const { job } = await client(shown).submit(productRequest());
    expect(job?.owner).toBe(owner);
  });

  it.each([
    ["nothing", {}],
    ["a certificate of nobody", { certificate: "mallory" }],
    ["an unknown token", { token: newToken() }],
    ["a text that is no token", { token: "admin" }],
    [
      "a certificate and a token of two callers",
      {
        certificate: "alice",
        get token() {
          return TOKENS.bob as string;
        },
      },
    ],
    ["a certificate and an unknown token", { certificate: "alice", token: newToken() }],
  ])("are unknown by %s", async (_, shown) => {
    await expect(client(shown).getServerInfo()).rejects.toMatchObject(UNAUTHENTICATED);
    await expect(asAdmin(shown, (admin) => admin.drain())).rejects.toMatchObject(UNAUTHENTICATED);
  });

  it("are not asked of those who ask whether the service is well", async () => {
    const caller = new Caller(access(under.server.port, {}));
    expect(await caller.unary(Health.method.check, {})).toMatchObject({ status: 1 });
    // They have no name, and send nothing large.
    const large = { service: "x".repeat(8 * 1024) };
    await expect(caller.unary(Health.method.check, large)).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
    });
    caller.close();
  });

  it("are forgotten by the next call when the file says so, and a broken file changes nothing", async () => {
    const path = join(certificates.path("."), "changing.json");
    await writeAccess(path, ENTRIES);
    await using server = await startTestServer(settings({ PROVER_ACCESS_FILE: path }));
    const alice = holding("alice", server);
    const late = client({ certificate: "late" }, server);
    await alice.getServerInfo();
    await expect(late.getServerInfo()).rejects.toMatchObject(UNAUTHENTICATED);

    await writeFile(path, '{"identities": [{"name": "alice"}]}');
    await server.server.reload();
    await alice.getServerInfo();
    const refused = server.logged.filter(({ level }) => level === 50);
    expect(refused).toEqual([
      expect.objectContaining({ kind: "AccessFileError ACCESS_FILE_REFUSED" }),
    ]);

    const newcomer = { name: "late", certificates: ["dns:late.example"], rights: ["read"] };
    await writeAccess(path, [...ENTRIES.slice(1), newcomer]);
    await server.server.reload();
    await expect(alice.getServerInfo()).rejects.toMatchObject(UNAUTHENTICATED);
    await late.getServerInfo();
  });

  it("lose what they have open when the file takes them out, or their right, and others keep theirs", async () => {
    const path = join(certificates.path("."), "open.json");
    await writeAccess(path, ENTRIES);
    const changed = settings({ PROVER_ACCESS_FILE: path, PROVER_CIRCUITS: "stubborn" });
    await using server = await startTestServer(changed);
    const submitted = async (owner: string) => {
      const { job } = await holding(owner, server).submit(stubbornRequest());
      return { jobId: job?.jobId as string };
    };
    const [alices, bobs] = [await submitted("alice"), await submitted("bob")];
    /** Settles when the stream, which has begun, ends. */
    const watched = async (caller: string, job: { readonly jobId: string }) => {
      const stream = holding(caller, server).watch(job);
      await stream.next();
      const ended = async () => {
        for await (const _ of stream);
      };
      return () => Promise.allSettled([ended()]);
    };
    const [ofAlice, ofBob, ofWatcher] = [
      await watched("alice", alices),
      await watched("bob", bobs),
      await watched("watcher", alices),
    ];
    const [, bob, ...others] = ENTRIES;
    await writeAccess(path, [{ ...bob, rights: ["submit"] }, ...others]);
    await server.server.reload();
    expect((await ofAlice())[0]).toMatchObject({ reason: UNAUTHENTICATED });
    expect((await ofBob())[0]).toMatchObject({ reason: DENIED });
    await holding("admin", server).cancel(alices);
    expect((await ofWatcher())[0]).toMatchObject({ status: "fulfilled" });
  });

  it("stay those of the first handshake: there is no second one, which could show anything", async () => {
    const socket = connectTls({
      port: under.server.adminPort,
      servername: "localhost",
      // Later versions have no second handshake.
      maxVersion: "TLSv1.2",
      ca: readFileSync(certificates.path("ca.pem")),
      cert: readFileSync(certificates.path("mallory.pem")),
      key: readFileSync(certificates.path("mallory.key")),
    });
    let answer = "";
    socket
      .on("error", () => {})
      .on("data", (bytes: Buffer) => {
        answer += bytes;
      });
    await once(socket, "secureConnect");
    socket.renegotiate({}, () => {
      socket.end("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).toBe("");
  });

  it("are not known by a certificate of another authority, whatever it says", async () => {
    await using foreign = await makeCertificates();
    const names = "subjectAltName=URI:spiffe://rollup.example/alice";
    await foreign.issue("forged", names);
    await certificates.issue("genuine", names);
    const shown = (of: Certificates, name: string) => ({
      address: `localhost:${under.server.port}`,
      tls: {
        caFile: certificates.path("ca.pem"),
        certFile: of.path(`${name}.pem`),
        keyFile: of.path(`${name}.key`),
      },
    });
    await under.connect(shown(certificates, "genuine")).getServerInfo();
    const forged = under.connect(shown(foreign, "forged"));
    await expect(forged.getServerInfo()).rejects.toMatchObject(UNAUTHENTICATED);
  });

  it("are asked for before anything of a request is read", async () => {
    const plain = { PROVER_ACCESS_FILE: accessFile, PROVER_CIRCUITS: "product" };
    await using server = await startTestServer(plain);
    const session = connectHttp2(`http://127.0.0.1:${server.server.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/prover.v1.ProverService/SubmitProof",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    // Not a byte of the request has been sent, nor its end.
    const [headers] = await once(stream, "response");
    expect(headers["grpc-status"]).toBe("16");
    session.destroy();
  });

  it("hold over plaintext on this machine, too", async () => {
    const plain = { PROVER_ACCESS_FILE: accessFile, PROVER_CIRCUITS: "product" };
    await using server = await startTestServer(plain);
    await expect(server.client.getServerInfo()).rejects.toMatchObject(UNAUTHENTICATED);
    await server.connect({ token: TOKENS.alice as string }).getServerInfo();
    expect(() => server.connect({ address: "10.0.0.1:1", token: "x" })).toThrow(/without TLS/);
  });
});

describe.skipIf(!hasOpenssl)("prover / rights (needs openssl)", () => {
  const KNOWN: Record<string, (caller: ProverClient) => Promise<unknown>> = {
    submit: (caller) => caller.submit(productRequest()),
    get: (caller) => caller.get({ requestId: "none" }),
    watch: (caller) => caller.wait({ requestId: "none" }),
    list: async (caller) => {
      for await (const _ of caller.list()) break;
    },
    cancel: (caller) => caller.cancel({ requestId: "none" }),
    verify: (caller) => caller.verify({ circuitId: "none" }),
    circuits: (caller) => caller.listCircuits(),
    info: (caller) => caller.getServerInfo(),
  };
  const OPEN = ["verify", "circuits", "info"];
  it.each([
    ["reader", ["get", "watch", "list"]],
    ["writer", ["submit", "cancel"]],
    ["watcher", ["get", "watch", "list"]],
    ["admin", ["get", "watch", "list", "cancel"]],
  ])("let the %s do what is theirs and nothing else", async (name, allowed) => {
    const caller = holding(name);
    const done: string[] = [];
    for (const [what, act] of Object.entries(KNOWN)) {
      const code = await act(caller).then(
        () => "OK",
        (error) => error.code,
      );
      if (code !== "PERMISSION_DENIED") done.push(what);
      expect(["OK", "NOT_FOUND", "PERMISSION_DENIED"], what).toContain(code);
    }
    expect(done.sort()).toEqual([...allowed, ...OPEN].sort());
  });

  it("keep AdminService for administrators", async () => {
    for (const [name, token] of Object.entries(TOKENS)) {
      const asked = asAdmin({ token }, (admin) => admin.listWorkers());
      if (name === "admin") expect(await asked).toHaveLength(1);
      else await expect(asked, name).rejects.toMatchObject(DENIED);
      if (name === "admin") continue;
      for (const act of ["drain", "purge", "retry"] as const) {
        const argument = act === "retry" ? { jobId: "x" } : {};
        const called = asAdmin({ token }, (admin) =>
          (admin[act] as (argument: unknown) => Promise<unknown>)(argument),
        );
        await expect(called, `${name} ${act}`).rejects.toMatchObject(DENIED);
      }
    }
    // No certificate of the authority is enough by itself.
    const asked = asAdmin({ certificate: "alice" }, (admin) => admin.listWorkers());
    await expect(asked).rejects.toMatchObject(DENIED);
  });
});

describe.skipIf(!hasOpenssl)("prover / owners (needs openssl)", () => {
  it("neither see, nor wait for, nor cancel, nor find the jobs of others", async () => {
    const [alice, bob] = [holding("alice"), holding("bob")];
    const request = productRequest();
    const { job } = await alice.submit(request);
    const jobId = job?.jobId as string;
    await alice.wait({ jobId });
    const never = { jobId: "00000000-0000-4000-8000-000000000000" };
    for (const name of [{ jobId }, { requestId: request.requestId as string }]) {
      for (const act of ["get", "wait", "cancel"] as const) {
        const [other, none] = await Promise.all(
          [name, never].map((asked) => bob[act](asked).catch((error) => error)),
        );
        expect(other, act).toMatchObject(UNKNOWN);
        // Not a word tells a job of somebody else from one that never was.
        expect(other.message).toBe(none.message);
      }
    }
    for await (const listed of bob.list()) expect(listed.owner).toBe("bob");
    expect((await alice.get({ jobId })).owner).toBe("alice");
  });

  it("have request ids of their own, which nobody else can take or test", async () => {
    const requestId = `shared-${Date.now()}`;
    const input = { case: "inputJson" as const, value: Buffer.from('{"a":2,"b":3,"product":6}') };
    const [alice, bob] = [holding("alice"), holding("bob")];
    const first = await alice.submit(productRequest({ requestId }));
    const second = await bob.submit(productRequest({ requestId, input }));
    expect([first.created, second.created]).toEqual([true, true]);
    expect((await alice.submit(productRequest({ requestId }))).created).toBe(false);
    expect((await bob.get({ requestId })).jobId).toBe(second.job?.jobId);
  });

  it("are seen by who may see all, and their jobs cancelled by administrators only", async () => {
    const { job } = await holding("alice").submit(stubbornRequest());
    const jobId = job?.jobId as string;
    expect((await holding("watcher").get({ jobId })).owner).toBe("alice");
    await expect(holding("watcher").cancel({ jobId })).rejects.toMatchObject(DENIED);
    await expect(holding("writer").cancel({ jobId })).rejects.toMatchObject(UNKNOWN);
    await holding("admin").cancel({ jobId });
    const owners = new Set<string>();
    for await (const { owner } of holding("watcher").list()) owners.add(owner);
    expect(owners.size).toBeGreaterThan(1);
  });
});

describe.skipIf(!hasOpenssl)("prover / limits of a caller (needs openssl)", () => {
  const limited = async (limits: object): Promise<TestServer> => {
    const path = certificates.path(`limited-${Math.random()}.json`);
    await writeAccess(path, [{ ...ENTRIES[0], limits }, ENTRIES[1] as object]);
    return startTestServer(settings({ PROVER_ACCESS_FILE: path, PROVER_CIRCUITS: "stubborn" }));
  };
  const LIMIT = { code: "RESOURCE_EXHAUSTED", reason: "CALLER_LIMIT", isTransient: true };

  it("bound waiting jobs, also of submissions at the same time, and not those of others", async () => {
    await using server = await limited({ waitingJobs: 2 });
    const alice = holding("alice", server);
    const running = await alice.submit(stubbornRequest());
    for await (const { job } of alice.watch({ jobId: running.job?.jobId as string })) {
      if (job?.startTime !== undefined) break;
    }
    const many = await Promise.allSettled(
      Array.from({ length: 6 }, () => alice.submit(stubbornRequest())),
    );
    const refused = many.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(4);
    for (const { reason } of refused as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ ...LIMIT, retryAfterMs: 1_000 });
    }
    await holding("bob", server).submit(stubbornRequest());
    expect(await server.client.getServerInfo().catch((error) => error.code)).toBe("UNAVAILABLE");
  });

  it("bound submissions a second, each of a batch counted, and say when the next may come", async () => {
    await using server = await limited({ submissionsPerSecond: 0.001, submissionsBurst: 3 });
    const alice = holding("alice", server);
    const outcomes = await alice.submitAll([stubbornRequest(), stubbornRequest()]);
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual(["accepted", "accepted"]);
    const third = stubbornRequest();
    await alice.submit(third);
    const fourth = await alice.submit(stubbornRequest()).catch((error) => error);
    expect(fourth).toMatchObject(LIMIT);
    expect(fourth.retryAfterMs).toBeGreaterThan(900_000);
    await alice.get({ requestId: third.requestId as string });
    await holding("bob", server).submit(stubbornRequest());
  });

  it("bound calls that are open, and let go of those that ended or broke off", async () => {
    await using server = await limited({ openCalls: 2 });
    const alice = holding("alice", server);
    const { job } = await alice.submit(stubbornRequest());
    const name = { jobId: job?.jobId as string };
    for (let round = 0; round < 3; round++) {
      const leave = new AbortController();
      const streams = [1, 2].map(() => alice.watch(name, { signal: leave.signal }));
      for (const stream of streams) await stream.next();
      await expect(alice.get(name)).rejects.toMatchObject(LIMIT);
      leave.abort();
      await Promise.allSettled(streams.map((stream) => stream.next()));
      await expect
        .poll(() =>
          alice.get(name).then(
            ({ jobId }) => jobId,
            () => "",
          ),
        )
        .toBe(name.jobId);
    }
  });
});

describe.skipIf(!hasOpenssl)("prover / pages (needs openssl)", () => {
  interface Answer {
    readonly status: number | undefined;
    readonly headers: Record<string, unknown>;
  }
  const ask = (shown: Shown & { readonly basic?: string }, method = "GET"): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { tls } = access(0, shown) as { tls: { certFile?: string; keyFile?: string } };
      const authorization =
        shown.basic !== undefined
          ? `Basic ${Buffer.from(shown.basic).toString("base64")}`
          : shown.token && `Bearer ${shown.token}`;
      const asked = httpsRequest(
        {
          host: "localhost",
          port: under.server.adminPort,
          path: "/metrics",
          method,
          agent: false,
          ...pem(tls),
          headers: authorization === undefined ? {} : { authorization },
        },
        (response) => {
          response.resume();
          response.on("end", () =>
            resolve({ status: response.statusCode, headers: response.headers }),
          );
        },
      );
      asked.on("error", reject).end();
    });
  const pem = ({ certFile, keyFile }: { certFile?: string; keyFile?: string }) => ({
    ca: readFileSync(certificates.path("ca.pem")),
    ...(certFile && { cert: readFileSync(certFile) }),
    ...(keyFile && { key: readFileSync(keyFile) }),
  });

  it("are for administrators and those who may see all, by token, password or certificate", async () => {
    expect((await ask({})).status).toBe(401);
    expect((await ask({})).headers["www-authenticate"]).toMatch(/^Basic/);
    expect((await ask({ token: newToken() })).status).toBe(401);
    expect((await ask({ token: TOKENS.alice as string })).status).toBe(403);
    expect((await ask({ certificate: "alice" })).status).toBe(403);
    expect((await ask({ certificate: "mallory" })).status).toBe(401);
    for (const name of ["watcher", "admin"]) {
      const token = TOKENS[name] as string;
      expect((await ask({ token })).status, name).toBe(200);
      expect((await ask({ basic: `anything:${token}` })).status, name).toBe(200);
    }
  });

  it("can be framed, sniffed and cached by nobody, and change nothing", async () => {
    const token = TOKENS.watcher as string;
    const { headers } = await ask({ token });
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
    });
    expect(String(headers["content-security-policy"])).toMatch(/^default-src 'none';/);
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect((await ask({ token }, method)).status, method).toBe(405);
    }
  });
});
