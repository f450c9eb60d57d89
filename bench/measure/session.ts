/** What all measurements of a run share. */
import type { Contender, Placement } from "../contenders/contender.ts";
import type { ContenderPlan } from "../contenders/list.ts";
import type { Fixture } from "../fixtures/fixture.ts";
import type { Options } from "../options.ts";
import type { ContenderFacts } from "../report/result.ts";
import type { Verifier } from "./verifier.ts";

export interface Session {
  readonly options: Options;
  /** Those that take part. */
  readonly plans: readonly ContenderPlan[];
  readonly cores: number;
  readonly verifier: Verifier;
  readonly missing: MissingList;
  /** Filled as contenders say who they are. */
  readonly facts: Map<string, ContenderFacts>;
  progress(text: string, done?: number): void;
}

/** What cannot be measured, each thing once. */
export class MissingList {
  readonly #lines = new Map<string, string>();
  /** Contenders that are not there at all. */
  readonly #absent = new Set<string>();

  get lines(): string[] {
    return [...this.#lines.values()];
  }

  isAbsent(contender: string): boolean {
    return this.#absent.has(contender);
  }

  /** A contender that cannot be opened is not tried again. */
  addAbsent(contender: string, why: string): void {
    this.#absent.add(contender);
    this.add(contender, why);
  }

  add(what: string, why: string): void {
    if (!this.#lines.has(what)) this.#lines.set(what, `${what}: ${withoutFolders(why)}`);
  }
}

/** Results are published: what lies where on one machine stays out of them. */
function withoutFolders(text: string): string {
  return text.replaceAll(/(?:file:\/\/)?\/(?:[\w.@+-]+\/)+/g, "");
}

/**
 * Opens a contender, unless it is not there or is not what it was asked to be; then that is noted.
 */
export async function tryOpen(
  session: Session,
  plan: ContenderPlan,
  fixture: Fixture,
  placement: Placement,
): Promise<Contender | undefined> {
  const { missing, facts } = session;
  if (missing.isAbsent(plan.id)) return undefined;
  if (plan.maxLog2 !== undefined && fixture.log2 > plan.maxLog2) return undefined;
  session.progress(`${fixture.id}: ${plan.title} loads the key`);
  try {
    const contender = await plan.open(fixture, placement);
    const { engineName } = contender.loaded;
    if (!engineName.startsWith(plan.engine)) {
      await contender.close();
      missing.addAbsent(plan.id, `asked for the engine ${plan.engine}, got ${engineName}`);
      return undefined;
    }
    const { id, title, role, threads, includesKeyLoad = false } = plan;
    facts.set(id, { id, title, role, threads, engineName, includesKeyLoad });
    return contender;
  } catch (error) {
    missing.addAbsent(plan.id, messageOf(error));
    return undefined;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
