import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createTaskControl,
  type PinnedArtefacts,
  type ProveTask,
  readProgress,
  requestCancel,
} from "../../../worker/task.ts";
import { jsonBytes, patientFixture, pinned } from "../fixtures.ts";
import { TaskPool } from "../task-pool.ts";

/** Hours of work. */
const FOR_EVER = String(2 ** 40);

let folder: string;
let artefacts: PinnedArtefacts;
let pool: TaskPool;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "witness-cancel-"));
  const { devKey, wasm } = await patientFixture();
  // Of its own, because it is going to be destroyed.
  await copyFile(devKey, join(folder, "circuit.zkey"));
  artefacts = { zkey: await pinned(join(folder, "circuit.zkey")), wasm: await pinned(wasm) };
  pool = new TaskPool(1);
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function taskOf(turns: string): ProveTask {
  const input = { kind: "inputs", json: jsonBytes({ turns }) } as const;
  const control = createTaskControl();
  return { kind: "prove", artefacts, input, allowDevKeys: true, control };
}

const run = (task: ProveTask) => pool.run(task);

describe("worker / thread / a witness that takes too long", () => {
  it("is cancelled, and its thread goes on with the key that it had", async () => {
    expect(await run(taskOf("10"))).toMatchObject({ kind: "proved" });
    // From here on the key can only come from the thread's memory.
    await writeFile(artefacts.zkey.path, "gone");
    for (let i = 0; i < 3; i++) {
      const task = taskOf(FOR_EVER);
      const result = run(task);
      while (readProgress(task.control).stage !== "witness") await sleep(2);
      await sleep(20);
      requestCancel(task.control);
      expect(await result).toMatchObject({ kind: "failed", code: "CANCELLED" });
      expect(await run(taskOf("10"))).toMatchObject({ kind: "proved" });
    }
    expect(pool.deaths).toBe(0);
  });

  it("is not begun when it is cancelled before", async () => {
    const task = taskOf(FOR_EVER);
    requestCancel(task.control);
    expect(await run(task)).toMatchObject({ kind: "failed", code: "CANCELLED" });
  });
});
