import { ProverService } from "../gen/prover/v1/prover_pb.ts";
import type { CircuitRegistry } from "./circuits.ts";
import type { Config } from "./config.ts";
import type { ServedEngine } from "./engine.ts";
import type { IntakePool } from "./intake-pool.ts";
import type { JobStore } from "./job-store.ts";
import { Listener, type ListenerDependencies } from "./listener.ts";
import type { Health } from "./observe/health.ts";
import { proverService } from "./service.ts";
import { Submissions } from "./submissions.ts";

export interface CallerPortDependencies {
  readonly store: JobStore;
  readonly circuits: CircuitRegistry;
  readonly intake: IntakePool;
  readonly engine: Pick<ServedEngine, "names" | "namesFor" | "refused">;
  readonly health: Health;
  readonly listening: ListenerDependencies;
}

/** The part of a server that callers talk to: ProverService on a port of its own. */
export class CallerPort {
  readonly port: number;
  readonly #submissions: Submissions;
  readonly #leaving: AbortController;
  readonly #listener: Listener<typeof ProverService>;

  private constructor(
    port: number,
    parts: {
      readonly submissions: Submissions;
      readonly leaving: AbortController;
      readonly listener: Listener<typeof ProverService>;
    },
  ) {
    this.port = port;
    this.#submissions = parts.submissions;
    this.#leaving = parts.leaving;
    this.#listener = parts.listener;
  }

  /** @throws ListenError */
  static async open(
    config: Config,
    { store, circuits, intake, engine, health, listening }: CallerPortDependencies,
  ): Promise<CallerPort> {
    const submissions = new Submissions(config, {
      store,
      circuits,
      intake,
      quotas: listening.quotas,
    });
    const leaving = new AbortController();
    // An api process proves nothing itself.
    const threads = config.role === "api" ? 0 : config.threads;
    const handlers = proverService(
      { ...config, threads },
      { store, circuits, submissions, intake, engine, leaving: leaving.signal },
    );
    const listener = new Listener(config, ProverService, handlers, listening);
    const port = await listener.listen(config.listen);
    health.onUpdate((answers) => {
      listener.setProbes(answers);
      listener.setHealth(answers.readiness);
    });
    return new CallerPort(port, { submissions, leaving, listener });
  }

  /** From now on, no new jobs. */
  refuse(): void {
    this.#submissions.close();
  }

  /** Ends what waits for jobs, so that callers go on with another server, and then all calls. */
  async close(): Promise<void> {
    this.#leaving.abort();
    await this.#listener.close();
  }
}
