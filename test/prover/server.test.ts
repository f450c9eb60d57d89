import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { smallCircuits } from "./small-circuits.ts";
import { startTestServer } from "./test-server.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "artefacts-"));
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
/** A folder of circuits with a copy of "product", changed. */
async function spoiled(change: (dir: string) => Promise<unknown>): Promise<string> {
  const parent = join(folder, `${++count}`);
  await cp(join(await smallCircuits(), "product"), join(parent, "product"), { recursive: true });
  await change(join(parent, "product"));
  return parent;
}

describe("prover / server start", () => {
  it("refuses development keys unless they are asked for by name", async () => {
    const started = startTestServer({ PROVER_ALLOW_DEV_KEYS: "false", PROVER_CIRCUITS: "product" });
    await expect(started).rejects.toMatchObject({ name: "ArtefactError", code: "KEY_REFUSED" });
  });

  const changes: [what: string, change: (dir: string) => Promise<unknown>, code: string][] = [
    ["a truncated key", (dir) => truncate(join(dir, "circuit.zkey"), 1_000), "ARTEFACT_MISMATCH"],
    [
      "a key with one bit flipped",
      async (dir) => {
        const bytes = await readFile(join(dir, "circuit.zkey"));
        bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
        await writeFile(join(dir, "circuit.zkey"), bytes);
      },
      "ARTEFACT_MISMATCH",
    ],
    [
      "another witness program",
      async (dir) =>
        cp(join(await smallCircuits(), "chain/circuit.wasm"), join(dir, "circuit.wasm")),
      "ARTEFACT_MISMATCH",
    ],
    ["no verification key", (dir) => rm(join(dir, "verification_key.json")), "ARTEFACT_MISSING"],
    [
      "a manifest that is not JSON",
      (dir) => writeFile(join(dir, "manifest.json"), "{"),
      "MANIFEST_MALFORMED",
    ],
  ];
  it.each(changes)("fails with %s", async (_, change, code) => {
    const started = startTestServer({ PROVER_CIRCUITS_DIR: await spoiled(change) });
    await expect(started).rejects.toMatchObject({ name: "ArtefactError", code });
  });

  it("fails with two folders of one circuit, which may have different keys", async () => {
    const dir = await spoiled((copy) => cp(copy, `${copy}-old`, { recursive: true }));
    const started = startTestServer({ PROVER_CIRCUITS_DIR: dir });
    await expect(started).rejects.toThrow("circuit product a second time");
    await using under = await startTestServer({
      PROVER_CIRCUITS_DIR: dir,
      PROVER_CIRCUITS: "product,product",
    });
    expect(await under.client.listCircuits()).toHaveLength(1);
  });

  it("fails when there is no circuit at all, and says what to do", async () => {
    for (const dir of [folder, join(folder, "nowhere")]) {
      await expect(startTestServer({ PROVER_CIRCUITS_DIR: dir })).rejects.toMatchObject({
        code: "ARTEFACT_MISSING",
        message: expect.stringContaining("npm run build:circuits"),
      });
    }
  });

  it("fails when it was told to serve a circuit that is not there", async () => {
    const started = startTestServer({ PROVER_CIRCUITS: "product,batch-nowhere" });
    await expect(started).rejects.toMatchObject({ code: "ARTEFACT_MISSING" });
  });

  it("fails when a port is taken, on either side, and leaves nothing running", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const taken = `127.0.0.1:${under.server.port}`;
    for (const name of ["PROVER_LISTEN", "PROVER_ADMIN_LISTEN"]) {
      const started = startTestServer({ PROVER_CIRCUITS: "product", [name]: taken });
      await expect(started).rejects.toThrow(/EADDRINUSE/);
    }
  });

  it("serves only the circuits that it was told to", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    const circuits = await under.client.listCircuits();
    expect(circuits.map(({ circuitId }) => circuitId)).toEqual(["product"]);
  });

  it("says in its log that keys are for development", async () => {
    await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
    expect(under.logged).toContainEqual(
      expect.objectContaining({
        level: 40,
        circuitId: "product",
        msg: expect.stringMatching(/development/),
      }),
    );
  });
});
