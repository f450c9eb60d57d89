// Certificates for tests: an authority, a server named localhost, a caller.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificates extends AsyncDisposable {
  /** Path of a PEM file, such as "ca.pem", "server.key", "caller.pem". */
  path(name: string): string;
  /** Makes NAME.key and NAME.pem, of the same authority. @param extension  a line of openssl's. */
  issue(name: string, extension: string): Promise<void>;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Whether certificates can be made here. */
export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** Needs the program openssl. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "certificates-"));
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const authority = ["-keyout", path("ca.key"), "-out", path("ca.pem")];
  openssl("req", "-x509", ...EC, ...authority, "-days", "2", "-subj", "/CN=authority");
  const issue = async (name: string, extension: string) => {
    const files = ["-keyout", path(`${name}.key`), "-out", path(`${name}.csr`)];
    openssl("req", "-new", ...EC, ...files, "-subj", `/CN=${name}`);
    await writeFile(path("extension"), extension);
    const signer = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"];
    const pair = ["-in", path(`${name}.csr`), "-out", path(`${name}.pem`)];
    openssl("x509", "-req", ...pair, ...signer, "-days", "2", "-extfile", path("extension"));
  };
  await issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  await issue("caller", "extendedKeyUsage=clientAuth");
  return { path, issue, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
