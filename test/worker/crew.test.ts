import { afterEach, describe, expect, it, vi } from "vitest";
import { CREW_WORDS, Crew, MAX_CREW } from "../../worker/engines/wasm/crew.ts";
import { TaskThread } from "../../worker/task-thread.ts";
import { COUNTERS, type CrewTask } from "./crew-thread.ts";

const THREAD = new URL("./crew-thread.ts", import.meta.url);
const always = () => true;

const threads: TaskThread[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(threads.splice(0).map((thread) => thread.close()));
});

function start(count: number) {
  const memory = new SharedArrayBuffer(4 * COUNTERS.words);
  const words = new Int32Array(memory);
  const started = Array.from({ length: count }, () => new TaskThread(THREAD));
  threads.push(...started);
  const run = (slot: number, role: CrewTask["role"]) =>
    (started[slot] as TaskThread).run<number>({ memory, role, slot } satisfies CrewTask);
  const visited = (visits: number) =>
    expect
      .poll(() => Atomics.load(words, COUNTERS.visits), { timeout: 20_000 })
      .toBeGreaterThanOrEqual(visits);
  const stop = () => Atomics.store(words, COUNTERS.enough, 1);
  return { words, crew: new Crew(words.subarray(0, CREW_WORDS)), started, run, visited, stop };
}

/** Lets something happen whenever a word has been read, before anything is done about it. */
function afterLoads(happen: () => void): void {
  const load = Atomics.load as (words: Int32Array, word: number) => number;
  const observed = (words: Int32Array, word: number) => {
    const seen = load(words, word);
    happen();
    return seen;
  };
  vi.spyOn(Atomics, "load").mockImplementation(observed as typeof Atomics.load);
}

describe("worker / crew", () => {
  it("lets helpers in while it is open, and nobody after that", () => {
    const crew = new Crew(new Int32Array(new SharedArrayBuffer(4 * CREW_WORDS)));
    let looks = 0;
    const twice = () => looks++ < 2;
    expect(crew.enter(1, twice)).toBe(false);
    crew.open();
    for (const slot of [0, 1, MAX_CREW - 1]) expect(crew.enter(slot, always)).toBe(true);
    for (const slot of [0, 1, MAX_CREW - 1]) crew.leave(slot);
    crew.close();
    looks = 0;
    expect(crew.enter(1, twice)).toBe(false);
  });

  it("lets nobody in who is not wanted any more", () => {
    const crew = new Crew(new Int32Array(new SharedArrayBuffer(4 * CREW_WORDS)));
    crew.open();
    expect(crew.enter(1, () => false)).toBe(false);
    crew.close();
  });

  it("knows of a helper that died inside until it is closed, and of none that had left", () => {
    const crew = new Crew(new Int32Array(new SharedArrayBuffer(4 * CREW_WORDS)));
    crew.open();
    crew.enter(3, always);
    crew.enter(5, always);
    crew.leave(5);
    crew.bury(5);
    crew.bury(9);
    expect(crew.hasLost).toBe(false);
    crew.bury(3);
    expect(crew.hasLost).toBe(true);
    crew.close();
    expect(crew.hasLost).toBe(false);
    crew.open();
    expect(crew.enter(3, always)).toBe(true);
    crew.leave(3);
    crew.close();
  });

  it("turns away a helper that has seen it open when it is closed before the helper is in", () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * CREW_WORDS));
    const [leader, helper] = [new Crew(words), new Crew(words)];
    leader.open();
    let isClosed = false;
    afterLoads(() => {
      if (isClosed) return;
      isClosed = true;
      leader.close();
    });
    expect(helper.enter(1, () => !isClosed)).toBe(false);
    vi.restoreAllMocks();
    expect(words).toEqual(new Int32Array(CREW_WORDS));
  });

  it("is closed to newcomers before the leader looks who is in", () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * CREW_WORDS));
    const [leader, helper] = [new Crew(words), new Crew(words)];
    leader.open();
    let entered: boolean | undefined;
    afterLoads(() => {
      if (entered !== undefined) return;
      entered = false;
      let looks = 0;
      entered = helper.enter(1, () => looks++ < 1);
    });
    leader.close();
    expect(entered).toBe(false);
  });

  it("has nobody inside when it is closed, however often threads come and go", async () => {
    const { words, run, visited, stop } = start(4);
    const leading = run(0, "leader");
    const helpers = [1, 2, 3].map((slot) => run(slot, "helper"));
    await visited(2_000);
    stop();
    await leading;
    const visits = await Promise.all(helpers);
    expect(words[COUNTERS.violations]).toBe(0);
    expect(words[COUNTERS.inside]).toBe(0);
    expect(visits.reduce((sum, count) => sum + count)).toBe(words[COUNTERS.visits]);
  });

  it("closes over helpers that die at any moment, once they are buried", async () => {
    const { words, crew, started, run, visited, stop } = start(3);
    const leading = run(0, "leader");
    let visits = 0;
    for (let death = 0; death < 10; death++) {
      const slot = 1 + (death % 2);
      const helping = run(slot, "helper");
      const died = expect(helping).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
      visits = (words[COUNTERS.visits] as number) + 5 * Math.random();
      await visited(visits);
      await (started[slot] as TaskThread).end();
      await died;
      crew.bury(slot);
    }
    const last = run(1, "helper");
    await visited(visits + 20);
    stop();
    await Promise.all([leading, last]);
    expect(words.subarray(0, CREW_WORDS)).toEqual(new Int32Array(CREW_WORDS));
  });
});
