import type { Logger } from "pino";
import { AdminService } from "../gen/prover/v1/admin_pb.ts";
import type { Opener } from "../worker/hosting/hosted.ts";
import { Access } from "./access/access.ts";
import { openAccessList } from "./access/access-list.ts";
import { Quotas } from "./access/quotas.ts";
import { type AdminDependencies, adminService } from "./admin.ts";
import { Backups } from "./backups.ts";
import { CallerPort } from "./caller-port.ts";
import type { Config } from "./config.ts";
import { chooseEngine, type ServedEngine } from "./engine.ts";
import { faultOf } from "./fault.ts";
import type { CallReport } from "./grpc.ts";
import { IntakePool } from "./intake-pool.ts";
import type { JobStore } from "./job-store.ts";
import { Listener } from "./listener.ts";
import { openCertificates } from "./listening/certificates.ts";
import type { Refusal } from "./listening/front.ts";
import { Reloader } from "./listening/reloaded.ts";
import { EventLoopWatch } from "./observe/event-loop.ts";
import { Health } from "./observe/health.ts";
import { History } from "./observe/history.ts";
import { checkFiles, loadKeys } from "./observe/loading.ts";
import { Metrics } from "./observe/metrics.ts";
import { observedStore } from "./observe/observed-store.ts";
import { toAll } from "./observe/observer.ts";
import { Overview } from "./observe/overview.ts";
import { openPages } from "./observe/pages.ts";
import { SpanExporter } from "./observe/span-exporter.ts";
import { StatusReporter } from "./observe/status-report.ts";
import { StoreWatch } from "./observe/store-watch.ts";
import { Traces } from "./observe/traces.ts";
import { WorkerPool } from "./pool.ts";
import { Scheduler } from "./scheduler.ts";
import { openStore } from "./stores/open.ts";

export interface ServerDependencies {
  readonly log: Logger;
  /** Undefined: the one that the configuration names. */
  readonly store?: JobStore;
  /** For tests: what takes the place of Vulkan. */
  readonly opener?: Opener;
}

export interface RunningServer {
  /** Port of ProverService. 0: there is none in this role. */
  readonly port: number;
  /** Port of AdminService. */
  readonly adminPort: number;
  /** The parts, for tests that break them. */
  readonly pool: WorkerPool;
  /** Reads certificates and the access file again. A version that cannot be used is logged and changes nothing. */
  reload(): Promise<void>;
  /**
   * Refuses new jobs, reports NOT_SERVING, finishes accepted jobs for at most `drainMs`, then ends
   * everything. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Starts the proving service: opens the admin port, which tells how far it is, loads and checks the
 * circuits, starts the threads, then opens the port for callers.
 *
 * @throws ArtefactError, ProverError or Error (address in use, unreadable certificate); then
 *   nothing is left running.
 */
export async function startServer(
  config: Config,
  { log, store: given, opener }: ServerDependencies,
): Promise<RunningServer> {
  const certificates = await openCertificates(config);
  for (const subject of certificates?.value.untimely ?? []) {
    log.warn({ subject }, "certificate is past its end or not yet valid");
  }
  const accessList = await openAccessList(config.accessFile);
  const reloaded = [certificates, accessList].filter((files) => files !== undefined);
  const reloader = new Reloader(reloaded, { everyMs: config.reloadMs, log });
  const quotas = new Quotas();
  const health = new Health();
  const overview = new Overview(config, { health });
  overview.show({ certificates });
  const metrics = new Metrics(overview);
  const history = new History();
  const exporter =
    config.tracesUrl === "" ? undefined : new SpanExporter(config.tracesUrl, { log });
  const traces = exporter && [new Traces({ add: (span) => exporter.add(span) })];
  const observer = toAll([metrics, history, ...(traces ?? [])]);
  const report = (call: CallReport) => {
    reportCall(log, call);
    observer.callEnded(call);
  };
  const listening = {
    access: new Access(accessList),
    quotas,
    certificates,
    report,
    onRefusal(refusal: Refusal) {
      log.debug({ refusal }, "connection refused");
      observer.connectionRefused(refusal);
    },
    onFault: (error: unknown) => log.error({ fault: faultOf(error) }, "page failed"),
  };
  /** What has begun, in the order in which it ends. */
  const closers: (() => unknown)[] = [() => reloader.close(), () => exporter?.close()];
  const closeParts = async () => {
    for (const close of closers) await close();
  };
  try {
    const reporter = new StatusReporter({ overview, history });
    const web = await openPages({ overview, metrics, reporter });
    const loop = new EventLoopWatch({}, (delayMs, isResponsive) => {
      observer.loopDelayed(delayMs);
      if (health.answers.liveness !== isResponsive) health.update({ isResponsive });
    });
    closers.unshift(() => loop.stop());

    let administration: AdminDependencies | undefined;
    const admin = new Listener(
      config,
      AdminService,
      adminService(() => administration),
      { ...listening, web },
    );
    health.onUpdate((answers) => admin.setProbes(answers));
    const adminPort = await admin.listen(config.adminListen);
    closers.unshift(() => admin.close());
    admin.setHealth(true);
    log.info({ adminPort }, "loading");

    const loading = { overview, log };
    const circuits = await checkFiles(config, loading);
    const engine = await chooseEngine(config, { isProving: config.role !== "api", opener });
    closers.unshift(() => engine.close());
    tellEngine(engine, { log, health });
    overview.show({ circuits, engine });
    const bareStore = given ?? (await openStore(config.store, config));
    if (given === undefined) closers.unshift(() => bareStore.close());
    const store = observedStore(bareStore, observer);
    const storeWatch = new StoreWatch(
      {},
      { store: bareStore, log, onChange: (isStoreUp) => health.update({ isStoreUp }) },
    );
    closers.unshift(() => storeWatch.stop());
    overview.show({ store, storeWatch });
    const { role } = config;
    const threads = role === "api" ? 0 : config.threads;
    const pool = new WorkerPool({ ...config, threads }, { engine });
    closers.unshift(() => pool.close());
    if (threads > 0) await loadKeys({ circuits, pool }, config, loading);

    // Without threads it proves nothing, and still keeps house.
    const scheduler = new Scheduler(config, { store, pool, circuits, log, observer });
    overview.show({ scheduler });
    let callers: CallerPort | undefined;
    if (role !== "worker") {
      const intake = new IntakePool({
        threads: config.intakeThreads,
        waitingMax: config.intakeMax,
        waitingMaxBytes: config.intakeMaxBytes,
      });
      closers.unshift(() => intake.close());
      overview.show({ intake });
      const parts = { store, circuits, intake, engine, health, listening };
      callers = await CallerPort.open(config, parts);
      closers.unshift(() => callers?.close());
    }
    const port = callers?.port ?? 0;
    const beginDrain = () => {
      callers?.refuse();
      // Others on the same store take the waiting jobs; without callers nothing else is to be drained.
      if (callers === undefined) void scheduler.drain();
      health.update({ phase: "draining" });
    };
    const backups = new Backups(config, { store });
    administration = { store, scheduler, backups, beginDrain, log };
    scheduler.start();
    health.update({ phase: "serving" });
    const { name, refused } = engine;
    log.info({ role, port, adminPort, engine: name, refused, threads }, "serving");

    const closeAll = async () => {
      log.info("draining");
      beginDrain();
      await withinMs(scheduler.drain(), config.drainMs);
      // Stopping first lets watchers see the end of their jobs.
      await scheduler.stop();
      await Promise.all([callers?.close(), admin.close()]);
      await closeParts();
      log.info("closed");
    };
    let closing: Promise<void> | undefined;
    return {
      port,
      adminPort,
      pool,
      reload: () => reloader.reload(),
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

/** Says what was chosen, and what becomes of it. */
function tellEngine(
  engine: ServedEngine,
  { log, health }: { readonly log: Logger; readonly health: Health },
): void {
  const { name, refused, keeper } = engine;
  log.info({ engine: name, refused, device: keeper?.device }, "engine chosen");
  engine.onNews((news) => {
    health.update({ isEngineUp: engine.isUp });
    const device = keeper?.device?.name;
    if (news.kind === "ready") {
      log.info({ device, engine: engine.name }, "device is back");
      return;
    }
    const { message, detail } = news.error;
    const fields = { device, failure: detail.gpu, message, engine: engine.name };
    if (news.kind === "reopening") log.warn(fields, "device lost: it is opened again");
    else if (news.kind === "too small") {
      log.warn({ ...fields, zkeySha256: news.zkeySha256 }, "device too small for a key");
    } else if (news.isFinal) log.error(fields, "device given up: another engine goes on");
    else log.error(fields, "device away: proofs wait until it can be opened again");
  });
}

function reportCall(
  log: Logger,
  { method, elapsedMs, error, isAbandoned, caller }: CallReport,
): void {
  const fields = {
    method,
    elapsedMs: Math.round(elapsedMs),
    code: error?.code,
    isAbandoned,
    caller,
  };
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
