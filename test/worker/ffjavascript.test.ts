import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { buildBn128, type Command, type ThreadManager } from "ffjavascript";
import { describe, expect, it, vi } from "vitest";
import { openFfjavascript } from "../../worker/engines/ffjavascript.ts";
import { rowChunks, sortedByConstraint } from "../../worker/engines/ffjavascript-rows.ts";
import { TaskQueue } from "../../worker/engines/ffjavascript-tasks.ts";
import { COEFFICIENT_BYTES } from "../../worker/zkey.ts";
import { scalarBytes, syntheticZkey } from "./synthetic-key.ts";

const constraintOf = (coefficients: Uint8Array, entry: number) =>
  Buffer.from(coefficients.buffer, coefficients.byteOffset).readUInt32LE(
    entry * COEFFICIENT_BYTES + 4,
  );

describe("worker / ffjavascript rows", () => {
  const keyOf = (constraints: readonly number[], domainSize: number) => {
    const zkey = syntheticZkey({ nVars: 1, domainSize: 2 });
    const coefficients = new Uint8Array(constraints.length * COEFFICIENT_BYTES);
    const view = new DataView(coefficients.buffer);
    for (const [i, constraint] of constraints.entries()) {
      view.setUint32(i * COEFFICIENT_BYTES + 4, constraint, true);
      view.setUint32(i * COEFFICIENT_BYTES + 8, i, true);
    }
    return { ...zkey, coefficients, domainSize };
  };

  it("sorts by constraint and keeps every entry", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(31), { maxLength: 200 }), (constraints) => {
        const sorted = sortedByConstraint(keyOf(constraints, 32));
        const entries = Array.from({ length: constraints.length }, (_, i) => [
          constraintOf(sorted, i),
          Buffer.from(sorted).readUInt32LE(i * COEFFICIENT_BYTES + 8),
        ]);
        const expected = constraints.map((constraint, i) => [constraint, i]);
        // A stable sort: entries of one constraint stay in their order.
        expect(entries).toEqual(expected.sort(([a], [b]) => (a as number) - (b as number)));
      }),
    );
  });

  it("cuts all rows and all entries into chunks, and never cuts a row", () => {
    const domainSize = 2 ** 16;
    // One row with more entries than any chunk should have, and long stretches without any.
    const constraints = [
      ...Array.from({ length: 150_000 }, (_, i) => i >> 2),
      ...new Array<number>(100_000).fill(40_000),
      65_535,
    ];
    const key = keyOf(constraints, domainSize);
    const chunks = rowChunks(key);
    expect(chunks.length).toBeGreaterThan(3);
    let [row, entry] = [0, 0];
    for (const chunk of chunks) {
      expect([chunk.firstRow, chunk.firstEntry]).toEqual([row, entry]);
      expect(chunk.rows).toBeGreaterThan(0);
      row += chunk.rows;
      entry += chunk.entries;
      if (chunk.entries > 0) {
        expect(constraintOf(key.coefficients, chunk.firstEntry)).toBeGreaterThanOrEqual(
          chunk.firstRow,
        );
        expect(constraintOf(key.coefficients, entry - 1)).toBeLessThan(row);
      }
    }
    expect([row, entry]).toEqual([domainSize, constraints.length]);
  });
});

describe("worker / ffjavascript run", () => {
  it("wipes every vector that it derived from the witness", async () => {
    const engine = await openFfjavascript({ threads: "one" });
    const domainSize = 256;
    const coefficients = [
      { matrix: 0, constraint: 0, signal: 0, value: 3n },
      { matrix: 1, constraint: 1, signal: 1, value: 5n },
    ] as const;
    const zkey = syntheticZkey({ nVars: 2, domainSize, coefficients });
    const run = (await engine.loadKey(zkey)).begin(scalarBytes([1n, 123_456n]));
    const wiped = async (work: () => Promise<void>): Promise<number> => {
      let count = 0;
      const { fill } = Uint8Array.prototype;
      const spy = vi.spyOn(Uint8Array.prototype, "fill").mockImplementation(function (
        this: Uint8Array,
        ...args
      ) {
        const isVector = this.length === domainSize * 32 && this.some((byte) => byte !== 0);
        if (isVector && args.length === 1 && args[0] === 0) count++;
        return fill.apply(this, args);
      });
      await work().finally(() => spy.mockRestore());
      return count;
    };
    // a and b as values, polynomial, shifted and on the coset; a b is zero here. Last the quotient.
    expect(
      await wiped(async () => {
        await run.sums({ g1: [[{ section: "h" }]], g2: [] }, () => undefined);
      }),
    ).toBeGreaterThanOrEqual(8);
    expect(await wiped(() => run.end())).toBe(1);
    await engine.close();
  });
});

describe("worker / ffjavascript tasks", () => {
  interface Counts {
    started: number;
    underWay: number;
    mostUnderWay: number;
  }

  /** A thread manager whose tasks end after a turn of the event loop. */
  function countingManager(concurrency: number): { counts: Counts; manager: ThreadManager } {
    const counts = { started: 0, underWay: 0, mostUnderWay: 0 };
    const queueAction = async (): Promise<Uint8Array[]> => {
      counts.started++;
      counts.underWay++;
      counts.mostUnderWay = Math.max(counts.mostUnderWay, counts.underWay);
      await setImmediate();
      counts.underWay--;
      return [];
    };
    const rest = { postAction: queueAction, terminate: async () => undefined };
    return { counts, manager: { singleThread: false, concurrency, queueAction, ...rest } };
  }

  it("looks for a cancellation before each task and starts none after it", async () => {
    const { counts, manager } = countingManager(2);
    const queue = new TaskQueue(manager);
    const stop = new Error("stop");
    const watcher = (tasksDone: number) => {
      if (tasksDone >= 5) throw stop;
    };
    const work = () => Promise.all(Array.from({ length: 100 }, () => manager.queueAction([])));
    await expect(queue.watch(watcher, work)).rejects.toBe(stop);
    expect(counts).toEqual({ started: 6, underWay: 0, mostUnderWay: 2 });
    await queue.watch(() => undefined, work);
    expect(counts.started).toBe(106);
  });

  it("wipes the scratch memory in which a task had its inputs", async () => {
    const { tm } = await buildBn128(true);
    const queue = new TaskQueue(tm);
    const secret = new Uint8Array(100_000).fill(0xa5);
    await queue.run([
      { cmd: "ALLOCSET", var: 0, buff: secret },
      { cmd: "ALLOCSET", var: 1, buff: secret },
    ]);
    const peek: Command[] = [
      { cmd: "ALLOC", var: 0, len: 2 * secret.length },
      { cmd: "GET", out: 0, var: 0, len: 2 * secret.length },
    ];
    const [before] = (await queue.run(peek)) as [Uint8Array];
    expect(before.filter((byte) => byte === 0xa5).length).toBe(2 * secret.length);
    await queue.wipeScratch();
    const [after] = (await queue.run(peek)) as [Uint8Array];
    expect(after.every((byte) => byte === 0)).toBe(true);
  });
});
