import type { Logger } from "pino";
import { AdminService } from "../gen/prover/v1/admin_pb.ts";
import { ProverService } from "../gen/prover/v1/prover_pb.ts";
import { adminService } from "./admin.ts";
import { type CircuitRegistry, loadCircuits } from "./circuits.ts";
import type { Config } from "./config.ts";
import { chooseEngine } from "./engine.ts";
import { ProverError } from "./errors.ts";
import { faultOf } from "./fault.ts";
import type { CallReport } from "./grpc.ts";
import { IntakePool } from "./intake-pool.ts";
import type { JobStore } from "./job-store.ts";
import { Listener, serverCredentials } from "./listener.ts";
import { WorkerPool } from "./pool.ts";
import { Scheduler } from "./scheduler.ts";
import { proverService } from "./service.ts";
import { openStore } from "./stores/open.ts";
import { Submissions } from "./submissions.ts";

export interface ServerDependencies {
  readonly log: Logger;
  /** Undefined: the one that the configuration names. */
  readonly store?: JobStore;
}

export interface RunningServer {
  /** Port of ProverService. */
  readonly port: number;
  /** Port of AdminService. */
  readonly adminPort: number;
  /** The parts, for tests that break them. */
  readonly pool: WorkerPool;
  /**
   * Refuses new jobs, reports NOT_SERVING, finishes accepted jobs for at most `drainMs`, then ends
   * everything. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Starts the proving service: loads and checks the circuits, starts the threads, then listens.
 *
 * @throws ArtefactError, ProverError or Error (address in use, unreadable certificate); then
 *   nothing is left running.
 */
export async function startServer(
  config: Config,
  { log, store: given }: ServerDependencies,
): Promise<RunningServer> {
  const credentials = serverCredentials(config);
  const circuits = await loadCircuits(config);
  for (const { id, developmentKeys } of circuits.all) {
    if (developmentKeys) log.warn({ circuitId: id }, "development keys: proofs can be forged");
  }

  const engine = await chooseEngine(config);
  const store = given ?? (await openStore(config.store, config));
  const pool = new WorkerPool(config, { engine });
  const intake = new IntakePool({ threads: config.intakeThreads, waitingMax: config.intakeMax });
  const closeParts = async () => {
    await Promise.all([pool.close(), intake.close()]);
    if (given === undefined) await store.close();
  };
  try {
    await warmUp(pool, circuits, config.allowDevKeys);
    const submissions = new Submissions(config, { store, circuits, intake });
    const scheduler = new Scheduler(config, { store, pool, circuits, log });
    const beginDrain = () => {
      submissions.close();
      service.setHealth("NOT_SERVING");
    };
    const report = (call: CallReport) => reportCall(log, call);
    const service = new Listener(
      config,
      ProverService,
      proverService(config, { store, circuits, submissions, intake, engine }),
      { report },
    );
    const admin = new Listener(
      config,
      AdminService,
      adminService({ store, scheduler, beginDrain, log }),
      { report },
    );
    const port = await service.listen(config.listen, credentials);
    const adminPort = await admin.listen(config.adminListen, credentials).catch(async (error) => {
      await service.close();
      throw error;
    });
    scheduler.start();
    service.setHealth("SERVING");
    admin.setHealth("SERVING");
    const { name, refused } = engine;
    log.info({ port, adminPort, engine: name, refused, threads: config.threads }, "serving");

    const closeAll = async () => {
      log.info("draining");
      beginDrain();
      await withinMs(scheduler.drain(), config.drainMs);
      // Stopping first lets watchers see the end of their jobs.
      await scheduler.stop();
      await Promise.all([service.close(), admin.close()]);
      await closeParts();
      log.info("closed");
    };
    let closing: Promise<void> | undefined;
    return {
      port,
      adminPort,
      pool,
      close() {
        closing ??= closeAll();
        return closing;
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}

/**
 * Loads every key, and what each thread needs to use it, so that a server that reports SERVING can
 * prove at once, and a key that cannot be used stops it here.
 */
async function warmUp(
  pool: WorkerPool,
  circuits: CircuitRegistry,
  allowDevKeys: boolean,
): Promise<void> {
  for (const { artefacts } of circuits.all) {
    const warming = pool.slots.map((slot) => slot.warm({ kind: "warm", artefacts, allowDevKeys }));
    for (const result of await Promise.all(warming)) {
      if (result.kind === "failed") throw new ProverError(result.code, result.message);
    }
  }
}

function reportCall(log: Logger, { method, elapsedMs, error, isAbandoned }: CallReport): void {
  const fields = { method, elapsedMs: Math.round(elapsedMs), code: error?.code, isAbandoned };
  // The message may quote the request, so the log has the code only.
  if (error?.code === "BUG") log.error({ ...fields, fault: faultOf(error) }, "call failed");
  else log.debug(fields, "call ended");
}

async function withinMs(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
