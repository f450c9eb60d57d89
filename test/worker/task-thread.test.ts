import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { TaskThread } from "../../worker/task-thread.ts";

let folder: string;
let odd: URL;
let brittle: URL;
const threads: TaskThread[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "task-thread-"));
  const module = async (name: string, source: string) => {
    await writeFile(join(folder, name), source);
    return pathToFileURL(join(folder, name));
  };
  odd = await module(
    "odd.mjs",
    `import { workerData } from "node:worker_threads";
     const told = [];
     export const transferListOf = (result) => (result instanceof Uint8Array ? [result.buffer] : []);
     export default async (task) => {
       if (task.exit !== undefined) process.exit(task.exit);
       if (task.spin) {
         // Counts for as long as the thread lives.
         const words = new Int32Array(task.spin);
         for (;;) Atomics.add(words, 0, 1);
       }
       if (task.throws) throw new RangeError(task.throws);
       if (task.tell !== undefined) {
         await null;
         return void told.push(task.tell);
       }
       if (task === "told") return told;
       if (task === "data") return workerData.data;
       if (task === "function") return () => {};
       if (task === "bytes") return new Uint8Array(3).fill(7);
       return task;
     };`,
  );
  brittle = await module("brittle.mjs", `throw new Error("dies while it is starting");`);
});
afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.close()));
});
afterAll(() => rm(folder, { recursive: true }));

function open(module: URL, data?: unknown): TaskThread {
  const thread = new TaskThread(module, data);
  threads.push(thread);
  return thread;
}

const LOST = { name: "WorkError", code: "ENGINE_UNAVAILABLE" };

describe("worker / task thread", () => {
  it("runs one task after the other on one thread, which has the data it was opened with", async () => {
    const thread = open(odd, { n: 1n });
    expect(await thread.run("a")).toBe("a");
    expect(await thread.run("data")).toEqual({ n: 1n });
    expect([thread.startCount, thread.restartCount]).toEqual([1, 0]);
  });

  it("refuses a second task at a time", async () => {
    const thread = open(odd);
    const first = thread.run("a");
    await expect(thread.run("b")).rejects.toThrow(TypeError);
    expect(await first).toBe("a");
  });

  it("does what it is told before the next task, in order", async () => {
    const thread = open(odd);
    for (const n of [1, 2, 3]) thread.tell({ tell: n });
    thread.tell({ throws: "nobody hears" });
    expect(await thread.run("told")).toEqual([1, 2, 3]);
  });

  it("moves buffers there and back", async () => {
    const thread = open(odd);
    const bytes = new Uint8Array(8);
    await thread.run(bytes, { transferList: [bytes.buffer] });
    expect(bytes.length).toBe(0);
    expect(await thread.run("bytes")).toEqual(new Uint8Array([7, 7, 7]));
  });

  it("rejects the task of a thread that dies, and gives the next task a new thread", async () => {
    const thread = open(odd);
    for (const exit of [0, 3]) {
      await expect(thread.run({ exit })).rejects.toMatchObject(LOST);
      expect(await thread.run("again")).toBe("again");
    }
    expect([thread.startCount, thread.restartCount]).toEqual([3, 2]);
  });

  it("rejects a task that throws or whose result cannot be sent, and the thread lives on", async () => {
    const thread = open(odd);
    const thrown = await thread.run({ throws: "a secret" }).catch((error: Error) => error);
    expect(thrown).toMatchObject(LOST);
    expect((thrown as Error).message).not.toContain("secret");
    await expect(thread.run("function")).rejects.toMatchObject(LOST);
    expect(await thread.run("again")).toBe("again");
    expect(thread.restartCount).toBe(0);
  });

  it("never waits for ever on a thread that cannot start", async () => {
    const thread = open(brittle);
    for (let i = 0; i < 3; i++) await expect(thread.run("a")).rejects.toMatchObject(LOST);
  });

  it("does not begin a task that was killed before, and lets the thread live", async () => {
    const thread = open(odd);
    const kill = AbortSignal.abort();
    await expect(thread.run("a", { kill })).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await thread.run("b")).toBe("b");
    expect(thread.restartCount).toBe(0);
  });

  it("rejects a killed task, and starts another thread, only when the first is gone", async () => {
    const thread = open(odd);
    const words = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 3; i++) {
      const kill = new AbortController();
      const spinning = thread.run({ spin: words.buffer }, { kill: kill.signal });
      const before = Atomics.load(words, 0);
      await expect.poll(() => Atomics.load(words, 0)).toBeGreaterThan(before);
      kill.abort();
      await expect(spinning).rejects.toMatchObject({ code: "CANCELLED" });
      const counted = Atomics.load(words, 0);
      expect(await thread.run("again")).toBe("again");
      expect(Atomics.load(words, 0)).toBe(counted);
    }
  });

  it("takes no task after it was closed", async () => {
    const thread = open(odd);
    const words = new SharedArrayBuffer(4);
    const running = thread.run({ spin: words });
    const lost = expect(running).rejects.toMatchObject(LOST);
    await thread.close();
    await lost;
    await expect(thread.run("a")).rejects.toMatchObject(LOST);
    thread.tell("nothing");
  });
});
