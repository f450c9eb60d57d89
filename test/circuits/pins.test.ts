import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ArtefactHashes, loadArtefacts, readManifest } from "../../circuits/manifest.ts";
import { explainDifference, readPins, writePins } from "../../circuits/pins.ts";
import { DEV_SEED } from "../../circuits/setup/dev.ts";

const digit = (value: string): string => value.repeat(64);
const HASHES: ArtefactHashes = {
  r1cs: digit("1"),
  wasm: digit("2"),
  zkey: digit("3"),
  verificationKey: digit("4"),
};
const PINS = { seed: "s", circuits: { one: HASHES } };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pins-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("circuits / pins", () => {
  it("finds no difference in equal hashes, nor for a circuit without pins", () => {
    expect(explainDifference(PINS, "one", { ...HASHES })).toBeUndefined();
    expect(explainDifference(PINS, "other", { ...HASHES, r1cs: digit("9") })).toBeUndefined();
  });

  it.each([
    [{ r1cs: digit("9"), zkey: digit("9") }, /sources or its compiler/],
    [{ wasm: digit("9") }, /witness program/],
    [{ zkey: digit("9"), verificationKey: digit("9") }, /seed or set-up code/],
    [{ verificationKey: digit("9") }, /another form/],
  ])("explains %o by the first file that it touches, and names every one", (changed, meaning) => {
    const text = explainDifference(PINS, "one", { ...HASHES, ...changed });
    expect(text).toMatch(meaning);
    expect(text?.match(new RegExp(`got ${digit("9")}`, "g"))?.length).toBe(
      Object.keys(changed).length,
    );
  });

  it("reads back what it wrote, with the circuits in order", async () => {
    const path = join(folder, "pins.json");
    await writePins({ seed: "s", circuits: { b: HASHES, a: HASHES } }, path);
    expect(Object.keys((await readPins(path)).circuits)).toEqual(["a", "b"]);
    expect(await readFile(path, "utf8")).toMatch(/\}\n$/);
  });

  it.each(["batch-tiny", "batch-4"])("pins what the build has made of %s", async (id) => {
    const dir = join(import.meta.dirname, "../../build/circuits", id);
    const { sha256, seed } = await readManifest(dir);
    const pins = await readPins();
    expect(pins.circuits[id], "run npm run build:circuits").toEqual(sha256);
    expect([seed, pins.seed]).toEqual([DEV_SEED, DEV_SEED]);
    const artefacts = await loadArtefacts(dir, { allowDevKeys: true });
    expect(artefacts).toMatchObject({ circuitId: id, keys: "dev", parameters: { id } });
    expect(artefacts.publicSignals).toEqual(["prevRoot", "newRoot", "h", "z", "y"]);
  });
});
