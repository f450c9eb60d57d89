import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readShared } from "../../worker/artefacts.ts";
import { ELEMENT_BYTES, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";
import {
  createTaskControl,
  type PinnedArtefacts,
  type ProveInput,
  type ProveResult,
  type ProveTask,
  type ResultOf,
  readProgress,
  requestCancel,
  STAGES,
  type Task,
} from "../../worker/task.ts";
import handle from "../../worker/thread.ts";
import { verificationKeyToJson } from "../../worker/verification-key.ts";
import { WitnessProgram } from "../../worker/witness.ts";
import { encodeWtns } from "../../worker/wtns.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { verifyWithNoble } from "../circuits/pairing.ts";
import {
  type Fixture,
  jsonBytes,
  longFixture,
  longInputs,
  pinned,
  smallFixture,
  smallInputs,
} from "./fixtures.ts";
import { TaskPool } from "./task-pool.ts";

let folder: string;
let small: Fixture;
let long: Fixture;
let smallArtefacts: PinnedArtefacts;
let longArtefacts: PinnedArtefacts;
let wtns: Uint8Array;
/** Of the small circuit. */
let wires: number;
let pool: TaskPool;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "thread-"));
  [small, long] = [await smallFixture(), await longFixture()];
  smallArtefacts = await artefactsOf(small, small.key);
  longArtefacts = await artefactsOf(long, long.devKey);
  const program = new WitnessProgram(new Uint8Array(await readFile(small.wasm)));
  const witness = program.calculate(smallInputs());
  wires = witness.length / ELEMENT_BYTES;
  wtns = encodeWtns(witness);
  pool = new TaskPool(2);
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function artefactsOf(fixture: Fixture, key: string): Promise<PinnedArtefacts> {
  return {
    zkey: await pinned(key),
    wasm: await pinned(fixture.wasm),
    r1cs: await pinned(fixture.r1cs),
  };
}

const inputs = (value: unknown): ProveInput => ({ kind: "inputs", json: jsonBytes(value) });
const witnessFile = (bytes: Uint8Array): ProveInput => ({ kind: "wtns", bytes: bytes.slice() });

function proveTask(input: ProveInput, changes: Partial<ProveTask> = {}): ProveTask {
  const control = createTaskControl();
  const artefacts = smallArtefacts;
  return { kind: "prove", artefacts, input, allowDevKeys: false, control, ...changes };
}

const run = <T extends Task>(task: T, on = pool, kill?: AbortSignal): Promise<ResultOf<T>> =>
  on.run(task, kill);

const longTask = (factor: number, changes: Partial<ProveTask> = {}) =>
  proveTask(inputs(longInputs(factor)), {
    artefacts: longArtefacts,
    allowDevKeys: true,
    ...changes,
  });

async function isSound(result: ProveResult, keyPath: string): Promise<boolean> {
  if (result.kind !== "proved") throw new Error(`${result.code}: ${result.message}`);
  const { verificationKey } = parseZkey(await readFile(keyPath));
  return verifyWithNoble(verificationKey, result.publicSignals, result.proof);
}

/** When a task has come as far as a stage and a number of thousandths of it. */
async function reached(task: ProveTask, stage: string, permille = 0): Promise<void> {
  for (;;) {
    const now = readProgress(task.control);
    if (now.stage === stage && now.permille >= permille) return;
    if (now.stage === "verifying") throw new Error(`the task passed ${stage} unseen`);
    await sleep(2);
  }
}

describe("worker / thread", () => {
  it("proves from inputs and from a witness file", async () => {
    for (const input of [inputs(smallInputs()), witnessFile(wtns)]) {
      const result = await run(proveTask(input));
      expect(await isSound(result, small.key)).toBe(true);
      expect(result).toMatchObject({
        publicSignals: [6480n, 3n],
        engine: expect.stringMatching(/^wasm/),
        isDevKey: false,
      });
      const { stageMs } = result as ProveResult & { kind: "proved" };
      expect(Object.keys(stageMs)).toEqual(["loading", "witness", "proving", "verifying"]);
    }
  });

  it("takes the bytes of the input away from the caller", async () => {
    const task = proveTask(witnessFile(wtns));
    await run(task);
    expect(task.input.kind === "wtns" && task.input.bytes.length).toBe(0);
  });

  it("wipes the input, whatever becomes of the task", async () => {
    // In this thread, where the bytes can be looked at afterwards.
    const cancelled = proveTask(witnessFile(wtns));
    requestCancel(cancelled.control);
    const malformed = wtns.slice();
    malformed.fill(0xff, 100);
    for (const task of [
      proveTask(witnessFile(wtns)),
      proveTask(inputs(smallInputs())),
      proveTask(witnessFile(malformed)),
      proveTask(inputs(smallInputs(1e9))),
      cancelled,
    ]) {
      const { input } = task;
      // A part of a buffer: a whole one would be gone, and nothing to be seen.
      const given = input.kind === "wtns" ? input.bytes : input.json;
      const bytes = new Uint8Array(given.length + 64).subarray(8, 8 + given.length);
      bytes.set(given);
      const kept: typeof input =
        input.kind === "wtns" ? { kind: "wtns", bytes } : { kind: "inputs", json: bytes };
      await handle({ ...task, input: kept });
      expect(bytes.length).toBeGreaterThan(0);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  it("refuses a development key unless it is allowed, also one that is already loaded", async () => {
    const artefacts = await artefactsOf(small, small.devKey);
    const one = new TaskPool(1);
    try {
      const task = (allowDevKeys: boolean) =>
        proveTask(witnessFile(wtns), { artefacts, allowDevKeys });
      expect(await run(task(false), one)).toMatchObject({ kind: "failed", code: "KEY_REFUSED" });
      expect(await run(task(true), one)).toMatchObject({ kind: "proved", isDevKey: true });
      expect(await run(task(false), one)).toMatchObject({ kind: "failed", code: "KEY_REFUSED" });
    } finally {
      await one[Symbol.asyncDispose]();
    }
  });

  it("answers bad data with a code and goes on", async () => {
    const wrongValue = wtns.slice();
    wrongValue.set(toBytesLE(SCALAR_FIELD), wtns.length - 32);
    const unsatisfied = wtns.slice();
    unsatisfied.set(toBytesLE(77n), wtns.length - 32);
    const json = (text: string): ProveInput => ({
      kind: "inputs",
      json: new Uint8Array(Buffer.from(text)) as Uint8Array<ArrayBuffer>,
    });
    const { wasm: _, ...withoutProgram } = smallArtefacts;
    const { r1cs: __, ...withoutConstraints } = smallArtefacts;
    const foreignProgram = { ...smallArtefacts, wasm: await pinned(long.wasm) };
    const cases: [string, ProveTask][] = [
      ["WITNESS_MALFORMED", proveTask(witnessFile(new Uint8Array(0)))],
      ["WITNESS_MALFORMED", proveTask(witnessFile(wtns.subarray(0, wtns.length / 2)))],
      ["WITNESS_MALFORMED", proveTask(witnessFile(wrongValue))],
      ["WITNESS_MALFORMED", longTask(1, { input: witnessFile(wtns) })],
      ["WITNESS_UNSATISFIABLE", proveTask(witnessFile(unsatisfied))],
      [
        "WITNESS_UNSATISFIABLE",
        proveTask(witnessFile(unsatisfied), { artefacts: withoutConstraints }),
      ],
      ["WITNESS_UNSATISFIABLE", proveTask(inputs(smallInputs(1e9)))],
      ["INPUT_MALFORMED", proveTask(json("{"))],
      ["INPUT_MALFORMED", proveTask(json("[]"))],
      ["INPUT_MALFORMED", proveTask(inputs({ ...smallInputs(), more: "1" }))],
      ["INPUT_MALFORMED", proveTask(inputs({ ...smallInputs(), secret: String(SCALAR_FIELD) }))],
      ["ARTEFACT_MISMATCH", proveTask(inputs(longInputs(3)), { artefacts: foreignProgram })],
      ["BUG", proveTask(inputs(smallInputs()), { artefacts: withoutProgram })],
    ];
    for (const [i, [code, task]] of cases.entries()) {
      expect(await run(task), `case ${i}`).toMatchObject({ kind: "failed", code });
    }
    expect(await isSound(await run(proveTask(witnessFile(wtns))), small.key)).toBe(true);
  });

  it("uses no file that is not exactly the pinned one", async () => {
    const other = { ...(await pinned(small.devKey)), path: small.key };
    const gone = { ...smallArtefacts.zkey, path: join(folder, "gone.zkey") };
    const short = { ...smallArtefacts.zkey, path: join(folder, "short.zkey") };
    await copyFile(small.key, short.path);
    await truncate(short.path, 1000);
    for (const zkey of [other, gone, short]) {
      const fresh = new TaskPool(1);
      try {
        const artefacts = { ...smallArtefacts, zkey };
        expect(await run(proveTask(witnessFile(wtns), { artefacts }), fresh)).toMatchObject({
          kind: "failed",
          code: "ARTEFACT_MISMATCH",
        });
      } finally {
        await fresh[Symbol.asyncDispose]();
      }
    }
  });

  it("keeps key and program: their files are not read again", async () => {
    const zkey = { ...smallArtefacts.zkey, path: join(folder, "once.zkey") };
    const wasm = { ...(await pinned(small.wasm)), path: join(folder, "once.wasm") };
    await copyFile(small.key, zkey.path);
    await copyFile(small.wasm, wasm.path);
    const one = new TaskPool(1);
    try {
      const artefacts = { zkey, wasm };
      const warm = await run({ kind: "warm", artefacts, allowDevKeys: false }, one);
      expect(warm).toEqual({
        kind: "warm",
        engine: expect.stringMatching(/^wasm/),
        isDevKey: false,
        nVars: wires,
      });
      await rm(zkey.path);
      await rm(wasm.path);
      const result = await run(proveTask(inputs(smallInputs()), { artefacts }), one);
      expect(await isSound(result, small.key)).toBe(true);
    } finally {
      await one[Symbol.asyncDispose]();
    }
  });

  it("takes a key from shared memory, under the same hash", async () => {
    const path = join(folder, "nowhere.zkey");
    const shared = await readShared(small.key);
    const { sha256 } = smallArtefacts.zkey;
    const artefacts = { ...smallArtefacts, zkey: { path, sha256, shared } };
    const one = new TaskPool(1);
    try {
      const damaged = { ...artefacts.zkey, shared: await readShared(small.devKey) };
      const refused = proveTask(witnessFile(wtns), { artefacts: { ...artefacts, zkey: damaged } });
      expect(await run(refused, one)).toMatchObject({ code: "ARTEFACT_MISMATCH" });
      const result = await run(proveTask(witnessFile(wtns), { artefacts }), one);
      expect(await isSound(result, small.key)).toBe(true);
    } finally {
      await one[Symbol.asyncDispose]();
    }
  });

  it("verifies proofs with a pinned verification key", async () => {
    const path = join(folder, "verification_key.json");
    const { verificationKey } = parseZkey(await readFile(small.key));
    await writeFile(path, JSON.stringify(verificationKeyToJson(verificationKey)));
    const result = await run(proveTask(witnessFile(wtns)));
    if (result.kind !== "proved") throw new Error(result.message);
    const { proof, publicSignals } = result;
    const task = {
      kind: "verify",
      verificationKey: await pinned(path),
      publicSignals,
      proof,
    } as const;
    expect(await run(task)).toEqual({ kind: "verified", isValid: true });
    const tampered = { ...task, publicSignals: [6481n, 3n] };
    expect(await run(tampered)).toEqual({ kind: "verified", isValid: false });
    const unpinned = { ...task, verificationKey: { path, sha256: "0".repeat(64) } };
    expect(await run(unpinned)).toMatchObject({ kind: "failed", code: "ARTEFACT_MISMATCH" });
  });

  it("makes right proofs in two threads at once, each for its own inputs", async () => {
    const factors = [2, 3, 5, 7];
    const results = await Promise.all(factors.map((factor) => run(longTask(factor))));
    const ends = new Set<unknown>();
    for (const result of results) {
      expect(await isSound(result, long.devKey)).toBe(true);
      if (result.kind === "proved") ends.add(result.publicSignals[0]);
    }
    expect(ends.size).toBe(factors.length);
  });

  it("shows its stages in order", async () => {
    const task = longTask(11);
    const seen: string[] = [readProgress(task.control).stage];
    const running = run(task);
    let isDone = false;
    const watch = (async () => {
      while (!isDone) {
        const { stage } = readProgress(task.control);
        if (seen.at(-1) !== stage) seen.push(stage);
        await sleep(1);
      }
    })();
    expect((await running).kind).toBe("proved");
    isDone = true;
    await watch;
    expect(seen[0]).toBe("waiting");
    const order = seen.map((stage) => (STAGES as readonly string[]).indexOf(stage));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(seen).toContain("proving");
  });

  it("stops a running proof on request and keeps the key for the next", async () => {
    const zkey = { ...longArtefacts.zkey, path: join(folder, "cancelled.zkey") };
    await copyFile(long.devKey, zkey.path);
    const artefacts = { ...longArtefacts, zkey };
    const one = new TaskPool(1);
    try {
      for (const permille of [1, 300, 700]) {
        const task = longTask(13, { artefacts });
        const running = run(task, one);
        await reached(task, "proving", permille);
        requestCancel(task.control);
        expect(await running, `at ${permille}`).toMatchObject({
          kind: "failed",
          code: "CANCELLED",
        });
        await rm(zkey.path, { force: true });
      }
      const result = await run(longTask(13, { artefacts }), one);
      expect(await isSound(result, long.devKey)).toBe(true);
    } finally {
      await one[Symbol.asyncDispose]();
    }
  });

  it("does not begin a task that was cancelled while it waited", async () => {
    const task = proveTask(witnessFile(wtns));
    requestCancel(task.control);
    expect(await run(task)).toMatchObject({ kind: "failed", code: "CANCELLED" });
    expect(readProgress(task.control).stage).toBe("waiting");
  });

  it("is replaced when it is killed in the middle, and the next proof is right", async () => {
    const one = new TaskPool(1);
    try {
      const killer = new AbortController();
      const task = longTask(17);
      const running = run(task, one, killer.signal);
      await reached(task, "proving", 100);
      killer.abort();
      await expect(running).rejects.toThrow();
      const result = await run(longTask(17), one);
      expect(await isSound(result, long.devKey)).toBe(true);
    } finally {
      await one[Symbol.asyncDispose]();
    }
  });

  it("lets no secret into an error, whatever fails", async () => {
    const marker = 918_273_645n;
    const isMarked = (text: string) => text.includes("918273645") || text.includes("36bb8ded");
    const marked = wtns.slice();
    marked.set(toBytesLE(marker), wtns.length - 32);
    const values = { ...smallInputs(), secret: String(marker) };
    const text = (json: string): ProveInput => ({
      kind: "inputs",
      json: new Uint8Array(Buffer.from(json)) as Uint8Array<ArrayBuffer>,
    });
    const failures = [
      witnessFile(marked),
      witnessFile(marked.subarray(0, -1)),
      inputs(values),
      inputs({ ...values, factor: `${marker}x` }),
      inputs({ ...values, factor: [String(marker), String(marker)] }),
      inputs({ ...values, factor: String(SCALAR_FIELD + marker) }),
      inputs({ ...values, factor: { nested: String(marker) } }),
      inputs({ ...values, rows: undefined }),
      text(`{"secret": "${marker}"`),
      text(`{"secret": ${marker}}}`),
      text(String(marker)),
    ];
    for (const [i, input] of failures.entries()) {
      const result = await run(proveTask(input));
      expect(result.kind, `case ${i}`).toBe("failed");
      expect(isMarked(JSON.stringify(result)), JSON.stringify(result)).toBe(false);
    }
  });
});
