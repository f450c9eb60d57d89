/** One run: every measurement that was asked for, one after the other, in one process tree. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { contenderPlans } from "./contenders/list.ts";
import type { Fixture, FixtureFacts, FixtureFolders } from "./fixtures/fixture.ts";
import { generatedFixture } from "./fixtures/fixture.ts";
import { selectFixtures } from "./fixtures/selection.ts";
import { describeCommit, describeMachine } from "./machine.ts";
import { measureLatency } from "./measure/latency.ts";
import { measureMsm } from "./measure/msm.ts";
import { MissingList, type Session } from "./measure/session.ts";
import { measureThroughput } from "./measure/throughput.ts";
import { Verifier } from "./measure/verifier.ts";
import { type Options, UsageError } from "./options.ts";
import type { BenchResult, InputToProof, Latency, MsmTime, Throughput } from "./report/result.ts";

const root = join(import.meta.dirname, "..");

const FOLDERS: FixtureFolders = {
  benchDir: join(root, "build/bench"),
  circuitsDir: join(root, "build/circuits"),
};

/** The multi-scalar multiplication that the bars name; smaller where the run is smaller. */
const MSM_LOG2 = 16;

/**
 * @param command   what the user typed, for the record.
 * @param progress  gets what is being done, and the part of it that is done.
 * @throws UsageError if a contender is named that does not exist.
 */
export async function runBench(
  options: Options,
  command: string,
  progress: Session["progress"],
): Promise<BenchResult> {
  const startedMs = performance.now();
  const startedAt = new Date().toISOString();
  const [machine, commit] = [describeMachine(), describeCommit()];
  const { fixtures: selected, missing } = await selectFixtures(options, FOLDERS);
  const session: Session = {
    options,
    plans: chosenPlans(options),
    cores: availableParallelism(),
    verifier: new Verifier(),
    missing: new MissingList(),
    facts: new Map(),
    progress,
  };
  for (const name of ["rapidsnark"]) {
    if (options.peers.some((peer) => peer.name === name)) continue;
    session.missing.add(name, `not measured; --peer ${name}=PATH or --peer-server ${name}=PATH`);
  }
  const facts: FixtureFacts[] = [];
  const latency: Latency[] = [];
  const inputToProof: InputToProof[] = [];
  const throughput: Throughput[] = [];
  let msm: MsmTime[] = [];
  try {
    for (const { make, isForThroughput } of selected) {
      const fixture = await make(progress);
      facts.push(factsOf(fixture));
      if (options.measures.includes("latency") || options.measures.includes("inputs")) {
        const rows = await measureLatency(session, fixture);
        latency.push(...rows.latency);
        inputToProof.push(...rows.inputToProof);
      }
      if (isForThroughput) throughput.push(...(await measureThroughput(session, fixture)));
    }
    if (options.measures.includes("msm")) {
      const log2 = options.isQuick
        ? MSM_LOG2
        : Math.min(MSM_LOG2, options.sizes.at(-1) ?? MSM_LOG2);
      msm = await measureMsm(session, await generatedFixture("dense", log2, FOLDERS, progress));
    }
  } finally {
    await session.verifier.close();
  }
  return {
    formatVersion: 1,
    startedAt,
    minutes: Math.round((performance.now() - startedMs) / 6_000) / 10,
    command,
    isQuick: options.isQuick,
    commit,
    machine,
    fixtures: facts,
    contenders: session.plans.flatMap(({ id }) => session.facts.get(id) ?? []),
    missing: [...missing, ...session.missing.lines],
    latency,
    inputToProof,
    throughput,
    msm,
    verifiedProofs: session.verifier.count,
  };
}

function chosenPlans({ peers, contenders }: Options) {
  const plans = contenderPlans(peers, availableParallelism());
  if (contenders === undefined) return plans;
  const known = plans.map(({ id }) => id);
  const strange = contenders.find((id) => !known.includes(id));
  if (strange !== undefined) {
    throw new UsageError(`--contenders: got "${strange}", expected some of ${known.join(",")}`);
  }
  return plans.filter(({ id }) => contenders.includes(id));
}

function factsOf({ id, kind, log2, constraints, zkeyBytes }: Fixture): FixtureFacts {
  return { id, kind, log2, constraints, zkeyBytes };
}
