import { afterEach, describe, expect, it } from "vitest";
import { DeviceKeeper, type KeeperState } from "../../../worker/hosting/keeper.ts";
import { LinkedEngine } from "../../../worker/hosting/link.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import { scalarBytes, syntheticZkey } from "../synthetic-key.ts";
import { FakeDevice } from "./fake-device.ts";

const tower = Tower.open();
const keepers: DeviceKeeper[] = [];
/** A thread that starts may have to wait for a core. */
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });
afterEach(async () => {
  await Promise.all(keepers.splice(0).map((keeper) => keeper.close()));
});

async function keep(device: FakeDevice, mayGiveUp: boolean) {
  const seen: string[] = [];
  const keeper = await DeviceKeeper.open({
    opener: device.opener,
    keysMax: 1,
    mayGiveUp,
    retryMs: 20,
    onChange: (state: KeeperState) =>
      seen.push(state.kind === "away" && state.isFinal ? "given up" : state.kind),
  });
  keepers.push(keeper);
  return { keeper, seen };
}

/** Lets the engine compute, so that it can fail. */
async function use({ host }: DeviceKeeper): Promise<unknown> {
  if (host === undefined) throw new Error("there is no host");
  const link = new LinkedEngine(host.connect(), host.name, tower);
  try {
    const key = await link.loadKey(syntheticZkey({ nVars: 1 }));
    const run = key.begin(scalarBytes([1n]));
    return await run.sums({ g1: [[{ section: "a" }]], g2: [] }, () => {}).catch((error) => error);
  } finally {
    await link.close();
  }
}

describe("worker / hosting / keeper", () => {
  it("fails to open with the device's reason", async () => {
    const device = new FakeDevice();
    device.refuse("device");
    await expect(keep(device, true)).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
      detail: { gpu: "device" },
    });
  });

  it("opens a lost device again, once", async () => {
    const device = new FakeDevice();
    const { keeper, seen } = await keep(device, true);
    const first = keeper.host;
    device.fail("lost");
    await use(keeper);
    await soon(() => seen).toEqual(["reopening", "ready"]);
    expect(keeper.host).not.toBe(first);
    expect(await use(keeper)).not.toBeInstanceOf(Error);
    device.fail("lost");
    await use(keeper);
    await soon(() => seen).toEqual(["reopening", "ready", "given up"]);
    expect(keeper.host).toBeUndefined();
    expect([...keeper.failures]).toEqual([["lost", 2]]);
    expect(keeper.reopenCount).toBe(1);
    expect(device.seen("openCount")).toBe(2);
  });

  it("opens it again when its thread has died", async () => {
    const device = new FakeDevice();
    const { keeper, seen } = await keep(device, true);
    await keeper.host?.end();
    await soon(() => seen).toEqual(["reopening", "ready"]);
  });

  it("gives it up at once after a hang, and when it cannot be opened again", async () => {
    const hanging = new FakeDevice();
    const first = await keep(hanging, true);
    hanging.fail("hang");
    await use(first.keeper);
    await soon(() => first.seen).toEqual(["given up"]);

    const leaving = new FakeDevice();
    const second = await keep(leaving, true);
    leaving.fail("lost");
    leaving.refuse("device");
    await use(second.keeper);
    await soon(() => second.seen).toEqual(["reopening", "given up"]);
    expect([...second.keeper.failures]).toEqual([
      ["lost", 1],
      ["device", 1],
    ]);
  });

  it("goes on trying where nobody else does the work", async () => {
    const device = new FakeDevice();
    const { keeper, seen } = await keep(device, false);
    device.refuse("device");
    device.fail("hang");
    await use(keeper);
    await soon(() => device.seen("openCount")).toBeGreaterThan(3);
    expect(seen).toEqual(["away"]);
    device.refuse(undefined);
    await soon(() => seen).toEqual(["away", "ready"]);
    expect(await use(keeper)).not.toBeInstanceOf(Error);
  });

  it("ends while it waits", async () => {
    const device = new FakeDevice();
    const { keeper } = await keep(device, false);
    device.refuse("device");
    device.fail("hang");
    await use(keeper);
    await soon(() => keeper.state.kind).toBe("away");
    await keeper.close();
    const opened = device.seen("openCount");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(device.seen("openCount")).toBe(opened);
  });

  it("hears of a failure from whoever saw it first", async () => {
    const device = new FakeDevice();
    const { keeper, seen } = await keep(device, true);
    const { host } = keeper;
    device.fail("lost");
    const error = await use(keeper);
    if (host !== undefined) keeper.report(host, error);
    expect(keeper.host).toBeUndefined();
    await soon(() => seen).toEqual(["reopening", "ready"]);
    // Old news.
    if (host !== undefined) keeper.report(host, error);
    expect(keeper.state.kind).toBe("ready");
    expect([...keeper.failures]).toEqual([["lost", 1]]);
  });
});
