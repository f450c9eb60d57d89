import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../prover/stores/open.ts";
import { LIMITS } from "./job-store-contract.ts";
import { announceSkip, type Cluster, startCluster, whyNoPostgres } from "./postgres-cluster.ts";

const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
const hasOpenssl = (() => {
  try {
    openssl("version");
    return true;
  } catch {
    return false;
  }
})();

announceSkip("TLS to PostgreSQL");

describe.skipIf(whyNoPostgres || !hasOpenssl)("job store / postgres, over TLS", () => {
  let dir = "";
  let cluster: Cluster;
  const path = (name: string) => join(dir, name);
  /** A self-signed certificate, which is its own authority, of a server that is called localhost. */
  const certify = (name: string) =>
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", path(`${name}.key`), "-out", path(`${name}.pem`), "-days", "2"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
    );

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "pg-tls-"));
    certify("server");
    certify("other");
    cluster = await startCluster({
      port: await freePort(),
      settings: ["ssl=on"],
      files: {
        "server.crt": await readFile(path("server.pem")),
        "server.key": await readFile(path("server.key")),
        // Nobody is let in without TLS.
        "pg_hba.conf": Buffer.from("hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n"),
      },
    });
  });
  afterAll(async () => {
    await cluster.close();
    await rm(dir, { recursive: true, force: true });
  });

  const open = async (host: string, parameters: string) => {
    const url = `postgres://postgres@${host}:${cluster.port}/postgres?${parameters}`;
    const store = await openStore(url as never, LIMITS);
    await store.close();
  };

  it("reaches a server whose certificate is of the authority and has its name", async () => {
    await open("localhost", `sslmode=verify-full&sslrootcert=${path("server.pem")}`);
  });

  it("refuses a server of another authority, and one of another name", async () => {
    const away = { code: "STORE_UNAVAILABLE" };
    const other = `sslmode=verify-full&sslrootcert=${path("other.pem")}`;
    await expect(open("localhost", other)).rejects.toMatchObject(away);
    await expect(open("localhost", "sslmode=verify-full")).rejects.toMatchObject(away);
    const ours = `sslmode=verify-full&sslrootcert=${path("server.pem")}`;
    await expect(open("127.0.0.1", ours)).rejects.toMatchObject(away);
    await open("127.0.0.1", ours.replace("verify-full", "verify-ca"));
  });

  it("does not go on without TLS where the server wants it", async () => {
    await expect(open("127.0.0.1", "sslmode=disable")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("refuses the user"),
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
