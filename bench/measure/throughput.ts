/**
 * How many proofs a second a machine makes with every core busy: each prover in one process that
 * uses all cores, and as one process a core with one thread each, bound to its core. The arrangements
 * take turns. Everything is opened and has made a proof before the clock starts.
 */
import type { Contender, Placement } from "../contenders/contender.ts";
import type { ContenderPlan } from "../contenders/list.ts";
import type { ProvedMessage } from "../contenders/message.ts";
import type { Fixture } from "../fixtures/fixture.ts";
import type { Throughput } from "../report/result.ts";
import { round } from "./latency.ts";
import { messageOf, type Session, tryOpen } from "./session.ts";

interface Arrangement {
  readonly title: string;
  /** What is opened, and as how many processes. */
  readonly plan: ContenderPlan;
  readonly placements: readonly Placement[];
  readonly inFlight: number;
  readonly row: Omit<Throughput, "peakBytes"> & {
    proofsPerSecond: number[];
    keyLoadMs: number[];
    peakBytes?: number;
  };
  isOut: boolean;
}

export async function measureThroughput(session: Session, fixture: Fixture): Promise<Throughput[]> {
  const arrangements = arrangementsOf(session, fixture);
  const { windows } = session.options;
  for (let window = 0; window < windows; window++) {
    for (const [turn, arrangement] of arrangements.entries()) {
      if (arrangement.isOut) continue;
      const done = (window + turn / arrangements.length) / windows;
      session.progress(`${fixture.id}: proofs per second, ${arrangement.title}`, done);
      try {
        if (!(await measureWindow(session, fixture, arrangement))) arrangement.isOut = true;
      } catch (error) {
        arrangement.isOut = true;
        const what = `${arrangement.title} on ${fixture.id}, proofs per second`;
        session.missing.add(what, messageOf(error));
      }
    }
  }
  return arrangements.map(({ row }) => row).filter(({ proofsPerSecond: { length } }) => length > 0);
}

function arrangementsOf({ plans, cores }: Session, fixture: Fixture): Arrangement[] {
  return plans
    .filter(({ threads }) => threads === "all")
    .flatMap((plan) => {
      // Our workers are asked for a proof each; a peer's process makes one proof on all cores.
      const inFlight = plan.role === "ours" ? cores : 1;
      const whole = arrangement(fixture, plan, plan, [{}], inFlight);
      const one = plans.find(({ id }) => id === plan.oneThreadId);
      if (one === undefined) return [whole];
      const placements = Array.from({ length: cores }, (_, core) => ({ core }));
      return [whole, arrangement(fixture, plan, one, placements, 1)];
    });
}

function arrangement(
  fixture: Fixture,
  contender: ContenderPlan,
  plan: ContenderPlan,
  placements: readonly Placement[],
  inFlight: number,
): Arrangement {
  const isOne = placements.length === 1 && plan === contender;
  return {
    title: isOne ? contender.title : `${contender.title}, ${placements.length} processes`,
    plan,
    placements,
    inFlight,
    row: {
      fixture: fixture.id,
      contender: contender.id,
      arrangement: isOne ? "one process" : "processes",
      processes: placements.length,
      inFlight,
      proofsPerSecond: [],
      keyLoadMs: [],
    },
    isOut: false,
  };
}

/** @returns false if a process could not be opened. */
async function measureWindow(
  session: Session,
  fixture: Fixture,
  { plan, placements, inFlight, row }: Arrangement,
): Promise<boolean> {
  const opened: Contender[] = [];
  try {
    for (const placement of placements) {
      const contender = await tryOpen(session, plan, fixture, placement);
      if (contender === undefined) return false;
      opened.push(contender);
    }
    const lanes = opened.flatMap((contender) => new Array<Contender>(inFlight).fill(contender));
    const warm = await Promise.all(lanes.map((contender) => contender.prove()));
    const { proofs, proofsPerSecond } = await fillWindow(lanes, session.options);
    const peaks = opened.map((contender) => contender.peakBytes());
    for (const proved of [...warm, ...proofs]) await session.verifier.check(fixture, proved);

    row.proofsPerSecond.push(round(proofsPerSecond));
    if (!plan.includesKeyLoad) row.keyLoadMs.push(...opened.map(({ loaded }) => round(loaded.ms)));
    if (peaks.every((peak) => peak !== undefined)) {
      const together = peaks.reduce((sum, peak) => sum + peak, 0);
      row.peakBytes = Math.max(row.peakBytes ?? 0, together);
    }
    return true;
  } finally {
    await Promise.all(opened.map((contender) => contender.close()));
  }
}

/**
 * Every lane proves again and again until the window is over, at least `minSamples` times: with one
 * proof only, its end would be chance. The rate is the sum of the lanes'
 * own: proofs of the lane by the time until its last one.
 */
async function fillWindow(
  lanes: readonly Contender[],
  { windowMs, minSamples }: Session["options"],
): Promise<{ proofs: ProvedMessage[]; proofsPerSecond: number }> {
  const proofs: ProvedMessage[] = [];
  const startedMs = performance.now();
  const rates = await Promise.all(
    lanes.map(async (contender) => {
      for (let count = 1; ; count++) {
        proofs.push(await contender.prove());
        const elapsedMs = performance.now() - startedMs;
        if (elapsedMs >= windowMs && count >= minSamples) return count / (elapsedMs / 1000);
      }
    }),
  );
  return { proofs, proofsPerSecond: rates.reduce((sum, rate) => sum + rate, 0) };
}
