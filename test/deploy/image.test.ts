import { existsSync } from "node:fs";
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage } from "../../scripts/image.ts";
import { endSnarkjs } from "../circuits/small-circuit.ts";
import { root } from "../prover/command/run-command.ts";
import { verifyWithSnarkjs } from "../worker/fixtures.ts";
import { SOFTWARE } from "../worker/gpu/device-fixture.ts";
import { Container, type ContainerOptions, MountedImage } from "./container.ts";
import { softwareDriver, whyNoDriver } from "./software-driver.ts";

const IMAGE = "localhost/proofmill-test";
const EXAMPLE = join(root, "docs/examples/batch-tiny.json");
const CIRCUITS = join(root, "build/circuits");

/** Building takes minutes: only where it is asked for. */
const missing = process.env.IMAGE === "1" ? whatIsMissing() : "IMAGE=1 is not set";

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const folders = (process.env.PATH ?? "").split(delimiter);
  const isThere = (program: string) => folders.some((folder) => existsSync(join(folder, program)));
  const absent = ["buildah", "debootstrap", "runc"].filter((program) => !isThere(program));
  return absent.length > 0 ? `not installed: ${absent.join(", ")}` : undefined;
}

let image: MountedImage;
let imageBytes: number;
let folder: string;
const file = (name: string) => join(folder, name);
const running: Container[] = [];

/** The service as its image runs it; the network is the container's own, so TLS may be missing. */
const DEVELOPMENT = {
  PROVER_ALLOW_PLAINTEXT: "true",
  PROVER_ALLOW_DEV_KEYS: "true",
  PROVER_CIRCUITS: "batch-tiny",
  PROVER_THREADS: "1",
};

async function start(
  variables: Readonly<Record<string, string>>,
  more: Partial<ContainerOptions> = {},
): Promise<Container> {
  const container = await Container.start(image, {
    ...more,
    variables,
    mounts: {
      "/circuits": { source: CIRCUITS, isReadOnly: true },
      "/var/lib/proofmill": { source: file("store"), isReadOnly: false },
      ...more.mounts,
    },
  });
  running.push(container);
  return container;
}

async function serve(): Promise<Container> {
  const container = await start(DEVELOPMENT);
  expect(await container.firstLine, container.log).toBeDefined();
  return container;
}

describe("deploy / Dockerfile", () => {
  it("builds the service without more where no target is named", async () => {
    const lines = (await readFile(join(root, "Dockerfile"), "utf8")).trim().split("\n");
    expect(lines.at(-1)).toBe("FROM service");
    expect(lines.filter((line) => / AS service$/.test(line))).toEqual(["FROM scratch AS service"]);
    expect(lines).toContain("FROM service AS gpu");
  });
});

describe.skipIf(missing !== undefined)(`deploy / image${missing ? ` (${missing})` : ""}`, () => {
  beforeAll(async () => {
    // The other target is the same image with less: building both would take twice as long.
    imageBytes = await buildImage({ tag: IMAGE, target: "gpu" });
    image = await MountedImage.of(IMAGE);
    folder = await mkdtemp(join(tmpdir(), "proofmill-image-test-"));
    await mkdir(file("store"), { mode: 0o700 });
    const [uid, gid] = image.config.User.split(":").map(Number) as [number, number];
    await chown(file("store"), uid, gid);
  }, 900_000);
  afterAll(async () => {
    for (const container of running) await container.remove();
    await image?.remove();
    if (folder !== undefined) await rm(folder, { recursive: true });
    await endSnarkjs();
  });

  it("is small, and mostly Node", async () => {
    // 153 MB when it was first made, 116 of them Node without symbols.
    expect(imageBytes).toBeLessThan(200e6);
    const node = (await stat(join(image.root, "usr/local/bin/node"))).size;
    expect(imageBytes - node).toBeLessThan(60e6);
  });

  it("holds no shell, no keys, nothing of the machine or the registry that made it", async () => {
    const entries = await readdir(image.root, { recursive: true, withFileTypes: true });
    const paths = entries.map((entry) =>
      join(entry.parentPath, entry.name).slice(image.root.length),
    );
    expect(paths).toContain("/app/prover/command/main.js");
    const unwanted =
      /\/(sh|bash|busybox|npm|apt|\.npmrc)$|\.(zkey|pem|key|ptau|ts|tgz)$|^\/app\/(test|bench|scripts)\//;
    expect(paths.filter((path) => unwanted.test(path))).toEqual([]);
    expect(await readdir(join(image.root, "circuits"))).toEqual([]);
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      const { mode } = await stat(path);
      expect(mode & 0o6000, `${path} runs as its owner`).toBe(0);
    }
    for (const path of paths.filter((path) => /^\/app\/[^/]+\/.*\.js(on)?$/.test(path))) {
      const text = await readFile(join(image.root, path), "utf8");
      expect(text.includes(root), path).toBe(false);
    }
  });

  it("runs as a user without a name in the machine, on its own volume, and says how to check it", () => {
    expect(image.config).toMatchObject({
      User: "10001:10001",
      Entrypoint: ["proofmill"],
      Cmd: ["serve"],
      StopSignal: "SIGTERM",
      Volumes: { "/var/lib/proofmill": {} },
      Healthcheck: { Test: ["CMD", "proofmill", "health"] },
    });
    expect(image.config.Env.filter((line) => /DEV_KEYS|PLAINTEXT|TOKEN/.test(line))).toEqual([]);
  });

  it("listens to nobody on the network without TLS, and takes no development key, unless told to", async () => {
    const { PROVER_ALLOW_PLAINTEXT: _, ...encrypted } = DEVELOPMENT;
    const open = await start(encrypted);
    expect(await open.ended).toBe(2);
    expect(open.log).toMatch(/0\.0\.0\.0:50051 without TLS/);
    const { PROVER_ALLOW_DEV_KEYS: __, ...production } = DEVELOPMENT;
    const forgeable = await start(production);
    expect(await forgeable.ended).toBe(3);
    expect(forgeable.log).toMatch(/development/);
  });

  it("proves the example batch, as PID 1 without any right, on a read-only root", async () => {
    const container = await serve();
    const submitted = await container.call(
      ...["submit", "--request", EXAMPLE, "--json"],
      ...["--proof", file("proof.json"), "--public", file("public.json")],
    );
    expect(submitted.code, submitted.output).toBe(0);
    const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
    const key = await read(join(CIRCUITS, "batch-tiny/verification_key.json"));
    const [signals, proof] = [await read(file("public.json")), await read(file("proof.json"))];
    expect(await verifyWithSnarkjs(key, signals, proof)).toBe(true);

    const { Test: check } = image.config.Healthcheck;
    const healthy = await container.exec(...check.slice(1));
    expect(healthy).toEqual({ code: 0, output: "SERVING\n" });
    const status = `
      const { readFileSync, writeFileSync } = require("node:fs");
      const one = readFileSync("/proc/1/status", "utf8");
      const field = (name) => RegExp("^" + name + ":\\\\s*(\\\\S+)", "m").exec(one)[1];
      let written = "yes";
      try { writeFileSync("/app/x", ""); } catch ({ code }) { written = code; }
      console.log(field("Uid"), field("CapEff"), field("CapBnd"), field("NoNewPrivs"), written);`;
    const { output } = await container.exec("node", "-e", status);
    expect(output).toBe("10001 0000000000000000 0000000000000000 1 EROFS\n");

    await container.signal("SIGTERM");
    expect(await container.ended).toBe(0);
    expect(container.log).toContain('"msg":"closed"');
  });

  it("has Vulkan's loader and what NVIDIA's driver loads, and tells its container toolkit so", async () => {
    const libraries = `usr/lib/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu`;
    const there = await readdir(join(image.root, libraries));
    for (const name of ["vulkan.so.1", "X11.so.6", "Xext.so.6", "EGL.so.1", "GLX.so.0"]) {
      expect(there).toContain(`lib${name}`);
    }
    expect(there.filter((name) => /mesa|LLVM|nvidia|_icd|lvp/.test(name))).toEqual([]);
    expect(image.config.Env).toEqual(
      expect.arrayContaining([
        "NVIDIA_VISIBLE_DEVICES=all",
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics",
      ]),
    );
  });

  it("goes on with WebAssembly where there is no device, and says why", async () => {
    const container = await serve();
    const chosen = container.log.split("\n").find((line) => line.includes('"engine chosen"')) ?? "";
    const { engine, refused } = JSON.parse(chosen) as { engine: string; refused: string[] };
    expect(engine).toMatch(/^wasm /);
    expect(refused).toContainEqual(expect.stringMatching(/^vulkan: .*NVIDIA_DRIVER_CAPABILITIES/));
    await container.signal("SIGTERM");
    expect(await container.ended).toBe(0);
  });

  it("refuses to start without the device that it was asked for by name", async () => {
    const container = await start({ ...DEVELOPMENT, PROVER_ENGINE: "vulkan" });
    expect(await container.ended).toBeGreaterThan(0);
    expect(container.log).toMatch(/proofmill: vkCreateInstance: .*INCOMPATIBLE_DRIVER/);
  });

  const withoutDriver = whyNoDriver === undefined ? "" : ` (${whyNoDriver})`;
  it.skipIf(withoutDriver !== "")(
    `proves on a device whose driver is mounted into it${withoutDriver}`,
    async () => {
      const variables = await softwareDriver(file("driver"));
      const container = await start(
        { ...DEVELOPMENT, ...variables, PROVER_ENGINE: "vulkan", PROVER_GPU_DEVICE: SOFTWARE },
        // The processor's memory is the device's.
        {
          mounts: { "/driver": { source: file("driver"), isReadOnly: true } },
          memoryBytes: 3 * 1024 ** 3,
        },
      );
      expect(await container.firstLine, container.log).toBeDefined();
      const submitted = await container.call(
        ...["submit", "--request", EXAMPLE, "--request-id", "on-a-device", "--json"],
        ...["--proof", file("proof.json"), "--public", file("public.json")],
      );
      expect(submitted.code, submitted.output).toBe(0);
      const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
      const key = await read(join(CIRCUITS, "batch-tiny/verification_key.json"));
      const [signals, proof] = [await read(file("public.json")), await read(file("proof.json"))];
      expect(await verifyWithSnarkjs(key, signals, proof)).toBe(true);
      expect(container.log).toMatch(/"engine":"vulkan \(llvmpipe/);
      await container.signal("SIGTERM");
      expect(await container.ended).toBe(0);
    },
    600_000,
  );

  it("has its jobs after a kill and a new start", async () => {
    const first = await serve();
    const names = ["before-1", "before-2", "before-3"];
    for (const name of names) {
      const request = ["submit", "--request", EXAMPLE, "--request-id", name, "--no-wait"];
      expect((await first.call(...request)).code).toBe(0);
    }
    await first.signal("SIGKILL");
    expect(await first.ended).toBe(137);

    const second = await serve();
    // And the one that had ended long before the kill.
    for (const name of [...names, "example-batch-tiny"]) {
      const watched = await second.call("watch", name, "--by-request-id");
      expect(watched).toMatchObject({ code: 0, output: expect.stringContaining("succeeded") });
    }
    await second.signal("SIGTERM");
    expect(await second.ended).toBe(0);
  });
});
