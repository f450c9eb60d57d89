import { type JobPriority, PRIORITIES } from "../job.ts";
import type { CircuitKey, StoreStats } from "../job-store.ts";
import { Line } from "./line.ts";

/** A waiting job, as far as its place in the line goes. */
export interface Waiter extends CircuitKey {
  readonly owner: string;
  readonly priority: JobPriority;
  readonly createdMs: number;
  readonly inputBytes: number;
}

interface Places {
  readonly inPriority: number;
  readonly inCircuit: number;
}

/**
 * The waiting jobs of a store in memory: priority first, then the order of joining. Every operation
 * takes a time that does not grow with the number of jobs; `first` grows with the circuits it is given.
 */
export class WaitingLine<T extends Waiter> {
  readonly #priorities: Readonly<Record<JobPriority, Line<T>>> = {
    HIGH: new Line(),
    NORMAL: new Line(),
    LOW: new Line(),
  };
  /** The same jobs, by priority and circuit; only lines that are not empty. */
  readonly #circuits = new Map<string, Line<T>>();
  readonly #places = new Map<T, Places>();
  readonly #ofOwner = new Counts();
  readonly #ofCircuit = new Counts();
  #bytes = 0;

  get size(): number {
    return this.#places.size;
  }

  /** Bytes of all inputs together. */
  get bytes(): number {
    return this.#bytes;
  }

  get byPriority(): Readonly<Record<JobPriority, number>> {
    const { HIGH, NORMAL, LOW } = this.#priorities;
    return { HIGH: HIGH.size, NORMAL: NORMAL.size, LOW: LOW.size };
  }

  /** By hash of the key and name; only circuits that have some. */
  get byCircuit(): ReadonlyMap<string, number> {
    return this.#ofCircuit.all;
  }

  get oldestMs(): number | undefined {
    const heads = PRIORITIES.flatMap((name) => this.#priorities[name].first()?.createdMs ?? []);
    return heads.length === 0 ? undefined : Math.min(...heads);
  }

  ofOwner(owner: string): number {
    return this.#ofOwner.of(owner);
  }

  has(waiter: T): boolean {
    return this.#places.has(waiter);
  }

  join(waiter: T, end: "front" | "back"): void {
    const name = lineName(waiter.priority, waiter);
    const ofCircuit = this.#circuits.get(name) ?? new Line<T>();
    this.#circuits.set(name, ofCircuit);
    const lines = [this.#priorities[waiter.priority], ofCircuit];
    const [inPriority, inCircuit] = lines.map((line) =>
      end === "back" ? line.push(waiter) : line.unshift(waiter),
    ) as [number, number];
    this.#places.set(waiter, { inPriority, inCircuit });
    this.#count(waiter, 1);
  }

  leave(waiter: T): void {
    const places = this.#places.get(waiter);
    if (places === undefined) return;
    this.#places.delete(waiter);
    this.#priorities[waiter.priority].remove(places.inPriority);
    const name = lineName(waiter.priority, waiter);
    const ofCircuit = this.#circuits.get(name);
    ofCircuit?.remove(places.inCircuit);
    if (ofCircuit?.size === 0) this.#circuits.delete(name);
    this.#count(waiter, -1);
  }

  /** The first job of one of these circuits. */
  first(circuits: readonly CircuitKey[]): T | undefined {
    const placeOf = (waiter: T) => this.#places.get(waiter)?.inPriority ?? 0;
    for (const priority of PRIORITIES) {
      const heads = circuits.flatMap(
        (circuit) => this.#circuits.get(lineName(priority, circuit))?.first() ?? [],
      );
      if (heads.length > 0) return heads.reduce((a, b) => (placeOf(b) < placeOf(a) ? b : a));
    }
    return undefined;
  }

  /** How many stand before it, or more by those who left from the middle of the line. */
  ahead(waiter: T): number {
    const places = this.#places.get(waiter);
    if (places === undefined) return 0;
    let ahead = 0;
    for (const priority of PRIORITIES) {
      const line = this.#priorities[priority];
      if (priority === waiter.priority) return ahead + line.ahead(places.inPriority);
      ahead += line.size;
    }
    return ahead;
  }

  #count(waiter: T, change: 1 | -1): void {
    this.#bytes += change * waiter.inputBytes;
    this.#ofOwner.add(waiter.owner, change);
    this.#ofCircuit.add(circuitName(waiter), change);
  }
}

/** Counts by name; names without any are forgotten. */
class Counts {
  readonly #counts = new Map<string, number>();

  get all(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, change: 1 | -1): void {
    const count = this.of(name) + change;
    if (count === 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }
}

/** @param running  the running jobs, each once. */
export function statsOf(line: WaitingLine<Waiter>, running: Iterable<CircuitKey>): StoreStats {
  const runningOf = new Counts();
  for (const job of running) runningOf.add(circuitName(job), 1);
  const names = new Set([...line.byCircuit.keys(), ...runningOf.all.keys()]);
  return {
    queuedCount: line.size,
    queuedByPriority: line.byPriority,
    queuedBytes: line.bytes,
    runningCount: [...runningOf.all.values()].reduce((sum, count) => sum + count, 0),
    circuits: [...names].map((name) => ({
      ...circuitOfName(name),
      queuedCount: line.byCircuit.get(name) ?? 0,
      runningCount: runningOf.of(name),
    })),
    oldestQueuedMs: line.oldestMs,
  };
}

/** A circuit and its key in one word. A hash has no space. */
const circuitName = ({ circuitId, zkeySha256 }: CircuitKey) => `${zkeySha256} ${circuitId}`;

function circuitOfName(name: string): CircuitKey {
  const space = name.indexOf(" ");
  return { circuitId: name.slice(space + 1), zkeySha256: name.slice(0, space) };
}

const lineName = (priority: JobPriority, circuit: CircuitKey) =>
  `${priority} ${circuitName(circuit)}`;
