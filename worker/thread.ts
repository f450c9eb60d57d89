/**
 * The entry of a worker thread: one task at a time, a result for each, keys resident in between.
 *
 * For piscina, whose thread sleeps in `Atomics.wait` between tasks: nothing may be left running when
 * the handler returns, so everything that it starts is awaited. Transfer the input's bytes
 * (`transferListOf`), and wipe nothing afterwards: they are gone from the caller.
 */
import { readPinned } from "./artefacts.ts";
import type { Engine } from "./engine.ts";
import { openEngine } from "./engines/open.ts";
import { WorkError } from "./errors.ts";
import { ELEMENT_BYTES } from "./field.ts";
import { type ProvingKey, prove, verify } from "./groth16.ts";
import { parseR1cs } from "./r1cs.ts";
import { ResidentArtefacts } from "./resident.ts";
import {
  type Failed,
  isCancelRequested,
  type ProveResult,
  type ProveTask,
  type ResultOf,
  type Stage,
  type Task,
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
  readonly artefacts: ResidentArtefacts;
}

/** Opened by the first task, then kept: the engine and the keys are what makes a thread valuable. */
let opened: Promise<Thread> | undefined;

/** Never rejects for bad data: failures are results. */
export default async function handle<T extends Task>(task: T): Promise<ResultOf<T>> {
  try {
    opened ??= openThread();
    return (await dispatch(await opened, task)) as ResultOf<T>;
  } catch (caught) {
    const { code, message, detail } = WorkError.from(caught);
    const failed: Failed = { kind: "failed", code, message, detail };
    return failed as ResultOf<T>;
  } finally {
    if (task.kind === "prove") inputBytes(task).fill(0);
  }
}

async function openThread(): Promise<Thread> {
  try {
    const engine = await openEngine({ threads: "one" });
    return { engine, artefacts: new ResidentArtefacts(engine) };
  } catch (error) {
    opened = undefined;
    throw error;
  }
}

function dispatch(thread: Thread, task: Task): Promise<ProveResult | WarmResult | VerifyResult> {
  switch (task.kind) {
    case "prove":
      return handleProve(thread, task);
    case "warm":
      return handleWarm(thread, task);
    case "verify":
      return handleVerify(thread, task);
  }
}

async function handleProve(thread: Thread, task: ProveTask): Promise<ProveResult> {
  const { engine, artefacts } = thread;
  const { control } = task;
  const stages = new StageClock(control);

  stages.enter("loading");
  const key = await artefacts.provingKey(task.artefacts.zkey, task.allowDevKeys);
  stages.enter("witness");
  const witness = await witnessOf(artefacts, task, key);
  stages.enter("proving");
  const { r1cs } = task.artefacts;
  const { proof, publicSignals } = await prove(engine, key, witness, {
    isCancelled: () => isCancelRequested(control),
    onProgress: (stage, done) => stages.progress(stage, done),
    ...(r1cs && { constraints: async () => parseR1cs(await readPinned(r1cs)) }),
  });
  const stageMs = stages.finish();
  const { isDevKey } = key;
  return { kind: "proved", proof, publicSignals, stageMs, engine: engine.name, isDevKey };
}

async function handleWarm(thread: Thread, task: WarmTask): Promise<WarmResult> {
  const { zkey, wasm } = task.artefacts;
  const { isDevKey } = await thread.artefacts.provingKey(zkey, task.allowDevKeys);
  if (wasm !== undefined) await thread.artefacts.witnessProgram(wasm);
  return { kind: "warm", engine: thread.engine.name, isDevKey };
}

async function handleVerify(thread: Thread, task: VerifyTask): Promise<VerifyResult> {
  const key = await thread.artefacts.verificationKey(task.verificationKey);
  const isValid = await verify(thread.engine, key, task.publicSignals, task.proof);
  return { kind: "verified", isValid };
}

/** The task's witness, in memory that `prove` consumes. */
async function witnessOf(
  artefacts: ResidentArtefacts,
  task: ProveTask,
  { nVars }: ProvingKey,
): Promise<Uint8Array> {
  if (task.input.kind === "wtns") return parseWtns(task.input.bytes, nVars);
  const { wasm } = task.artefacts;
  if (wasm === undefined) throw new TypeError("inputs need the circuit's witness program");
  const program = await artefacts.witnessProgram(wasm);
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
