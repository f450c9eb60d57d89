// A thread of test/worker/crew.test.ts: enters and leaves a crew, or leads one, many times.
import { CREW_WORDS, Crew } from "../../worker/engines/wasm/crew.ts";

export interface CrewTask {
  /** The crew's words, then COUNTERS. */
  readonly memory: SharedArrayBuffer;
  readonly role: "helper" | "leader";
  readonly slot: number;
}

/** Counters behind the crew's words. */
export const COUNTERS = {
  /** Threads that use the leader's memory now. */
  inside: CREW_WORDS,
  /** Times that a helper was inside. */
  visits: CREW_WORDS + 1,
  /** Times that somebody was inside when the leader had closed. */
  violations: CREW_WORDS + 2,
  /** Set to 1, it makes the leader end, and then the helpers. */
  enough: CREW_WORDS + 3,
  /** 1 while what helpers came for is finished. */
  finished: CREW_WORDS + 4,
  words: CREW_WORDS + 5,
} as const;

/** @returns how often it has led, or was inside. */
export default function handle({ memory, role, slot }: CrewTask): number {
  const words = new Int32Array(memory);
  const crew = new Crew(words.subarray(0, CREW_WORDS));
  const isWanted = () => Atomics.load(words, COUNTERS.enough) === 0;
  let rounds = 0;
  if (role === "leader") {
    for (; isWanted(); rounds++) lead(crew, words);
    crew.wake();
    return rounds;
  }
  while (crew.enter(slot, isWanted)) {
    Atomics.add(words, COUNTERS.inside, 1);
    Atomics.add(words, COUNTERS.visits, 1);
    rounds++;
    do pause();
    while (Atomics.load(words, COUNTERS.finished) === 0);
    Atomics.sub(words, COUNTERS.inside, 1);
    crew.leave(slot);
  }
  return rounds;
}

function lead(crew: Crew, words: Int32Array): void {
  Atomics.store(words, COUNTERS.finished, 0);
  crew.open();
  pause();
  Atomics.store(words, COUNTERS.finished, 1);
  crew.close();
  for (let look = 0; look < 10; look++) {
    if (Atomics.load(words, COUNTERS.inside) !== 0) Atomics.add(words, COUNTERS.violations, 1);
  }
}

/** A random while, up to some microseconds. */
function pause(): void {
  for (let turns = Math.random() * 2_000; turns > 0; turns--);
}
