// docs/security.md is followed to the letter: its commands make certificates, its file names callers.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasOpenssl } from "./clients/certificates.ts";
import { productRequest, startTestServer } from "./test-server.ts";

const doc = await readFile(join(import.meta.dirname, "../../docs/security.md"), "utf8");
const block = (language: string) =>
  new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(doc)?.[1] as string;

describe("docs / security", () => {
  it.skipIf(!hasOpenssl)(
    "sets up callers with certificates as it says (needs openssl)",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "security-"));
      const path = (name: string) => join(folder, name);
      try {
        execFileSync("sh", ["-e", "-c", block("sh")], { cwd: folder, stdio: "pipe" });
        await writeFile(path("access.json"), block("json"));
        const said = [...block("env").matchAll(/(PROVER_\w+)=(\S+)/g)].map(([, name, value]) => {
          const isFile = /\.(pem|key|json)$/.test(value as string);
          return [name, isFile ? path(value as string) : value] as [string, string];
        });
        const settings = Object.fromEntries(said);
        expect(Object.keys(settings)).toHaveLength(7);
        await using under = await startTestServer({
          ...settings,
          PROVER_LISTEN: "0.0.0.0:0",
          PROVER_ADMIN_LISTEN: "0.0.0.0:0",
          PROVER_CIRCUITS: "product",
        });
        const address = `localhost:${under.server.port}`;
        const tls = { caFile: path("ca.pem") };
        const known = { certFile: path("sequencer.pem"), keyFile: path("sequencer.key") };
        const sequencer = under.connect({ address, tls: { ...tls, ...known } });
        expect((await sequencer.submit(productRequest())).job?.owner).toBe("sequencer");
        const stranger = under.connect({ address, tls });
        await expect(stranger.getServerInfo()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

  it("names tests that there are", async () => {
    const names = new Set([...doc.matchAll(/[\w-]+\.test\.ts|job-store-contract\.ts/g)].flat());
    expect(names.size).toBeGreaterThan(8);
    for (const name of names) await readFile(join(import.meta.dirname, name as string));
  });
});
