import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WorkError } from "../../../worker/errors.ts";
import { prove } from "../../../worker/groth16.ts";
import { HostThread } from "../../../worker/hosting/host-thread.ts";
import { LinkedEngine } from "../../../worker/hosting/link.ts";
import type { Call } from "../../../worker/hosting/message.ts";
import { Tower } from "../../../worker/kernels/tower.ts";
import { createTaskControl } from "../../../worker/task.ts";
import { WitnessProgram } from "../../../worker/witness.ts";
import { parseZkey } from "../../../worker/zkey.ts";
import { verifyWithNoble } from "../../circuits/pairing.ts";
import { conformance } from "../conformance.ts";
import { type Fixture, longFixture, pinned, smallFixture, smallInputs } from "../fixtures.ts";
import { FakeDevice } from "./fake-device.ts";

const tower = Tower.open();
const closers: (() => Promise<unknown>)[] = [];
let small: Fixture;
let long: Fixture;
let witness: Uint8Array;

beforeAll(async () => {
  [small, long] = [await smallFixture(), await longFixture()];
  const program = new WitnessProgram(new Uint8Array(await readFile(small.wasm)));
  witness = program.calculate(smallInputs());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function host(device: FakeDevice, keysMax = 4): Promise<HostThread> {
  const thread = await HostThread.open({ opener: device.opener, keysMax });
  closers.push(() => thread.close());
  return thread;
}

function linkTo(thread: HostThread): LinkedEngine {
  const link = new LinkedEngine(thread.connect(), thread.name, tower);
  closers.push(() => link.close());
  return link;
}

const hold = async (link: LinkedEngine, path = small.key) => link.hold(await pinned(path));

async function proveOn(link: LinkedEngine, isCancelled = () => false) {
  const key = await hold(link);
  try {
    return await prove(link, key, witness.slice(), { isCancelled });
  } finally {
    key.resident.release();
  }
}

const unavailable = (gpu: string) => ({ code: "ENGINE_UNAVAILABLE", detail: { gpu } });

/** A thread that starts may have to wait for a core. */
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

describe("worker / hosting / link", () => {
  for (const [name, device, isFast] of [
    ["reference", new FakeDevice({ takesManyRuns: false }), false],
    ["wasm", new FakeDevice({ engine: "wasm", takesManyRuns: false }), true],
  ] as const) {
    describe(`to an engine ${name} in another thread`, () => {
      let thread: HostThread;
      beforeAll(async () => {
        thread = await HostThread.open({ opener: device.opener, keysMax: 4 });
      });
      afterAll(() => thread.close());
      conformance({
        open: async () => new LinkedEngine(thread.connect(), thread.name, tower),
        isFast,
      });
    });
  }

  it("proves with a key that the host has read, for several links at once", async () => {
    const device = new FakeDevice();
    const thread = await host(device);
    device.delayMs = 50;
    const proofs = await Promise.all([1, 2, 3].map(() => proveOn(linkTo(thread))));
    const { verificationKey } = parseZkey(await readFile(small.key));
    for (const { proof, publicSignals } of proofs) {
      expect(publicSignals).toEqual([6480n, 3n]);
      expect(verifyWithNoble(verificationKey, publicSignals, proof)).toBe(true);
    }
    expect(device.seen("loadCount")).toBe(1);
    expect(device.seen("runningMost")).toBe(3);
  });

  it("wipes a witness when its run ends, and when its port closes", async () => {
    const device = new FakeDevice();
    const thread = await host(device);
    const { sha256 } = await pinned(small.key);
    for (const last of ["end", "close"] as const) {
      const port = thread.connect();
      const heard = () => new Promise((resolve) => port.once("message", resolve));
      expect(await heard()).toHaveProperty("lifeline");
      const replied = (message: object) => {
        port.postMessage(message);
        return heard();
      };
      const call = (id: number, call: Call) => replied({ kind: "call", id, call });
      await call(1, { kind: "hold", file: { path: small.key, sha256 } });
      const shared = new SharedArrayBuffer(witness.length);
      const bytes = new Uint8Array(shared);
      bytes.set(witness);
      const control = createTaskControl();
      port.postMessage({ kind: "begin", run: 1, key: 1, witness: shared, control, threads: 1 });
      await call(2, { kind: "sums", run: 1, request: { g1: [[{ section: "a" }]], g2: [] } });
      expect(bytes.some((byte) => byte !== 0)).toBe(true);
      if (last === "end") await call(3, { kind: "end", run: 1 });
      else port.close();
      await soon(() => bytes.every((byte) => byte === 0)).toBe(true);
      port.close();
    }
  });

  it("gives runs of one key their turn where the engine takes one at a time", async () => {
    const device = new FakeDevice({ takesManyRuns: false });
    const thread = await host(device);
    device.delayMs = 30;
    await Promise.all([1, 2, 3].map(() => proveOn(linkTo(thread))));
    expect(device.seen("runningMost")).toBe(1);
  });

  it("stops soon when it is cancelled, and works again", async () => {
    const device = new FakeDevice();
    const link = linkTo(await host(device));
    device.delayMs = 60_000;
    let isCancelled = false;
    const proof = proveOn(link, () => isCancelled);
    await soon(() => device.seen("runningCount")).toBe(1);
    isCancelled = true;
    await expect(proof).rejects.toMatchObject({ code: "CANCELLED" });
    // The engine heard of it, too.
    await soon(() => device.seen("runningCount")).toBe(0);
    device.delayMs = 0;
    await proveOn(link);
  });

  it("keeps a key that was let go until the device has done with a run that was given up", async () => {
    const device = new FakeDevice();
    device.isDeaf = true;
    const thread = await host(device, 1);
    const [link, other, dying] = [linkTo(thread), linkTo(thread), linkTo(thread)];
    await hold(other, small.devKey);
    for (const one of [link, dying]) {
      device.delayMs = 500;
      let isCancelled = false;
      const proof = proveOn(one, () => isCancelled);
      await soon(() => device.seen("runningCount")).toBe(1);
      isCancelled = true;
      await expect(proof).rejects.toMatchObject({ code: "CANCELLED" });
      if (one === dying) await one.close();
      await soon(() => thread.use.openRuns).toBe(0);
      await soon(() => device.seen("keyCount")).toBe(1);
      device.delayMs = 0;
      await proveOn(other);
    }
  });

  it("fails a call to a host whose thread is gone already", async () => {
    const thread = await host(new FakeDevice());
    await thread.end();
    await expect(hold(linkTo(thread))).rejects.toMatchObject(unavailable("lost"));
  });

  it("shows how far the sums are", async () => {
    const device = new FakeDevice();
    const link = linkTo(await host(device));
    device.delayMs = 100;
    const key = await hold(link);
    const seen: number[] = [];
    await prove(link, key, witness.slice(), {
      onProgress: (stage, done) => stage === "proving" && seen.push(done),
    });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it("takes nothing with it but its own run when it closes", async () => {
    const device = new FakeDevice();
    const thread = await host(device);
    const [dying, living] = [linkTo(thread), linkTo(thread)];
    device.delayMs = 200;
    const lost = proveOn(dying);
    const other = proveOn(living);
    await soon(() => device.seen("runningCount")).toBe(2);
    await dying.close();
    await expect(lost).rejects.toMatchObject(unavailable("lost"));
    await other;
    await soon(() => thread.use).toMatchObject({ openRuns: 0, keys: 1 });
    expect(device.seen("endCount")).toBe(2);
  });

  it.each(["lost", "hang", "driver"] as const)(
    "fails every run and call after the device's failure %s",
    async (failure) => {
      const device = new FakeDevice();
      const thread = await host(device);
      const [one, two] = [linkTo(thread), linkTo(thread)];
      await proveOn(two);
      device.fail(failure);
      await expect(proveOn(one)).rejects.toMatchObject(unavailable(failure));
      await expect(proveOn(two)).rejects.toMatchObject(unavailable(failure));
      expect(await thread.failed).toMatchObject(unavailable(failure));
    },
  );

  it("fails what runs when the host's thread dies", async () => {
    const device = new FakeDevice();
    const thread = await host(device);
    const [one, two] = [linkTo(thread), linkTo(thread)];
    device.delayMs = 60_000;
    const running = proveOn(one);
    await soon(() => device.seen("runningCount")).toBe(1);
    device.delayMs = 0;
    device.fail("death");
    await expect(proveOn(two)).rejects.toMatchObject(unavailable("lost"));
    await expect(running).rejects.toMatchObject(unavailable("lost"));
    expect(await thread.failed).toMatchObject(unavailable("lost"));
    await expect(proveOn(one)).rejects.toMatchObject(unavailable("lost"));
  });

  it("notices a host that is within a call which does not return", async () => {
    const device = new FakeDevice();
    const { opener } = device;
    const thread = await HostThread.open({ opener, keysMax: 1, stallMs: 2_000 });
    closers.push(() => thread.close());
    await proveOn(linkTo(thread));
    device.fail("stuck");
    const stuck = proveOn(linkTo(thread)).catch((error: unknown) => error);
    expect(await thread.failed).toMatchObject(unavailable("hang"));
    // Who waits for it hears of it although its thread says nothing.
    expect(await stuck).toMatchObject(unavailable("lost"));
    await expect(proveOn(linkTo(thread))).rejects.toMatchObject(unavailable("lost"));
    device.free();
  });

  it("goes on after a fault that is not the device's", async () => {
    const device = new FakeDevice();
    const link = linkTo(await host(device));
    device.fail("fault");
    await expect(proveOn(link)).rejects.toMatchObject({ code: "BUG" });
    await proveOn(link);
  });

  it("says what is wrong with a file, and keeps the other keys", async () => {
    const device = new FakeDevice();
    const thread = await host(device);
    const link = linkTo(thread);
    await hold(link);
    const file = await pinned(small.key);
    const cases = {
      ARTEFACT_MISMATCH: { ...file, path: "/nowhere.zkey", sha256: "0".repeat(64) },
      KEY_MALFORMED: await pinned(small.wasm),
      KEY_REFUSED: await pinned(small.freshKey),
    };
    for (const [code, wrong] of Object.entries(cases)) {
      const error = await link.hold(wrong).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(WorkError);
      expect(error, code).toMatchObject({ code });
    }
    expect(device.seen("keyCount")).toBe(1);
    await proveOn(link);
  });

  it("finds a key by its bytes when it has no hash, and reads nothing twice that it has", async () => {
    const device = new FakeDevice();
    const link = linkTo(await host(device));
    const { sha256 } = await pinned(small.key);
    const shared = new SharedArrayBuffer((await readFile(small.key)).length);
    new Uint8Array(shared).set(await readFile(small.key));
    expect(await link.hold({ path: "memory", shared })).toMatchObject({ sha256 });
    // The file is not there; the key is.
    expect(await link.hold({ path: "/nowhere", sha256 })).toMatchObject({ sha256 });
    expect(device.seen("loadCount")).toBe(1);
  });

  describe("keys", () => {
    it("lets the one go that was used least recently, when nobody holds it", async () => {
      const device = new FakeDevice();
      const thread = await host(device, 1);
      const link = linkTo(thread);
      const first = await hold(link);
      const second = await hold(link, small.devKey);
      // Both are held, so both stay.
      expect(device.seen("keyCount")).toBe(2);
      first.resident.release();
      await soon(() => device.seen("keyCount")).toBe(1);
      second.resident.release();
      await soon(() => thread.use.keys).toBe(1);
      await hold(link, small.devKey);
      expect(device.seen("loadCount")).toBe(2);
      await hold(link);
      expect(device.seen("loadCount")).toBe(3);
    });

    it("releases idle ones when the device's memory is short", async () => {
      const device = new FakeDevice();
      device.keysMax = 1;
      const link = linkTo(await host(device));
      (await hold(link)).resident.release();
      await hold(link, small.devKey);
      expect(device.seen("keyCount")).toBe(1);
    });

    it("waits for memory until another key is let go, and others wait behind it", async () => {
      const device = new FakeDevice();
      device.keysMax = 1;
      const thread = await host(device);
      const [one, two, three] = [linkTo(thread), linkTo(thread), linkTo(thread)];
      const first = await hold(one);
      const order: string[] = [];
      const second = hold(two, small.devKey).then((key) => {
        order.push("second");
        key.resident.release();
      });
      await soon(() => device.seen("loadCount")).toBeGreaterThan(1);
      const third = hold(three).then(() => order.push("third"));
      first.resident.release();
      await Promise.all([second, third]);
      expect(order).toEqual(["second", "third"]);
    });

    it("says so when the device does not hold a key even alone, and goes on", async () => {
      const device = new FakeDevice();
      device.keysMax = 0;
      const link = linkTo(await host(device));
      await expect(hold(link)).rejects.toMatchObject(unavailable("memory"));
      device.keysMax = 1;
      await proveOn(link);
    });

    it("tries a run again alone and without idle keys when memory is short", async () => {
      const device = new FakeDevice();
      const thread = await host(device);
      const link = linkTo(thread);
      (await hold(link, small.devKey)).resident.release();
      device.fail("memory");
      device.delayMs = 20;
      await Promise.all([proveOn(link), proveOn(linkTo(thread))]);
      expect(device.seen("keyCount")).toBe(1);
      device.fail("memory", 2);
      await expect(proveOn(link)).rejects.toMatchObject(unavailable("memory"));
      await proveOn(link);
    });
  });

  it("leaves a key whose holder has gone", async () => {
    const device = new FakeDevice();
    const thread = await host(device, 1);
    const dying = linkTo(thread);
    await hold(dying);
    await hold(dying, long.devKey);
    await dying.close();
    await soon(() => thread.use.keys).toBe(1);
  });
});
