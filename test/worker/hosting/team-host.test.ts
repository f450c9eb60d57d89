import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostThread } from "../../../worker/hosting/host-thread.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import {
  createTaskControl,
  type PinnedArtefacts,
  type ProveResult,
  type ProveTask,
  requestCancel,
} from "../../../worker/task.ts";
import { type Member, Team } from "../../../worker/team.ts";
import { parseZkey } from "../../../worker/zkey.ts";
import { verifyWithNoble } from "../../circuits/pairing.ts";
import { type Fixture, jsonBytes, pinned, smallFixture, smallInputs } from "../fixtures.ts";
import { FakeDevice } from "./fake-device.ts";

let small: Fixture;
let artefacts: PinnedArtefacts;
let team: Team;
const device = new FakeDevice();
let host: HostThread;

beforeAll(async () => {
  small = await smallFixture();
  artefacts = { zkey: await pinned(small.key), wasm: await pinned(small.wasm) };
  team = new Team(3, { engine: "linked", program: Tower.open().machine.program });
  host = await HostThread.open({ opener: device.opener, keysMax: 2 });
});
afterAll(async () => {
  await team.close();
  await host.close();
});

const member = (index: number): Member => team.members[index] as Member;

function task(changes: Partial<ProveTask> = {}): ProveTask {
  const input = { kind: "inputs", json: jsonBytes(smallInputs()) } as const;
  const control = createTaskControl();
  return { kind: "prove", artefacts, input, allowDevKeys: false, control, ...changes };
}

async function expectSound(result: ProveResult): Promise<void> {
  if (result.kind !== "proved") throw new Error(`${result.code}: ${result.message}`);
  const { verificationKey } = parseZkey(await readFile(small.key));
  expect(verifyWithNoble(verificationKey, result.publicSignals, result.proof)).toBe(true);
  expect(result.engine).toBe("fake (test)");
}

/** A thread that starts may have to wait for a core. */
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

describe("worker / a team on a host's engine", () => {
  it("proves in all threads at once, with one key in the engine", async () => {
    device.delayMs = 300;
    const results = await Promise.all(team.members.map((each) => each.runLinked(task(), host)));
    for (const result of results) await expectSound(result);
    expect(device.seen("runningMost")).toBe(3);
    expect(device.seen("loadCount")).toBe(1);
    device.delayMs = 0;
  });

  it("refuses a development key, and lets go of it", async () => {
    const development = { ...artefacts, zkey: await pinned(small.devKey) };
    const refused = await member(0).runLinked(task({ artefacts: development }), host);
    expect(refused).toMatchObject({ kind: "failed", code: "KEY_REFUSED" });
    const warm = await member(0).runLinked(
      { kind: "warm", artefacts: development, allowDevKeys: true },
      host,
    );
    expect(warm).toMatchObject({ kind: "warm", engine: "fake (test)", isDevKey: true });
  });

  it("loses no more than the proof of a thread that dies", async () => {
    device.delayMs = 60_000;
    const outcome = member(0)
      .runLinked(task(), host)
      .catch((error: unknown) => error);
    await soon(() => device.seen("runningCount")).toBe(1);
    device.delayMs = 500;
    const living = member(1).runLinked(task(), host);
    await soon(() => device.seen("runningCount")).toBe(2);
    await member(0).end();
    expect(await outcome).toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    device.delayMs = 0;
    await expectSound(await living);
    await soon(() => host.use.openRuns).toBe(0);
    // Its successor knows of no host, and is told.
    await expectSound(await member(0).runLinked(task(), host));
  });

  it("stops on request", async () => {
    device.delayMs = 60_000;
    const cancelled = task();
    const result = member(2).runLinked(cancelled, host);
    await soon(() => device.seen("runningCount")).toBe(1);
    requestCancel(cancelled.control);
    expect(await result).toMatchObject({ kind: "failed", code: "CANCELLED" });
    await soon(() => device.seen("runningCount")).toBe(0);
    device.delayMs = 0;
    expect(member(2).restartCount).toBe(0);
  });

  it("says that the device failed, and goes on with another host", async () => {
    device.fail("lost");
    const lost = await member(0).runLinked(task(), host);
    expect(lost).toMatchObject({ code: "ENGINE_UNAVAILABLE", detail: { gpu: "lost" } });
    await host.close();
    const gone = await member(1).runLinked(task(), host);
    expect(gone).toMatchObject({ code: "ENGINE_UNAVAILABLE", detail: { gpu: "lost" } });
    host = await HostThread.open({ opener: device.opener, keysMax: 2 });
    for (const each of team.members) await expectSound(await each.runLinked(task(), host));
  });

  it("has no engine for anything else", async () => {
    expect(await member(0).run(task())).toMatchObject({ kind: "failed", code: "BUG" });
  });
});
