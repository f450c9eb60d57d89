import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashFile } from "../../circuits/file-hash.ts";
import {
  FILE_NAMES,
  loadArtefacts,
  MANIFEST_NAME,
  type Manifest,
  readManifest,
} from "../../circuits/manifest.ts";
import { setupDev } from "../../circuits/setup/circuit.ts";
import { chain, compile, MULTIPLIER, type SmallCircuit } from "./small-circuit.ts";

const DEV = { allowDevKeys: true };
const CIRCUIT = { id: "multiplier", publicSignals: ["product", "a", "unused"] };

let circuit: SmallCircuit;
let other: SmallCircuit;
let folder: string;
beforeAll(async () => {
  circuit = await compile(MULTIPLIER);
  other = await compile(chain(3));
  folder = await mkdtemp(join(tmpdir(), "manifest-"));
  const { folder: dir } = circuit;
  const verifierDir = join(folder, "contracts");
  await setupDev({ dir, circuit: CIRCUIT, seed: "m", tools: { circom2: "0.2.23" }, verifierDir });
  await setupDev({ dir: other.folder, circuit: { id: "chain", publicSignals: ["end", "start"] } });
});
afterAll(async () => {
  for (const dir of [circuit.folder, other.folder, folder]) await rm(dir, { recursive: true });
});

/** A copy of the finished folder that a test may damage. */
async function copyOf(from = circuit): Promise<string> {
  const dir = await mkdtemp(join(folder, "copy-"));
  await cp(from.folder, dir, { recursive: true });
  return dir;
}

async function editManifest(
  dir: string,
  edit: (manifest: Record<string, unknown>) => void,
): Promise<void> {
  const path = join(dir, MANIFEST_NAME);
  const manifest = JSON.parse(await readFile(path, "utf8"));
  edit(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

const refused = (code: string, message: RegExp = /./) => ({
  name: "ArtefactError",
  code,
  message: expect.stringMatching(message),
});

describe("circuits / manifest", () => {
  it("pins every file by its hash and says what the circuit is", async () => {
    const manifest = await readManifest(circuit.folder);
    const hash = (name: string): Promise<string> => hashFile(join(circuit.folder, name), "sha256");
    expect(manifest).toEqual({
      formatVersion: 1,
      circuitId: "multiplier",
      constraints: 1,
      wires: 5,
      domainLog2: 3,
      publicSignals: ["product", "a", "unused"],
      keys: "dev",
      seed: "m",
      sha256: {
        r1cs: await hash("circuit.r1cs"),
        wasm: await hash("circuit.wasm"),
        zkey: await hash("circuit.zkey"),
        verificationKey: await hash("verification_key.json"),
      },
      tools: { circom2: "0.2.23" },
    } satisfies Manifest);
  });

  it("gives paths and hashes of an intact folder", async () => {
    const artefacts = await loadArtefacts(circuit.folder, DEV);
    const { sha256 } = await readManifest(circuit.folder);
    expect(artefacts).toMatchObject({
      circuitId: "multiplier",
      keys: "dev",
      parameters: undefined,
    });
    expect(artefacts.zkey).toEqual({
      path: join(circuit.folder, "circuit.zkey"),
      sha256: sha256.zkey,
    });
  });

  it.each(Object.values(FILE_NAMES))(
    "refuses a folder in which one bit of %s differs",
    async (name) => {
      const dir = await copyOf();
      const path = join(dir, name);
      const bytes = await readFile(path);
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] as number) ^ 1;
      await writeFile(path, bytes);
      await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(
        refused("ARTEFACT_MISMATCH", /got sha256 [0-9a-f]{64}, expected [0-9a-f]{64}/),
      );
    },
  );

  it.each(Object.values(FILE_NAMES))("refuses a folder without %s", async (name) => {
    const dir = await copyOf();
    await rm(join(dir, name));
    await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(
      refused("ARTEFACT_MISSING", new RegExp(name)),
    );
  });

  it("refuses a folder without a manifest, and says how to get one", async () => {
    const dir = await copyOf();
    await rm(join(dir, MANIFEST_NAME));
    await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(
      refused("ARTEFACT_MISSING", /build:circuits/),
    );
  });

  it("refuses development keys unless they are allowed by name", async () => {
    await expect(loadArtefacts(circuit.folder, { allowDevKeys: false })).rejects.toMatchObject(
      refused("KEY_REFUSED", /forge/),
    );
  });

  it("refuses a development key that the manifest passes off as a ceremony's", async () => {
    const dir = await copyOf();
    await editManifest(dir, (manifest) => {
      delete manifest.seed;
      Object.assign(manifest, { keys: "ceremony", ceremony: { contributions: 3 } });
    });
    for (const allowDevKeys of [false, true]) {
      await expect(loadArtefacts(dir, { allowDevKeys })).rejects.toMatchObject(
        refused("MANIFEST_MALFORMED", /is a development key/),
      );
    }
  });

  it("refuses a verification key of another proving key, even if its hash is pinned", async () => {
    const dir = await copyOf();
    const name = FILE_NAMES.verificationKey;
    for (const replacement of [await readFile(join(other.folder, name)), Buffer.from("nothing")]) {
      await writeFile(join(dir, name), replacement);
      const verificationKey = await hashFile(join(dir, name), "sha256");
      await editManifest(dir, ({ sha256 }) => Object.assign(sha256 as object, { verificationKey }));
      await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(
        refused("ARTEFACT_MISMATCH", /is not that of circuit\.zkey/),
      );
    }
  });

  it("refuses a file that is no key, even if its hash is pinned", async () => {
    const dir = await copyOf();
    await cp(join(dir, FILE_NAMES.r1cs), join(dir, FILE_NAMES.zkey));
    const zkey = await hashFile(join(dir, FILE_NAMES.zkey), "sha256");
    await editManifest(dir, ({ sha256 }) => Object.assign(sha256 as object, { zkey }));
    await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(refused("ARTEFACT_MISMATCH"));
  });

  it.each<[string, (manifest: Record<string, unknown>) => void, RegExp]>([
    ["another format", (m) => Object.assign(m, { formatVersion: 2 }), /version 2, expected 1/],
    ["a path for an id", (m) => Object.assign(m, { circuitId: "../x" }), /circuitId/],
    ["no constraint count", (m) => delete m.constraints, /constraints/],
    ["names that are none", (m) => Object.assign(m, { publicSignals: [1] }), /publicSignals/],
    ["unknown keys", (m) => Object.assign(m, { keys: "real" }), /keys: expected/],
    ["a seed for no dev keys", (m) => delete m.seed, /seed/],
    ["a ceremony for dev keys", (m) => Object.assign(m, { ceremony: {} }), /ceremony/],
    ["a hash left out", (m) => delete (m.sha256 as Record<string, unknown>).zkey, /sha256\.zkey/],
    [
      "a batch circuit's id without parameters",
      (m) => Object.assign(m, { circuitId: "batch-tiny" }),
      /parameters: expected those of batch-tiny/,
    ],
    [
      "other parameters for a known id",
      (m) =>
        Object.assign(m, {
          circuitId: "batch-tiny",
          parameters: { nTx: 3, levels: 2, nDeposits: 1, top: 1 },
        }),
      /parameters\.nTx: got 3, expected 2/,
    ],
    [
      "parameters that are no numbers",
      (m) => Object.assign(m, { parameters: { nTx: "3" } }),
      /parameters\.nTx: got "3"/,
    ],
  ])("refuses a manifest with %s", async (_, edit, message) => {
    const dir = await copyOf();
    await editManifest(dir, edit);
    await expect(readManifest(dir)).rejects.toMatchObject(refused("MANIFEST_MALFORMED", message));
  });

  it("refuses a manifest that is not JSON, or no object", async () => {
    const dir = await copyOf();
    for (const text of ["", "{", "[]", "null", "7"]) {
      await writeFile(join(dir, MANIFEST_NAME), text);
      await expect(readManifest(dir), text).rejects.toMatchObject(refused("MANIFEST_MALFORMED"));
    }
  });
});

describe("circuits / setup of a folder", () => {
  it("writes the verifier contract under the circuit's name", async () => {
    expect(await readdir(join(folder, "contracts"))).toEqual(["MultiplierVerifier.sol"]);
  });

  it("leaves no manifest when the circuit has other signals than it is said to have", async () => {
    const dir = await copyOf();
    const wrong = { id: "multiplier", publicSignals: ["only"] };
    await expect(setupDev({ dir, circuit: wrong })).rejects.toThrow(/got 1 names .* expected 3/);
    expect(await readdir(dir)).not.toContain(MANIFEST_NAME);
  });

  it("takes away the old manifest before it changes a file", async () => {
    const dir = await copyOf();
    await writeFile(join(dir, FILE_NAMES.r1cs), "damaged");
    await expect(setupDev({ dir, circuit: CIRCUIT })).rejects.toMatchObject({
      code: "KEY_MALFORMED",
    });
    await expect(loadArtefacts(dir, DEV)).rejects.toMatchObject(refused("ARTEFACT_MISSING"));
  });
});
