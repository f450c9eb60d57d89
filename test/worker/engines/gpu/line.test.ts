import { describe, expect, it } from "vitest";
import { type Group, Line } from "../../../../worker/engines/gpu/line.ts";
import { gpuError } from "../../../../worker/gpu/failure.ts";

const never = new AbortController().signal;
const quiet = () => {};

/** A group that notes its batches and ends each when it is told to. */
function slowGroup(most: number) {
  const batches: number[][] = [];
  const discarded: number[] = [];
  const ends: (() => void)[] = [];
  const group: Group<number, number> = {
    batchMax: () => most,
    work: async (jobs) => {
      batches.push([...jobs]);
      await new Promise<void>((resolve) => ends.push(resolve));
      return jobs.map((job) => 10 * job);
    },
    discard: (result) => {
      discarded.push(result);
    },
  };
  const endNext = async () => {
    while (ends.length === 0) await new Promise((resolve) => setImmediate(resolve));
    ends.shift()?.();
  };
  return { group, batches, discarded, endNext };
}

describe("worker / line before a device", () => {
  it("takes what waits for the same thing together, as many as a batch may have", async () => {
    const line = new Line();
    const { group, batches, endNext } = slowGroup(3);
    const results = [1, 2, 3, 4, 5].map((job) => line.do(group, job, never, quiet).result);
    await endNext();
    await endNext();
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    await line.empty();
    expect(line.counts).toEqual({ jobs: 5, batches: 2 });
  });

  it("goes by the first that waits, whatever the others want", async () => {
    const line = new Line();
    const [one, other] = [slowGroup(9), slowGroup(9)];
    const results = [
      line.do(one.group, 1, never, quiet).result,
      line.do(other.group, 2, never, quiet).result,
      line.do(one.group, 3, never, quiet).result,
    ];
    await one.endNext();
    await other.endNext();
    expect(await Promise.all(results)).toEqual([10, 20, 30]);
    expect([one.batches, other.batches]).toEqual([[[1, 3]], [[2]]]);
  });

  it("lets a job leave before its turn, and says at once when it is not used any more", async () => {
    const line = new Line();
    const { group, batches, endNext } = slowGroup(1);
    const stop = new AbortController();
    const first = line.do(group, 1, never, quiet);
    const second = line.do(group, 2, stop.signal, quiet);
    const refused = expect(second.result).rejects.toThrow("enough");
    stop.abort(new Error("enough"));
    await refused;
    await second.left;
    await endNext();
    expect(await first.result).toBe(10);
    await line.empty();
    expect(batches).toEqual([[1]]);
  });

  it("answers an abort at once, but keeps a job that is on the device until that has done it", async () => {
    const line = new Line();
    const { group, batches, discarded, endNext } = slowGroup(1);
    const stop = new AbortController();
    const { result, left } = line.do(group, 1, stop.signal, quiet);
    let hasLeft = false;
    void left.then(() => {
      hasLeft = true;
    });
    while (batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const refused = expect(result).rejects.toThrow("enough");
    stop.abort(new Error("enough"));
    await refused;
    expect(hasLeft).toBe(false);
    await endNext();
    await left;
    expect(discarded).toEqual([10]);
  });

  it("refuses a job whose caller has given up already", async () => {
    const line = new Line();
    const { group, batches } = slowGroup(1);
    const { result, left } = line.do(group, 1, AbortSignal.abort(new Error("gone")), quiet);
    await expect(result).rejects.toThrow("gone");
    await left;
    await line.empty();
    expect(batches).toEqual([]);
  });

  it("halves a batch for which memory is short, and fails a single job with the reason", async () => {
    const line = new Line();
    const batches: number[] = [];
    const group: Group<number, number> = {
      batchMax: () => 8,
      work: async (jobs) => {
        batches.push(jobs.length);
        if (jobs.length > 2) throw gpuError("memory", "short");
        if (jobs.includes(7)) throw gpuError("memory", "short for this one");
        return jobs.map((job) => 10 * job);
      },
      discard: quiet,
    };
    const results = await Promise.allSettled(
      [1, 2, 3, 4, 5, 6, 7, 8].map((job) => line.do(group, job, never, quiet).result),
    );
    expect(results.map((result) => result.status)).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((job) => (job === 7 ? "rejected" : "fulfilled")),
    );
    expect(batches).toEqual([8, 4, 2, 2, 4, 2, 2, 1, 1]);
  });

  it("fails all of a batch that fails otherwise, and goes on with the next", async () => {
    const line = new Line();
    let isLost = true;
    const group: Group<number, number> = {
      batchMax: () => {
        return 2;
      },
      work: async (jobs) => {
        if (isLost) throw gpuError("lost", "gone");
        return [...jobs];
      },
      discard: quiet,
    };
    const failed = [1, 2].map((job) => line.do(group, job, never, quiet).result);
    for (const result of failed) {
      await expect(result).rejects.toMatchObject({ detail: { gpu: "lost" } });
    }
    isLost = false;
    expect(await line.do(group, 3, never, quiet).result).toBe(3);
  });

  it("fails the first job alone where the batch's size cannot be told", async () => {
    const line = new Line();
    let asked = 0;
    const group: Group<number, number> = {
      batchMax: () => {
        if (++asked === 1) throw gpuError("memory", "no room");
        return 1;
      },
      work: async (jobs) => jobs,
      discard: quiet,
    };
    const first = line.do(group, 1, never, quiet).result;
    const second = line.do(group, 2, never, quiet).result;
    await expect(first).rejects.toThrow("no room");
    expect(await second).toBe(2);
  });

  it("tells every job of a batch how far it is", async () => {
    const line = new Line();
    const seen: number[][] = [];
    const group: Group<number, number> = {
      batchMax: () => 2,
      work: async (jobs, onProgress) => {
        onProgress(0.5);
        return jobs;
      },
      discard: quiet,
    };
    await Promise.all(
      [1, 2].map((job) => line.do(group, job, never, (done) => seen.push([job, done])).result),
    );
    expect(seen).toEqual([
      [1, 0.5],
      [2, 0.5],
    ]);
  });
});
