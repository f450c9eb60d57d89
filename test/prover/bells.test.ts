import { describe, expect, it } from "vitest";
import { Bells } from "../../prover/stores/bells.ts";

describe("bells", () => {
  const open = () => {
    const bells = new Bells<number>();
    const bell = bells.open("a");
    return { bells, bell, ring: (change?: number) => bells.ring("a", change) };
  };

  it("tell what has changed since the last look, and at first that one has to look", () => {
    const { bells, bell, ring } = open();
    ring(1);
    expect(bell.take()).toBeUndefined();
    expect(bell.take()).toEqual([]);
    ring(2);
    ring(3);
    bells.ring("b", 4);
    expect(bell.take()).toEqual([2, 3]);
  });

  it("tell that one has to look once a change is unknown, or there were too many", () => {
    const { bells, bell, ring } = open();
    bell.take();
    ring(1);
    ring();
    ring(2);
    expect(bell.take()).toBeUndefined();
    for (let change = 0; change < 16; change++) ring(change);
    expect(bell.take()).toHaveLength(16);
    for (let change = 0; change < 17; change++) ring(change);
    expect(bell.take()).toBeUndefined();
    ring(1);
    bells.ringAll();
    expect(bell.take()).toBeUndefined();
  });

  it("let those wait who have nothing to take, until they ring or nobody waits any more", async () => {
    const { bells, bell, ring } = open();
    const leave = new AbortController();
    await bell.rung(leave.signal);
    bell.take();
    let woken = 0;
    const wait = () => bell.rung(leave.signal).then(() => woken++);
    const first = wait();
    await Promise.resolve();
    expect(woken).toBe(0);
    ring(1);
    await first;
    await wait();
    bell.take();
    const last = wait();
    leave.abort();
    await last;
    expect(woken).toBe(3);
    bell.close();
    ring(2);
    expect(bell.take()).toEqual([]);
    bells.ringAll();
  });
});
