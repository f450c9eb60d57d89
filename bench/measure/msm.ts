/** Times of one multi-scalar multiplication on one thread; the engines take turns, their sums are compared. */
import { join } from "node:path";
import { ChildLink } from "../contenders/child-link.ts";
import type { Fixture } from "../fixtures/fixture.ts";
import { hasMsm, YARDSTICK } from "../msm.ts";
import type { MsmTime } from "../report/result.ts";
import { round } from "./latency.ts";
import type { MsmAnswer, MsmQuestion } from "./msm-child.ts";
import { messageOf, type Session } from "./session.ts";

const GROUPS = ["g1", "g2"] as const;

/** The yardstick needs some 6 s for both groups at 2^16; more rounds tell little. */
const MAX_ROUNDS = 5;

/** Those of our engines that the bars name; each with one thread. */
const ENGINES = ["wasm", "wasm-plain"];

export async function measureMsm(session: Session, fixture: Fixture): Promise<MsmTime[]> {
  const { zkeyPath, wtnsPath, log2 } = fixture;
  const script = join(import.meta.dirname, "msm-child.ts");
  const wanted = ENGINES.filter((id) => session.plans.some((plan) => plan.id === id));
  for (const id of wanted.filter((engine) => !hasMsm(engine))) {
    session.missing.add(`${id}, multi-scalar multiplication`, "no such engine in bench/msm.ts");
  }
  const entrants = [YARDSTICK, ...wanted.filter(hasMsm)].map((engine) => ({
    engine,
    link: new ChildLink<MsmQuestion, MsmAnswer>(
      script,
      { engine, zkeyPath, wtnsPath },
      { core: 0 },
    ),
    samples: { g1: [] as number[], g2: [] as number[] },
    isOut: false,
  }));
  const sums = new Map<string, string>();
  const rounds = Math.min(session.options.rounds, MAX_ROUNDS);
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const entrant of entrants.filter(({ isOut }) => !isOut)) {
        const { engine, link, samples } = entrant;
        session.progress(`2^${log2} multi-scalar multiplication, ${engine}`, round / (rounds + 1));
        try {
          for (const group of GROUPS) {
            const { ms, sum } = await link.ask({ group });
            if ((sums.get(group) ?? sum) !== sum) throw new RangeError("got another sum");
            sums.set(group, sum);
            // The first one warms up.
            if (round > 0) samples[group].push(ms);
          }
        } catch (error) {
          entrant.isOut = true;
          session.missing.add(`${engine}, multi-scalar multiplication`, messageOf(error));
        }
      }
    }
  } finally {
    await Promise.all(entrants.map(({ link }) => link.close()));
  }
  return entrants
    .filter(({ isOut }) => !isOut)
    .flatMap(({ engine, samples }) =>
      GROUPS.map((group) => ({ group, log2, engine, samplesMs: samples[group].map(round) })),
    );
}
