/** Named services of grpc.health.v1, and what probes ask over HTTP. */
export const PROBES = ["startup", "readiness", "liveness"] as const;
export type Probe = (typeof PROBES)[number];

/** Where they are asked over HTTP. */
export const PROBE_PATHS: ReadonlyMap<string, Probe> = new Map([
  ["/startupz", "startup"],
  ["/readyz", "readiness"],
  ["/livez", "liveness"],
]);

export type Phase = "loading" | "serving" | "draining";

interface Condition {
  readonly phase: Phase;
  readonly isStoreUp: boolean;
  /** False: the device that was asked for by name is away, and nothing else computes. */
  readonly isEngineUp: boolean;
  /** False: the event loop was blocked not long ago. */
  readonly isResponsive: boolean;
}

/**
 * What probes are told.
 * - startup: files are checked and keys are in memory. From then on true.
 * - readiness: jobs are taken and proved. False while loading or draining, and while the store or the
 *   engine's device is away.
 * - liveness: the process can answer. It says nothing of store or queue: a restart would not mend them.
 */
export class Health {
  #condition: Condition = {
    phase: "loading",
    isStoreUp: true,
    isEngineUp: true,
    isResponsive: true,
  };
  readonly #listeners: ((answers: Readonly<Record<Probe, boolean>>) => void)[] = [];

  get phase(): Phase {
    return this.#condition.phase;
  }

  get answers(): Readonly<Record<Probe, boolean>> {
    const { phase, isStoreUp, isEngineUp, isResponsive } = this.#condition;
    return {
      startup: phase !== "loading",
      readiness: phase === "serving" && isStoreUp && isEngineUp,
      liveness: isResponsive,
    };
  }

  /** Draining is for good: a later "serving" does not end it. */
  update(change: Partial<Condition>): void {
    const { phase } = this.#condition;
    this.#condition = { ...this.#condition, ...change };
    if (phase === "draining") this.#condition = { ...this.#condition, phase };
    const { answers } = this;
    for (const listener of this.#listeners) listener(answers);
  }

  /** Calls at once, and after each update. */
  onUpdate(listener: (answers: Readonly<Record<Probe, boolean>>) => void): void {
    this.#listeners.push(listener);
    listener(this.answers);
  }
}
