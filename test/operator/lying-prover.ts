// A proving service that has its proofs made by an honest one and lies about them: what an attacker who has taken over
// the prover, or sits on the line to it, could send.

import * as grpc from "@grpc/grpc-js";
import type { ProofResult } from "../../gen/prover/v1/job_pb.ts";
import { type JobEvent, ProverService } from "../../gen/prover/v1/prover_pb.ts";
import { ProverClient } from "../../prover/client.ts";
import { addService, type Handlers } from "../../prover/grpc.ts";

export type Lie = (result: ProofResult) => void;

export class LyingProver {
  readonly address: string;
  /** Request ids as they were asked for. */
  readonly requests: string[] = [];
  /** Each is told once, in order; after them the truth. */
  readonly lies: Lie[] = [];
  readonly #server: grpc.Server;
  readonly #honest: ProverClient;

  private constructor(address: string, server: grpc.Server, honest: ProverClient) {
    this.address = address;
    this.#server = server;
    this.#honest = honest;
  }

  static async start(honestAddress: string): Promise<LyingProver> {
    const server = new grpc.Server();
    const honest = new ProverClient({ address: honestAddress });
    let prover: LyingProver | undefined;
    const handlers: Partial<Handlers<typeof ProverService>> = {
      async submitProof(request) {
        prover?.requests.push(request.requestId);
        // Further attempts at a batch differ in their name alone: one honest proof does for all lies about it.
        const requestId = request.requestId.replace(/-\d+$/, "");
        return honest.submit({ ...request, requestId });
      },
      async *watchProof({ reference, afterSequence }) {
        const jobId = String(reference.value);
        for await (const event of honest.watch({ jobId }, { afterSequence })) {
          yield { event: prover?.tamper(event) ?? event };
        }
      },
      async cancelProof({ reference }) {
        return { job: await honest.cancel({ jobId: String(reference.value) }) };
      },
    };
    addService(server, ProverService, handlers as Handlers<typeof ProverService>, () => {});
    const port = await new Promise<number>((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure();
      server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    prover = new LyingProver(`127.0.0.1:${port}`, server, honest);
    return prover;
  }

  tamper(event: JobEvent): JobEvent {
    if (event.job?.result) this.lies.shift()?.(event.job.result);
    return event;
  }

  close(): void {
    this.#honest.close();
    this.#server.forceShutdown();
  }
}
