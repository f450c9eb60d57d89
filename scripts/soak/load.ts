/** Callers of every kind, well and badly behaved, who see to it that each of their jobs ends once. */
import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../gen/prover/v1/job_pb.ts";
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import { Caller } from "../../prover/caller.ts";
import { ProverClient, type SubmitRequest } from "../../prover/client.ts";
import { type Ending, JobLedger } from "../../test/prover/job-ledger.ts";
import type { SeededRandom } from "../../test/prover/seeded-random.ts";
import { chainRequest, productRequest, stubbornRequest } from "../../test/prover/test-server.ts";

/** A restart takes seconds, on a busy machine many. */
const PATIENCE_MS = 180_000;

export class SoakLoad {
  readonly ends: Record<Ending["how"], number> = {
    proved: 0,
    failed: 0,
    cancelled: 0,
    expired: 0,
    lost: 0,
  };
  doubled = 0;
  /** What went wrong that is neither: a proof that is not valid, a call that should not fail. */
  readonly faults: string[] = [];
  readonly #address: string;
  readonly #random: SeededRandom;
  #isOver = false;

  constructor(address: string, { random }: { readonly random: SeededRandom }) {
    this.#address = address;
    this.#random = random;
  }

  get jobs(): number {
    return Object.values(this.ends).reduce((sum, count) => sum + count, 0);
  }

  /** One caller after the other, until `stop`. */
  async lane(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#caller();
      } catch (error) {
        this.faults.push(String(error));
      }
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  async #caller(): Promise<void> {
    const client = new ProverClient({ address: this.#address, patienceMs: PATIENCE_MS });
    const ledger = new JobLedger();
    try {
      const behaviours = [
        ...new Array(6).fill(this.#prove),
        ...new Array(2).fill(this.#repeat),
        ...new Array(2).fill(this.#cancel),
        ...new Array(2).fill(this.#vanish),
        this.#cancelDeaf,
        this.#expire,
        this.#mistake,
      ] as ((client: ProverClient, ledger: JobLedger) => Promise<void>)[];
      await behaviours[this.#random.below(behaviours.length)]?.call(this, client, ledger);
      for (const requestId of ledger.accepted.keys()) {
        const ending = await ledger.endingOf(client, requestId);
        this.ends[ending.how]++;
        if (ending.isDoubled) this.doubled++;
      }
    } finally {
      client.close();
    }
  }

  #request(): SubmitRequest {
    return this.#random.chance(0.6) ? productRequest() : chainRequest();
  }

  async #submit(client: ProverClient, ledger: JobLedger, request: SubmitRequest): Promise<string> {
    const { job } = await client.submit(request);
    ledger.accepted.set(request.requestId as string, job?.jobId ?? "");
    return job?.jobId ?? "";
  }

  async #prove(client: ProverClient, ledger: JobLedger): Promise<void> {
    await client.wait({ jobId: await this.#submit(client, ledger, this.#request()) });
  }

  async #repeat(client: ProverClient, ledger: JobLedger): Promise<void> {
    const request = this.#request();
    const first = await this.#submit(client, ledger, request);
    await sleep(this.#random.below(500));
    const second = await this.#submit(client, ledger, request);
    if (second !== first) this.doubled++;
  }

  async #cancel(client: ProverClient, ledger: JobLedger): Promise<void> {
    const jobId = await this.#submit(client, ledger, this.#request());
    await sleep(this.#random.below(800));
    await client.cancel({ jobId });
  }

  /** Its thread has to be ended. */
  async #cancelDeaf(client: ProverClient, ledger: JobLedger): Promise<void> {
    const jobId = await this.#submit(client, ledger, stubbornRequest());
    while ((await client.get({ jobId })).state === JobState.QUEUED) await sleep(50);
    await client.cancel({ jobId });
  }

  async #expire(client: ProverClient, ledger: JobLedger): Promise<void> {
    const expireTime = timestampFromMs(Date.now() + 2_000);
    await this.#submit(client, ledger, stubbornRequest({ expireTime }));
  }

  /** Leaves in the middle of a stream. */
  async #vanish(client: ProverClient, ledger: JobLedger): Promise<void> {
    const caller = new Caller({ address: this.#address });
    const request = this.#request();
    const leave = new AbortController();
    try {
      const stream = caller.stream(
        ProverService.method.prove,
        { submit: request, cancelOnDisconnect: this.#random.chance(0.5) } as never,
        { signal: leave.signal },
      );
      for await (const { event } of stream) {
        ledger.accepted.set(request.requestId as string, event?.job?.jobId ?? "");
        setTimeout(() => leave.abort(), this.#random.below(400));
      }
    } catch {
      // It left, or the service restarted; what had been accepted is known.
    } finally {
      caller.close();
    }
    // Never both: a job that goes on although nobody waits must not hold up the others for long.
    for (const requestId of ledger.accepted.keys()) await client.get({ requestId });
  }

  async #mistake(client: ProverClient): Promise<void> {
    const value = Buffer.from('{"a": 1}');
    const refused = await client
      .submit(productRequest({ input: { case: "inputJson", value } }))
      .catch((error: { code?: string }) => error.code);
    if (refused !== "INVALID_ARGUMENT") this.faults.push(`a bad input: got ${refused}`);
  }
}
