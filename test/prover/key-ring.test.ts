import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { chooseEngine } from "../../prover/engine.ts";
import { KeyRing } from "../../prover/key-ring.ts";
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

async function open(keysMax = 1) {
  const { data } = await chooseEngine({ engine: "wasm", kernels: "auto", revectorize: true });
  team = new Team(2, data);
  teams.push(team);
  return {
    ring: new KeyRing({ keysMax }, { team }),
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
