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

  /** Makes the server refuse new jobs and finish the accepted ones. @returns what is left to do. */
  drain(options: CallOptions = {}): Promise<DrainResponse> {
    return this.#caller.unary(AdminService.method.drain, {}, options);
  }

  /** The threads that prove. */
  async listWorkers(options: CallOptions = {}): Promise<readonly Worker[]> {
    return (await this.#caller.unary(AdminService.method.listWorkers, {}, options)).workers;
  }

  /** Queues a dead letter again; FAILED_PRECONDITION if the job is none, or none any more. */
  /** @param options.owner  whose request id it is, where the service tells callers apart. */
  async retry(
    name: JobName,
    { owner = "", ...options }: CallOptions & { readonly owner?: string } = {},
  ): Promise<Job | undefined> {
    const request = { reference: referenceOf(name), owner };
    return (await this.#caller.unary(AdminService.method.retryProof, request, options)).job;
  }

  /** @returns how many jobs were forgotten; when the call had to be repeated, by its last attempt. */
  async purge(
    filter: MessageInitShape<typeof PurgeProofsRequestSchema>,
    options: CallOptions = {},
  ): Promise<number> {
    const method = AdminService.method.purgeProofs;
    return (await this.#caller.unary(method, filter, options)).purgedCount;
  }

  /** Makes the server copy its store. @returns the file, on the server's machine. */
  backup(options: CallOptions = {}): Promise<BackupStoreResponse> {
    return this.#caller.unary(AdminService.method.backupStore, {}, options);
  }

  close(): void {
    this.#caller.close();
  }
}
