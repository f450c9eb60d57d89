import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeBatch } from "../../circuits/batch.ts";
import { circuitParameters } from "../../circuits/parameters.ts";
import packageJson from "../../package.json" with { type: "json" };
import { exampleBatch } from "../../scripts/example-batch.ts";
import { packStaged, stagePackage } from "../../scripts/pack.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import { smallFixture, smallInputs, verifyWithSnarkjs } from "../worker/fixtures.ts";
import { findNode, npm } from "./runtimes.ts";

const root = join(import.meta.dirname, "../..");
const CIRCUIT = "batch-tiny";
const circuitFile = (name: string) => join(root, "build/circuits", CIRCUIT, name);

/** The lines of Node that the package promises to run on. */
const NODES = [20, 24, 26];

/** A project that has nothing but the package, as a user's first one. */
let project: string;
let tarballBytes: number;
/** Files of the installed package, by their path in it. */
let files: string[];
let manifest: Record<string, unknown> & { dependencies: Record<string, string> };

const inProject = (...path: string[]) => join(project, ...path);
const inPackage = (path: string) => inProject("node_modules/proofmill", path);

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "proofmill-package-"));
  const staging = inProject("staging");
  await stagePackage(staging);
  const tarball = await packStaged(staging, project);
  await rm(staging, { recursive: true });
  tarballBytes = (await stat(tarball)).size;
  await writeFile(inProject("package.json"), '{ "private": true, "type": "module" }');
  await npm(project, "install", tarball);
  await cp(join(import.meta.dirname, "consumer"), project, { recursive: true });
  const { inputs } = executeBatch(circuitParameters(CIRCUIT), exampleBatch(CIRCUIT));
  const decimal = (_key: string, value: unknown) =>
    typeof value === "bigint" ? String(value) : value;
  await writeFile(inProject("inputs.json"), JSON.stringify(inputs, decimal));
  const entries = await readdir(inPackage("."), { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(inPackage("/").length))
    .sort();
  manifest = JSON.parse(await readFile(inPackage("package.json"), "utf8"));
});
afterAll(async () => {
  await rm(project, { recursive: true, force: true });
  await endSnarkjs();
});

/** Runs a program of the project; stderr is part of the result, since a warning is a defect. */
async function runInProject(program: string, ...words: string[]) {
  // Shorter than the test's own limit: nothing is left running.
  const limits = { timeout: 90_000, killSignal: "SIGKILL", maxBuffer: 2 ** 24 } as const;
  return promisify(execFile)(program, words, { cwd: project, ...limits });
}

const proofmill = () => inProject("node_modules/.bin/proofmill");

describe("package / manifest", () => {
  it("has no scripts, no tools and no Node of its own", () => {
    expect(Object.keys(manifest).sort()).toEqual([
      "bin",
      "dependencies",
      "description",
      "engines",
      "exports",
      "keywords",
      "license",
      "name",
      "peerDependencies",
      "peerDependenciesMeta",
      "type",
      "version",
    ]);
    expect(manifest.version).toBe(packageJson.version);
  });

  it("depends on what its code loads, on nothing else, and not on snarkjs", async () => {
    const loaded = new Set<string>();
    for (const file of files.filter((path) => /\.js$|\.d\.ts$/.test(path))) {
      const text = (await readFile(inPackage(file), "utf8")).replace(/\/\*[\s\S]*?\*\//g, "");
      for (const [, name] of text.matchAll(/\b(?:from |import\(|require\()"([^."][^"]*)"/g)) {
        const specifier = name as string;
        const isScoped = specifier.startsWith("@");
        if (specifier.startsWith("node:")) continue;
        loaded.add(
          specifier
            .split("/")
            .slice(0, isScoped ? 2 : 1)
            .join("/"),
        );
      }
    }
    // Loaded by a ceremony's steps if the user has it.
    loaded.delete("snarkjs");
    expect([...loaded].sort()).toEqual(Object.keys(manifest.dependencies));
    expect(await readdir(inProject("node_modules"))).not.toContain("snarkjs");
  });
});

describe("package / content", () => {
  it("is code, declarations, contracts, protos, and the papers of a package", () => {
    const kinds = new Set(files.map((path) => /(?:\.d)?\.\w+$/.exec(path)?.[0] ?? path));
    expect([...kinds].sort()).toEqual([
      ".css",
      ".d.ts",
      ".html",
      ".js",
      ".json",
      ".md",
      ".proto",
      ".sol",
      "LICENSE",
    ]);
    const isCode = (path: string) => /\.js$|\.d\.ts$/.test(path);
    expect(files.filter((path) => !isCode(path))).toMatchInlineSnapshot(`
      [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "contracts/bridge/AddressAlias.sol",
        "contracts/bridge/MessageLeaf.sol",
        "contracts/channel/ChannelFactory.sol",
        "contracts/channel/CloneTerms.sol",
        "contracts/channel/IPaymentChannel.sol",
        "contracts/channel/PaymentChannel.sol",
        "contracts/security/CanonicalCall.sol",
        "contracts/security/Credits.sol",
        "contracts/security/ICredits.sol",
        "contracts/zk/BatchData.sol",
        "contracts/zk/ExitTree.sol",
        "contracts/zk/IL1Queue.sol",
        "contracts/zk/IVerifier.sol",
        "contracts/zk/IZKRollup.sol",
        "contracts/zk/L1Queue.sol",
        "contracts/zk/RollupConfig.sol",
        "contracts/zk/ScalarField.sol",
        "contracts/zk/ZKRollup.sol",
        "package.json",
        "proto/google/rpc/error_details.proto",
        "proto/google/rpc/status.proto",
        "proto/grpc/health/v1/health.proto",
        "proto/prover/v1/admin.proto",
        "proto/prover/v1/batch.proto",
        "proto/prover/v1/circuit.proto",
        "proto/prover/v1/job.proto",
        "proto/prover/v1/prover.proto",
        "prover/observe/page/page.css",
        "prover/observe/page/page.html",
      ]
    `);
    const folders = new Set(files.filter(isCode).map((path) => path.split("/")[0]));
    expect([...folders].sort()).toEqual(["circuits", "gen", "operator", "prover", "worker"]);
    expect(
      files.filter((path) => /(?<!self-)test|bench|scripts|fixture|snarkjs-child/.test(path)),
    ).toEqual([]);
  });

  it("names no path of the machine that made it, and no registry", async () => {
    for (const file of files) {
      const text = await readFile(inPackage(file), "utf8");
      for (const place of [root, homedir(), project, tmpdir(), "registry."]) {
        expect(text.includes(`${place}/`), `${file}: ${place}`).toBe(false);
      }
    }
  });

  it("stays small", async () => {
    const sizes = await Promise.all(files.map(async (path) => (await stat(inPackage(path))).size));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    // 1.1 MB and 0.25 MB when it was first made.
    expect(bytes).toBeLessThan(3e6);
    expect(tarballBytes).toBeLessThan(0.8e6);
    expect(bytes).toBeGreaterThan(0.5e6);
  });

  it("is not made by npm pack in the checkout, which says what makes it", async () => {
    const refused = npm(root, "pack", "--dry-run");
    await expect(refused).rejects.toMatchObject({
      stderr: expect.stringContaining("npm run pack"),
    });
    // npm runs this before its script "pack" too.
    await expect(npm(root, "run", "prepack")).resolves.toBeDefined();
  });
});

describe("package / README", () => {
  let readme: string;
  beforeAll(async () => {
    readme = await readFile(inPackage("README.md"), "utf8");
  });

  it("begins with a program that runs as it stands", async () => {
    const program = /^```js\n([\s\S]*?)^```$/m.exec(readme)?.[1] as string;
    // Ten lines, not counting the empty one.
    expect(program.trim().split("\n").filter(Boolean).length).toBeLessThanOrEqual(10);
    const small = await smallFixture();
    const folder = inProject("first-proof");
    await mkdir(folder);
    await copyFile(small.key, join(folder, "circuit.zkey"));
    await copyFile(small.wasm, join(folder, "circuit.wasm"));
    await writeFile(join(folder, "input.json"), JSON.stringify(smallInputs()));
    await writeFile(join(folder, "program.mjs"), program);
    const { stdout } = await promisify(execFile)(process.execPath, ["program.mjs"], {
      cwd: folder,
    });
    expect(stdout).toBe("true\n");
  });

  it("explains every error code, and the licence of what comes along", async () => {
    const source = await readFile(join(root, "worker/errors.ts"), "utf8");
    const codes = [...source.matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(([, code]) => code);
    expect(codes).toContain("WITNESS_MALFORMED");
    expect(codes.filter((code) => !readme.includes(`| \`${code}\` |`))).toEqual([]);
    // What a program that embeds the package must know of: no dependency is under the GPL.
    for (const name of Object.keys(manifest.dependencies)) {
      const path = inProject("node_modules", name, "package.json");
      const { license } = JSON.parse(await readFile(path, "utf8")) as { license: string };
      expect(license, name).not.toMatch(/GPL/);
    }
  });
});

describe("package / exports", () => {
  it("load from CommonJS by dynamic import, and hold these names", async () => {
    const { stdout, stderr } = await runInProject(process.execPath, "commonjs.cjs");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchInlineSnapshot(`
      {
        "proofmill": [
          "LoadedKey",
          "Prover",
          "WitnessProgram",
          "WorkError",
          "calculateWitness",
          "encodeWtns",
          "fullProve",
          "groth16",
          "loadKey",
          "proofFromJson",
          "proofToJson",
          "proofToWords",
          "prove",
          "publicSignalsFromJson",
          "publicSignalsToJson",
          "solidityCallData",
          "verificationKeyFromJson",
          "verificationKeyToJson",
          "verifierArguments",
          "verify",
        ],
        "proofmill/client": [
          "ProverClient",
          "ProverClientError",
          "isFinal",
          "proofElements",
          "referenceOf",
          "transferBatchInput",
        ],
        "proofmill/messages/job": [
          "CommitBlockSchema",
          "Groth16ProofSchema",
          "InputKind",
          "InputKindSchema",
          "JobFailureSchema",
          "JobPriority",
          "JobPrioritySchema",
          "JobSchema",
          "JobStage",
          "JobStageSchema",
          "JobState",
          "JobStateSchema",
          "ProofResultSchema",
          "StageTimesSchema",
          "file_prover_v1_job",
        ],
        "proofmill/messages/prover": [
          "BatchSubmitProofsRequestSchema",
          "BatchSubmitProofsResponseSchema",
          "CancelProofRequestSchema",
          "CancelProofResponseSchema",
          "GetCircuitRequestSchema",
          "GetCircuitResponseSchema",
          "GetProofRequestSchema",
          "GetProofResponseSchema",
          "GetServerInfoRequestSchema",
          "GetServerInfoResponseSchema",
          "JobEventSchema",
          "ListCircuitsRequestSchema",
          "ListCircuitsResponseSchema",
          "ListProofsRequestSchema",
          "ListProofsResponseSchema",
          "ProveRequestSchema",
          "ProveResponseSchema",
          "ProverService",
          "ServerState",
          "ServerStateSchema",
          "SubmitOutcomeSchema",
          "SubmitProofRequestSchema",
          "SubmitProofResponseSchema",
          "UnservedJobsSchema",
          "VerifyProofRequestSchema",
          "VerifyProofResponseSchema",
          "WatchProofRequestSchema",
          "WatchProofResponseSchema",
          "file_prover_v1_prover",
        ],
        "proofmill/rollup-abi": [
          "ROLLUP_ABI",
        ],
        "proofmill/user-client": [
          "ApiError",
          "UserClient",
        ],
        "proofmill/wallet": [
          "signTransfer",
          "verifySignature",
          "walletFromSeed",
          "walletFromSignature",
          "walletMessage",
        ],
      }
    `);
  });

  it("have types that compile strictly in an empty project, without any of Node", async () => {
    const compilerOptions = { module: "nodenext", strict: true, noEmit: true, types: [] };
    const config = { compilerOptions, files: ["types.ts"] };
    await writeFile(inProject("tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/.bin/tsc");
    const { stdout } = await runInProject(tsc, "-p", ".").catch((error) => error);
    expect(stdout).toBe("");
  });

  it("find the contracts, the protos and the manifest", () => {
    const { resolve } = createRequire(inProject("index.js"));
    for (const path of [
      "contracts/zk/ZKRollup.sol",
      "contracts/bridge/MessageLeaf.sol",
      "proto/prover/v1/prover.proto",
      "package.json",
    ]) {
      expect(resolve(`proofmill/${path}`)).toBe(inPackage(path));
    }
    expect(() => resolve("proofmill/worker/groth16.js")).toThrow("is not defined");
  });
});

describe.each(NODES)("package / on Node %i", (major) => {
  let node: string | undefined;
  let reason = "";
  beforeAll(async () => {
    node = await findNode(major).catch((error: Error) => {
      reason = error.message;
      return undefined;
    });
  });

  it("proves from inputs what snarkjs verifies, without a warning", async ({ skip }) => {
    if (node === undefined) return skip(reason);
    const { stdout, stderr } = await runInProject(
      node,
      "prove.mjs",
      "inputs.json",
      circuitFile("circuit.wasm"),
      circuitFile("circuit.zkey"),
    );
    expect(stderr).toBe("");
    const said = JSON.parse(stdout);
    expect(said).toMatchObject({
      node: expect.stringMatching(new RegExp(`^${major}\\.`)),
      isValid: true,
      isValidForOthers: false,
      refusal: "WITNESS_MALFORMED",
    });
    const key = JSON.parse(await readFile(circuitFile("verification_key.json"), "utf8"));
    expect(await verifyWithSnarkjs(key, said.publicSignals, said.proof)).toBe(true);
  });

  it("has a command that helps, makes a key, and a proof with it", async ({ skip }) => {
    if (node === undefined) return skip(reason);
    const help = await runInProject(node, proofmill(), "--help");
    expect(help.stdout).toContain("usage: proofmill <command>");
    const version = await runInProject(node, proofmill(), "--version");
    expect(version).toEqual({ stdout: `proofmill ${packageJson.version}\n`, stderr: "" });

    const { r1cs, wasm } = await smallFixture();
    const out = `keys-${major}`;
    await runInProject(node, proofmill(), "setup", r1cs, "--dev", "--out", out, "--json");
    const script = `
      import { writeFileSync } from "node:fs";
      import { calculateWitness } from "proofmill";
      const inputs = { factor: 3, rows: [[1, 2, 3], [4, 5, 6]], secret: 4660 };
      writeFileSync("${out}/w.wtns", await calculateWitness(inputs, ${JSON.stringify(wasm)}));`;
    await runInProject(node, "--input-type=module", "--eval", script);
    const paths = ["circuit.zkey", "w.wtns", "proof.json", "public.json"].map((name) =>
      join(out, name),
    );
    const refused = await runInProject(node, proofmill(), "prove", ...paths).catch(
      (error) => error,
    );
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining("development") });
    await runInProject(node, proofmill(), "prove", ...paths, "--allow-dev-keys");
    const verified = await runInProject(
      node,
      proofmill(),
      "verify",
      ...["verification_key.json", "public.json", "proof.json"].map((name) => join(out, name)),
    );
    expect(verified).toEqual({ stdout: "valid\n", stderr: "" });
  });
});

describe("package / service", () => {
  it("runs from the package, threads and all, on the oldest Node", async ({ skip }) => {
    const node = await findNode(NODES[0] as number).catch((error: Error) => error.message);
    if (!node.startsWith("/")) return skip(node);
    const service = spawn(node, [
      ...[proofmill(), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
      ...["--circuits-dir", join(root, "build/circuits"), "--circuits", CIRCUIT],
      ...["--allow-dev-keys", "--threads", "1", "--log-level", "silent"],
      // The oldest Node has no SQLite.
      ...["--store", "memory"],
    ]);
    const ended = once(service, "close");
    try {
      const [line] = (await once(service.stdout, "data")) as [Buffer];
      const { port, adminPort } = JSON.parse(line.toString());
      for (const path of ["/", "/page.js", "/tables.js", "/status.json", "/metrics"]) {
        const page = await fetch(`http://127.0.0.1:${adminPort}${path}`);
        expect(page.status, path).toBe(200);
      }
      await runInProject(
        node,
        ...[proofmill(), "submit", "--server", `127.0.0.1:${port}`],
        ...["--request", join(root, `docs/examples/${CIRCUIT}.json`)],
        ...["--proof", "proof.json", "--public", "public.json"],
      );
    } finally {
      service.kill("SIGTERM");
    }
    expect(await ended).toEqual([0, null]);
    const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
    const key = await read(circuitFile("verification_key.json"));
    const signals = await read(inProject("public.json"));
    expect(await verifyWithSnarkjs(key, signals, await read(inProject("proof.json")))).toBe(true);
  });

  it("says where the circuits are when it is asked to compile one", async () => {
    const refused = runInProject(process.execPath, proofmill(), "setup", CIRCUIT, "--dev");
    await expect(refused).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringContaining("The circom sources are in the checkout"),
    });
  });
});
