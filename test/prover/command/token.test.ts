import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAccessList } from "../../../prover/access/access-list.ts";
import { hashOfToken } from "../../../prover/access/token.ts";
import { startTestServer } from "../test-server.ts";
import { proofmill, proofmillWith } from "./run-command.ts";

describe("proofmill token", () => {
  it("makes a token and an entry by which the service knows it, from a file or the environment", async () => {
    const made = await proofmill("token", "metrics", "--rights", "read-all", "--json");
    const { token, entry } = JSON.parse(made.stdout);
    const [known] = parseAccessList(Buffer.from(JSON.stringify({ identities: [entry] })));
    expect(known?.tokenDigests[0]).toEqual(hashOfToken(token));
    expect(entry).toMatchObject({ name: "metrics", rights: ["read-all"] });
    expect(JSON.stringify(entry)).not.toContain(token);

    const folder = await mkdtemp(join(tmpdir(), "token-"));
    try {
      const [access, file] = [join(folder, "access.json"), join(folder, "token")];
      await writeFile(access, JSON.stringify({ identities: [entry] }));
      await writeFile(file, `${token}\n`);
      const settings = { PROVER_ACCESS_FILE: access, PROVER_CIRCUITS: "product" };
      await using under = await startTestServer(settings);
      const words = ["watch", "none", "--server", `127.0.0.1:${under.server.port}`];
      expect((await proofmill(...words)).stderr).toMatch(/neither certificate nor token/);
      for (const shown of [
        await proofmill(...words, "--token-file", file),
        await proofmillWith({ PROOFMILL_TOKEN: token }, ...words),
      ]) {
        expect(shown.stderr).toMatch(/no such job/);
      }
      const away = await proofmill("watch", "x", "--server", "10.0.0.1:1", "--token-file", file);
      expect(away.stderr).toMatch(/without TLS/);
      expect(away.stderr).not.toContain(token);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("prints two lines, and refuses names and rights that the access file would refuse", async () => {
    const [token, entry, ...more] = (await proofmill("token", "a")).stdout.trim().split("\n");
    expect(token).toMatch(/^proofmill_/);
    expect(JSON.parse(entry as string).rights).toEqual(["submit", "read"]);
    expect(more).toEqual([]);
    expect((await proofmill("token", "A b")).code).toBe(2);
    expect((await proofmill("token", "a", "--rights", "root")).code).toBe(2);
  });
});
