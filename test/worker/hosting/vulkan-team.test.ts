// Threads that prove on a real device: the machine's GPU, or its software driver.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostThread } from "../../../worker/hosting/host-thread.ts";
import { vulkanOpener } from "../../../worker/hosting/vulkan-opener.ts";
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
import { jsonBytes, longFixture, longInputs, pinned } from "../fixtures.ts";
import { openAny, whyNoDevice } from "../gpu/device-fixture.ts";

const reason = whyNoDevice === undefined ? "" : ` (${whyNoDevice})`;

describe.skipIf(whyNoDevice !== undefined)(`worker / a team on a device${reason}`, () => {
  let artefacts: PinnedArtefacts;
  let team: Team;
  let host: HostThread;
  let keyBytes: Uint8Array;

  beforeAll(async () => {
    const long = await longFixture();
    keyBytes = await readFile(long.devKey);
    artefacts = { zkey: await pinned(long.devKey), wasm: await pinned(long.wasm) };
    const device = await openAny();
    await device.close();
    team = new Team(3, { engine: "linked", program: Tower.open().machine.program });
    // Nothing stays that nobody uses: keys go and come in the middle of everything.
    host = await HostThread.open({ opener: vulkanOpener(device.name), keysMax: 0 });
  });
  afterAll(async () => {
    await team?.close();
    await host?.close();
  });

  const member = (index: number) => team.members[index] as Member;

  function task(factor: number): ProveTask {
    const input = { kind: "inputs", json: jsonBytes(longInputs(factor)) } as const;
    return { kind: "prove", artefacts, input, allowDevKeys: true, control: createTaskControl() };
  }

  function expectSound(result: ProveResult): void {
    if (result.kind !== "proved") throw new Error(`${result.code}: ${result.message}`);
    const { verificationKey } = parseZkey(keyBytes);
    expect(verifyWithNoble(verificationKey, result.publicSignals, result.proof)).toBe(true);
  }

  it("proves for all threads, whatever becomes of some, and holds nothing afterwards", async () => {
    const proofs = await Promise.all([2, 3, 4].map((n, i) => member(i).runLinked(task(n), host)));
    for (const proof of proofs) expectSound(proof);
    expect(
      new Set(proofs.map((each) => each.kind === "proved" && each.publicSignals[0])).size,
    ).toBe(3);

    const cancelled = task(5);
    const dying = member(0)
      .runLinked(task(6), host)
      .catch((error: unknown) => error);
    const stopping = member(1).runLinked(cancelled, host);
    const living = member(2).runLinked(task(7), host);
    await expect.poll(() => host.use.openRuns, { timeout: 60_000 }).toBeGreaterThan(0);
    await sleep(20);
    requestCancel(cancelled.control);
    await member(0).end();
    expectSound(await living);
    expect(await dying).toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    expect(await stopping).toMatchObject({ kind: "failed", code: "CANCELLED" });
    expectSound(await member(0).runLinked(task(8), host));
    await expect.poll(() => host.use, { timeout: 60_000 }).toMatchObject({ openRuns: 0, keys: 0 });
  });
});
