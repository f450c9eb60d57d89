import { type CircuitRegistry, circuitKey } from "../circuits.ts";
import type { ServedEngine } from "../engine.ts";
import type { IntakePool } from "../intake-pool.ts";
import type { CircuitKey, JobStore } from "../job-store.ts";
import type { Certificates } from "../listening/certificates.ts";
import type { Reloaded } from "../listening/reloaded.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Health } from "./health.ts";
import type { StoreWatch } from "./store-watch.ts";

/** What a server that is loading is at. */
export interface LoadingStep {
  /** "checking files": hashed and held to the manifest. "loading keys": into memory, with self-tests. */
  readonly step: "checking files" | "loading keys";
  /** The circuit, or its folder while the manifest has not been read. */
  readonly circuit: string;
  readonly doneCount: number;
  readonly totalCount: number;
  /** Of this circuit, 0 to 100. */
  readonly percent: number;
}

/** Parts of a server that exist only once it has come so far. */
export interface VisibleParts {
  readonly engine: ServedEngine;
  readonly circuits: CircuitRegistry;
  /** Undefined: no TLS. Certificates may be replaced. */
  readonly certificates: Pick<Reloaded<Certificates>, "value"> | undefined;
  readonly store: JobStore;
  readonly storeWatch: StoreWatch;
  readonly intake: IntakePool;
  readonly scheduler: Scheduler;
}

/** Limits that people want to see beside what they limit. */
export interface VisibleLimits {
  readonly queueMax: number;
  readonly queueMaxBytes: number;
  readonly intakeMax: number;
  readonly threads: number;
  readonly role: "all" | "api" | "worker";
}

/** What metrics and the status page look at. They read; only the server writes. */
export class Overview {
  readonly startedMs = Date.now();
  readonly limits: VisibleLimits;
  readonly health: Health;
  #parts: Partial<VisibleParts> = {};
  loading: LoadingStep | undefined;

  constructor(limits: VisibleLimits, { health }: { readonly health: Health }) {
    this.limits = limits;
    this.health = health;
  }

  get parts(): Partial<VisibleParts> {
    return this.#parts;
  }

  /** Waiting jobs of circuits or keys that are not served here; undefined while that is not known. */
  get foreignCount(): number | undefined {
    const { circuits, storeWatch } = this.#parts;
    const stats = storeWatch?.stats;
    if (circuits === undefined || stats === undefined) return undefined;
    const served = new Set(circuits.all.map((circuit) => keyName(circuitKey(circuit))));
    return stats.circuits
      .filter((load) => !served.has(keyName(load)))
      .reduce((count, { queuedCount }) => count + queuedCount, 0);
  }

  /** From now on these can be seen. */
  show(parts: Partial<VisibleParts>): void {
    this.#parts = { ...this.#parts, ...parts };
  }
}

const keyName = ({ circuitId, zkeySha256 }: CircuitKey): string => `${circuitId} ${zkeySha256}`;
