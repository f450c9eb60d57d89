import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Ensemble } from "../../../worker/ensemble.ts";
import type { Proved } from "../../../worker/groth16.ts";
import { DeviceKeeper } from "../../../worker/hosting/keeper.ts";
import { kernelsForThreads } from "../../../worker/kernel-choice.ts";
import { WitnessProgram } from "../../../worker/witness.ts";
import { encodeWtns } from "../../../worker/wtns.ts";
import { parseZkey } from "../../../worker/zkey.ts";
import { verifyWithNoble } from "../../circuits/pairing.ts";
import { type Fixture, smallFixture, smallInputs } from "../fixtures.ts";
import { FakeDevice } from "./fake-device.ts";

let small: Fixture;
let wtns: Uint8Array;
let folder: string;
const opened: Ensemble[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ensemble-device-"));
  small = await smallFixture();
  const program = new WitnessProgram(new Uint8Array(await readFile(small.wasm)));
  wtns = encodeWtns(program.calculate(smallInputs()));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((ensemble) => ensemble.close()));
});
afterAll(() => rm(folder, { recursive: true }));

/** @param isAuto  whether threads have an engine of their own. */
async function open(device: FakeDevice, isAuto: boolean): Promise<Ensemble> {
  const options = { opener: device.opener, keysMax: 0, mayGiveUp: isAuto, retryMs: 20 };
  const keeper = await DeviceKeeper.open(options);
  const ensemble = Ensemble.open(isAuto ? await kernelsForThreads() : undefined, 2, keeper);
  opened.push(ensemble);
  return ensemble;
}

async function expectSound({ proof, publicSignals }: Proved): Promise<void> {
  const { verificationKey } = parseZkey(await readFile(small.key));
  expect(verifyWithNoble(verificationKey, publicSignals, proof)).toBe(true);
}

describe("worker / an ensemble with a device", () => {
  it("proves on it, several at once, with keys from files and from bytes", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    expect(ensemble.engineName).toBe("fake (test)");
    const bytes = await readFile(small.key);
    for (const source of [{ path: small.key }, new Uint8Array(bytes)]) {
      const key = await ensemble.loadKey(source, {});
      // Those are the caller's again.
      if (source instanceof Uint8Array) source.fill(0);
      device.delayMs = 200;
      const proofs = await Promise.all([1, 2].map(() => ensemble.prove(key, wtns, {})));
      for (const proof of proofs) await expectSound(proof);
      expect(device.seen("runningMost")).toBe(2);
      expect(device.seen("keyCount")).toBe(1);
      await key.release();
      await expect.poll(() => device.seen("keyCount")).toBe(0);
    }
  });

  it("refuses a development key unless it is allowed", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    const source = { path: small.devKey };
    await expect(ensemble.loadKey(source, {})).rejects.toMatchObject({ code: "KEY_REFUSED" });
    await expect.poll(() => device.seen("keyCount")).toBe(0);
    expect((await ensemble.loadKey(source, { allowDevKeys: true })).isDevKey).toBe(true);
  });

  it("goes on with a device that was lost and came back", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, false);
    const key = await ensemble.loadKey({ path: small.key }, {});
    device.fail("lost");
    const proofs = await Promise.all([1, 2].map(() => ensemble.prove(key, wtns, {})));
    for (const proof of proofs) await expectSound(proof);
    expect(device.seen("openCount")).toBe(2);
    expect(ensemble.engineName).toBe("fake (test)");
  });

  it("goes on in its threads when the device is given up", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    const bytes = new Uint8Array(await readFile(small.key));
    const keys = [
      await ensemble.loadKey({ path: small.key }, {}),
      await ensemble.loadKey(bytes, {}),
    ] as const;
    bytes.fill(0);
    device.fail("hang");
    for (const key of keys) await expectSound(await ensemble.prove(key, wtns, {}));
    expect(ensemble.engineName).toMatch(/^wasm/);
    const later = await ensemble.loadKey({ path: small.key }, {});
    await expectSound(await ensemble.prove(later, wtns, {}));
    for (const key of [...keys, later]) await key.release();
  });

  it("does not go on with a file that is another one by then", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    const path = join(folder, "changing.zkey");
    await cp(small.key, path);
    const key = await ensemble.loadKey({ path }, {});
    await writeFile(path, await readFile(small.devKey));
    device.fail("hang");
    await expect(ensemble.prove(key, wtns, {})).rejects.toMatchObject({
      code: "ARTEFACT_MISMATCH",
    });
    await key.release();
  });

  it("proves in its threads what does not fit into the device's memory", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    device.keysMax = 0;
    const large = await ensemble.loadKey({ path: small.key }, {});
    device.keysMax = 1;
    const key = await ensemble.loadKey({ path: small.key }, {});
    device.fail("memory", 2);
    await expectSound(await ensemble.prove(key, wtns, {}));
    await expectSound(await ensemble.prove(large, wtns, {}));
    expect(device.seen("keyCount")).toBe(0);
    expect(ensemble.engineName).toBe("fake (test)");
  });

  it("proves in its threads what a device that came back does not hold any more", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, true);
    const key = await ensemble.loadKey({ path: small.key }, {});
    device.keysMax = 0;
    device.fail("lost");
    await expectSound(await ensemble.prove(key, wtns, {}));
    expect(ensemble.engineName).toBe("fake (test)");
    await key.release();
  });

  it("proves in its threads under a key that does not fit beside another", async () => {
    const device = new FakeDevice();
    device.keysMax = 1;
    const ensemble = await open(device, true);
    const first = await ensemble.loadKey({ path: small.key }, {});
    const second = await ensemble.loadKey({ path: small.devKey }, { allowDevKeys: true });
    expect(device.seen("keyCount")).toBe(1);
    await expectSound(await ensemble.prove(first, wtns, {}));
    expect((await ensemble.prove(second, wtns, {})).publicSignals).toHaveLength(2);
    await Promise.all([first.release(), second.release()]);
  });

  it("fails with the reason where the device was asked for by name", async () => {
    const device = new FakeDevice();
    const ensemble = await open(device, false);
    const key = await ensemble.loadKey({ path: small.key }, {});
    device.fail("memory", 2);
    const short = ensemble.prove(key, wtns, {});
    await expect(short).rejects.toMatchObject({ detail: { gpu: "memory" } });
    device.refuse("device");
    device.fail("hang");
    for (const gpu of ["hang", "hang"]) {
      const failed = ensemble.prove(key, wtns, {});
      await expect(failed).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE", detail: { gpu } });
    }
    device.refuse(undefined);
    await expect
      .poll(() => ensemble.prove(key, wtns, {}).catch(() => undefined), { timeout: 30_000 })
      .toBeDefined();
  });
});
