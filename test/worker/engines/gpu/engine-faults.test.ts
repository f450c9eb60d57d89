import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GpuEngine } from "../../../../worker/engines/gpu/engine.ts";
import { Kernels } from "../../../../worker/engines/gpu/kernels.ts";
import { selfTest } from "../../../../worker/engines/self-test.ts";
import { WorkError } from "../../../../worker/errors.ts";
import type { GpuDevice } from "../../../../worker/gpu/device.ts";
import { type GpuFailure, gpuError } from "../../../../worker/gpu/failure.ts";
import { prove, residentKey, verify } from "../../../../worker/groth16.ts";
import { WitnessProgram } from "../../../../worker/witness.ts";
import { parseZkey, type Zkey } from "../../../../worker/zkey.ts";
import { type Fixture, smallFixture, smallInputs } from "../../fixtures.ts";
import { openAny, whyNoDevice } from "../../gpu/device-fixture.ts";
import { type Alteration, alteredDevice } from "./altered-device.ts";

const reason = whyNoDevice === undefined ? "" : ` (${whyNoDevice})`;

describe.skipIf(whyNoDevice !== undefined)(`worker / proofs on a GPU${reason}`, () => {
  let fixture: Fixture;
  let zkey: Zkey;
  let program: WitnessProgram;
  beforeAll(async () => {
    fixture = await smallFixture();
    zkey = parseZkey(await readFile(fixture.key));
    program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  });
  const witness = (factor = 3) => program.calculate({ ...smallInputs(), factor: String(factor) });

  let shared: { readonly device: GpuDevice; readonly kernels: Kernels };
  beforeAll(async () => {
    const device = await openAny();
    shared = { device, kernels: new Kernels(device) };
  }, 60_000);
  afterAll(() => shared.device.close());

  /** An engine on the altered device, which is as it was afterwards. */
  async function withEngine<T>(
    alteration: Alteration,
    work: (engine: GpuEngine, buffers: ReturnType<typeof alteredDevice>["buffers"]) => Promise<T>,
  ): Promise<T> {
    const { device, buffers } = alteredDevice(shared.device, alteration);
    try {
      return await work(new GpuEngine("vulkan", device, shared.kernels), buffers);
    } finally {
      for (const buffer of buffers) buffer.free();
    }
  }

  it("makes proofs that verify, several of them in one batch", async () => {
    await withEngine({}, async (engine) => {
      const key = await residentKey(engine, zkey);
      const proofs = await Promise.all(
        [3, 4, 5, 6, 7].map((factor) => prove(engine, key, witness(factor))),
      );
      const signals = proofs.map(({ publicSignals }) => publicSignals.join());
      expect(new Set(signals).size).toBe(5);
      for (const { proof, publicSignals } of proofs) {
        expect(await verify(engine, zkey.verificationKey, publicSignals, proof)).toBe(true);
      }
      const { jobs, batches } = engine.use;
      expect([jobs, batches < jobs]).toEqual([5, true]);
      key.resident.release();
    });
  });

  it("proves under several keys at once, and goes on with one when another is released", async () => {
    await withEngine({}, async (engine) => {
      const [first, second] = [await residentKey(engine, zkey), await residentKey(engine, zkey)];
      const work = [first, second, first, second].map((key) => prove(engine, key, witness()));
      for (const { proof, publicSignals } of await Promise.all(work)) {
        expect(await verify(engine, zkey.verificationKey, publicSignals, proof)).toBe(true);
      }
      const before = engine.use.allocatedBytes;
      second.resident.release();
      expect(engine.use.allocatedBytes).toBeLessThan(before);
      await prove(engine, first, witness());
    });
  });

  it("refuses to release a key that has an open run", async () => {
    await withEngine({}, async (engine) => {
      const { resident } = await residentKey(engine, zkey);
      const run = resident.begin(witness());
      expect(() => resident.release()).toThrow("1 open runs");
      await run.end();
      resident.release();
    });
  });

  it("leaves no byte of a witness or of what follows from it on the device", async () => {
    await withEngine({}, async (engine, buffers) => {
      const resident = await engine.loadKey(zkey);
      const keyBuffers = new Set(buffers);
      const run = resident.begin(witness());
      await run.sums(
        { g1: [[{ section: "a" }, { section: "c" }, { section: "h" }]], g2: [[{ section: "b2" }]] },
        () => {},
      );
      await run.end();
      const left = [...buffers].filter((buffer) => !keyBuffers.has(buffer));
      expect(left.length).toBeGreaterThan(0);
      for (const buffer of left) {
        const bytes = new Uint8Array(buffer.bytes);
        await engine.device.download({ buffer }, bytes);
        expect(bytes.some((byte) => byte !== 0)).toBe(false);
      }
    });
  });

  it("clears what a failed clearing left before it gives any memory back", async () => {
    await withEngine({}, async (engine) => {
      const key = await residentKey(engine, zkey);
      const { device } = engine;
      const { submit, createBuffer } = device;
      const events: string[] = [];
      let clearings = 0;
      Object.assign(device, {
        submit: (...[record, ms]: Parameters<typeof submit>) =>
          submit((commands) => {
            let isClearing = true;
            const dispatch = (...call: Parameters<typeof commands.dispatch>) => {
              isClearing = false;
              commands.dispatch(...call);
            };
            const { barrier, copy, clear } = commands;
            record({
              dispatch,
              barrier: barrier.bind(commands),
              copy: copy.bind(commands),
              clear: clear.bind(commands),
            });
            if (!isClearing) return;
            events.push("clearing");
            if (++clearings === 1) throw gpuError("memory", "the test's device: no room to clear");
          }, ms),
        createBuffer: (bytes: number) => {
          events.push("new memory");
          return createBuffer(bytes);
        },
      });
      await expect(prove(engine, key, witness())).rejects.toThrow("no room to clear");
      events.length = 0;
      // Two in a batch need more memory than one did.
      await Promise.all([prove(engine, key, witness()), prove(engine, key, witness())]);
      expect(events).toEqual(["clearing", "new memory", "clearing"]);
    });
  });

  it("fails a proof with the reason when the device is lost or hangs, at whichever submission", async () => {
    const submissions = await withEngine({}, async (engine) => {
      let count = 0;
      const { submit } = engine.device;
      Object.assign(engine.device, {
        submit: (...call: Parameters<typeof submit>) => {
          count++;
          return submit(...call);
        },
      });
      const key = await residentKey(engine, zkey);
      count = 0;
      await prove(engine, key, witness());
      return count;
    });
    expect(submissions).toBeGreaterThan(1);
    for (const failure of ["lost", "hang"] satisfies GpuFailure[]) {
      for (let at = 1; at <= submissions; at++) {
        let left = Number.POSITIVE_INFINITY;
        await withEngine({ fault: () => (--left <= 0 ? failure : undefined) }, async (engine) => {
          const key = await residentKey(engine, zkey);
          left = at;
          const both = await Promise.allSettled([
            prove(engine, key, witness()),
            prove(engine, key, witness()),
          ]);
          for (const result of both) {
            const error = result.status === "rejected" ? result.reason : undefined;
            expect(error, `submission ${at}`).toBeInstanceOf(WorkError);
            expect(error).toMatchObject({ code: "ENGINE_UNAVAILABLE", detail: { gpu: failure } });
          }
          // Whoever comes later hears of it, too.
          await expect(prove(engine, key, witness())).rejects.toMatchObject({
            detail: { gpu: failure },
          });
        });
      }
    }
  });

  it("refuses a key for which memory is short, and holds nothing of it", async () => {
    for (const isHonest of [true, false]) {
      const memory = { bytes: 2 ** 11, isHonest };
      await withEngine({ memory }, async (engine, buffers) => {
        await expect(engine.loadKey(zkey)).rejects.toMatchObject({
          code: "ENGINE_UNAVAILABLE",
          detail: { gpu: "memory" },
        });
        expect(buffers.size).toBe(0);
      });
    }
  });

  it("makes smaller batches where memory is short, and fails alone what does not fit at all", async () => {
    const [one, keyBytes] = await withEngine({}, async (engine) => {
      const key = await residentKey(engine, zkey);
      const before = engine.use.allocatedBytes;
      await prove(engine, key, witness());
      return [engine.use.allocatedBytes - before, before];
    });
    for (const isHonest of [true, false]) {
      const memory = { bytes: Math.ceil((keyBytes + 2.5 * one) / 0.9), isHonest };
      await withEngine({ memory }, async (engine) => {
        const key = await residentKey(engine, zkey);
        const work = [1, 2, 3, 4, 5].map((factor) => prove(engine, key, witness(factor)));
        await Promise.all(work);
        const { jobs, batches } = engine.use;
        expect(jobs).toBe(5);
        expect(batches).toBeGreaterThan(1);
      });
    }
    const memory = { bytes: keyBytes + (one >> 1), isHonest: false };
    await withEngine({ memory }, async (engine) => {
      const key = await residentKey(engine, zkey);
      await expect(prove(engine, key, witness())).rejects.toMatchObject({
        detail: { gpu: "memory" },
      });
    });
  });

  it("tells a wrong device from a right one in its self-test", async () => {
    await withEngine({}, async (engine) => {
      expect(await selfTest(engine)).toBeUndefined();
      const { download } = engine.device;
      Object.assign(engine.device, {
        download: async (...[from, bytes]: Parameters<typeof download>) => {
          await download(from, bytes);
          bytes.fill(0);
        },
      });
      expect(await selfTest(engine)).toBe("a sum in G1 is wrong");
    });
  });
});
