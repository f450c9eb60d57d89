/**
 * How long one proof takes when nothing else runs. All contenders have their keys resident; they
 * prove in turn, one proof each a round, each round beginning with another one, so that whatever
 * else the machine does hits all alike.
 */
import type { Contender } from "../contenders/contender.ts";
import type { ContenderPlan } from "../contenders/list.ts";
import type { ProvedMessage } from "../contenders/message.ts";
import type { Fixture } from "../fixtures/fixture.ts";
import type { InputToProof, Latency } from "../report/result.ts";
import { median } from "../statistics.ts";
import { messageOf, type Session, tryOpen } from "./session.ts";

/** From inputs the difference is the witness; fewer rounds tell it. */
const MAX_INPUT_ROUNDS = 3;

interface Entrant {
  readonly plan: ContenderPlan;
  readonly contender: Contender;
  readonly proofs: ProvedMessage[];
  readonly fromInputs: ProvedMessage[];
  isOut: boolean;
}

export async function measureLatency(
  session: Session,
  fixture: Fixture,
): Promise<{ latency: Latency[]; inputToProof: InputToProof[] }> {
  const entrants: Entrant[] = [];
  try {
    for (const plan of session.plans) {
      const placement = plan.threads === "one" ? { core: 0 } : {};
      const contender = await tryOpen(session, plan, fixture, placement);
      if (contender === undefined) continue;
      entrants.push({ plan, contender, proofs: [], fromInputs: [], isOut: false });
    }
    const { measures, rounds, budgetMs, minSamples } = session.options;
    // The first round is not counted: caches and compilers warm up in it.
    await takeTurns(session, fixture, entrants, rounds + 1, "proofs", (entrant, ms) => {
      const spent = entrant.proofs.reduce((sum, proof) => sum + proof.ms, 0);
      return entrant.proofs.length > minSamples && spent + ms > budgetMs;
    });
    if (measures.includes("inputs") && fixture.inputs !== undefined) {
      const able = entrants.filter(({ contender }) => contender.proveInputs !== undefined);
      const inputRounds = Math.min(rounds, MAX_INPUT_ROUNDS);
      await takeTurns(session, fixture, able, inputRounds, "fromInputs", () => false);
    }
    const proved = entrants.filter(({ proofs }) => proofs.length > 0);
    return {
      latency: proved.map((entrant) => latencyRow(fixture, entrant)),
      inputToProof: inputRows(fixture, proved),
    };
  } finally {
    await Promise.all(entrants.map(({ contender }) => contender.close()));
  }
}

/** @param isSpent  whether an entrant whose last proof took `ms` sits out from now on. */
async function takeTurns(
  session: Session,
  fixture: Fixture,
  entrants: readonly Entrant[],
  rounds: number,
  kind: "proofs" | "fromInputs",
  isSpent: (entrant: Entrant, ms: number) => boolean,
): Promise<void> {
  const resting = new Set<Entrant>();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entrants.length; turn++) {
      const entrant = entrants[(round + turn) % entrants.length] as Entrant;
      if (entrant.isOut || resting.has(entrant)) continue;
      const what = kind === "proofs" ? "one proof" : "from inputs";
      session.progress(
        `${fixture.id}: ${what}, round ${round + 1} of ${rounds}, ${entrant.plan.title}`,
        (round + turn / entrants.length) / rounds,
      );
      const { contender } = entrant;
      try {
        const proved = await (kind === "proofs" ? contender.prove() : contender.proveInputs?.());
        if (proved === undefined) continue;
        await session.verifier.check(fixture, proved);
        entrant[kind].push(proved);
        if (isSpent(entrant, proved.ms)) resting.add(entrant);
      } catch (error) {
        entrant.isOut = true;
        session.missing.add(`${entrant.plan.id} on ${fixture.id}`, messageOf(error));
      }
    }
  }
}

function latencyRow(fixture: Fixture, { plan, contender, proofs }: Entrant): Latency {
  const [first, ...rest] = proofs;
  const counted = rest.length > 0 ? rest : proofs;
  const stageMs = medianStages(counted);
  const peakBytes = contender.peakBytes();
  return {
    fixture: fixture.id,
    contender: plan.id,
    firstMs: round(first?.ms ?? 0),
    samplesMs: counted.map(({ ms }) => round(ms)),
    keyLoadMs: plan.includesKeyLoad ? [] : [round(contender.loaded.ms)],
    ...(peakBytes !== undefined && { peakBytes }),
    ...(stageMs && { stageMs }),
  };
}

/**
 * Of those that take inputs their own times; for those that take witnesses only, the witness by
 * snarkjs, which their users would run before.
 */
function inputRows(fixture: Fixture, entrants: readonly Entrant[]): InputToProof[] {
  const own = entrants
    .filter(({ fromInputs }) => fromInputs.length > 0)
    .map(({ plan, fromInputs }) => ({
      fixture: fixture.id,
      contender: plan.id,
      samplesMs: fromInputs.map(({ ms }) => round(ms)),
      isSum: false,
    }));
  const snarkjs = entrants.find(({ plan }) => plan.id.startsWith("snarkjs"));
  const witnessMs = medianStages(snarkjs?.fromInputs ?? [])?.witness;
  if (witnessMs === undefined) return own;
  const sums = entrants
    .filter(({ contender }) => contender.proveInputs === undefined)
    .map((entrant) => ({
      fixture: fixture.id,
      contender: entrant.plan.id,
      samplesMs: latencyRow(fixture, entrant).samplesMs.map((ms) => round(ms + witnessMs)),
      isSum: true,
    }));
  return [...own, ...sums];
}

function medianStages(proofs: readonly ProvedMessage[]): Record<string, number> | undefined {
  const stages = [...new Set(proofs.flatMap(({ stageMs }) => Object.keys(stageMs ?? {})))];
  if (stages.length === 0) return undefined;
  const times = (stage: string) => proofs.map(({ stageMs }) => stageMs?.[stage] ?? 0);
  return Object.fromEntries(stages.map((stage) => [stage, round(median(times(stage)))]));
}

/** Microseconds are enough. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
