import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { GpuDevice, GpuSlice } from "../../../worker/gpu/device.ts";
import { vulkanError } from "../../../worker/gpu/failure.ts";
import { loadVulkan, type Vulkan } from "../../../worker/gpu/libvulkan.ts";
import { openVulkan } from "../../../worker/gpu/vulkan.ts";
import { KernelWriter } from "../../../worker/kernels/spirv/module.ts";
import { bytesOf, openAny, whyNoDevice } from "./device-fixture.ts";

const failed = (gpu: string, message: RegExp) =>
  expect.objectContaining({
    code: "ENGINE_UNAVAILABLE",
    message: expect.stringMatching(message),
    detail: expect.objectContaining({ gpu }),
  });

/** data[i] = factor * data[i] + more[i] */
const scale = (() => {
  const k = new KernelWriter("scale", { workgroupSize: [32, 1, 1], push: ["count", "factor"] });
  const [data, more] = [k.buffer("u32"), k.buffer("u32", "read")];
  return k.main((f) => {
    const i = f.globalId(0);
    f.if(f.lt(i, f.push("count")), () => {
      f.store(data, i, f.add(f.mul(f.push("factor"), f.load(data, i)), f.load(more, i)));
    });
  });
})();

/**
 * Takes about as long as it has workgroups: some milliseconds each on a software device, which ends
 * all loops of an invocation after 65 535 turns.
 */
const slow = (() => {
  const k = new KernelWriter("slow", { workgroupSize: [64, 1, 1] });
  const data = k.buffer("u32");
  return k.main((f) => {
    const x = f.variable("u32", f.localId(0));
    f.for(f.u32(0), f.u32(60_000), f.u32(1), () => {
      f.set(x, f.add(f.mul(f.get(x), f.u32(1_664_525)), f.u32(1_013_904_223)));
    });
    f.store(data, f.localId(0), f.get(x));
  });
})();

describe.skipIf(whyNoDevice)(
  `worker / gpu / vulkan${whyNoDevice ? ` (${whyNoDevice})` : ""}`,
  () => {
    const opened: GpuDevice[] = [];
    const open = async (options: Parameters<typeof openAny>[0] = {}) => {
      const device = await openAny(options);
      opened.push(device);
      return device;
    };
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((device) => device.close()));
    });

    it("says what it is and what it can", async () => {
      const { name, limits, heaps, kind } = await open();
      expect(name).toMatch(/\w/);
      expect(["discrete", "integrated", "virtual", "software"]).toContain(kind);
      // What Vulkan 1.1 promises of every device, and orders of magnitude that no device exceeds.
      expect(limits.bindingBytes).toBeGreaterThanOrEqual(2 ** 27);
      expect(limits.bufferBytes).toBeGreaterThanOrEqual(2 ** 30);
      expect(limits.bindings).toBeGreaterThanOrEqual(4);
      expect(limits.pushBytes).toBeGreaterThanOrEqual(128);
      expect(limits.pushBytes).toBeLessThanOrEqual(2 ** 16);
      expect(limits.sharedBytes).toBeGreaterThanOrEqual(2 ** 14);
      expect(limits.workgroupInvocations).toBeGreaterThanOrEqual(128);
      expect(limits.workgroupInvocations).toBeLessThanOrEqual(2 ** 16);
      expect(limits.workgroupSize[0]).toBeGreaterThanOrEqual(128);
      expect(Math.min(...limits.workgroupCount)).toBeGreaterThanOrEqual(65535);
      expect(limits.bufferCount).toBeGreaterThanOrEqual(4096);
      expect(Math.log2(limits.bindingAlignment) % 1).toBe(0);
      expect(limits.bindingAlignment).toBeLessThanOrEqual(256);
      expect(heaps.some(({ bytes, isLocal }) => isLocal && bytes >= 2 ** 28)).toBe(true);
    });

    for (const isStaged of [false, true]) {
      const way = isStaged ? "through a staging buffer" : "directly";

      it(`brings bytes to any place and back ${way}`, async () => {
        const device = await open({ isStaged });
        // More than goes through a staging buffer at a time, and no multiple of it.
        const bytes = 4 * (5_000_000 + 3);
        const buffer = device.createBuffer(bytes);
        expect(device.allocatedBytes).toBeGreaterThanOrEqual(bytes);
        const words = new Uint32Array(bytes / 4).map((_, i) => Math.imul(i, 0x9e37_79b1));
        await device.upload(bytesOf(words), { buffer });
        await device.upload(bytesOf(Uint32Array.of(7, 8)), { buffer, offset: 400 });
        words.set([7, 8], 100);
        const back = new Uint32Array(words.length);
        await device.download({ buffer }, bytesOf(back));
        expect(Buffer.compare(bytesOf(back), bytesOf(words))).toBe(0);
        const few = new Uint32Array(3);
        await device.download({ buffer, offset: 396 }, bytesOf(few));
        expect([...few]).toEqual([...words.slice(99, 102)]);
        await device.upload(new Uint8Array(0), { buffer });
      });

      it(`runs dispatches in order, with slices, copies and clears between them ${way}`, async () => {
        const device = await open({ isStaged });
        const kernel = device.createKernel(scale);
        const { bindingAlignment } = device.limits;
        const offset = 2 * Math.max(bindingAlignment, 512);
        const data = device.createBuffer(4 * 300);
        const more = device.createBuffer(offset + 4 * 300);
        await device.upload(bytesOf(new Uint32Array(300).map((_, i) => i)), { buffer: data });
        await device.upload(bytesOf(new Uint32Array(300).fill(5)), { buffer: more, offset });
        const slices = [{ buffer: data }, { buffer: more, offset }];
        await device.submit((commands) => {
          commands.dispatch(kernel, slices, [300, 3], [10, 1, 1]);
          commands.barrier();
          commands.dispatch(kernel, slices, [299, 1000], [10, 1, 1]);
          commands.barrier();
          commands.copy({ buffer: data, bytes: 40 }, { buffer: data, offset: 400, bytes: 40 });
          commands.clear({ buffer: data, offset: 800, bytes: 4 });
          commands.barrier();
          commands.dispatch(kernel, slices, [1, 1], [1, 1, 1]);
        });
        const got = new Uint32Array(300);
        await device.download({ buffer: data }, bytesOf(got));
        const expected = got.map((_, i) => (i < 299 ? 1000 * (3 * i + 5) + 5 : 3 * i + 5));
        expected.copyWithin(100, 0, 10);
        expected[200] = 0;
        (expected[0] as number) += 5;
        expect(got).toEqual(expected);
      });
    }

    it("leaves the event loop free, and ends submissions in their order", async () => {
      const device = await open();
      const kernel = device.createKernel(slow);
      const buffer = device.createBuffer(256);
      const ended: number[] = [];
      const all = [0, 1, 2].map((i) =>
        device
          .submit((commands) => commands.dispatch(kernel, [{ buffer }], [], [20, 1, 1]))
          .then(() => ended.push(i)),
      );
      let turns = 0;
      while (ended.length === 0) {
        await sleep(1);
        turns++;
      }
      await Promise.all(all);
      expect(turns).toBeGreaterThan(1);
      expect(ended).toEqual([0, 1, 2]);
    });

    it("leaves nothing in the staging buffer", async () => {
      const vulkan = await loadVulkan();
      const views: Uint8Array[] = [];
      const mapMemory = vulkan.mapMemory.bind(vulkan);
      vulkan.mapMemory = (...args) => {
        const mapped = mapMemory(...args);
        views.push(new Uint8Array(mapped, 0, 64));
        return mapped;
      };
      const device = await open({ vulkan, isStaged: true });
      const buffer = device.createBuffer(64);
      const secret = new Uint8Array(64).fill(0x5e);
      await device.upload(secret, { buffer });
      expect(views).toEqual([new Uint8Array(64)]);
      const back = new Uint8Array(64);
      await device.download({ buffer }, back);
      expect(back).toEqual(secret);
      expect(views).toEqual([new Uint8Array(64)]);
    });

    it("binds slices of a buffer that is larger than one binding", async ({ skip }) => {
      const device = await open();
      const { bindingBytes } = device.limits;
      if (bindingBytes > 2 ** 28) skip(`a binding may have ${bindingBytes} bytes here`);
      const kernel = device.createKernel(scale);
      const offset = bindingBytes - 1024;
      const buffer = device.createBuffer(bindingBytes + 2048);
      const words = Uint32Array.from({ length: 512 }, (_, i) => 7 * i);
      await device.upload(bytesOf(words), { buffer, offset });
      const more = device.createBuffer(2048);
      await device.upload(new Uint8Array(2048), { buffer: more });
      const run = (slice: GpuSlice) =>
        device.submit((c) => {
          c.dispatch(kernel, [slice, { buffer: more }], [512, 3], [16, 1, 1]);
        });
      await run({ buffer, offset, bytes: 2048 });
      const got = new Uint32Array(512);
      await device.download({ buffer, offset }, bytesOf(got));
      expect(got).toEqual(words.map((word) => 3 * word));
      await expect(run({ buffer })).rejects.toThrow(/expected at most .* bind a slice/);
    });

    it("refuses what a caller got wrong, before the driver sees it", async () => {
      const device = await open();
      const other = await open();
      const kernel = device.createKernel(scale);
      const buffer = device.createBuffer(4096);
      const two = [{ buffer }, { buffer }];
      const dispatch = (slices: typeof two, push: number[], groups: [number, number, number]) =>
        device.submit((commands) => commands.dispatch(kernel, slices, push, groups));
      for (const bytes of [0, -4, 6, 1.5, Number.NaN]) {
        expect(() => device.createBuffer(bytes)).toThrow(RangeError);
      }
      await expect(dispatch([{ buffer }], [1, 1], [20, 1, 1])).rejects.toThrow(
        /buffers: got 1, expected 2/,
      );
      await expect(dispatch(two, [1], [1, 1, 1])).rejects.toThrow(/push constants: got 1/);
      for (const x of [0, 0.5, device.limits.workgroupCount[0] + 1]) {
        await expect(dispatch(two, [1, 1], [x, 1, 1]), `${x}`).rejects.toThrow(/workgroups/);
      }
      const crooked = [{ buffer }, { buffer, offset: 1 }];
      await expect(dispatch(crooked, [1, 1], [1, 1, 1])).rejects.toThrow(/multiple of/);
      const beyond = [{ buffer }, { buffer, offset: 4096, bytes: 4 }];
      await expect(dispatch(beyond, [1, 1], [1, 1, 1])).rejects.toThrow(/part of 4096 bytes/);
      await expect(device.upload(new Uint8Array(4097), { buffer })).rejects.toThrow(RangeError);
      await expect(device.submit((c) => c.clear({ buffer, offset: 2 }))).rejects.toThrow(
        /multiples of 4/,
      );
      const foreign = other.createBuffer(4);
      await expect(device.upload(new Uint8Array(4), { buffer: foreign })).rejects.toThrow(
        /elsewhere/,
      );
      buffer.free();
      buffer.free();
      await expect(device.download({ buffer }, new Uint8Array(4))).rejects.toThrow(/freed/);
      kernel.free();
      const fresh = device.createBuffer(4);
      const slices = [{ buffer: fresh }, { buffer: fresh }];
      await expect(dispatch(slices, [1, 1], [1, 1, 1])).rejects.toThrow(/not of this device/);
      const greedy = { ...scale, name: "greedy", sharedBytes: 2 ** 30 };
      expect(() => device.createKernel(greedy)).toThrow(
        failed("feature", /greedy: got .* shared memory/),
      );
    });

    it("says that memory is short, holds nothing then, and goes on", async () => {
      const device = await open();
      expect(() => device.createBuffer(device.limits.bufferBytes + 4)).toThrow(
        failed("memory", /load fewer/),
      );
      expect(device.allocatedBytes).toBe(0);
      const vulkan = await loadVulkan();
      const allocateMemory = vulkan.allocateMemory.bind(vulkan);
      const short = await open({ vulkan });
      vulkan.allocateMemory = () => {
        throw vulkanError("vkAllocateMemory", -2);
      };
      expect(() => short.createBuffer(64)).toThrow(
        failed("memory", /VK_ERROR_OUT_OF_DEVICE_MEMORY/),
      );
      expect(short.allocatedBytes).toBe(0);
      vulkan.allocateMemory = allocateMemory;
      await short.upload(new Uint8Array(64), { buffer: short.createBuffer(64) });
    });

    it.each(["submit", "waitForFence"] as const)(
      "fails every call after the device was lost in %s, and can still be closed",
      async (place) => {
        const vulkan = await loadVulkan();
        const device = await open({ vulkan });
        const kernel = device.createKernel(scale);
        const buffer = device.createBuffer(64);
        const run = () =>
          device.submit((c) => c.dispatch(kernel, [{ buffer }, { buffer }], [1, 1], [1, 1, 1]));
        await run();
        const original = vulkan[place].bind(vulkan) as (...args: unknown[]) => unknown;
        Object.assign(vulkan, {
          [place]: async (...args: unknown[]) => {
            await original(...args);
            throw vulkanError("vkQueueSubmit", -4);
          },
        });
        if (place === "submit") {
          vulkan.submit = () => {
            throw vulkanError("vkQueueSubmit", -4);
          };
        }
        const lost = failed("lost", /VK_ERROR_DEVICE_LOST/);
        const both = await Promise.allSettled([run(), run()]);
        expect(both.map((one) => one.status === "rejected" && one.reason)).toEqual([lost, lost]);
        await expect(run()).rejects.toEqual(lost);
        await expect(device.upload(new Uint8Array(4), { buffer })).rejects.toEqual(lost);
        expect(() => device.createBuffer(4)).toThrow(lost);
        await device.close();
      },
    );

    it("ends a wait that takes too long as a hang, after which nothing is trusted", async () => {
      const device = await open();
      const kernel = device.createKernel(slow);
      const buffer = device.createBuffer(256);
      // Far longer than the watchdog waits, and not so long that the process could not end after it.

      const spinning = device.submit((c) => c.dispatch(kernel, [{ buffer }], [], [200, 1, 1]), 5);
      const next = device.submit((c) => c.clear({ buffer }));
      const hang = failed("hang", /within 5 ms/);
      const both = await Promise.allSettled([spinning, next]);
      expect(both.map((one) => one.status === "rejected" && one.reason)).toEqual([hang, hang]);
      expect(() => device.createBuffer(4)).toThrow(hang);
      await device.close();
    });

    it.each(["no end", "no word"] as const)(
      "calls the driver for nothing more after a wait that brings %s, and is of no use any more",
      async (what) => {
        const vulkan = await loadVulkan();
        const device = await open({ vulkan });
        const [buffer, kernel] = [device.createBuffer(64), device.createKernel(scale)];
        vulkan.waitForFence = async () => {
          if (what === "no end") return false;
          throw vulkanError("vkWaitForFences", -1);
        };
        // Neither of them is a shortage of memory, after which one could go on.
        const end = failed(what === "no end" ? "hang" : "driver", /start the process again/);
        await expect(device.submit((c) => c.clear({ buffer }))).rejects.toEqual(end);
        const called: string[] = [];
        for (const name of ["freeMemory", "destroy", "destroyPipeline"]) {
          Object.assign(vulkan, { [name]: () => called.push(name) });
        }
        buffer.free();
        kernel.free();
        expect(() => device.createBuffer(4)).toThrow(end);
        await device.close();
        expect(called).toEqual([]);
      },
    );

    it("refuses calls after close, which waits for what was submitted", async () => {
      const device = await open();
      const buffer = device.createBuffer(256);
      const kernel = device.createKernel(slow);
      const running = device.submit((c) => c.dispatch(kernel, [{ buffer }], [], [20, 1, 1]));
      const closed = device.close();
      await expect(device.submit(() => {})).rejects.toEqual(failed("closed", /after close/));
      await running;
      await closed;
      await device.close();
      expect(() => device.createBuffer(4)).toThrow(failed("closed", /open it again/));
      expect(device.allocatedBytes).toBe(0);
    });

    it("frees everything on close, whatever is still there", async () => {
      const vulkan = await loadVulkan();
      const held = countHeld(vulkan);
      for (let round = 0; round < 5; round++) {
        const device = await openAny({ vulkan, isStaged: round % 2 === 0 });
        const kernel = device.createKernel(scale);
        const buffer = device.createBuffer(1 << 20);
        device.createBuffer(64).free();
        await device.upload(new Uint8Array(1 << 20), { buffer });
        await device.submit((c) => {
          c.dispatch(kernel, [{ buffer }, { buffer }], [1, 1], [1, 1, 1]);
        });
        expect(Math.max(...held.values())).toBeGreaterThan(0);
        await device.close();
        expect([...held].filter(([, count]) => count !== 0)).toEqual([]);
      }
      await expect(openVulkan({ vulkan, device: "no such device" })).rejects.toEqual(
        failed("device", /no such device/),
      );
      expect([...held].filter(([, count]) => count !== 0)).toEqual([]);
    });

    it("does not grow in a loop of opening and closing", async () => {
      const once = async () => {
        const device = await openAny();
        device.createKernel(scale);
        const buffer = device.createBuffer(8 << 20);
        await device.upload(new Uint8Array(8 << 20).fill(1), { buffer });
        await device.close();
      };
      for (let round = 0; round < 5; round++) await once();
      const before = process.memoryUsage().rss;
      for (let round = 0; round < 20; round++) await once();
      // Twenty leaked buffers would be 160 MiB.
      expect(process.memoryUsage().rss - before).toBeLessThan(80 << 20);
    });
  },
);

describe("worker / gpu / library", () => {
  it("says what to install where there is no Vulkan library", async () => {
    await expect(loadVulkan(["libnothing.so.1"])).rejects.toEqual(
      failed("library", /expected one of libnothing\.so\.1; install libvulkan1/),
    );
  });

  it("says what to install where koffi is missing", async () => {
    vi.doMock("koffi", () => {
      throw new Error("Cannot find package");
    });
    try {
      await expect(loadVulkan()).rejects.toEqual(failed("library", /no package "koffi"/));
    } finally {
      vi.doUnmock("koffi");
    }
  });
});

/** How many objects of each kind there are, by everything that makes and ends them. */
function countHeld(vulkan: Vulkan): Map<string, number> {
  const held = new Map<string, number>();
  const count = (kind: string, by: number) => held.set(kind, (held.get(kind) ?? 0) + by);
  const wrap = (name: keyof Vulkan, by: number, kindOf: (args: unknown[]) => string) => {
    const original = (vulkan[name] as (...args: unknown[]) => unknown).bind(vulkan);
    const counted = (...args: unknown[]) => {
      const result = original(...args);
      count(kindOf(args), by);
      return result;
    };
    Object.assign(vulkan, { [name]: counted });
  };
  wrap("create", 1, ([kind]) => String(kind));
  wrap("destroy", -1, ([kind]) => String(kind));
  const pairs = [
    ["createInstance", "destroyInstance"],
    ["createDevice", "destroyDevice"],
    ["allocateMemory", "freeMemory"],
    ["createComputePipeline", "destroyPipeline"],
  ] as const;
  for (const [make, end] of pairs) {
    wrap(make, 1, () => make);
    wrap(end, -1, () => make);
  }
  return held;
}
