import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";

describe("worker / hosting", () => {
  it("does nothing when it is imported, also in somebody's thread", async () => {
    const library = new URL("../../../worker/library.ts", import.meta.url).href;
    const code = `import("${library}").then(() => {
      setTimeout(() => require("node:worker_threads").parentPort.postMessage("imported"), 100);
    })`;
    const worker = new Worker(code, { eval: true });
    expect(await once(worker, "message")).toEqual(["imported"]);
    await worker.terminate();
  });
});
