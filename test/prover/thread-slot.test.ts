import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ThreadSlot } from "../../prover/thread-slot.ts";

let folder: string;
let echo: URL;
let brittle: URL;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "thread-slot-"));
  const module = async (name: string, source: string) => {
    await writeFile(join(folder, name), source);
    return pathToFileURL(join(folder, name));
  };
  echo = await module(
    "echo.mjs",
    `export default (task) => {
       if (task === "exit") process.exit(3);
       if (task === "throw") throw new Error("thrown");
       if (task === "spin") for (;;);
       return task;
     };`,
  );
  brittle = await module("brittle.mjs", `throw new Error("dies while it is starting");`);
});
afterAll(() => rm(folder, { recursive: true }));

describe("prover / thread slot", () => {
  it("runs one task after the other on one thread", async () => {
    const slot = new ThreadSlot(echo);
    expect(await slot.run("a", {})).toBe("a");
    expect(await slot.run("b", {})).toBe("b");
    expect(slot.restartCount).toBe(0);
    await slot.end();
  });

  it("refuses a second task at a time", async () => {
    const slot = new ThreadSlot(echo);
    const first = slot.run("a", {});
    await expect(slot.run("b", {})).rejects.toThrow(TypeError);
    expect(await first).toBe("a");
    await slot.end();
  });

  it("rejects the task of a thread that dies, and gives the next task a new thread", async () => {
    const slot = new ThreadSlot(echo);
    for (let i = 0; i < 2; i++) {
      await expect(slot.run("exit", {})).rejects.toMatchObject({ code: "WORKER_LOST" });
      expect(await slot.run("again", {})).toBe("again");
    }
    expect(slot.restartCount).toBe(2);
    await slot.end();
  });

  it("rejects the task of a thread that throws, which lives on", async () => {
    const slot = new ThreadSlot(echo);
    await expect(slot.run("throw", {})).rejects.toMatchObject({ code: "WORKER_LOST" });
    expect(await slot.run("again", {})).toBe("again");
    expect(slot.restartCount).toBe(0);
    await slot.end();
  });

  it("never waits for ever on a thread that cannot start", async () => {
    const slot = new ThreadSlot(brittle);
    for (let i = 0; i < 3; i++) {
      await expect(slot.run("a", {})).rejects.toMatchObject({ code: "WORKER_LOST" });
    }
    await slot.end();
  });

  it("ends a thread that does not listen, at once or before it began", async () => {
    const slot = new ThreadSlot(echo);
    const kill = new AbortController();
    const spinning = slot.run("spin", { kill: kill.signal });
    setTimeout(() => kill.abort(), 50);
    await expect(spinning).rejects.toMatchObject({ code: "CANCELLED" });
    const late = slot.run("a", { kill: kill.signal });
    await expect(late).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await slot.run("again", {})).toBe("again");
    await slot.end();
  });
});
