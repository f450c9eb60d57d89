import type { SealingKey } from "../../prover/stores/input-sealer.ts";
import { JobFile } from "../../prover/stores/sqlite/job-file.ts";
import type { Answer, CallMessage, Calls, Claimed } from "../../prover/stores/sqlite/messages.ts";
import type { StoreLimits } from "../../prover/stores/transition.ts";
import { PROVABLE } from "./job-store-contract.ts";

type Call = { [N in keyof Calls]: readonly [name: N, ...args: Parameters<Calls[N]>] }[keyof Calls];

/** A file of jobs without its thread, asked and answered at once, on a clock that stands still. */
export class AskedFile {
  readonly clock = { nowMs: 1_700_000_000_000, steadyMs: 0 };
  readonly #path: string;
  readonly #limits: StoreLimits;
  readonly #keys: readonly SealingKey[];
  #file!: JobFile;

  constructor(path: string, limits: StoreLimits, keys: readonly SealingKey[] = []) {
    this.#path = path;
    this.#limits = limits;
    this.#keys = keys;
  }

  /** Jobs that ran have lost their worker. */
  async open(): Promise<this> {
    const [path, limits, keys] = [this.#path, this.#limits, this.#keys];
    this.#file = await JobFile.open({ path, limits, keys, clock: this.clock, running: "lost" });
    return this;
  }

  close(): void {
    this.#file.close();
  }

  /** Calls that share a transaction. @returns what each is answered: a value, or an error's code. */
  askAll(...calls: readonly Call[]): unknown[] {
    const answers: unknown[] = [];
    const messages = calls.map(
      ([name, ...args], id) => ({ id, name, args, clock: { ...this.clock } }) as CallMessage,
    );
    this.#file.handle(messages, (done) => {
      for (const answer of done.answers) answers[answer.id] = saidIn(answer);
    });
    return answers;
  }

  ask<N extends keyof Calls>(name: N, ...args: Parameters<Calls[N]>): ReturnType<Calls[N]> {
    return this.askAll([name, ...args] as unknown as Call)[0] as ReturnType<Calls[N]>;
  }

  claim(): Claimed | undefined {
    return this.ask("claim", PROVABLE);
  }
}

function saidIn(answer: Answer): unknown {
  return "value" in answer ? answer.value : answer.error.code;
}
