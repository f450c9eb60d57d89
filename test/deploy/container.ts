// Runs an image as a container engine would, by the runtime below Docker: an own process tree with the program as
// PID 1, a network of its own, the image's user and environment, a read-only root, no capability, no way to new
// privileges, limited memory.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const exec = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** Enough for the circuit batch-tiny on one thread. */
const MEMORY_BYTES = 1024 ** 3;

/** What an image says about itself; a part of it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Volumes: Readonly<Record<string, object>>;
  readonly ExposedPorts: Readonly<Record<string, object>>;
  readonly StopSignal: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

/** An image's files, mounted. */
export class MountedImage {
  readonly config: ImageConfig;
  /** Absolute path of its root. */
  readonly root: string;
  readonly #name: string;
  /** Buildah's container on it, which is never run. */
  readonly #working: string;

  private constructor(name: string, config: ImageConfig, root: string, working: string) {
    this.#name = name;
    this.config = config;
    this.root = root;
    this.#working = working;
  }

  static async of(name: string): Promise<MountedImage> {
    const { stdout } = await exec("buildah", ["inspect", "--type", "image", name]);
    const { config } = (JSON.parse(stdout) as { Docker: { config: ImageConfig } }).Docker;
    const working = (await exec("buildah", ["from", "--pull-never", name])).stdout.trim();
    const root = (await exec("buildah", ["mount", working])).stdout.trim();
    return new MountedImage(name, config, root, working);
  }

  /** Unmounts it, and removes it from this machine. */
  async remove(): Promise<void> {
    await exec("buildah", ["rm", this.#working]);
    await exec("buildah", ["rmi", this.#name]);
  }
}

export interface ContainerOptions {
  /** Beside those of the image, or in their place. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Folders of this machine by where they are in the container. */
  readonly mounts: Readonly<
    Record<string, { readonly source: string; readonly isReadOnly: boolean }>
  >;
  /** `MEMORY_BYTES` when left out. */
  readonly memoryBytes?: number;
}

export class Container {
  readonly #id: string;
  /** Resolves to the exit code; 128 and the signal's number if one ended it. */
  readonly ended: Promise<number>;
  /** The first line that it writes, or undefined if it ends without one. */
  readonly firstLine: Promise<string | undefined>;
  #log = "";

  private constructor(id: string, bundle: string) {
    this.#id = id;
    const child = spawn("runc", ["run", "--bundle", bundle, id]);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#log += text;
      });
    }
    this.ended = once(child, "close").then(async ([code]) => {
      await rm(bundle, { recursive: true });
      return code as number;
    });
    const lines = createInterface({ input: child.stdout });
    this.firstLine = new Promise((resolve) => {
      lines.on("line", (line) => {
        if (line.startsWith('{"port"')) resolve(line);
      });
      lines.on("close", () => resolve(undefined));
    });
  }

  static async start(image: MountedImage, options: ContainerOptions): Promise<Container> {
    const bundle = await mkdtemp(join(tmpdir(), "proofmill-container-"));
    await writeFile(join(bundle, "config.json"), JSON.stringify(specification(image, options)));
    return new Container(bundle.slice(bundle.lastIndexOf("/") + 1), bundle);
  }

  /** What it has written so far. */
  get log(): string {
    return this.#log;
  }

  async signal(name: "SIGTERM" | "SIGKILL"): Promise<void> {
    await exec("runc", ["kill", this.#id, name]);
  }

  /** Runs a program in it, as health checks do. */
  exec(...words: string[]): Promise<Outcome> {
    return outcomeOf("runc", ["exec", this.#id, ...words]);
  }

  /** Runs this machine's `proofmill` in its network, which nothing else reaches. */
  async call(...words: string[]): Promise<Outcome> {
    const { stdout } = await exec("runc", ["state", this.#id]);
    const { pid } = JSON.parse(stdout) as { pid: number };
    const command = [process.execPath, join(root, "prover/command/main.ts"), ...words];
    return outcomeOf("nsenter", [`--net=/proc/${pid}/ns/net`, ...command]);
  }

  /** For the end of a test, whatever has happened. */
  async remove(): Promise<void> {
    await exec("runc", ["delete", "--force", this.#id]);
    await this.ended;
  }
}

export interface Outcome {
  readonly code: number;
  /** What it has written. */
  readonly output: string;
}

async function outcomeOf(program: string, words: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await exec(program, words);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

/** In the words of the OCI runtime specification, version 1.0. */
function specification(
  { config, root }: MountedImage,
  { variables = {}, mounts, memoryBytes = MEMORY_BYTES }: ContainerOptions,
) {
  const [uid, gid] = config.User.split(":").map(Number);
  const env = new Map(config.Env.map((line) => line.split(/=(.*)/s) as [string, string]));
  for (const [name, value] of Object.entries(variables)) env.set(name, value);
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  const tmpfs = (destination: string, ...options: string[]) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", ...options],
  });
  return {
    ociVersion: "1.0.2",
    root: { path: root, readonly: true },
    hostname: "proofmill",
    process: {
      user: { uid, gid },
      args: [...config.Entrypoint, ...config.Cmd],
      env: [...env].map(([name, value]) => `${name}=${value}`),
      cwd: config.WorkingDir,
      capabilities: none,
      noNewPrivileges: true,
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      tmpfs("/dev", "mode=755", "size=64k"),
      tmpfs("/tmp", "nodev", "noexec", "mode=1777", "size=16m"),
      ...Object.entries(mounts).map(([destination, { source, isReadOnly }]) => ({
        destination,
        type: "bind",
        source,
        options: ["bind", "nosuid", "nodev", isReadOnly ? "ro" : "rw"],
      })),
    ],
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      resources: { memory: { limit: memoryBytes } },
      readonlyPaths: ["/proc/sys"],
    },
  };
}
