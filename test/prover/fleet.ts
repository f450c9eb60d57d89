// Several processes of the service on one PostgreSQL, for tests that do them harm.
import { setTimeout as sleep } from "node:timers/promises";
import { ProverClient } from "../../prover/client.ts";
import type { JobLedger } from "./job-ledger.ts";
import { type Cluster, startCluster } from "./postgres-cluster.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { ServedProcess } from "./served-process.ts";
import { chainRequest, productRequest } from "./test-server.ts";

export type FleetRole = "api" | "worker" | "all";

/** The shortest that there is: whoever is silent for so long has lost its job. */
export const LEASE_MS = 3_000;

const SETTINGS = {
  PROVER_LEASE_MS: String(LEASE_MS),
  PROVER_THREADS: "1",
  // Each kill takes an attempt from what runs.
  PROVER_ATTEMPTS_MAX: "10",
  PROVER_QUEUE_MAX: "2000",
} as const;

/** How many harms of one kind a test does. */
export const TIMES = process.env.HEAVY ? 100 : 20;

/** Processes by a place in an array: a dead one's place is taken by its successor. */
export class Fleet implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly members: ServedProcess[] = [];
  readonly #roles: FleetRole[] = [];
  /** Ports stay when processes go, for clients that know them. */
  readonly #ports: number[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async start(roles: readonly FleetRole[]): Promise<Fleet> {
    const fleet = new Fleet(await startCluster());
    const launched = await Promise.allSettled(roles.map((role, i) => fleet.launch(i, role)));
    const failed = launched.find(({ status }) => status === "rejected");
    if (failed === undefined) return fleet;
    await fleet[Symbol.asyncDispose]();
    throw (failed as PromiseRejectedResult).reason;
  }

  /** Starts a process, in the place of one that has ended. */
  async launch(place: number, role: FleetRole = this.#roles[place] ?? "all"): Promise<void> {
    this.members[place] = await ServedProcess.start({
      store: this.cluster.url("fleet"),
      settings: {
        ...SETTINGS,
        PROVER_ROLE: role,
        PROVER_LISTEN: `127.0.0.1:${this.#ports[place] ?? 0}`,
      },
    });
    this.#roles[place] = role;
    this.#ports[place] = this.at(place).port;
  }

  at(place: number): ServedProcess {
    const member = this.members[place];
    if (member === undefined) throw new Error(`nobody at ${place}`);
    return member;
  }

  /** kill -9, and its clients with it. */
  async kill(place: number): Promise<void> {
    await this.at(place)[Symbol.asyncDispose]();
  }

  /**
   * Kills so often one of these at a random moment, and starts another in its place meanwhile: at
   * least one of them is always there.
   */
  async killOften(times: number, places: readonly number[], random: SeededRandom): Promise<void> {
    const launching = new Map<number, Promise<void>>();
    for (let kill = 0; kill < times; kill++) {
      await sleep(random.below(1_500));
      const place = places[random.below(places.length)] as number;
      await launching.get(place);
      while (launching.size === places.length - 1) await Promise.race(launching.values());
      await this.kill(place);
      const launch = this.launch(place).finally(() => launching.delete(place));
      launching.set(place, launch);
    }
    await Promise.all(launching.values());
  }

  /** A client of the api processes at these places; it goes on with another when one is gone. */
  client(...places: number[]): ProverClient {
    const address = places.map((place) => `127.0.0.1:${this.#ports[place]}`);
    return new ProverClient({ address, patienceMs: 60_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member?.[Symbol.asyncDispose]()));
    await this.cluster.close();
  }
}

/** Jobs of one caller that it lets wait before it submits the next one: a slow machine gets fewer jobs. */
const AHEAD_MAX = 6;

/** Submits small and larger proofs at random moments until the signal aborts; what fails is not repeated. */
export async function submitUntil(
  signal: AbortSignal,
  { client, ledger, random }: { client: ProverClient; ledger: JobLedger; random: SeededRandom },
): Promise<void> {
  const open: string[] = [];
  while (!signal.aborted) {
    const job = await ledger.submit(client, random.chance(0.8) ? productRequest() : chainRequest());
    if (job !== undefined) open.push(job.jobId);
    await sleep(random.below(200));
    // A wait that a fault cuts off is over, too.
    if (open.length > AHEAD_MAX) {
      await client.get({ jobId: open.shift() ?? "" }, { waitMs: 5_000 }).catch(() => {});
    }
  }
}

/**
 * Submits everything once more: what a fault cut off was accepted or not, and is now; what was
 * accepted must be the same job still.
 */
export async function submitAgain(client: ProverClient, ledger: JobLedger): Promise<void> {
  for (const request of ledger.requests) {
    const requestId = request.requestId as string;
    const { job, created } = await client.submit(request);
    const known = ledger.accepted.get(requestId);
    if (known !== undefined && (created || job?.jobId !== known)) {
      throw new Error(`${requestId}: accepted as ${known}, and now ${job?.jobId} is made of it`);
    }
    ledger.accepted.set(requestId, job?.jobId ?? "");
  }
}
