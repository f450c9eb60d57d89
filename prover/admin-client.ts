import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AdminService,
  type BackupStoreResponse,
  type DrainResponse,
  type PurgeProofsRequestSchema,
  type Worker,
} from "../gen/prover/v1/admin_pb.ts";
import type { Job } from "../gen/prover/v1/job_pb.ts";
import { Caller, type CallerOptions, type CallOptions } from "./caller.ts";
import { type JobName, referenceOf } from "./client.ts";

/** The client of AdminService, for those who run the service. Methods throw ProverClientError. */
export class AdminClient {
  readonly #caller: Caller;

  constructor(options: CallerOptions) {
    this.#caller = new Caller(options);
  }

  drain(): Promise<DrainResponse> {
    return this.#caller.unary(AdminService.method.drain, {});
  }

  async listWorkers(): Promise<readonly Worker[]> {
    return (await this.#caller.unary(AdminService.method.listWorkers, {})).workers;
  }

  async retry(name: JobName): Promise<Job | undefined> {
    const reference = referenceOf(name);
    return (await this.#caller.unary(AdminService.method.retryProof, { reference })).job;
  }

  /** @returns how many jobs were forgotten. */
  async purge(filter: MessageInitShape<typeof PurgeProofsRequestSchema>): Promise<number> {
    return (await this.#caller.unary(AdminService.method.purgeProofs, filter)).purgedCount;
  }

  /** Makes the server copy its store. @returns the file, on the server's machine. */
  backup(options: CallOptions = {}): Promise<BackupStoreResponse> {
    return this.#caller.unary(AdminService.method.backupStore, {}, options);
  }

  close(): void {
    this.#caller.close();
  }
}
