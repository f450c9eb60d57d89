// No secret leaves the service but where it must: markers are planted in everything that is secret, a
// real process is brought through success, refusal, failure and death, and all that it ever wrote is
// searched for them.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fromJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SubmitProofRequestSchema } from "../../gen/prover/v1/prover_pb.ts";
import { hashOfToken, newToken } from "../../prover/access/token.ts";
import { ProverClient, type SubmitRequest } from "../../prover/client.ts";
import { fromBytesBE, SCALAR_FIELD, writeLE } from "../../worker/field.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "./clients/certificates.ts";
import { smallCircuits } from "./small-circuits.ts";

const ROOT = join(import.meta.dirname, "../..");
const TINY = join(ROOT, "build/circuits/batch-tiny");

const seed = randomBytes(16).toString("hex");
let drawn = 0;
/** A number of a witness, of nearly all bits. */
function secretNumber(): bigint {
  const digest = createHash("sha256").update(`${seed} ${drawn++}`).digest();
  return fromBytesBE(digest) % SCALAR_FIELD;
}

/** The ways in which a number may be written. R is the factor of its Montgomery form in the engine. */
function formsOf(value: bigint): Buffer[] {
  const forms: Buffer[] = [];
  for (const number of [value, (value * 2n ** 256n) % SCALAR_FIELD]) {
    const big = Buffer.from(number.toString(16).padStart(64, "0"), "hex");
    const little = Buffer.from(big).reverse();
    forms.push(Buffer.from(number.toString()), Buffer.from(number.toString(16)), big, little);
    for (const bytes of [big, little]) forms.push(...textForms(bytes));
  }
  return forms;
}

function textForms(bytes: Buffer): Buffer[] {
  // Inside other base64 text, the middle of it stands at one of three places.
  const shifted = [0, 1, 2].map((by) =>
    Buffer.concat([Buffer.alloc(by), bytes])
      .toString("base64")
      .slice(4, 40),
  );
  return [bytes.toString("hex"), bytes.toString("base64url").slice(0, 40), ...shifted].map((text) =>
    Buffer.from(text),
  );
}

const markers = new Map<string, Buffer[]>();
function plant<T>(name: string, value: T, forms: Buffer[]): T {
  markers.set(name, forms);
  return value;
}
const number = (name: string) => {
  const value = secretNumber();
  return plant(name, value, formsOf(value));
};

let certificates: Certificates;
let folder: string;
/** All that any of the processes said, and all that clients heard. */
const heard: Buffer[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  if (!hasOpenssl) return;
  certificates = await makeCertificates();
  folder = await mkdtemp(join(tmpdir(), "secrets-"));
  for (const name of ["circuits", "work", "store"]) await mkdir(join(folder, name));
  const small = await smallCircuits();
  for (const id of ["product", "chain", "stubborn"]) {
    await cp(join(small, id), join(folder, "circuits", id), { recursive: true });
  }
  if (existsSync(TINY)) {
    await cp(TINY, join(folder, "circuits", "batch-tiny"), { recursive: true });
  }
}, 120_000);
afterAll(async () => {
  if (!hasOpenssl) return;
  // Whatever a test that failed has left.
  for (const child of children) child.kill("SIGKILL");
  await certificates[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Served {
  readonly child: ChildProcess;
  readonly port: number;
  readonly adminPort: number;
}

async function serve(more: Record<string, string> = {}): Promise<Served> {
  const settings = {
    PROVER_LISTEN: "127.0.0.1:0",
    PROVER_ADMIN_LISTEN: "127.0.0.1:0",
    PROVER_CIRCUITS_DIR: join(folder, "circuits"),
    PROVER_ALLOW_DEV_KEYS: "true",
    PROVER_THREADS: "1",
    PROVER_STORE: `sqlite:${join(folder, "store", "jobs.sqlite")}`,
    PROVER_LOG_LEVEL: "debug",
    PROVER_JOB_MAX_MS: "20000",
    PROVER_TLS_CERT: certificates.path("server.pem"),
    PROVER_TLS_KEY: certificates.path("server.key"),
    PROVER_ACCESS_FILE: certificates.path("access.json"),
    PROVER_RELOAD_MS: "0",
    ...more,
  };
  const { PATH } = process.env;
  const child = spawn(process.execPath, [join(ROOT, "prover/command/main.ts"), "serve"], {
    cwd: join(folder, "work"),
    env: { PATH, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => heard.push(chunk));
  }
  const exited = once(child, "exit").then(() => undefined);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  while (true) {
    const line = await Promise.race([once(lines, "line"), exited]);
    if (line === undefined) return { child, port: 0, adminPort: 0 };
    const said = JSON.parse(String(line[0]));
    if (said.level === undefined) return { child, port: said.port, adminPort: said.adminPort };
  }
}

/** Remembers what came of a call, an error with all that it holds. */
async function note<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    const answer = await call;
    heard.push(Buffer.from(JSON.stringify(answer, plain)));
    return answer;
  } catch (error) {
    const { cause, ...rest } = error as Error;
    const { metadata } = (cause ?? {}) as { metadata?: { toJSON(): unknown } };
    heard.push(Buffer.from(JSON.stringify([String(error), rest, metadata?.toJSON()], plain)));
    for (const [, values] of Object.entries(metadata?.toJSON() ?? {})) {
      for (const value of values as unknown[]) if (Buffer.isBuffer(value)) heard.push(value);
    }
    return undefined;
  }
}
/** Bytes as hex: a Buffer would make a list of numbers of itself before anybody is asked. */
function plain(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const raw = this[name];
  if (typeof raw === "bigint") return raw.toString();
  return raw instanceof Uint8Array ? Buffer.from(raw).toString("hex") : value;
}

function page(port: number, path: string, authorization: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(certificates.path("ca.pem"));
    const options = { host: "localhost", port, path, ca, agent: false, headers: { authorization } };
    httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        heard.push(...chunks, Buffer.from(JSON.stringify(response.headers)));
        resolve(Buffer.concat(chunks).toString());
      });
    })
      .on("error", reject)
      .end();
  });
}

const json = (circuitId: string, inputs: unknown): SubmitRequest => ({
  requestId: randomBytes(8).toString("hex"),
  circuitId,
  input: { case: "inputJson", value: Buffer.from(JSON.stringify(inputs, plain)) },
});

function filesBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const below = join(path, entry.name);
    if (entry.isSymbolicLink()) return [];
    return entry.isDirectory() ? filesBelow(below) : [below];
  });
}

/** Which markers are in these bytes. */
function found(bytes: Buffer): string[] {
  return [...markers].flatMap(([name, forms]) =>
    forms.some((form) => bytes.includes(form)) ? [name] : [],
  );
}

describe.skipIf(!hasOpenssl)("prover / secrets (needs openssl)", () => {
  it(`are in no log, answer, metric or file when all is done (seed ${seed})`, async () => {
    const keyText = await readFile(certificates.path("server.key"), "utf8");
    const keyLines = keyText.split("\n").filter((line) => line.length > 30 && !line.includes("--"));
    plant(
      "TLS key",
      "",
      keyLines.map((line) => Buffer.from(line)),
    );
    const tokens = ["known", "unknown"].map((name) => {
      const token = newToken();
      return plant(`${name} token`, token, [
        Buffer.from(token.slice(10)),
        ...textForms(Buffer.from(token)),
      ]);
    }) as [string, string];
    const identity = {
      name: "caller",
      tokenSha256: [hashOfToken(tokens[0]).toString("hex")],
      rights: ["submit", "read", "read-all", "admin"],
    };
    await writeFile(certificates.path("access.json"), JSON.stringify({ identities: [identity] }));

    const connect = ({ port }: Served, token: string) =>
      new ProverClient({
        address: `localhost:${port}`,
        tls: { caFile: certificates.path("ca.pem") },
        token,
        patienceMs: 0,
      });
    let served = await serve();
    let client = connect(served, tokens[0]);
    const stranger = connect(served, tokens[1]);
    await note(stranger.getServerInfo());
    stranger.close();

    // Success, of each kind of input.
    const [a, b] = [number("a"), number("b")];
    const product = (a * b) % SCALAR_FIELD;
    const done = await note(client.prove(json("product", { a, b, product })));
    expect(done?.result).toBeDefined();
    const [c, d] = [number("wtns c"), number("wtns d")];
    const values = new Uint8Array(4 * 32);
    [1n, (c * d) % SCALAR_FIELD, c, d].forEach((value, i) => {
      writeLE(values, i * 32, value);
    });
    const wtns = { case: "wtns" as const, value: encodeWtns(values) };
    const request = { requestId: "witness", circuitId: "product", input: wtns };
    expect((await note(client.prove(request)))?.result).toBeDefined();
    if (existsSync(TINY)) {
      const text = await readFile(join(ROOT, "docs/examples/batch-tiny.json"), "utf8");
      const example = JSON.parse(text);
      const sign = example.transferBatch.transfers[0].signature;
      for (const field of ["s", "r8X"]) {
        plant(`signature ${field}`, "", formsOf(fromBytesBE(Buffer.from(sign[field], "base64"))));
      }
      const batch = fromJson(SubmitProofRequestSchema, example);
      expect((await note(client.prove(batch)))?.result).toBeDefined();
      sign.s = Buffer.from(number("wrong signature").toString(16).padStart(64, "0"), "hex");
      sign.s = sign.s.toString("base64");
      example.requestId = "wrong";
      await note(client.submit(fromJson(SubmitProofRequestSchema, example)));
    }

    // Refusals: of form, of values, of the circuit, of content under a known request id.
    const secret = number("refused");
    for (const inputs of [
      { a: secret, b: 1 },
      { a: secret, b: 1, product: "x" },
      { a: `${secret}z`, b: 1, product: 1 },
      { a: -1, b: secret + SCALAR_FIELD, product: secret },
      { [`n${secret}`]: secret },
    ]) {
      await note(client.submit(json("product", inputs)));
    }
    const broken = { ...json("product", {}), input: { case: "inputJson" as const } };
    await note(
      client.submit({
        ...broken,
        input: { ...broken.input, value: Buffer.from(`{"a": ${secret}`) },
      }),
    );
    await note(client.submit(json(`circuit-${secret}`.slice(0, 8), { a: secret })));
    await note(
      client.submit({ ...request, input: { case: "wtns", value: values.subarray(0, 100) } }),
    );

    // Failures: inputs that satisfy nothing; a cancelled one; one that is too slow, whose thread is ended.
    const unsatisfiable = number("unsatisfiable");
    await note(client.prove(json("product", { a: unsatisfiable, b: 1, product: 2 })));
    const x = [number("chain start")];
    markers.delete("chain start"); // It is a public signal; what follows from it is not.
    for (let i = 0; i < 6; i++) {
      const last = x[i] as bigint;
      x.push((last * (last + BigInt(i))) % SCALAR_FIELD);
    }
    plant("inside of the witness", "", formsOf(x[5] as bigint));
    const chain = await note(client.submit(json("chain", { start: x[0] })));
    for await (const { job } of client.watch({ jobId: chain?.job?.jobId as string })) {
      if (job?.progressPercent && job.progressPercent > 20) break;
    }
    await note(client.cancel({ jobId: chain?.job?.jobId as string }));
    const grinding = await note(client.submit(json("stubborn", { steps: 2_000_000_000 })));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await note(client.cancel({ jobId: grinding?.job?.jobId as string }));
    await note(client.wait({ jobId: grinding?.job?.jobId as string }));

    await page(served.adminPort, "/", `Bearer ${tokens[0]}`);
    await page(served.adminPort, "/metrics", `Bearer ${tokens[0]}`);
    await page(served.adminPort, "/metrics", `Bearer ${tokens[1]}`);
    const more = { ...identity, limits: { openCalls: 100 } };
    await writeFile(certificates.path("access.json"), JSON.stringify({ identities: [more] }));
    served.child.kill("SIGHUP");
    await expect.poll(() => Buffer.concat(heard).includes("files reloaded")).toBe(true);

    // A crash of the process, with one job at work and one waiting; the next process finishes them.
    const [e, f] = [number("crash e"), number("crash f")];
    const running = await note(client.submit(json("chain", { start: x[1] })));
    const waiting = await note(
      client.submit(json("product", { a: e, b: f, product: (e * f) % SCALAR_FIELD })),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    served.child.kill("SIGKILL");
    await once(served.child, "exit");
    client.close();
    served = await serve();
    client = connect(served, tokens[0]);
    for (const accepted of [running, waiting]) {
      expect(
        (await note(client.wait({ jobId: accepted?.job?.jobId as string })))?.result,
      ).toBeDefined();
    }
    client.close();
    served.child.kill("SIGTERM");
    await once(served.child, "exit");

    // A start that fails: the key belongs to another certificate.
    const mixed = { PROVER_TLS_CERT: certificates.path("caller.pem") };
    expect((await serve(mixed)).port).toBe(0);

    const words = Buffer.concat(heard);
    expect(found(words)).toEqual([]);
    const files = ["work", "store"].flatMap((name) => filesBelow(join(folder, name)));
    expect(files.some((path) => path.endsWith("jobs.sqlite"))).toBe(true);
    for (const path of files) expect(found(readFileSync(path)), path).toEqual([]);
    // Node's own reports and snapshots of memory would hold witnesses.
    expect(filesBelow(join(folder, "work"))).toEqual([]);
    // What was said was heard, and a marker in it would have been found.
    for (const word of ["call ended", "UNAUTHENTICATED", "INPUT_MALFORMED", "# HELP"]) {
      // A boolean: the text itself is long.
      expect([word, words.includes(word)]).toEqual([word, true]);
    }
    for (const [name, forms] of markers) expect(found(forms[0] as Buffer)).toContain(name);
  }, 240_000);
});
