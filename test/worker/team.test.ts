import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { copyOf, reserveSlots } from "../../worker/engines/wasm/arena.ts";
import { fieldsOf } from "../../worker/engines/wasm/kernels.ts";
import { bestKernels } from "../../worker/engines/wasm.ts";
import { readLE } from "../../worker/field.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import {
  createTaskControl,
  type ProveResult,
  type ProveTask,
  requestCancel,
  type ThreadData,
} from "../../worker/task.ts";
import { type Member, Team, TeamKey } from "../../worker/team.ts";
import handle from "../../worker/thread.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import { type Fixture, longFixture, longInputs, smallFixture, smallInputs } from "./fixtures.ts";

/** More than any machine of the tests has cores, so that threads are also interrupted anywhere. */
const THREADS = 4;

let small: Fixture;
let long: Fixture;
let smallWtns: Uint8Array;
let longWtns: Uint8Array;
let data: ThreadData;
/** For tests that break nothing in it. */
let team: Team;
let key: TeamKey;
const teams: Team[] = [];

beforeAll(async () => {
  [small, long] = [await smallFixture(), await longFixture()];
  smallWtns = await witnessOf(small, smallInputs());
  longWtns = await witnessOf(long, longInputs(3));
  const { compiled } = await bestKernels();
  data = { engine: "wasm", kernels: compiled, program: Tower.open().machine.program };
  team = new Team(THREADS, data);
  key = await load(team, long);
});
afterEach(async () => {
  team.assist(false);
  await Promise.all(teams.splice(0).map((each) => each.close()));
});
afterAll(() => team.close());

async function witnessOf(fixture: Fixture, inputs: object): Promise<Uint8Array> {
  const program = new WitnessProgram(new Uint8Array(await readFile(fixture.wasm)));
  return encodeWtns(program.calculate(inputs as Record<string, string>));
}

function open(threads: number): Team {
  const opened = new Team(threads, data);
  teams.push(opened);
  return opened;
}

function load(into: Team, fixture: Fixture, member = into.members[0] as Member): Promise<TeamKey> {
  const control = createTaskControl();
  return into.load(member, { path: fixture.devKey }, { allowDevKeys: true, control });
}

function prove(member: Member, use = key, wtns = longWtns, control = createTaskControl()) {
  const input = { kind: "wtns", bytes: new Uint8Array(wtns) } as const;
  const task: ProveTask = { kind: "prove", artefacts: {}, input, allowDevKeys: true, control };
  return member.prove(task, use);
}

function expectSound(result: ProveResult, use = key): void {
  if (result.kind !== "proved") throw new Error(`${result.code}: ${result.message}`);
  const { publicSignals, proof } = result;
  expect(verifyWithNoble(use.header.verificationKey, publicSignals, proof)).toBe(true);
}

const member = (index: number, of = team): Member => of.members[index] as Member;
const helpedPieces = (of: Team): number =>
  of.members.reduce((sum, { helpedPieces: pieces }) => sum + pieces, 0);

/** How many of two words that only this witness has are somewhere in a key's memory. */
function tracesOf(wtns: Uint8Array, use: TeamKey): number {
  const { shared } = use.placeOf(0).key;
  const { fr } = fieldsOf(shared.kernels.options);
  const memory = Buffer.from(shared.memory.buffer);
  const witness = parseWtns(wtns, use.header.nVars);
  const value = readLE(witness, 32 * Math.floor(0.9 * use.header.nVars));
  const words = [value, fr.limbsOf(value)[0] as bigint];
  const pattern = Buffer.alloc(8);
  return words.filter((word) => {
    pattern.writeBigUInt64LE(BigInt.asUintN(64, word));
    return memory.includes(pattern);
  }).length;
}

describe("worker / team", () => {
  it.each([1, 2, 3, 4])("makes one proof with %i threads", async (threads) => {
    const own = open(threads);
    own.assist(true);
    const loaded = await load(own, long);
    expectSound(await prove(member(0, own), loaded), loaded);
    // Threads that have just started may come too late for the first.
    for (let i = 0; i < 20 && threads > 1 && helpedPieces(own) === 0; i++) {
      expectSound(await prove(member(i % threads, own), loaded), loaded);
    }
    expect(helpedPieces(own) > 0).toBe(threads > 1);
  });

  it("makes several proofs at once, each on a thread of its own", async () => {
    const before = helpedPieces(team);
    const results = await Promise.all(team.members.map((each) => prove(each)));
    for (const result of results) expectSound(result);
    expect(helpedPieces(team)).toBe(before);
  });

  it("makes more proofs than one and lets the rest help, with keys in turn", async () => {
    team.assist(true);
    const other = await load(team, small, member(1));
    for (let i = 0; i < 6; i++) {
      const [first, second] = await Promise.all([
        prove(member(i % THREADS)),
        prove(member((i + 1) % THREADS), other, smallWtns),
      ]);
      expectSound(first);
      expectSound(second, other);
    }
    team.release(other);
    expect(() => other.placeOf(0)).toThrow(TypeError);
    expectSound(await prove(member(0)));
  });

  it("calls a helper back for a proof of its own", async () => {
    team.assist(true);
    const before = helpedPieces(team);
    for (let i = 0; i < 4; i++) {
      const first = prove(member(0));
      await expect.poll(() => member(1).isHelping).toBe(true);
      expectSound(await prove(member(1)));
      expectSound(await first);
    }
    expect(helpedPieces(team)).toBeGreaterThan(before);
  });

  it("refuses a member that is busy", async () => {
    const first = prove(member(0));
    await expect(prove(member(0))).rejects.toThrow(TypeError);
    expectSound(await first);
  });

  it("proves on when threads that help die at any moment", async () => {
    const own = open(3);
    own.assist(true);
    const loaded = await load(own, long);
    const event = fc.record({ victim: fc.constantFrom(1, 2), afterMs: fc.nat(80) });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 3 }), async (events) => {
        const proving = prove(member(0, own), loaded);
        const kills = events.map(async ({ victim, afterMs }) => {
          await sleep(afterMs);
          await member(victim, own).end();
        });
        expectSound(await proving, loaded);
        await Promise.all(kills);
      }),
      { numRuns: 8 },
    );
    expect(member(0, own).restartCount).toBe(0);
    expect(tracesOf(longWtns, loaded)).toBe(0);
    expectSound(await prove(member(1, own), loaded), loaded);
  });

  it("fails the proof of a thread that dies at any moment, and goes on with the next", async () => {
    const own = open(3);
    own.assist(true);
    const loaded = await load(own, long);
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.nat(2), async (afterMs, leader) => {
        const proving = prove(member(leader, own), loaded);
        const outcome = proving.catch((error: unknown) => error);
        await sleep(afterMs);
        await member(leader, own).end();
        const result = await outcome;
        if (result instanceof Error) expect(result).toMatchObject({ code: "ENGINE_UNAVAILABLE" });
        else expectSound(result as ProveResult, loaded);
        expect(tracesOf(longWtns, loaded)).toBe(0);
        expectSound(await prove(member(leader, own), loaded), loaded);
      }),
      { numRuns: 8 },
    );
  });

  it("is cancelled at any moment, and keeps its threads and the key", async () => {
    team.assist(true);
    const starts = team.members.map(({ restartCount }) => restartCount);
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.nat(THREADS - 1), async (afterMs, leader) => {
        const control = createTaskControl();
        const proving = prove(member(leader), key, longWtns, control);
        await sleep(afterMs);
        requestCancel(control);
        const result = await proving;
        if (result.kind === "proved") expectSound(result);
        else expect(result.code).toBe("CANCELLED");
        await expect.poll(() => team.members.some(({ isHelping }) => isHelping)).toBe(false);
        expect(tracesOf(longWtns, key)).toBe(0);
        expectSound(await prove(member(leader)));
      }),
      { numRuns: 8 },
    );
    expect(team.members.map(({ restartCount }) => restartCount)).toEqual(starts);
  });

  it("leaves nothing of a witness in the shared memory", async () => {
    // Or the search would find nothing anyway.
    const { memory } = key.placeOf(0).key.shared;
    const witness = parseWtns(longWtns, key.header.nVars);
    const planted = new Uint8Array(memory.buffer, memory.buffer.byteLength - witness.length);
    const before = planted.slice();
    planted.set(witness);
    expect(tracesOf(longWtns, key)).toBeGreaterThan(0);
    planted.set(before);
    team.assist(true);
    expectSound(await prove(member(0), key, longWtns));
    await expect.poll(() => team.members.some(({ isHelping }) => isHelping)).toBe(false);
    expect(tracesOf(longWtns, key)).toBe(0);
  });

  it("has copies of a key where one memory has no room for all, and no help between them", async () => {
    const own = open(3);
    own.assist(true);
    const { key: first } = (await load(own, long)).placeOf(0);
    const second = { ...first, shared: copyOf(first.shared) };
    reserveSlots(second.shared, 2);
    // Two threads each: the third has the second copy for itself.
    const copied = new TeamKey(1000, [first, second], 2);
    expect([0, 1, 2].map((i) => copied.placeOf(i).slot)).toEqual([0, 1, 0]);
    for (let i = 0; i < 3; i++) expectSound(await prove(member(2, own), copied), copied);
    expect(helpedPieces(own)).toBe(0);
    for (let i = 0; i < 20 && helpedPieces(own) === 0; i++) {
      expectSound(await prove(member(0, own), copied), copied);
    }
    expect(member(1, own).helpedPieces).toBeGreaterThan(0);
    expect(member(2, own).helpedPieces).toBe(0);
  });

  it("loads as many copies as its threads need", async () => {
    const control = createTaskControl();
    const source = { path: long.devKey };
    const common = { kind: "load", source, allowDevKeys: true, control } as const;
    const few = await handle({ ...common, threads: 3 });
    expect(few).toMatchObject({ kind: "loaded", threadsEach: 3, copies: [{}] });
    const many = await handle({ ...common, threads: 200 });
    if (many.kind !== "loaded") throw new Error(many.message);
    expect(many.copies.length).toBe(Math.ceil(200 / many.threadsEach));
    expect(many.copies.length).toBeGreaterThan(1);
    const memories = many.copies.map(({ shared }) => shared.memory.buffer);
    expect(new Set(memories).size).toBe(many.copies.length);
    for (const memory of memories) expect(memory.byteLength).toBeLessThanOrEqual(2 ** 32);
  });

  it("needs no more memory for more proofs, and gives that of released keys back", async () => {
    const own = open(2);
    own.assist(true);
    const rss: number[] = [];
    for (let round = 0; round < 8; round++) {
      const loaded = await load(own, long, member(round % 2, own));
      for (let i = 0; i < 3; i++) await prove(member(0, own), loaded);
      own.release(loaded);
      rss.push(process.memoryUsage.rss());
    }
    const last = await load(own, long);
    const { memory } = last.placeOf(0).key.shared;
    const [size, before] = [memory.buffer.byteLength, process.memoryUsage.rss()];
    for (let i = 0; i < 50; i++) await prove(member(i % 2, own), last);
    expect(memory.buffer.byteLength).toBe(size);
    // Any one key or proof that stayed in memory would be more than the tolerance after so many.
    const toleranceBytes = 100 * 2 ** 20;
    expect(process.memoryUsage.rss() - before).toBeLessThan(toleranceBytes);
    expect((rss.at(-1) as number) - (rss[2] as number)).toBeLessThan(toleranceBytes);
  });

  it("ends in the middle of everything", async () => {
    const own = open(3);
    own.assist(true);
    const loaded = await load(own, long);
    const lost = [0, 1].map((i) =>
      expect(prove(member(i, own), loaded)).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" }),
    );
    await sleep(30);
    await own.close();
    await Promise.all(lost);
    await expect(prove(member(0, own), loaded)).rejects.toMatchObject({
      code: "ENGINE_UNAVAILABLE",
    });
  });
});
