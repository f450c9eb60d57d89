/**
 * What worker threads run: one task at a time, a result for each, keys resident in between.
 *
 * For `task-thread.ts`. Nothing is left running when the handler returns. Transfer the input's bytes
 * (`transferListOf`), and wipe nothing afterwards: they are gone from the caller.
 */
import { workerData } from "node:worker_threads";
import { readPinned } from "./artefacts.ts";
import type { Engine } from "./engine.ts";
import { openEngine } from "./engines/open.ts";
import { copyOf, reserveSlots } from "./engines/wasm/arena.ts";
import { loadSharedKey } from "./engines/wasm/key-load.ts";
import { WasmEngine } from "./engines/wasm.ts";
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES } from "./field.ts";
import { type ProvingKey, prove, verify } from "./groth16.ts";
import { LinkedEngine } from "./hosting/link.ts";
import type { Program } from "./kernels/scalar/program.ts";
import { Tower } from "./kernels/tower.ts";
import { giveWay } from "./priority.ts";
import { ProofVerifier } from "./proof-verifier.ts";
import { parseR1cs } from "./r1cs.ts";
import {
  ResidentKeys,
  ResidentPrograms,
  ResidentVerificationKeys,
  refuseDevKey,
} from "./resident.ts";
import { discard } from "./spent-bytes.ts";
import {
  type AssistResult,
  type AssistTask,
  type DoneResult,
  type Failed,
  isCancelRequested,
  type KeyUse,
  type LoadResult,
  type LoadTask,
  type PinnedFile,
  type ProveResult,
  type ProveTask,
  type ResultOf,
  type Stage,
  type Task,
  type ThreadData,
  type VerifyResult,
  type VerifyTask,
  type WarmResult,
  type WarmTask,
  writeProgress,
} from "./task.ts";
import { parseInputs } from "./witness.ts";
import { parseWtns } from "./wtns.ts";

interface Thread {
  readonly engine: Engine;
  readonly keys: ResidentKeys;
}

/** A key for one task, and what computes with it. */
interface UsableKey {
  readonly engine: Engine;
  readonly key: ProvingKey;
  /** When the task has ended. */
  readonly letGo: () => void;
}

/** Opened by the first task that needs it, then kept: the engine and the keys are what is dear. */
let opened: Promise<Thread> | undefined;
let link: LinkedEngine | undefined;
let verifier: ProofVerifier | undefined;
const programs = new ResidentPrograms();
const verificationKeys = new ResidentVerificationKeys();

giveWay(threadData()?.niceness ?? 0);

/** Never rejects for bad data: failures are results. */
export default async function handle<T extends Task>(task: T): Promise<ResultOf<T>> {
  try {
    return (await dispatch(task)) as ResultOf<T>;
  } catch (caught) {
    const { code, message, detail } = WorkError.from(caught);
    const failed: Failed = { kind: "failed", code, message, detail };
    return failed as ResultOf<T>;
  } finally {
    if (task.kind === "prove") discard(inputBytes(task));
  }
}

async function dispatch(task: Task): Promise<ResultOf<Task>> {
  switch (task.kind) {
    case "verify":
      return handleVerify(task);
    case "prove":
      return handleProve(task);
    case "warm":
      return handleWarm(task);
    case "connect":
      await link?.close();
      link = new LinkedEngine(task.port, task.engineName, Tower.open(programOf(threadData())));
      return DONE;
  }
  const thread = await openedThread();
  switch (task.kind) {
    case "load":
      return handleLoad(thread, task);
    case "adopt":
      thread.keys.adopt(task);
      return DONE;
    case "release":
      thread.keys.release(task.keyId);
      return DONE;
    case "assist":
      return handleAssist(thread, task);
  }
}

const DONE: DoneResult = { kind: "done" };

function openedThread(): Promise<Thread> {
  opened ??= openThread();
  return opened;
}

async function openThread(): Promise<Thread> {
  try {
    const engine = await chosenEngine(threadData());
    return { engine, keys: new ResidentKeys(engine) };
  } catch (error) {
    opened = undefined;
    throw error;
  }
}

function threadData(): ThreadData | undefined {
  return (workerData as { data?: ThreadData } | null)?.data;
}

function programOf(data: ThreadData | undefined): Program | undefined {
  return data && "program" in data ? data.program : undefined;
}

function chosenEngine(data: ThreadData | undefined): Engine | Promise<Engine> {
  if (data?.engine === "wasm") return new WasmEngine(data.kernels, 0, Tower.open(data.program));
  if (data?.engine === "linked") throw new TypeError("the thread has no engine of its own");
  return openEngine({ ...(data && { engine: data.engine }) });
}

async function keyOf(use: KeyUse): Promise<UsableKey> {
  const { keyId, artefacts, allowDevKeys } = use;
  if (keyId === undefined && artefacts.zkey === undefined) {
    throw new TypeError("the task names no key");
  }
  if (use.isLinked) return linkedKeyOf(artefacts.zkey as PinnedFile, allowDevKeys);
  const { engine, keys } = await openedThread();
  const key =
    keyId === undefined
      ? await keys.own(artefacts.zkey as PinnedFile, allowDevKeys)
      : refuseDevKey(keys.adopted(keyId), allowDevKeys);
  return { engine, key, letGo: () => {} };
}

async function linkedKeyOf(zkey: PinnedFile, allowDevKeys: boolean): Promise<UsableKey> {
  if (link === undefined) throw new TypeError("the thread is connected to no engine");
  const engine = link;
  const key = await engine.hold(zkey);
  const letGo = () => key.resident.release();
  try {
    return { engine, key: refuseDevKey(key, allowDevKeys), letGo };
  } catch (error) {
    letGo();
    throw error;
  }
}

async function handleProve(task: ProveTask): Promise<ProveResult> {
  const { control } = task;
  const stages = new StageClock(control);

  stages.enter("loading");
  const { engine, key, letGo } = await keyOf(task);
  try {
    // Reading a witness that the caller made is no calculation: its time is the proof's.
    stages.enter(task.input.kind === "inputs" ? "witness" : "proving");
    const witness = await witnessOf(task, key);
    stages.enter("proving");
    const { r1cs } = task.artefacts;
    const { proof, publicSignals } = await prove(engine, key, witness, {
      isCancelled: () => isCancelRequested(control),
      onProgress: (stage, done) => stages.progress(stage, done),
      ...(task.threads !== undefined && { threads: task.threads }),
      ...(r1cs && { constraints: async () => parseR1cs(await readPinned(r1cs)) }),
    });
    const stageMs = stages.finish();
    const { isDevKey } = key;
    return { kind: "proved", proof, publicSignals, stageMs, engine: engine.name, isDevKey };
  } finally {
    letGo();
  }
}

async function handleWarm(task: WarmTask): Promise<WarmResult> {
  const { engine, key, letGo } = await keyOf(task);
  letGo();
  const { wasm } = task.artefacts;
  if (wasm !== undefined) await programs.witnessProgram(wasm);
  const { isDevKey, nVars } = key;
  return { kind: "warm", engine: engine.name, isDevKey, nVars };
}

async function handleLoad({ engine }: Thread, task: LoadTask): Promise<LoadResult> {
  if (!(engine instanceof WasmEngine)) throw new TypeError(`${engine.name} shares no keys`);
  const { source, sha256, allowDevKeys, threads, control } = task;
  const key = await loadSharedKey(source, engine.kernels, {
    ...(sha256 !== undefined && { sha256 }),
    isCancelled: () => isCancelRequested(control),
    onProgress: (done) => writeProgress(control, "loading", 1000 * done),
  });
  refuseDevKey(key.header, allowDevKeys);
  const threadsEach = reserveSlots(key.shared, threads);
  const copies = [key];
  for (let have = threadsEach; have < threads; have += threadsEach) {
    const shared = copyOf(key.shared);
    reserveSlots(shared, threadsEach);
    copies.push({ ...key, shared });
  }
  return { kind: "loaded", copies, threadsEach };
}

function handleAssist({ keys }: Thread, { keyId, leader, control }: AssistTask): AssistResult {
  const isWanted = () => !isCancelRequested(control);
  return { kind: "assisted", pieces: keys.adopted(keyId).resident.help(leader, isWanted) };
}

async function handleVerify(task: VerifyTask): Promise<VerifyResult> {
  const key = await verificationKeys.get(task.verificationKey);
  verifier ??= new ProofVerifier();
  const isValid = await verify(verifier, key, task.publicSignals, task.proof);
  return { kind: "verified", isValid };
}

/** The task's witness, in memory that `prove` consumes. */
async function witnessOf(task: ProveTask, { nVars }: ProvingKey): Promise<Uint8Array> {
  if (task.input.kind === "wtns") return parseWtns(task.input.bytes, nVars);
  const { wasm } = task.artefacts;
  if (wasm === undefined) throw new TypeError("inputs need the circuit's witness program");
  const program = await programs.witnessProgram(wasm);
  const witness = program.calculate(parseInputs(task.input.json), () =>
    throwIfCancelled(task.control),
  );
  const wires = witness.length / ELEMENT_BYTES;
  if (wires !== nVars) {
    witness.fill(0);
    throw new WorkError(
      "ARTEFACT_MISMATCH",
      `the witness program has ${wires} wires, the key ${nVars}: they are of different circuits`,
    );
  }
  return witness;
}

function inputBytes({ input }: ProveTask): Uint8Array {
  return input.kind === "wtns" ? input.bytes : input.json;
}

function throwIfCancelled(control: SharedArrayBuffer): void {
  if (isCancelRequested(control)) throw new WorkError("CANCELLED", "cancelled on request");
}

/** Times the stages, shows them in the control buffer, and stops between them on request. */
class StageClock {
  readonly #control: SharedArrayBuffer;
  readonly #ms = { loading: 0, witness: 0, proving: 0, verifying: 0 };
  #stage: Exclude<Stage, "waiting"> = "loading";
  #since = performance.now();

  constructor(control: SharedArrayBuffer) {
    this.#control = control;
  }

  enter(stage: Exclude<Stage, "waiting">): void {
    throwIfCancelled(this.#control);
    this.progress(stage, 0);
  }

  progress(stage: Exclude<Stage, "waiting">, done: number): void {
    if (stage !== this.#stage) {
      this.#close();
      this.#stage = stage;
    }
    writeProgress(this.#control, stage, 1000 * done);
  }

  finish() {
    this.#close();
    return this.#ms;
  }

  #close(): void {
    const now = performance.now();
    this.#ms[this.#stage] += now - this.#since;
    this.#since = now;
  }
}
