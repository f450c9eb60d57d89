import { lstat, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readLE, writeLE } from "../../../worker/field.ts";
import { verificationKeyToJson } from "../../../worker/verification-key.ts";
import { WitnessProgram } from "../../../worker/witness.ts";
import { encodeWtns } from "../../../worker/wtns.ts";
import { parseZkey } from "../../../worker/zkey.ts";
import { endSnarkjs } from "../../circuits/small-circuit.ts";
import {
  type Fixture,
  smallFixture,
  smallInputs,
  verifyWithSnarkjs,
} from "../../worker/fixtures.ts";
import { openAny, whyNoDevice } from "../../worker/gpu/device-fixture.ts";
import { proofmill, proofmillUnread } from "./run-command.ts";

/** A number that stands in the witness and must stand nowhere else. */
const SECRET = 51_966;

let small: Fixture;
let folder: string;
const file = (name: string) => join(folder, name);
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));

beforeAll(async () => {
  small = await smallFixture();
  folder = await mkdtemp(join(tmpdir(), "proofmill-command-"));
  const program = new WitnessProgram(new Uint8Array(await readFile(small.wasm)));
  const values = program.calculate(smallInputs(SECRET));
  await writeFile(file("good.wtns"), encodeWtns(values));
  const last = values.length - 32;
  writeLE(values, last, readLE(values, last) + 1n);
  await writeFile(file("wrong.wtns"), encodeWtns(values));
  const key = parseZkey(await readFile(small.key)).verificationKey;
  await writeFile(file("vk.json"), JSON.stringify(verificationKeyToJson(key)));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await endSnarkjs();
});

const prove = (key: string, wtns: string, ...flags: string[]) =>
  proofmill("prove", key, file(wtns), file("proof.json"), file("public.json"), ...flags);

describe("proofmill", () => {
  it("lists its commands, and refuses others with exit code 2", async () => {
    const help = await proofmill("help");
    expect(help.code).toBe(0);
    for (const name of ["serve", "prove", "verify", "setup", "inspect", "submit", "watch"]) {
      expect(help.stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
    }
    expect(await proofmill()).toMatchObject({ code: 2 });
    expect(await proofmill("constructor")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining('"constructor" is no command'),
    });
    expect(await proofmill("verify", "--colour")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--colour[\s\S]*usage: proofmill verify/),
    });
  });
});

describe("proofmill, when nobody reads its output any more", () => {
  it("goes on to its end", async () => {
    const { code, stderr } = await proofmillUnread("help");
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("proofmill prove and verify", () => {
  it("refuses an engine that it does not know, and a device that is not there", async () => {
    expect(await prove(small.key, "good.wtns", "--engine", "cuda")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("expected one of auto, vulkan, wasm, reference"),
    });
    const flags = ["--engine", "vulkan", "--gpu-device", "no such device", "--json"];
    const { code, stdout } = await prove(small.key, "good.wtns", ...flags);
    expect(code).not.toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "ENGINE_UNAVAILABLE" } });
  });

  it.skipIf(whyNoDevice !== undefined)(
    `proves on a device that it is told${whyNoDevice === undefined ? "" : ` (${whyNoDevice})`}`,
    async () => {
      const device = await openAny();
      await device.close();
      const flags = ["--engine", "vulkan", "--gpu-device", device.name, "--json"];
      const proved = await prove(small.key, "good.wtns", ...flags);
      expect(proved).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(proved.stdout)).toMatchObject({ engine: `vulkan (${device.name})` });
      const verified = await proofmill(
        "verify",
        file("vk.json"),
        file("public.json"),
        file("proof.json"),
      );
      expect(verified.code).toBe(0);
    },
  );

  it("writes files that proofmill and snarkjs verify", async () => {
    const proved = await prove(small.key, "good.wtns", "--json");
    expect(proved).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(proved.stdout)).toMatchObject({
      engine: expect.stringMatching(/^wasm \(/),
      developmentKey: false,
      proveMs: expect.any(Number),
    });
    const [vk, signals, proof] = await Promise.all(
      ["vk.json", "public.json", "proof.json"].map((name) => json(file(name))),
    );
    expect(await verifyWithSnarkjs(vk, signals, proof)).toBe(true);
    const verify = (publicPath: string) =>
      proofmill("verify", file("vk.json"), publicPath, file("proof.json"), "--json");
    expect(await verify(file("public.json"))).toMatchObject({
      code: 0,
      stdout: '{"valid":true}\n',
    });

    await writeFile(file("other.json"), JSON.stringify([signals[0], "4"]));
    expect(await verify(file("other.json"))).toMatchObject({
      code: 1,
      stdout: '{"valid":false}\n',
    });
  });

  it("says the stages on stderr and the result on stdout", async () => {
    const { code, stdout, stderr } = await prove(small.key, "good.wtns");
    expect(code).toBe(0);
    expect(stderr.split("\n")).toEqual(["loading the key", "proving", "verifying", ""]);
    expect(stdout).toMatch(/^proved and verified in \d+ ms \(key loaded in \d+ ms\)\n$/);
  });

  it("refuses a development key unless it is allowed by name", async () => {
    const refused = await prove(small.devKey, "good.wtns", "--json");
    expect(refused.code).toBe(3);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: "KEY_REFUSED" } });
    const allowed = await prove(small.devKey, "good.wtns", "--allow-dev-keys");
    expect(allowed).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("development key"),
    });
  });

  it("refuses a key without a contribution, whatever is allowed", async () => {
    const { code, stderr } = await prove(small.freshKey, "good.wtns", "--allow-dev-keys");
    expect(code).toBe(3);
    expect(stderr).toContain("delta equals gamma");
  });

  it("names the constraint that a witness breaks, and none of its values", async () => {
    const { code, stdout, stderr } = await prove(small.key, "wrong.wtns", "--r1cs", small.r1cs);
    expect(code).toBe(3);
    expect(stderr).toMatch(/does not satisfy the circuit: constraint \d+ fails/);
    expect(stdout + stderr).not.toContain(String(SECRET));
  });

  it("refuses a truncated, a foreign, an empty and a missing file with exit code 3", async () => {
    const good = await readFile(file("good.wtns"));
    await writeFile(file("half.wtns"), good.subarray(0, good.length / 2));
    await writeFile(file("empty.wtns"), "");
    const key = await readFile(small.key);
    await writeFile(file("half.zkey"), key.subarray(0, key.length / 2));
    const outcomes = await Promise.all([
      prove(small.key, "half.wtns"),
      prove(small.key, "empty.wtns"),
      prove(small.key, "vk.json"),
      prove(file("half.zkey"), "good.wtns"),
      prove(file("good.wtns"), "good.wtns"),
      prove(file("absent.zkey"), "good.wtns"),
    ]);
    for (const { code, stdout, stderr } of outcomes) {
      expect(stderr).toMatch(/^proofmill: \S/m);
      expect(stderr).not.toMatch(/^ {4}at /m);
      expect([code, stdout]).toEqual([3, ""]);
    }
  });

  it("refuses files that are not JSON without quoting them", async () => {
    await writeFile(file("broken.json"), `{"secret": ${SECRET}`);
    const { code, stderr } = await proofmill(
      "verify",
      file("broken.json"),
      file("broken.json"),
      file("broken.json"),
    );
    expect(code).toBe(3);
    expect(stderr).toContain("not JSON");
    expect(stderr).not.toContain(String(SECRET));
  });
});

describe("proofmill's files", () => {
  it("are not written over each other", async () => {
    const key = await readFile(small.key);
    for (const [proofPath, publicPath, names] of [
      [file("one.json"), `${folder}/../${basename(folder)}/one.json`, "PROOF.json and PUBLIC.json"],
      [small.key, file("one.json"), "ZKEY and PROOF.json"],
      [file("one.json"), file("good.wtns"), "WTNS and PUBLIC.json"],
    ] as const) {
      const refused = await proofmill("prove", small.key, file("good.wtns"), proofPath, publicPath);
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(refused.stderr).toContain(names);
    }
    expect(await readFile(small.key)).toEqual(key);
    const submit = ["submit", "--circuit", "any", "--input", file("vk.json")];
    const files = ["--proof", file("one.json"), "--calldata", file("one.json")];
    expect(await proofmill(...submit, ...files)).toMatchObject({ code: 2 });
  });

  it("may be links, which stay links: a file must not take the place of /dev/stdout", async () => {
    await writeFile(file("target.json"), "");
    await symlink(file("target.json"), file("link.json"));
    const arguments_ = [small.key, file("good.wtns"), file("link.json"), file("public.json")];
    expect((await proofmill("prove", ...arguments_)).code).toBe(0);
    expect((await lstat(file("link.json"))).isSymbolicLink()).toBe(true);
    expect(await json(file("target.json"))).toMatchObject({ protocol: "groth16" });
  });

  it("are named when they are too large, or folders", async () => {
    await writeFile(file("large.zkey"), "zkey");
    await truncate(file("large.zkey"), 3 * 2 ** 30);
    for (const [name, problem] of [
      ["large.zkey", "larger than 2 GiB"],
      [".", "this is a folder"],
    ] as const) {
      const { code, stderr } = await proofmill("inspect", file(name));
      expect(code).toBe(3);
      expect(stderr).toContain(`${file(name)}: ${problem}`);
    }
  });
});

describe("proofmill inspect", () => {
  it("describes each kind of file", async () => {
    const describeFile = async (path: string) =>
      JSON.parse((await proofmill("inspect", path, "--json")).stdout);
    expect(await describeFile(small.key)).toMatchObject({
      kind: "proving key, Groth16, BN254",
      variables: 31,
      publicSignals: 2,
      domain: "2^5 = 32",
      developmentKey: false,
    });
    expect(await describeFile(small.devKey)).toMatchObject({ developmentKey: true });
    expect(await describeFile(small.r1cs)).toMatchObject({ wires: 31, publicInputs: 1 });
    expect(await describeFile(file("good.wtns"))).toMatchObject({ values: 31 });
    expect(await describeFile(file("vk.json"))).toMatchObject({ publicSignals: 2 });
  });

  it("shows no value of a witness", async () => {
    const { stdout } = await proofmill("inspect", file("good.wtns"));
    expect(stdout).toContain("values");
    expect(stdout).not.toContain(String(SECRET));
  });

  it("finds a damaged point in a key", async () => {
    const key = await readFile(small.key);
    const at = key.length - 2_000;
    key[at] = (key[at] ?? 0) ^ 1;
    await writeFile(file("damaged.zkey"), key);
    expect(await proofmill("inspect", file("damaged.zkey"))).toMatchObject({ code: 3, stdout: "" });
  });
});

describe("proofmill setup", () => {
  it("makes a development key for any circuit, the same for the same seed", async () => {
    const setup = (out: string, seed: string) =>
      proofmill("setup", small.r1cs, "--dev", "--seed", seed, "--out", file(out), "--json");
    const outcomes = [await setup("a", "one"), await setup("b", "one"), await setup("c", "two")];
    for (const { code, stdout } of outcomes) {
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ circuit: "circuit", keys: "dev" });
    }
    const [a, b, c] = await Promise.all(
      ["a", "b", "c"].map((out) => readFile(file(`${out}/circuit.zkey`), "hex")),
    );
    expect(b === a).toBe(true);
    expect(c === a).toBe(false);
    const proved = await prove(file("c/circuit.zkey"), "good.wtns", "--allow-dev-keys");
    expect(proved.code).toBe(0);
    const verified = await proofmill(
      "verify",
      file("c/verification_key.json"),
      file("public.json"),
      file("proof.json"),
    );
    expect(verified).toMatchObject({ code: 0, stdout: "valid\n" });
  });

  it("asks for exactly one way, and for a circuit that exists", async () => {
    const outcomes = await Promise.all([
      proofmill("setup", "batch-tiny"),
      proofmill("setup", "batch-tiny", "--dev", "--ptau", "x"),
      proofmill("setup"),
    ]);
    expect(outcomes.map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(await proofmill("setup", "batch-7", "--dev")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("batch-tiny, batch-4"),
    });
  });
});
