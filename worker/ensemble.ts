/**
 * Computes in threads of its own: several proofs at once, each on one thread, and a proof that is
 * alone on all of them. The calling thread only waits.
 */
import type { Backend, LoadKeyOptions, ProveWtnsOptions, ProvingKey } from "./backend.ts";
import type { ChosenKernels } from "./engines/wasm/choice.ts";
import type { KeySource } from "./engines/wasm/key-load.ts";
import { WorkError } from "./errors.ts";
import { type OnProgress, type Proved, whyRejected } from "./groth16.ts";
import { Tower } from "./kernels/tower.ts";
import { Line } from "./line.ts";
import { parseR1cs } from "./r1cs.ts";
import { createTaskControl, type ProveResult, readProgress, requestCancel } from "./task.ts";
import { type Member, Team, type TeamKey } from "./team.ts";
import { parseWtns } from "./wtns.ts";

/** How often progress is looked at. */
const PROGRESS_MS = 20;

export class Ensemble implements Backend {
  readonly engineName: string;
  readonly #team: Team;
  readonly #line: Line;
  #isClosed = false;

  /** @param team  closed with this. */
  constructor(engineName: string, team: Team) {
    this.engineName = engineName;
    this.#team = team;
    this.#line = new Line(team);
  }

  /** Starts the threads. @param kernels  from `kernelsForThreads`. */
  static open({ compiled: kernels, path }: ChosenKernels, threads: number): Ensemble {
    const { program } = Tower.open().machine;
    return new Ensemble(`wasm (${path})`, new Team(threads, { engine: "wasm", kernels, program }));
  }

  async loadKey(source: KeySource, { allowDevKeys = false }: LoadKeyOptions): Promise<EnsembleKey> {
    this.#refuseIfClosed();
    const control = createTaskControl();
    const key = await this.#line.do((member) =>
      this.#team.load(member, source, { allowDevKeys, control }),
    );
    return new EnsembleKey(this.#team, key);
  }

  async prove(key: ProvingKey, wtns: Uint8Array, options: ProveWtnsOptions): Promise<Proved> {
    this.#refuseIfClosed();
    return EnsembleKey.use(key, this.#team, async (teamKey) => {
      const prove = () =>
        this.#line.do((member) => proveOn(member, teamKey, wtns, options), options.signal);
      // A thread that died takes nothing with it but its own proof.
      const result = await prove().catch((error) => {
        if (this.#isClosed || !isThreadLost(error)) throw error;
        return prove();
      });
      if (result.kind === "proved") {
        return { proof: result.proof, publicSignals: result.publicSignals };
      }
      const { code, message, detail } = result;
      if (code !== "WITNESS_UNSATISFIABLE" || options.r1cs === undefined) {
        throw new WorkError(code, message, detail);
      }
      const r1cs = parseR1cs(options.r1cs);
      throw await whyRejected(parseWtns(wtns, key.nVars), async () => r1cs);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#line.empty();
    await this.#team.close();
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new WorkError("ENGINE_UNAVAILABLE", "the prover is closed");
  }
}

const isThreadLost = (error: unknown) =>
  error instanceof WorkError && error.code === "ENGINE_UNAVAILABLE";

async function proveOn(
  member: Member,
  key: TeamKey,
  wtns: Uint8Array,
  { signal, onProgress }: ProveWtnsOptions,
): Promise<ProveResult> {
  const control = createTaskControl();
  const cancel = () => requestCancel(control);
  signal?.addEventListener("abort", cancel);
  const stopReporting = onProgress && report(control, onProgress);
  // A Buffer's slice would not be a copy.
  const bytes = new Uint8Array(wtns);
  try {
    const input = { kind: "wtns", bytes } as const;
    return await member.prove(
      { kind: "prove", artefacts: {}, input, allowDevKeys: true, control },
      key,
    );
  } finally {
    // Unless it has moved to the thread, which wipes it.
    if (bytes.length > 0) bytes.fill(0);
    signal?.removeEventListener("abort", cancel);
    stopReporting?.();
  }
}

/** @returns what stops it, after a last look. */
function report(control: SharedArrayBuffer, onProgress: OnProgress): () => void {
  let sawProving = false;
  const look = () => {
    const { stage, permille } = readProgress(control);
    if (stage !== "proving" && stage !== "verifying") return;
    // A proof may be made between two looks: the caller hears of both stages all the same.
    if (stage === "verifying" && !sawProving) onProgress("proving", 1);
    sawProving = true;
    onProgress(stage, permille / 1000);
  };
  const timer = setInterval(look, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    look();
  };
}

class EnsembleKey implements ProvingKey {
  readonly nVars: number;
  readonly nPublic: number;
  readonly verificationKey: ProvingKey["verificationKey"];
  readonly isDevKey: boolean;
  readonly #team: Team;
  readonly #users = new Set<Promise<unknown>>();
  #key: TeamKey | undefined;

  constructor(team: Team, key: TeamKey) {
    ({
      nVars: this.nVars,
      nPublic: this.nPublic,
      verificationKey: this.verificationKey,
      isDevKey: this.isDevKey,
    } = key.header);
    this.#team = team;
    this.#key = key;
  }

  /** Uses a key, which is not released meanwhile. */
  static use<R>(key: ProvingKey, team: Team, work: (key: TeamKey) => Promise<R>): Promise<R> {
    if (!(key instanceof EnsembleKey) || key.#team !== team || key.#key === undefined) {
      throw new TypeError("the key is another prover's, or was released");
    }
    const done = work(key.#key);
    const users = key.#users;
    users.add(done);
    const forget = () => users.delete(done);
    done.then(forget, forget);
    return done;
  }

  async release(): Promise<void> {
    const key = this.#key;
    this.#key = undefined;
    await Promise.allSettled(this.#users);
    if (key !== undefined) this.#team.release(key);
  }
}
