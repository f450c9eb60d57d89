import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { V8_FLAGS } from "../../../prover/command/v8-flags.ts";
import { verifyWithSnarkjs } from "../../worker/fixtures.ts";
import { proofmill, root, serveUntilLoading, startService } from "./run-command.ts";

const EXAMPLE = join(root, "docs", "examples", "batch-tiny.json");

let service: Awaited<ReturnType<typeof startService>>;
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "proofmill-service-"));
  service = await startService("--circuits", "batch-tiny", "--allow-dev-keys", "--threads", "1");
});
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

describe("proofmill serve, submit and watch", () => {
  it("turns the example batch into a proof and calldata", async () => {
    const submitted = await proofmill(
      ...["submit", "--request", EXAMPLE, "--server", service.address, "--json"],
      ...["--proof", file("proof.json"), "--public", file("public.json")],
      ...["--calldata", file("calldata.hex")],
    );
    expect(submitted).toMatchObject({ code: 0, stderr: "" });
    const job = JSON.parse(submitted.stdout);
    expect(job).toMatchObject({
      requestId: "example-batch-tiny",
      state: "JOB_STATE_SUCCEEDED",
      developmentKeys: true,
    });
    const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
    const key = await read(join(root, "build/circuits/batch-tiny/verification_key.json"));
    const [signals, proof] = [await read(file("public.json")), await read(file("proof.json"))];
    expect(await verifyWithSnarkjs(key, signals, proof)).toBe(true);
    expect(await readFile(file("calldata.hex"), "utf8")).toMatch(/^0x[0-9a-f]{1000,}\n$/);

    const watched = await proofmill("watch", job.jobId, "--server", service.address, "--json");
    expect(watched.code).toBe(0);
    expect(JSON.parse(watched.stdout).state).toBe("JOB_STATE_SUCCEEDED");
    const byName = ["watch", "example-batch-tiny", "--by-request-id", "--server", service.address];
    const shown = await proofmill(...byName);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining("succeeded") });
  });

  it.skipIf(process.platform !== "linux" || process.execve === undefined)(
    "runs under flags that V8 takes at the start only, in the process that was started",
    async () => {
      const command = await readFile(`/proc/${service.child.pid}/cmdline`, "utf8");
      expect(command.split("\0")).toEqual(expect.arrayContaining([...V8_FLAGS, "serve"]));
    },
  );

  it.skipIf(process.platform !== "linux")(
    "reads a file that its parent opened for it",
    async () => {
      await writeFile(file("opened"), "no JSON");
      const serve = `exec "$0" "$1" serve 3< "$2"`;
      const words = [process.execPath, join(root, "prover/command/main.ts"), file("opened")];
      const ended = promisify(execFile)("sh", ["-c", serve, ...words], {
        cwd: folder,
        env: { ...process.env, PROVER_ACCESS_FILE: "/dev/fd/3" },
      });
      await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining("not JSON") });
    },
  );

  it("reports a refused batch at its field", async () => {
    const request = JSON.parse(await readFile(EXAMPLE, "utf8"));
    request.requestId = "overspent";
    request.transferBatch.transfers[1].amountGwei = "99999999";
    await writeFile(file("overspent.json"), JSON.stringify(request));
    const { code, stderr } = await proofmill(
      ...["submit", "--request", file("overspent.json"), "--server", service.address],
    );
    expect(code).toBe(3);
    expect(stderr).toMatch(/transfers\[1\]/);
  });

  it("refuses unknown jobs and circuits, and says when nobody answers", async () => {
    const unknown = await proofmill("watch", "nobody", "--server", service.address);
    expect(unknown.code).toBe(3);
    await writeFile(file("input.json"), "{}");
    const input = ["submit", "--circuit", "batch-7", "--input", file("input.json")];
    expect((await proofmill(...input, "--server", service.address)).code).toBe(3);
    expect(await proofmill("watch", "x", "--server", "127.0.0.1:1")).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /no connection to the service \(.*\)\. Is it there, .*TLS.*\n$/,
      ),
    });
    const noName = ["--tls", "--server", "127.0.0.1:1"];
    expect(await proofmill("watch", "x", ...noName)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^proofmill: --server: got .*--tls-name/),
    });
  });

  it("does not load development keys unless told so", async () => {
    await expect(startService("--circuits", "batch-tiny")).rejects.toThrow(/ended with 3.*dev/is);
  });

  it("says that another process has its port", async () => {
    const second = startService(
      "--circuits",
      "batch-tiny",
      "--allow-dev-keys",
      "--listen",
      service.address,
    );
    await expect(second).rejects.toThrow(/ended with 3.*another process listens there/s);
  });

  it("reports every wrong setting at once, with exit code 2", async () => {
    const { code, stderr } = await proofmill("serve", "--threads", "many", "--listen", "here");
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^proofmill: PROVER_LISTEN: got "here".*\nPROVER_THREADS: got "many".*\n$/,
    );
  });

  it("ends at once on SIGTERM while keys are loaded", async () => {
    const { code, stdout } = await serveUntilLoading("SIGTERM");
    expect(code).toBe(0);
    expect(stdout).toContain("stopped during the start");
    expect(stdout).not.toMatch(/^\{"port"/m);
  });

  it("refuses a store in a folder that cannot be made", async () => {
    const inProc = ["serve", "--allow-dev-keys", "--circuits", "batch-tiny", "--listen"];
    const { code, stderr } = await proofmill(
      ...[...inProc, "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
      ...["--store", "sqlite:/proc/none/jobs.sqlite"],
    );
    expect(code).toBe(3);
    expect(stderr).toMatch(/^proofmill: PROVER_STORE=sqlite:.*\n$/);
  });

  it("ends with exit code 0 on SIGTERM", async () => {
    const other = await startService(
      "--circuits",
      "batch-tiny",
      "--allow-dev-keys",
      "--threads",
      "1",
    );
    expect(await other.stop()).toBe(0);
  });
});
