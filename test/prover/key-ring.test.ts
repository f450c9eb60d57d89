import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { parseConfig } from "../../prover/config.ts";
import { chooseEngine } from "../../prover/engine.ts";
import { KeyRing, NoPlaceError } from "../../prover/key-ring.ts";
import { createTaskControl, type PinnedFile, requestCancel } from "../../worker/task.ts";
import { type Member, Team, type TeamKey } from "../../worker/team.ts";
import { longFixture, pinned, smallFixture } from "../worker/fixtures.ts";

let small: PinnedFile;
let long: PinnedFile;
let team: Team;
const teams: Team[] = [];
beforeAll(async () => {
  small = await pinned((await smallFixture()).devKey);
  long = await pinned((await longFixture()).devKey);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(teams.splice(0).map((each) => each.close()));
});

const MIB = 2 ** 20;
let nowMs = 0;

async function open(keysMax = 1, keyMemoryBytes = 4096 * MIB) {
  const { data } = await chooseEngine(parseConfig({ PROVER_ENGINE: "wasm" }));
  team = new Team(2, data);
  teams.push(team);
  return {
    ring: new KeyRing({ keysMax, keyMemoryBytes }, { team, now: () => nowMs }),
    loads: vi.spyOn(team, "load"),
    releases: vi.spyOn(team, "release"),
  };
}

const member = (index: number): Member => team.members[index] as Member;
const options = (kill?: AbortSignal) => ({
  allowDevKeys: true,
  control: createTaskControl(),
  ...(kill && { kill }),
});
const idOf = async ({ id }: TeamKey): Promise<number> => id;

describe("prover / key ring", () => {
  it("loads a key once, for those who come together and those who come later", async () => {
    const { ring, loads } = await open();
    const both = await Promise.all([0, 1].map((i) => ring.use(long, member(i), options(), idOf)));
    expect(both).toEqual([1, 1]);
    expect(await ring.use(long, member(1), options(), idOf)).toBe(1);
    expect(loads).toHaveBeenCalledTimes(1);
  });

  it("lets the key go that was used least recently, and none that is in use", async () => {
    const { ring, releases } = await open();
    await ring.use(small, member(0), options(), async (inUse) => {
      await ring.use(long, member(1), options(), async () => {
        expect(releases).not.toHaveBeenCalled();
      });
      expect(releases).toHaveBeenCalledTimes(1);
      expect(inUse.placeOf(0).slot).toBe(0);
      expect(await ring.use(small, member(1), options(), idOf)).toBe(inUse.id);
    });
    expect(await ring.use(long, member(0), options(), idOf)).toBe(3);
    expect(releases).toHaveBeenCalledTimes(2);
  });

  it("loads for itself what another one was cancelled over, or whose thread died", async () => {
    const { ring, loads } = await open();
    const first = options();
    const cancelled = expect(ring.use(small, member(0), first, idOf)).rejects.toMatchObject({
      code: "CANCELLED",
    });
    const second = ring.use(small, member(1), options(), idOf);
    requestCancel(first.control);
    await cancelled;
    expect(await second).toBe(1);
    expect(loads).toHaveBeenCalledTimes(2);

    const lost = expect(ring.use(long, member(0), options(), idOf)).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
    });
    const third = ring.use(long, member(1), options(), idOf);
    await vi.waitFor(() => expect(loads).toHaveBeenCalledTimes(3));
    // By now the thread has the task.
    await new Promise(setImmediate);
    await member(0).end();
    await lost;
    expect(await third).toBe(2);
  });

  it("waits no longer for another one's key when it is killed", async () => {
    const { ring, loads } = await open();
    const kill = new AbortController();
    const first = ring.use(long, member(0), options(), idOf);
    const second = ring.use(long, member(1), options(kill.signal), idOf);
    const killed = expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    kill.abort();
    await killed;
    expect(await first).toBe(1);
    expect(loads).toHaveBeenCalledTimes(1);
    expect(member(1).restartCount).toBe(0);
  });

  describe("memory", () => {
    /** What a ring accounts for a key and one place, and for each further place. */
    async function costs(zkey: PinnedFile) {
      const { ring } = await open();
      return ring.use(zkey, member(0), options(), async (key) => {
        const place = key.slotBytes + 4 * 32 * key.header.nVars;
        return { first: key.bytes + place, place };
      });
    }

    it("lets as many members work with a key as there is memory for", async () => {
      const { first, place } = await costs(small);
      const { ring } = await open(2, first + place - 1);
      await ring.use(small, member(0), options(), async (key) => {
        expect(key.memberCount).toBe(1);
        expect([0, 1].map((i) => ring.hasPlace(small, member(i)))).toEqual([true, false]);
        await expect(ring.use(small, member(1), options(), idOf)).rejects.toThrow(NoPlaceError);
      });
      const { ring: wide } = await open(2, first + place);
      expect(await wide.use(small, member(1), options(), idOf)).toBe(1);
      expect([0, 1].map((i) => wide.hasPlace(small, member(i)))).toEqual([true, true]);
    });

    it("lets more members in once another key has been idle for a minute", async () => {
      const [one, other] = [await costs(small), await costs(long)];
      // The one loaded first takes a place for each member.
      const { ring, releases } = await open(2, one.first + other.first + other.place);
      await ring.use(long, member(0), options(), idOf);
      await ring.use(small, member(0), options(), idOf);
      expect(ring.hasPlace(small, member(1))).toBe(false);
      nowMs += 59_999;
      expect(ring.hasPlace(small, member(1))).toBe(false);
      nowMs += 1;
      // By now the key itself has been idle as long.
      expect(ring.hasPlace(small, member(1))).toBe(true);
      expect(releases).toHaveBeenCalledTimes(1);
    });

    it("waits with a key for which there is no room until another one is idle, and lets nobody pass", async () => {
      const [one, other] = [await costs(small), await costs(long)];
      const { ring, releases } = await open(2, Math.max(one.first, other.first));
      // From now on the ring knows what it takes.
      await ring.use(long, member(0), options(), idOf);
      const order: string[] = [];
      let finish = () => {};
      const busy = ring.use(small, member(0), options(), async () => {
        order.push("small");
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      });
      await vi.waitFor(() => expect(order).toEqual(["small"]));
      const onBegin = () => {
        if (!order.includes("begin")) order.push("begin");
      };
      const large = ring.use(long, member(0), { ...options(), onBegin }, async () =>
        order.push("long"),
      );
      await new Promise(setImmediate);
      const kill = new AbortController();
      const killed = expect(
        ring.use(long, member(0), options(kill.signal), idOf),
      ).rejects.toMatchObject({ code: "CANCELLED" });
      const late = ring.use(small, member(0), options(), async () => order.push("small again"));
      kill.abort();
      await killed;
      expect(order).toEqual(["small"]);
      expect(releases).toHaveBeenCalledTimes(1);
      finish();
      await Promise.all([busy, large, late]);
      expect(order).toEqual(["small", "begin", "long", "small again"]);
    });

    it("refuses a key that will never fit, and goes on with others", async () => {
      const [one, other] = [await costs(small), await costs(long)];
      expect(other.first).toBeGreaterThan(one.first);
      const { ring } = await open(2, one.first);
      await expect(ring.use(long, member(0), options(), idOf)).rejects.toMatchObject({
        code: "MEMORY_SHORT",
        message: expect.stringMatching(/PROVER_MEMORY_MAX_BYTES/),
      });
      await ring.use(small, member(0), options(), async ({ memberCount }) => {
        expect(memberCount).toBe(1);
      });
    });
  });

  it("forgets a key that could not be loaded", async () => {
    const { ring } = await open();
    const gone = { ...small, path: `${small.path}.gone` };
    for (let i = 0; i < 2; i++) {
      await expect(ring.use(gone, member(i), options(), idOf)).rejects.toMatchObject({
        code: "ARTEFACT_MISMATCH",
      });
    }
    expect(await ring.use(small, member(0), options(), idOf)).toBe(1);
  });
});
