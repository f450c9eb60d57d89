import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CallerOptions } from "../../prover/caller.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
const hasOpenssl = (() => {
  try {
    openssl("version");
    return true;
  } catch {
    return false;
  }
})();

let folder: string;
const path = (name: string) => join(folder, name);

/** A key and a certificate signed by the authority. */
async function issue(name: string, extension: string): Promise<void> {
  const request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    ...request,
    "-keyout",
    path(`${name}.key`),
    "-out",
    path(`${name}.csr`),
    "-subj",
    `/CN=${name}`,
  );
  await writeFile(path(`${name}.ext`), extension);
  openssl(
    ...["x509", "-req", "-in", path(`${name}.csr`), "-out", path(`${name}.pem`), "-days", "2"],
    ...["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"],
    ...["-extfile", path(`${name}.ext`)],
  );
}

describe.skipIf(!hasOpenssl)("prover / TLS (needs openssl to make certificates)", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tls-"));
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...[
        "-keyout",
        path("ca.key"),
        "-out",
        path("ca.pem"),
        "-days",
        "2",
        "-subj",
        "/CN=authority",
      ],
    );
    await issue("server", "subjectAltName=DNS:localhost");
    await issue("caller", "extendedKeyUsage=clientAuth");
  });
  afterAll(() => rm(folder, { recursive: true }));

  const settings = () => ({
    PROVER_TLS_CERT: path("server.pem"),
    PROVER_TLS_KEY: path("server.key"),
    PROVER_CIRCUITS: "product",
  });

  // Node refuses an IP address as the name that a certificate must have.
  const connect = (under: TestServer, tls: CallerOptions["tls"]) =>
    under.connect({ address: `localhost:${under.server.port}`, ...(tls && { tls }) });

  it("serves those who trust its authority, and nobody in plaintext", async () => {
    await using under = await startTestServer(settings());
    const ca = await readFile(path("ca.pem"));
    const info = await connect(under, { ca }).getServerInfo();
    expect(info.workerCount).toBe(1);
    await expect(under.client.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const distrustful = connect(under, {});
    await expect(distrustful.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("shows its pages over TLS, and tells when its certificate ends", async () => {
    await using under = await startTestServer(settings());
    const url = `https://localhost:${under.server.adminPort}/metrics`;
    const ca = await readFile(path("ca.pem"));
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { ca }, resolve).on("error", reject);
    });
    const end = /^proofmill_certificate_end_time_seconds (\d+)$/m.exec(await text(answer));
    // It was made for two days.
    expect(Number(end?.[1]) * 1_000 - Date.now()).toBeGreaterThan(86_400_000);
    expect(Number(end?.[1]) * 1_000 - Date.now()).toBeLessThan(3 * 86_400_000);
  });

  it("serves, when told so, only callers with a certificate of its authority", async () => {
    await using under = await startTestServer({
      ...settings(),
      PROVER_TLS_CLIENT_CA: path("ca.pem"),
    });
    const ca = await readFile(path("ca.pem"));
    const cert = await readFile(path("caller.pem"));
    const key = await readFile(path("caller.key"));
    const known = connect(under, { ca, cert, key });
    expect((await known.getServerInfo()).workerCount).toBe(1);
    const stranger = connect(under, { ca });
    await expect(stranger.getServerInfo()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
