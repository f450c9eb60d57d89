// What a fault test submitted, and whether the service did with it what it promised.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Job, JobState } from "../../gen/prover/v1/job_pb.ts";
import type { ProverClient, SubmitRequest } from "../../prover/client.ts";
import { fromBytesBE } from "../../worker/field.ts";
import { verify } from "../../worker/library.ts";
import { smallCircuits } from "./small-circuits.ts";

/** How the accepted jobs ended. */
export interface Tally {
  readonly jobs: number;
  readonly proved: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  /** Accepted and then unknown, or known under another job id. */
  readonly lost: number;
  /** There twice, or ended twice. */
  readonly doubled: number;
  /** Most attempts that one took. */
  readonly attempts: number;
}

export interface Ending {
  readonly how: "proved" | "failed" | "cancelled" | "expired" | "lost";
  readonly attempts: number;
  readonly isDoubled: boolean;
}

const HOW = {
  [JobState.SUCCEEDED]: "proved",
  [JobState.FAILED]: "failed",
  [JobState.CANCELLED]: "cancelled",
  [JobState.EXPIRED]: "expired",
} as const;

/** Longer than any job of a fault test waits and runs, on a machine that does much else. */
const END_MS = 240_000;

export class JobLedger {
  /** Job ids by request id. */
  readonly accepted = new Map<string, string>();
  /** Refusals by gRPC status. */
  readonly refused = new Map<string, number>();
  readonly requests: SubmitRequest[] = [];
  /** Put back into the line by hand: they may end a second time. */
  readonly retried = new Set<string>();
  readonly #keys = new Map<string, Promise<object>>();

  /** Submits; an answer that does not come leaves open whether the job was accepted. */
  async submit(client: ProverClient, request: SubmitRequest): Promise<Job | undefined> {
    this.requests.push(request);
    try {
      const { job } = await client.submit(request);
      this.accepted.set(request.requestId as string, job?.jobId ?? "");
      return job;
    } catch (error) {
      const { code = "UNKNOWN" } = error as { code?: string };
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      return undefined;
    }
  }

  /** Waits until every accepted job has ended, and looks at each of them and at all there are. */
  async audit(client: ProverClient): Promise<Tally> {
    const tally = { jobs: 0, proved: 0, failed: 0, cancelled: 0, expired: 0, lost: 0 };
    let [doubled, attempts] = [0, 0];
    for (const requestId of this.accepted.keys()) {
      tally.jobs++;
      const ending = await this.endingOf(client, requestId);
      tally[ending.how]++;
      attempts = Math.max(attempts, ending.attempts);
      if (ending.isDoubled) doubled++;
    }
    const ids = new Set<string>();
    for await (const { requestId } of client.list({ pageSize: 500 })) {
      if (ids.has(requestId)) doubled++;
      ids.add(requestId);
    }
    return { ...tally, doubled, attempts };
  }

  /**
   * How an accepted job ended, once it has.
   *
   * @throws Error if it does not end, failed without a reason, or has a proof that is not valid.
   */
  async endingOf(client: ProverClient, requestId: string): Promise<Ending> {
    const job = await client.get({ requestId }, { waitMs: END_MS }).catch(unlessUnknown);
    if (job === undefined || job.jobId !== this.accepted.get(requestId)) {
      return { how: "lost", attempts: 0, isDoubled: false };
    }
    const { attempts } = job;
    const how = HOW[job.state as keyof typeof HOW];
    if (how === undefined) throw new Error(`${requestId} has not ended: state ${job.state}`);
    if (how === "proved") await this.#verify(job);
    if (how === "failed" && !job.failure?.reason) throw new Error(`${requestId}: no reason`);
    const isDoubled = !this.retried.has(requestId) && (await hasGoneOn(client, job));
    return { how, attempts, isDoubled };
  }

  /** @throws Error if the proof is not a valid one, by the key of the set-up rather than the service's word. */
  async #verify({ circuitId, requestId, result }: Job): Promise<void> {
    const proof = JSON.parse(Buffer.from(result?.snarkjsProofJson ?? []).toString());
    const signals = (result?.publicSignals ?? []).map(fromBytesBE);
    if (await verify(await this.#keyOf(circuitId), signals, proof)) return;
    throw new Error(`${requestId}: the proof is not valid`);
  }

  #keyOf(circuitId: string): Promise<object> {
    const known = this.#keys.get(circuitId) ?? readKey(circuitId);
    this.#keys.set(circuitId, known);
    return known;
  }
}

/** One line of the table of faults. */
export function faultLine(
  fault: string,
  times: number,
  { jobs, lost, doubled, ...ends }: Tally,
  seed?: number,
): void {
  const how = `${ends.proved} proved, ${ends.failed} failed, ${ends.cancelled} cancelled, ${ends.expired} expired`;
  const from = seed === undefined ? "" : ` (SEED=${seed})`;
  process.stdout.write(
    `FAULT ${fault}: ${times} times, ${jobs} jobs (${how}), ${lost} lost, ${doubled} doubled${from}\n`,
  );
}

async function readKey(circuitId: string): Promise<object> {
  const path = join(await smallCircuits(), circuitId, "verification_key.json");
  return JSON.parse(await readFile(path, "utf8")) as object;
}

/** Whether something came after the first end of a job. */
async function hasGoneOn(client: ProverClient, { jobId }: Job): Promise<boolean> {
  const last = async (afterSequence: bigint) => {
    let sequence = 0n;
    for await (const event of client.watch({ jobId }, { afterSequence })) sequence = event.sequence;
    return sequence;
  };
  // From its first event to its first end; and as it stands.
  return (await last(1n)) !== (await last(0n));
}

function unlessUnknown(error: unknown): undefined {
  if ((error as { code?: string }).code === "NOT_FOUND") return undefined;
  throw error;
}
