import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AdminClient } from "../../../prover/admin-client.ts";
import { makeCertificates } from "../clients/certificates.ts";
import { proofmill, proofmillWith, startService } from "./run-command.ts";

let service: Awaited<ReturnType<typeof startService>>;

beforeAll(async () => {
  service = await startService("--circuits", "batch-tiny", "--allow-dev-keys", "--threads", "1");
});
afterAll(() => service.stop());

describe("proofmill health", () => {
  it("says yes with exit code 0, waiting for it or not, and asks where the service listens", async () => {
    const asked = await proofmill("health", "--server", service.address);
    expect(asked).toEqual({ code: 0, stdout: "SERVING\n", stderr: "" });
    const port = service.adminAddress.split(":")[1];
    // As in a container, which listens everywhere.
    const everywhere = { PROVER_ADMIN_LISTEN: `0.0.0.0:${port}` };
    const waited = await proofmillWith(everywhere, "health", "--wait", "10", "--json");
    expect(waited).toEqual({ code: 0, stdout: '{"status":"SERVING"}\n', stderr: "" });
  });

  it("has another code for a name that nobody serves, and for nobody at all", async () => {
    const unknown = ["health", "--server", service.address, "--service", "some.Other"];
    expect((await proofmill(...unknown)).code).toBe(3);
    expect((await proofmill("health", "--server", "127.0.0.1:1")).code).toBe(4);
    expect((await proofmill("health", "--wait", "soon")).code).toBe(2);
  });

  it("says no with exit code 1 once the service drains", async () => {
    const admin = new AdminClient({ address: service.adminAddress });
    await admin.drain();
    admin.close();
    const asked = await proofmill("health", "--server", service.address);
    expect(asked).toEqual({ code: 1, stdout: "NOT_SERVING\n", stderr: "" });
  });

  it("knows the server's own certificate over loopback, and takes no other", async () => {
    await using certificates = await makeCertificates();
    const [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(certificates.path);
    const tls = ["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca] as string[];
    const secured = await startService(
      ...["--circuits", "batch-tiny", "--allow-dev-keys", "--threads", "1"],
      ...tls,
    );
    try {
      const own = {
        PROVER_ADMIN_LISTEN: secured.adminAddress,
        PROVER_TLS_CERT: cert as string,
        PROVER_TLS_KEY: key as string,
        PROVER_TLS_CLIENT_CA: ca as string,
      };
      const asked = await proofmillWith(own, "health", "--wait", "30");
      expect(asked).toEqual({ code: 0, stdout: "SERVING\n", stderr: "" });
      const other = { ...own, PROVER_TLS_CERT: certificates.path("caller.pem") };
      const { PROVER_TLS_CLIENT_CA: _, ...silent } = other;
      expect((await proofmillWith(silent, "health")).code).toBe(4);
    } finally {
      await secured.stop();
    }
  });
});
