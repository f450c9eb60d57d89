/**
 * The engine for a thread that proves, where the engine itself is in another thread (`host.ts`). What
 * sections sum to comes from there; factors, single points and verification are this thread's work, so
 * that blinding never leaves it and goes on while the engine is at another proof.
 */
import type { MessagePort } from "node:worker_threads";
import type { Checkpoint, Engine, ProofRun, ResidentKey } from "../engine.ts";
import { WorkError } from "../errors.ts";
import type { Tower } from "../kernels/tower.ts";
import type { Proof } from "../proof.ts";
import { ProofVerifier } from "../proof-verifier.ts";
import { createTaskControl, readProgress, requestCancel } from "../task.ts";
import type { VerificationKey } from "../verification-key.ts";
import type { Zkey, ZkeyHeader } from "../zkey.ts";
import {
  type Call,
  errorOf,
  type Greeting,
  type HeldKey,
  type KeyFile,
  type Message,
  type Reply,
  type ResultOf,
} from "./message.ts";
import { joined, split } from "./sections.ts";

/** How often a run looks whether to stop, and how far it is, in milliseconds. */
const LOOK_MS = 20;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: WorkError) => void;
}

/** A key that a host holds for this link. */
export interface LinkedKey extends ZkeyHeader {
  readonly resident: ResidentKey;
  /** Of the file. */
  readonly sha256: string;
}

export class LinkedEngine implements Engine {
  readonly name: string;
  readonly #port: MessagePort;
  readonly #tower: Tower;
  readonly #verifier: ProofVerifier;
  readonly #waiting = new Map<number, Waiting>();
  #lifeline: MessagePort | undefined;
  #callCount = 0;
  #runCount = 0;
  #isClosed = false;

  /**
   * @param port  whose other end a host serves; closed with this.
   * @param name  of the engine there.
   */
  constructor(port: MessagePort, name: string, tower: Tower) {
    this.name = name;
    this.#port = port;
    this.#tower = tower;
    this.#verifier = new ProofVerifier(tower);
    port.on("message", (message: Greeting | Reply) => {
      if ("lifeline" in message) this.#depend(message.lifeline);
      else this.#settle(message);
    });
    port.on("close", () => this.#fall());
  }

  /**
   * A key by its file, which the host loads if it has not. It stays until `resident.release()`.
   *
   * @param isLasting  whether that will be later than when a task has ended: nobody's key waits for it.
   * @throws WorkError as `HostKeys.hold`; ENGINE_UNAVAILABLE if the host is gone.
   */
  async hold(file: KeyFile, isLasting = false): Promise<LinkedKey> {
    const held = await this.#call({ kind: "hold", file, isLasting });
    return { ...held.header, sha256: held.sha256, resident: this.#resident(held) };
  }

  async loadKey(zkey: Zkey): Promise<ResidentKey> {
    return this.#resident(await this.#call({ kind: "load", zkey }));
  }

  verify(key: VerificationKey, publicSignals: readonly bigint[], proof: Proof): Promise<boolean> {
    return this.#verifier.verify(key, publicSignals, proof);
  }

  /** Leaves the host, which lets go what this link has held. */
  async close(): Promise<void> {
    this.#port.close();
  }

  #resident({ key }: HeldKey): ResidentKey {
    let isHeld = true;
    return {
      begin: (witness, threads = 1) => this.#begin(key, witness, threads),
      release: () => {
        if (isHeld) this.#post({ kind: "release", key });
        isHeld = false;
      },
    };
  }

  #begin(key: number, witness: Uint8Array, threads: number): ProofRun {
    const run = ++this.#runCount;
    const control = createTaskControl();
    const shared = new SharedArrayBuffer(witness.length);
    const copy = new Uint8Array(shared);
    copy.set(witness);
    this.#post({ kind: "begin", run, key, witness: shared, control, threads });
    let isAsking = false;
    return {
      sums: async (request, checkpoint) => {
        const { sections, parts } = split(request);
        if (sections.g1.length + sections.g2.length === 0) {
          checkpoint(1);
          return joined(this.#tower, parts, { g1: [], g2: [] });
        }
        isAsking = true;
        const asked = this.#call({ kind: "sums", run, request: sections }).finally(() => {
          isAsking = false;
        });
        const sums = await watched(asked, control, checkpoint);
        checkpoint(1);
        return joined(this.#tower, parts, sums);
      },
      end: async () => {
        requestCancel(control);
        const ended = this.#call({ kind: "end", run })
          .catch(() => {})
          .finally(() => copy.fill(0));
        // Sums that were given up may take the device another second: whoever uses the witness last
        // wipes it, and the thread that asked is free.
        if (!isAsking) await ended;
      },
    };
  }

  #call<C extends Call>(call: C): Promise<ResultOf<C>> {
    const id = ++this.#callCount;
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw gone();
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#post({ kind: "call", id, call });
    });
  }

  /** To a port that is closed it goes nowhere. */
  #post(message: Message): void {
    this.#port.postMessage(message);
  }

  #depend(lifeline: MessagePort): void {
    this.#lifeline = lifeline;
    lifeline.on("close", () => this.#port.close());
    if (this.#isClosed) lifeline.close();
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("result" in reply) waiting?.resolve(reply.result);
    else waiting?.reject(errorOf(reply.failure));
  }

  #fall(): void {
    this.#isClosed = true;
    this.#lifeline?.close();
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

/** Calls the checkpoint while it waits, and lets its error through. */
async function watched<T>(
  sums: Promise<T>,
  control: SharedArrayBuffer,
  checkpoint: Checkpoint,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stopped = new Promise<never>((_, reject) => {
    const look = () => {
      try {
        checkpoint(readProgress(control).permille / 1000);
      } catch (error) {
        requestCancel(control);
        reject(error);
      }
    };
    look();
    timer = setInterval(look, LOOK_MS);
  });
  // Whichever comes second is of no interest.
  sums.catch(() => {});
  stopped.catch(() => {});
  try {
    return await Promise.race([sums, stopped]);
  } finally {
    clearInterval(timer);
  }
}

function gone(): WorkError {
  return new WorkError(
    "ENGINE_UNAVAILABLE",
    "the thread that has the engine's device is gone; the proof can be tried again",
    { gpu: "lost" },
  );
}
