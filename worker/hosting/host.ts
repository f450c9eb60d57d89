/**
 * Serves an engine to threads that prove, each over a port of its own. Runs of one key go to the
 * engine together if it takes them so, else in turn. A port that closes, because its thread died or
 * was ended, takes its own runs and holds with it and nothing else.
 *
 * After a failure of the device (`isFatal`) every call fails in the same way, and `onFatal` hears of
 * it: the engine is of no use any more.
 */
import type { MessagePort } from "node:worker_threads";
import type { Checkpoint, ProofRun, SumRequest, Sums } from "../engine.ts";
import { WorkError } from "../errors.ts";
import { isCancelRequested, requestCancel, writeProgress } from "../task.ts";
import { HostKeys, isMemoryShort, type KeyHold } from "./host-keys.ts";
import type { Hosted } from "./hosted.ts";
import { type Call, failureOf, type HeldKey, type Message, type Reply } from "./message.ts";
import { Turns } from "./turns.ts";

export interface HostOptions {
  readonly keysMax: number;
  /** Called once, with the first failure after which the engine is of no use. */
  readonly onFatal?: (error: WorkError) => void;
  /** Called when keys or counts may have changed. */
  readonly onUse?: () => void;
}

/** One proof that a port's thread makes. */
interface Run {
  readonly hold: KeyHold;
  readonly witness: Uint8Array;
  readonly control: SharedArrayBuffer;
  readonly threads: number;
  /** Begun by its first sums, which may have to wait for their turn. */
  begun: Promise<ProofRun> | undefined;
  endTurn: () => void;
  /** Sums under way; never rejects. */
  busy: Promise<unknown>;
  /** Once it shall end: fulfilled when nothing uses it any more. */
  ended: Promise<void> | undefined;
}

/** What one port's thread uses. */
interface Client {
  readonly port: MessagePort;
  readonly holds: Map<number, KeyHold>;
  readonly runs: Map<number, Run>;
  keyCount: number;
  isGone: boolean;
}

export class EngineHost {
  readonly #hosted: Hosted;
  readonly #options: HostOptions;
  readonly #keys: HostKeys;
  readonly #turns = new Turns();
  readonly #clients = new Set<Client>();
  #fatal: WorkError | undefined;
  #openRuns = 0;

  constructor(hosted: Hosted, options: HostOptions) {
    this.#hosted = hosted;
    this.#options = options;
    this.#keys = new HostKeys(hosted.engine, options.keysMax);
  }

  get keyCount(): number {
    return this.#keys.count;
  }

  get openRuns(): number {
    return this.#openRuns;
  }

  /** Answers what comes over a port, until it closes. */
  serve(port: MessagePort): void {
    const client: Client = { port, holds: new Map(), runs: new Map(), keyCount: 0, isGone: false };
    this.#clients.add(client);
    port.on("message", (message: Message) => this.#take(client, message));
    port.on("close", () => void this.#leave(client));
  }

  /** Closes all ports, then the engine. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => this.#leave(client)));
    await this.#hosted.engine.close();
  }

  #take(client: Client, message: Message): void {
    if (message.kind === "call") void this.#answer(client, message.id, message.call);
    else if (message.kind === "begin") this.#begin(client, message);
    // It may fail: a lost device takes nothing back.
    else this.#release(client, message.key).catch((error) => this.#noted(error));
    this.#options.onUse?.();
  }

  async #answer(client: Client, id: number, call: Call): Promise<void> {
    let reply: Reply;
    try {
      reply = { id, result: await this.#do(client, call) };
    } catch (error) {
      reply = { id, failure: failureOf(this.#noted(error)) };
    }
    if (!client.isGone) client.port.postMessage(reply);
    this.#options.onUse?.();
  }

  async #do(client: Client, call: Call): Promise<HeldKey | Sums | null> {
    switch (call.kind) {
      case "hold":
        return this.#hold(
          client,
          await this.#usable(() => this.#keys.hold(call.file, call.isLasting)),
        );
      case "load":
        return this.#hold(client, await this.#usable(() => this.#keys.load(call.zkey)));
      case "sums":
        return this.#usable(() => this.#sums(runOf(client, call.run), call.request));
      case "end":
        await this.#end(client, call.run);
        return null;
    }
  }

  #hold(client: Client, hold: KeyHold): HeldKey {
    if (client.isGone) hold.letGo();
    const key = ++client.keyCount;
    client.holds.set(key, hold);
    return { key, header: hold.header, sha256: hold.sha256 };
  }

  async #release(client: Client, key: number): Promise<void> {
    const hold = client.holds.get(key);
    if (hold === undefined) return;
    client.holds.delete(key);
    // Sums that were given up may take the device another second.
    const runs = [...client.runs].filter(([, run]) => run.hold === hold);
    await Promise.all(runs.map(([id]) => this.#end(client, id)));
    hold.letGo();
    this.#options.onUse?.();
  }

  #begin(client: Client, message: Message & { kind: "begin" }): void {
    const hold = client.holds.get(message.key);
    const { witness, control, threads } = message;
    // Its sums will say so.
    if (hold === undefined) return;
    this.#openRuns++;
    client.runs.set(message.run, {
      hold,
      witness: new Uint8Array(witness),
      control,
      threads,
      begun: undefined,
      endTurn: () => {},
      busy: Promise.resolve(),
      ended: undefined,
    });
  }

  async #sums(run: Run, request: SumRequest): Promise<Sums> {
    const done = this.#sumsInTurn(run, request);
    run.busy = done.catch(() => {});
    return done;
  }

  async #sumsInTurn(run: Run, request: SumRequest): Promise<Sums> {
    const checkpoint = checkpointOf(run.control);
    checkpoint(0);
    run.begun ??= this.#beginInTurn(run);
    const begun = await run.begun;
    try {
      return await this.#turns.shared(() => begun.sums(request, checkpoint));
    } catch (error) {
      if (!isMemoryShort(error)) throw error;
    }
    // Alone on the device, and with all the memory that can be had, it gets another try.
    return this.#turns.alone(() => {
      this.#keys.releaseIdle();
      return begun.sums(request, checkpoint);
    });
  }

  async #beginInTurn(run: Run): Promise<ProofRun> {
    const { hold, witness, control, threads } = run;
    if (!this.#hosted.takesManyRuns) {
      run.endTurn = await this.#turns.of(hold.resident);
      if (run.ended !== undefined || isCancelRequested(control)) {
        run.endTurn();
        throw cancelled();
      }
    }
    return hold.resident.begin(witness, threads);
  }

  /** Wipes the run's witness when nothing uses it any more. Idempotent. */
  async #end(client: Client, id: number): Promise<void> {
    const run = client.runs.get(id);
    if (run === undefined) return;
    run.ended ??= this.#endOnce(client, id, run);
    await run.ended;
  }

  async #endOnce(client: Client, id: number, run: Run): Promise<void> {
    await run.busy;
    try {
      await (await run.begun?.catch(() => undefined))?.end();
    } catch (error) {
      this.#noted(error);
    } finally {
      run.endTurn();
      run.witness.fill(0);
      client.runs.delete(id);
      this.#openRuns--;
    }
  }

  /** The port is closed, or shall be. */
  async #leave(client: Client): Promise<void> {
    if (client.isGone) return;
    client.isGone = true;
    this.#clients.delete(client);
    const ends = [...client.runs].map(([id, run]) => {
      requestCancel(run.control);
      return this.#end(client, id);
    });
    client.port.close();
    await Promise.all(ends);
    for (const key of [...client.holds.keys()]) await this.#release(client, key);
  }

  async #usable<T>(work: () => Promise<T>): Promise<T> {
    if (this.#fatal !== undefined) throw this.#fatal;
    return work();
  }

  #noted(error: unknown): unknown {
    if (isFatal(error) && this.#fatal === undefined) {
      this.#fatal = error;
      this.#options.onFatal?.(error);
    }
    return error;
  }
}

/** Whether an engine is of no use after an error: its device is lost, hangs, or cannot be trusted. */
export function isFatal(error: unknown): error is WorkError {
  if (!(error instanceof WorkError) || error.code !== "ENGINE_UNAVAILABLE") return false;
  return error.detail.gpu !== undefined && error.detail.gpu !== "memory";
}

function runOf(client: Client, id: number): Run {
  const run = client.runs.get(id);
  if (run === undefined || run.ended !== undefined)
    throw new TypeError("the run has ended or has no key");
  return run;
}

function checkpointOf(control: SharedArrayBuffer): Checkpoint {
  return (done) => {
    if (isCancelRequested(control)) throw cancelled();
    writeProgress(control, "proving", 1000 * done);
  };
}

function cancelled(): WorkError {
  return new WorkError("CANCELLED", "cancelled on request");
}
