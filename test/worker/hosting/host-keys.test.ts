import { beforeAll, describe, expect, it } from "vitest";
import type { Engine, ResidentKey } from "../../../worker/engine.ts";
import { gpuError } from "../../../worker/gpu/failure.ts";
import { HostKeys } from "../../../worker/hosting/host-keys.ts";
import type { PinnedFile } from "../../../worker/task.ts";
import { pinned, smallFixture } from "../fixtures.ts";

/** Keys whose loads end when the test says so, and how. */
function keysOfTest() {
  const loads: PromiseWithResolvers<ResidentKey>[] = [];
  const loadKey = () => {
    const load = Promise.withResolvers<ResidentKey>();
    loads.push(load);
    return load.promise;
  };
  const keys = new HostKeys({ loadKey } as unknown as Engine, 4);
  /** Files are read in any order: who counts loads waits for one before the next. */
  const begun = (number: number) =>
    expect.poll(() => loads.length, { timeout: 30_000 }).toBeGreaterThan(number);
  /** Ends the load of this number when it has begun. */
  const end = async (number: number, how: "loaded" | "short") => {
    await begun(number);
    const short = gpuError("memory", "the test's engine is full");
    if (how === "short") loads[number]?.reject(short);
    else loads[number]?.resolve({ release: () => {} } as unknown as ResidentKey);
  };
  return { keys, begun, end };
}

describe("worker / hosting / keys of a host", () => {
  let first: PinnedFile;
  let second: PinnedFile;
  beforeAll(async () => {
    const fixture = await smallFixture();
    [first, second] = [await pinned(fixture.key), await pinned(fixture.devKey)];
  });

  it("waits for a key to be let go that is still being loaded", async () => {
    const { keys, begun, end } = keysOfTest();
    const loading = keys.hold(first);
    await begun(0);
    const waiting = keys.hold(second);
    for (const number of [1, 2]) await end(number, "short");
    await end(0, "loaded");
    (await loading).letGo();
    await end(3, "loaded");
    (await waiting).letGo();
  });

  it("does not wait for one that comes to wait itself", async () => {
    const { keys, begun, end } = keysOfTest();
    const last = keys.hold(first);
    await begun(0);
    const waiting = keys.hold(second);
    for (const number of [1, 2, 0]) await end(number, "short");
    await end(3, "loaded");
    (await waiting).letGo();
    await end(4, "loaded");
    (await last).letGo();
  });

  it("does not wait for one that is held for longer than a task, and goes on with that", async () => {
    const { keys, end } = keysOfTest();
    const lasting = keys.hold(first, true);
    await end(0, "loaded");
    await lasting;
    const short = keys.hold(second);
    for (const number of [1, 2]) await end(number, "short");
    await expect(short).rejects.toMatchObject({ detail: { gpu: "memory" } });
    (await keys.hold(first)).letGo();
  });
});
